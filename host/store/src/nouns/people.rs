//! People who log in: administrators of the platform, a brand or a company, and users, who have an account.
//!
//! A login name is unique within its scope only: whoever makes one learns nothing of other tenants' people.

use super::jobs::Principal;
use super::logins;
use super::tokens::TokenId;
use crate::listing::{Column, Filter, Found, Listing, Owner, Test, Wanted};
use crate::rights::{self, Rights};
use crate::sql::{Arg, args, in_scope, instant, micros, statements, stored};
use crate::{Db, OpContext, Page, Scope, StoreError, check};
use model::{AccountId, Instant};

macro_rules! columns {
    () => {
        "id, brand_id, company_id, account_id, name, role, rights, password, enabled, created_at"
    };
}

statements! { "person";
    CREATE = concat!("INSERT INTO people (brand_id, company_id, account_id, name, role, rights, password, enabled, created_at)
        SELECT $1, $2, $3, $4, $5, $6, $7, CAST($8 AS BOOLEAN), $9 WHERE CAST($3 AS BIGINT) IS NULL
        OR EXISTS (SELECT 1 FROM accounts WHERE id = $3 AND company_id = $2 AND brand_id = $1) RETURNING ", columns!());
    GET = concat!("SELECT ", columns!(), " FROM people WHERE id = $3 AND ", in_scope!());
    CHANGE = concat!("UPDATE people SET name = COALESCE(CAST($4 AS TEXT), name), role = COALESCE(CAST($5 AS TEXT), role),
        rights = CASE WHEN CAST($6 AS BOOLEAN) THEN CAST($7 AS TEXT) ELSE rights END,
        password = COALESCE(CAST($8 AS TEXT), password),
        enabled = CASE WHEN CAST($9 AS BIGINT) IS NULL THEN enabled ELSE CAST($9 AS BIGINT) <> 0 END
        WHERE id = $3 AND role = $10 AND COALESCE(rights, '') = COALESCE(CAST($11 AS TEXT), '') AND ", in_scope!(),
        " RETURNING ", columns!());
    PUT_PASSWORD = concat!("UPDATE people SET password = $4 WHERE id = $3 AND password = $5 AND enabled AND ", in_scope!());
    DELETE = concat!("DELETE FROM people WHERE id = $3 AND ", in_scope!());
    BY_NAME = concat!("SELECT ", columns!(), " FROM people WHERE name = $3
        AND COALESCE(brand_id, 0) = COALESCE(CAST($1 AS BIGINT), 0)
        AND COALESCE(company_id, 0) = COALESCE(CAST($2 AS BIGINT), 0)");
    OF_LOGIN = "SELECT p.id, p.brand_id, p.company_id, p.account_id, p.name, p.role, p.rights, p.password, p.enabled,
        p.created_at, l.impersonator, l.by_person, l.by_token FROM people p JOIN logins l ON l.person_id = p.id WHERE l.id = $1 AND l.expires_at > $2";
    BRAND_NAMED = "SELECT id FROM brands WHERE name = $1";
    COMPANY_AT = "SELECT id, brand_id FROM companies WHERE domain = $1";
}

pub(crate) static LISTING: Listing = Listing {
    what: "person",
    columns: columns!(),
    from: "people",
    owner: Owner::Tenant("brand_id", "company_id"),
    key: &[Column::number("id", "id")],
    usual: "id",
    by: &[
        Column::number("id", "id"),
        Column::text("name", "name"),
        Column::text("role", "role"),
        Column::truth("enabled", "enabled"),
        Column::number("created_at", "created_at"),
    ],
    filters: &[
        Filter::company("company_id"),
        Filter::brand("brand_id"),
        Filter::name_begins("name"),
        Filter::new("role", "role", Test::Word(|| vec!["admin", "reader", "user"]), "Of this role."),
        Filter::enabled("enabled"),
        Filter::new("account", "account_id", Test::Number, "The user of this account."),
    ],
};

/// A person's row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PersonId(pub i64);

/// What a person is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Standing {
    /// Reads and changes what is in scope.
    Admin,
    /// Reads what is in scope.
    Reader,
    /// Sees what is its own: the account.
    User(AccountId),
}

impl Standing {
    const fn text(self) -> &'static str {
        match self {
            Standing::Admin => "admin",
            Standing::Reader => "reader",
            Standing::User(_) => "user",
        }
    }

    const fn account(self) -> Option<i64> {
        match self {
            Standing::Admin | Standing::Reader => None,
            Standing::User(account) => Some(account.0),
        }
    }
}

