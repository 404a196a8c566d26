//! Accounts: SIP credentials. Only the digest secrets are kept, never a password.

use super::rules;
use super::trunks::keep_apart;
use crate::known::cut;
use crate::listing::{Column, Filter, Found, Listing, Owner, Test, Wanted};
use crate::sql::{args, in_scope, statements, stored};
use crate::{Db, OpContext, Page, StoreError, check};
use core::net::SocketAddr;
use ipnet::IpNet;
use model::{Account, AccountId, AccountRules, CompanyId, Forward, Ha1, MediaSecurity};

macro_rules! columns {
    () => {
        "id, company_id, username, display_name, ha1_md5, ha1_sha256, direct, enabled, media_security, rules"
    };
}

statements! { "account";
    CREATE = concat!("INSERT INTO accounts (brand_id, company_id, username, display_name, ha1_md5, ha1_sha256, direct,
        enabled) SELECT brand_id, id, $4, $5, $6, $7, $8, CAST($9 AS BOOLEAN) FROM companies
        WHERE id = $3 AND ", in_scope!("brand_id", "id"), " RETURNING ", columns!());
    GET = concat!("SELECT ", columns!(), " FROM accounts WHERE id = $3 AND ", in_scope!());
    FIND = concat!("SELECT ", columns!(), " FROM accounts WHERE company_id = $3 AND username = $4 AND ", in_scope!());
    UPDATE = concat!("UPDATE accounts SET display_name = $4, ha1_md5 = $5, ha1_sha256 = $6, direct = $7,
        enabled = $8, media_security = $9, rules = $10
        WHERE id = $3 AND ", in_scope!(), " RETURNING ", columns!());
    CHANGE_OWN = concat!("UPDATE accounts SET display_name = COALESCE(CAST($4 AS TEXT), display_name), rules = $5
        WHERE id = $3 AND rules = $6 AND ", in_scope!(), " RETURNING ", columns!());
    DELETE = concat!("DELETE FROM accounts WHERE id = $3 AND ", in_scope!());
}

/// What an account's user may change of it; `None` = as it is.
#[derive(Debug, Default)]
pub struct OwnChange<'a> {
    /// The name shown.
    pub display_name: Option<&'a str>,
    /// All of its forwards.
    pub forwards: Option<Vec<Forward>>,
    /// Whether it is busy to whoever calls it.
    pub do_not_disturb: Option<bool>,
}
pub(crate) static LISTING: Listing = Listing {
    what: "account",
    columns: columns!(),
    from: "accounts",
    owner: Owner::Tenant("brand_id", "company_id"),
    key: &[Column::number("id", "id")],
    usual: "id",
    by: &[
        Column::number("id", "id"),
        Column::text("username", "username"),
        Column::text("display_name", "display_name"),
        Column::number("company", "company_id"),
        Column::truth("enabled", "enabled"),
    ],
    filters: &[
        Filter::company("company_id"),
        Filter::brand("brand_id"),
        Filter::new("username", "username", Test::Begins, "Whose user name begins with this, in the same case."),
        Filter::enabled("enabled"),
    ],
};

#[derive(sqlx::FromRow)]
pub(crate) struct AccountRow {
    id: i64,
    company_id: i64,
    username: String,
    display_name: String,
    ha1_md5: String,
    ha1_sha256: String,
    direct: Option<String>,
    enabled: bool,
    media_security: Option<String>,
    rules: String,
}

impl TryFrom<AccountRow> for Account {
    type Error = StoreError;
    fn try_from(row: AccountRow) -> Result<Account, StoreError> {
        Ok(Account {
            id: AccountId(row.id),
            company: CompanyId(row.company_id),
            username: row.username,
            display_name: row.display_name,
            ha1: Ha1 { md5: row.ha1_md5, sha256: row.ha1_sha256 },
            direct: row.direct.map(|d| stored("direct address", d.parse().ok())).transpose()?,
            media_security: row
                .media_security
                .map(|word| stored("media security", MediaSecurity::from_word(&word)))
                .transpose()?,
            enabled: row.enabled,
            rules: stored("rules of an account", serde_json::from_str(&row.rules).ok())?,
        })
    }
}

impl AccountRow {
    /// Leaves of what it says what this program knows; why something had to go.
    pub(crate) fn cut(&mut self) -> Option<StoreError> {
        let none = |what| Some(StoreError::Refused { why: format!("a stored {what} has no meaning to this program") });
        let mut gone = cut::<AccountRules>("rules of an account", &mut self.rules, |_| ());
        if self.direct.as_ref().is_some_and(|at| at.parse::<SocketAddr>().is_err()) {
            self.direct = None;
            gone = gone.or_else(|| none("direct address"));
        }
        if self.media_security.as_ref().is_some_and(|word| MediaSecurity::from_word(word).is_none()) {
            self.media_security = None;
            gone = gone.or_else(|| none("media security"));
        }
        gone
    }
}

/// An account to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewAccount {
    /// Its company.
    pub company: CompanyId,
    /// The SIP user name, unique within the company.
    pub username: String,
    /// Shown to the callee; may be empty.
    pub display_name: String,
    /// The digest secrets for the company's domain.
    pub ha1: Ha1,
    /// Direct connectivity, unique on the platform.
    pub direct: Option<SocketAddr>,
    /// Whether it may be used.
    pub enabled: bool,
}

fn network_of(direct: Option<SocketAddr>) -> Vec<IpNet> {
    direct.map(|at| IpNet::from(at.ip().to_canonical())).into_iter().collect()
}

/// The operations on accounts.
#[derive(Clone, Copy, Debug)]
pub struct Accounts<'a>(pub(crate) &'a Db);