/// A person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Person {
    /// The row.
    pub id: PersonId,
    /// Where the person belongs.
    pub scope: Scope,
    /// The login name, unique within its scope.
    pub name: String,
    /// What the person is.
    pub standing: Standing,
    /// What may be done with which noun; none = all that the standing has.
    pub rights: Option<Rights>,
    /// The password's hash, in the PHC form.
    pub password: String,
    /// Whether the person may log in.
    pub enabled: bool,
    /// When the row was made.
    pub created_at: Instant,
}

/// A person to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewPerson {
    /// Where the person belongs; within the scope of who makes it.
    pub scope: Scope,
    /// The login name, unique within its scope.
    pub name: String,
    /// What the person is.
    pub standing: Standing,
    /// What may be done with which noun; none = all that the standing has.
    pub rights: Option<Rights>,
    /// The password's hash, in the PHC form.
    pub password: String,
    /// Whether the person may log in.
    pub enabled: bool,
    /// Now.
    pub created_at: Instant,
}

/// What changes of a person; what is not named stays as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PersonChange {
    /// The login name.
    pub name: Option<String>,
    /// What the person is.
    pub standing: Option<Standing>,
    /// All rights; within, none = all that the standing has.
    pub rights: Option<Option<Rights>>,
    /// The password's hash.
    pub password: Option<String>,
    /// Whether the person may log in.
    pub enabled: Option<bool>,
}

/// Who stands behind a person that is acted as.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Behind {
    /// As audit lines have it.
    pub name: String,
    /// The row; the login goes with it.
    pub who: Principal,
}

#[derive(sqlx::FromRow)]
struct PersonRow {
    id: i64,
    brand_id: Option<i64>,
    company_id: Option<i64>,
    account_id: Option<i64>,
    name: String,
    role: String,
    rights: Option<String>,
    password: String,
    enabled: bool,
    created_at: i64,
}

#[derive(sqlx::FromRow)]
struct LoginRow {
    #[sqlx(flatten)]
    person: PersonRow,
    impersonator: Option<String>,
    by_person: Option<i64>,
    by_token: Option<i64>,
}

impl TryFrom<PersonRow> for Person {
    type Error = StoreError;
    fn try_from(row: PersonRow) -> Result<Person, StoreError> {
        let standing = match (row.role.as_str(), row.account_id) {
            ("admin", None) => Some(Standing::Admin),
            ("reader", None) => Some(Standing::Reader),
            ("user", Some(account)) => Some(Standing::User(AccountId(account))),
            _ => None,
        };
        Ok(Person {
            id: PersonId(row.id),
            scope: crate::scope::of(row.brand_id, row.company_id),
            name: row.name,
            standing: stored("person's role", standing)?,
            rights: rights::read(row.rights.as_deref())?,
            password: row.password,
            enabled: row.enabled,
            created_at: instant(row.created_at),
        })
    }
}

/// The operations on people.
#[derive(Clone, Copy, Debug)]
pub struct People<'a>(pub(crate) &'a Db);

impl People<'_> {
    /// Makes a person.
    ///
    /// # Errors
    /// The scope is wider than the maker's; the account is not the company's; the name is taken or breaks a rule.
    pub async fn create(&self, ctx: &OpContext, new: NewPerson) -> Result<Person, StoreError> {
        let of = ctx.narrowed(new.scope)?;
        check::name("name", &new.name)?;
        let rights = rights::text(new.rights.as_ref());
        let args = [
            of.brand_id().into(),
            of.company_id().into(),
            new.standing.account().into(),
            Arg::from(&new.name),
            new.standing.text().into(),
            rights.as_deref().into(),
            (&new.password).into(),
            new.enabled.into(),
            micros(new.created_at).into(),
        ];
        match self.0.write_one::<PersonRow>(CREATE, &args).await {
            Ok(row) => row.try_into(),
            Err(StoreError::NotFound { .. }) => Err(StoreError::NotFound { what: "account" }),
            Err(other) => Err(other),
        }
    }

    /// One person.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn get(&self, ctx: &OpContext, id: PersonId) -> Result<Person, StoreError> {
        let row = self.0.one::<PersonRow>(GET, args![ctx, id.0]).await?;
        row.ok_or(StoreError::NotFound { what: "person" })?.try_into()
    }

    /// A page of the people in scope, as it is wanted.
    ///
    /// # Errors
    /// The database failed.
    pub async fn found(&self, ctx: &OpContext, wanted: &Wanted) -> Result<Found<Person>, StoreError> {
        self.0.found(&LISTING, (ctx, wanted), |row: PersonRow| row.try_into()).await
    }

    /// The people in scope.
    ///
    /// # Errors
    /// The database failed.
    pub async fn list(&self, ctx: &OpContext, page: Page) -> Result<Vec<Person>, StoreError> {
        let wanted = Wanted::page(&LISTING, page);
        Ok(self.found(ctx, &wanted).await?.rows)
    }

    /// Changes what is named of a person and nothing else, if the person still may do what `was` may. A new password
    /// ends every login, and so does switching off.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], also where role or rights are others by now; the name is taken or breaks a rule.
    pub async fn change(&self, ctx: &OpContext, was: &Person, change: &PersonChange) -> Result<Person, StoreError> {
        if let Some(name) = &change.name {
            check::name("name", name)?;
        }
        let rights = rights::text(change.rights.as_ref().and_then(Option::as_ref));
        let had = rights::text(was.rights.as_ref());
        let args = args![
            ctx,
            was.id.0,
            change.name.as_deref(),
            change.standing.map(Standing::text),
            change.rights.is_some(),
            rights.as_deref(),
            change.password.as_deref(),
            change.enabled.map(i64::from),
            was.standing.text(),
            had.as_deref(),
        ];
        let mut tx = self.0.begin().await?;
        let row = tx.one::<PersonRow>(CHANGE, args).await?.ok_or(StoreError::NotFound { what: "person" })?;
        if change.password.is_some() || !row.enabled {
            tx.run(logins::END_ALL, &[row.id.into()]).await?;
        }
        self.0.commit(tx).await?;
        row.try_into()
    }

    /// Puts a new password in place of the one that `was` has, and ends every login.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], also where the person may not log in any more or the password is another one by now.
    pub async fn put_password(&self, ctx: &OpContext, was: &Person, password: &str) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        if tx.run(PUT_PASSWORD, args![ctx, was.id.0, password, &was.password]).await? == 0 {
            return Err(StoreError::NotFound { what: "person" });
        }
        tx.run(logins::END_ALL, &[was.id.0.into()]).await?;
        self.0.commit(tx).await
    }

    /// Removes a person; what they were logged in with is worth nothing from now on.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn delete(&self, ctx: &OpContext, id: PersonId) -> Result<(), StoreError> {
        self.0.write(DELETE, args![ctx, id.0]).await
    }

    /// Who has this name at this place: a company's domain, a brand's name, or neither for the platform. It is asked
    /// before anybody is known, and so without a context.
    ///
    /// # Errors
    /// The database failed.
    pub async fn named(
        &self,
        brand: Option<&str>,
        company: Option<&str>,
        name: &str,
    ) -> Result<Option<Person>, StoreError> {
        let place = match (brand, company) {
            (_, Some(domain)) => {
                let domain = domain.to_ascii_lowercase();
                let row = self.0.one::<(i64, i64)>(COMPANY_AT, &[(&domain).into()]).await?;
                row.map(|(company, brand)| (Some(brand), Some(company)))
            }
            (Some(brand), None) => {
                self.0.one::<(i64,)>(BRAND_NAMED, &[brand.into()]).await?.map(|(brand,)| (Some(brand), None))
            }
            (None, None) => Some((None, None)),
        };
        let Some((brand, company)) = place else { return Ok(None) };
        let row = self.0.one::<PersonRow>(BY_NAME, &[brand.into(), company.into(), name.into()]).await?;
        row.map(Person::try_from).transpose()
    }

    /// Who is behind a login that has not ended, and who stands behind that one.
    ///
    /// # Errors
    /// The database failed.
    pub async fn of_login(&self, login: i64, now: Instant) -> Result<Option<(Person, Option<Behind>)>, StoreError> {
        let Some(row) = self.0.one::<LoginRow>(OF_LOGIN, &[login.into(), micros(now).into()]).await? else {
            return Ok(None);
        };
        let who = match (row.by_token, row.by_person) {
            (Some(token), _) => Principal::Token(TokenId(token)),
            (None, Some(person)) => Principal::Person(PersonId(person)),
            (None, None) => Principal::Switch,
        };
        Ok(Some((row.person.try_into()?, row.impersonator.map(|name| Behind { name, who }))))
    }
}