impl Accounts<'_> {
    /// Makes an account.
    ///
    /// # Errors
    /// The company is not in scope; the user name or address is taken or breaks a rule.
    pub async fn create(&self, ctx: &OpContext, new: NewAccount) -> Result<Account, StoreError> {
        check::username(&new.username)?;
        check::display_name(&new.display_name)?;
        check::ha1(&new.ha1)?;
        let direct = new.direct.map(|d| d.to_string());
        let args = args![
            ctx,
            new.company.0,
            &new.username,
            &new.display_name,
            &new.ha1.md5,
            &new.ha1.sha256,
            direct.as_deref(),
            new.enabled,
        ];
        let mut tx = self.0.begin().await?;
        let row = tx.one::<AccountRow>(CREATE, args).await?.ok_or(StoreError::NotFound { what: "company" })?;
        keep_apart((self.0, &mut tx), ctx, ("direct", &network_of(new.direct))).await?;
        self.0.commit(tx).await?;
        row.try_into()
    }

    /// One account.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn get(&self, ctx: &OpContext, id: AccountId) -> Result<Account, StoreError> {
        let row = self.0.one::<AccountRow>(GET, args![ctx, id.0]).await?;
        row.ok_or(StoreError::NotFound { what: "account" })?.try_into()
    }

    /// One account of a company by user name.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn find(&self, ctx: &OpContext, company: CompanyId, username: &str) -> Result<Account, StoreError> {
        let row = self.0.one::<AccountRow>(FIND, args![ctx, company.0, username]).await?;
        row.ok_or(StoreError::NotFound { what: "account" })?.try_into()
    }

    /// A page of the accounts in scope, as it is wanted.
    ///
    /// # Errors
    /// The database failed.
    pub async fn found(&self, ctx: &OpContext, wanted: &Wanted) -> Result<Found<Account>, StoreError> {
        self.0.found(&LISTING, (ctx, wanted), |row: AccountRow| row.try_into()).await
    }

    /// The accounts in scope, of one company if named.
    ///
    /// # Errors
    /// The database failed.
    pub async fn list(
        &self,
        ctx: &OpContext,
        company: Option<CompanyId>,
        page: Page,
    ) -> Result<Vec<Account>, StoreError> {
        let wanted = Wanted::page(&LISTING, page).only_some("company", company.map(|c| c.0));
        Ok(self.found(ctx, &wanted).await?.rows)
    }

    /// Changes everything but the company and the user name, to which the digest secrets are bound.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the address is taken; a value breaks a rule; its rules name what does not exist.
    pub async fn update(&self, ctx: &OpContext, account: &Account) -> Result<Account, StoreError> {
        check::display_name(&account.display_name)?;
        check::ha1(&account.ha1)?;
        rules::checked(account.rules.check())?;
        let said = rules::text(&account.rules)?;
        let direct = account.direct.map(|d| d.to_string());
        let args = args![
            ctx,
            account.id.0,
            &account.display_name,
            &account.ha1.md5,
            &account.ha1.sha256,
            direct.as_deref(),
            account.enabled,
            account.media_security.map(MediaSecurity::word),
            &said,
        ];
        let missing = StoreError::NotFound { what: "account" };
        let mut tx = self.0.begin().await?;
        let before = tx.one::<AccountRow>(GET, args![ctx, account.id.0]).await?.ok_or(missing.clone())?.direct;
        let row = tx.one::<AccountRow>(UPDATE, args).await?.ok_or(missing)?;
        let new = account.direct.filter(|_| direct != before);
        keep_apart((self.0, &mut tx), ctx, ("direct", &network_of(new))).await?;
        let (company, own) = (CompanyId(row.company_id), &account.rules);
        rules::has_ddi(&mut tx, ctx, company, own.outgoing_ddi.as_deref()).await?;
        rules::note_uses(&mut tx, ctx, (company, rules::User::Account(row.id)), own.uses()).await?;
        self.0.commit(tx).await?;
        row.try_into()
    }

    /// Changes what an account's user may change, and nothing else.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; a value breaks a rule or names what does not exist; somebody else changes the account's
    /// rules at this moment.
    pub async fn change_own(
        &self,
        ctx: &OpContext,
        id: AccountId,
        change: OwnChange<'_>,
    ) -> Result<Account, StoreError> {
        change.display_name.map_or(Ok(()), check::display_name)?;
        let missing = StoreError::NotFound { what: "account" };
        let mut tx = self.0.begin().await?;
        let row = tx.one::<AccountRow>(GET, args![ctx, id.0]).await?.ok_or(missing)?;
        let was = row.rules.clone();
        let mut own = Account::try_from(row)?.rules;
        own.forwards = change.forwards.unwrap_or(own.forwards);
        own.do_not_disturb = change.do_not_disturb.unwrap_or(own.do_not_disturb);
        rules::checked(own.check())?;
        let said = rules::text(&own)?;
        let changed = tx.one::<AccountRow>(CHANGE_OWN, args![ctx, id.0, change.display_name, &said, &was]).await?;
        let row = changed.ok_or(StoreError::Away { why: "somebody else changes the account".to_owned() })?;
        let company = CompanyId(row.company_id);
        rules::note_uses(&mut tx, ctx, (company, rules::User::Account(row.id)), own.uses()).await?;
        self.0.commit(tx).await?;
        row.try_into()
    }

    /// Removes an account that no number leads to.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::InUse`].
    pub async fn delete(&self, ctx: &OpContext, id: AccountId) -> Result<(), StoreError> {
        self.0.write(DELETE, args![ctx, id.0]).await
    }
}
