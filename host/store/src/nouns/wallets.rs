//! Wallets as operators see them: how a company pays, what it has, what was moved. What the switch does with them is
//! [`crate::Ledger`].

use super::ledger::{KEY_BYTES_MAX, Moving, by_hand};
use crate::listing::{Column, Filter, Found, Listing, Owner, Test, Wanted};
use crate::sql::{args, in_scope, instant, statements};
use crate::{Db, OpContext, Page, StoreError, check};
use model::{CompanyId, Instant, is_currency};

/// How a company may pay.
const METHODS: [&str; 3] = ["prepaid", "postpaid", "pseudo-prepaid"];

macro_rules! columns {
    () => {
        "company_id, brand_id, method, plan, currency, balance, reserved, credit, daily_cap, low_mark"
    };
}

statements! { "wallet";
    GET = concat!("SELECT ", columns!(), " FROM wallets WHERE company_id = $3 AND ", in_scope!());
    PUT = concat!("INSERT INTO wallets (company_id, brand_id, method, plan, currency, balance, reserved, credit, daily_cap,
        low_mark, touched) SELECT id, brand_id, $4, $5, $6, 0, 0, CAST($7 AS BIGINT), CAST($8 AS BIGINT),
        CAST($9 AS BIGINT), 0 FROM companies WHERE id = $3 AND ", in_scope!("brand_id", "id"),
        " ON CONFLICT (company_id) DO UPDATE SET method = excluded.method, plan = excluded.plan,
        credit = excluded.credit, daily_cap = excluded.daily_cap, low_mark = excluded.low_mark
        RETURNING ", columns!());
    MOVEMENTS = concat!("SELECT id, name, kind, amount, balance, at, memo FROM wallet_movements
        WHERE company_id = $3 AND ", in_scope!(), " AND (CAST($4 AS BIGINT) = 0 OR id < $4) ORDER BY id DESC LIMIT $5");
}

pub(crate) static LISTING: Listing = Listing {
    what: "wallet",
    columns: columns!(),
    from: "wallets",
    owner: Owner::Tenant("brand_id", "company_id"),
    key: &[Column::number("company", "company_id")],
    usual: "company",
    by: &[
        Column::number("company", "company_id"),
        Column::number("balance", "balance"),
        Column::text("method", "method"),
        Column::text("plan", "plan"),
    ],
    filters: &[
        Filter::company("company_id"),
        Filter::brand("brand_id"),
        Filter::new("method", "method", Test::Word(|| METHODS.to_vec()), "How it pays."),
        Filter::new("plan", "plan", Test::Text, "Of this plan."),
    ],
};

#[derive(sqlx::FromRow)]
struct MovementRow {
    id: i64,
    name: String,
    kind: String,
    amount: i64,
    balance: i64,
    at: i64,
    memo: String,
}

/// A company's wallet. Amounts are millionths of a unit.
#[derive(Clone, PartialEq, Eq, Debug, sqlx::FromRow)]
pub struct Wallet {
    /// Whose.
    pub company_id: i64,
    /// Of which brand.
    pub brand_id: i64,
    /// `prepaid`, `postpaid` or `pseudo-prepaid`.
    pub method: String,
    /// The plan's name, as the rater knows it.
    pub plan: String,
    /// ISO 4217; never changes.
    pub currency: String,
    /// The sum of all movements.
    pub balance: i64,
    /// Of that, kept for calls that are up.
    pub reserved: i64,
    /// How far below zero the balance may go.
    pub credit: i64,
    /// Most that may be charged in a day of the company's zone.
    pub daily_cap: Option<i64>,
    /// Event sinks are told when a charge takes the balance below it.
    pub low_mark: Option<i64>,
}

/// How a company shall pay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewWallet {
    /// `prepaid`, `postpaid` or `pseudo-prepaid`.
    pub method: String,
    /// The plan's name.
    pub plan: String,
    /// ISO 4217.
    pub currency: String,
    /// How far below zero the balance may go.
    pub credit: i64,
    /// Most a day.
    pub daily_cap: Option<i64>,
    /// When to tell.
    pub low_mark: Option<i64>,
}

/// One movement; never changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Movement {
    /// The row.
    pub id: i64,
    /// Its key.
    pub key: String,
    /// `charge`, `top-up` or `correction`.
    pub kind: String,
    /// What it added; a charge is below zero.
    pub amount: i64,
    /// The balance that it left.
    pub balance: i64,
    /// When.
    pub at: Instant,
    /// What for: JSON of a charge, the operator's words of a movement by hand.
    pub memo: String,
}

/// The operations on wallets.
#[derive(Clone, Copy, Debug)]
pub struct Wallets<'a>(pub(crate) &'a Db);

impl Wallets<'_> {
    /// A company's wallet.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where it has none, or is not in scope.
    pub async fn get(&self, ctx: &OpContext, company: CompanyId) -> Result<Wallet, StoreError> {
        let row = self.0.one::<Wallet>(GET, args![ctx, company.0]).await?;
        row.ok_or(StoreError::NotFound { what: "wallet" })
    }

    /// A page of the wallets in scope, as it is wanted.
    ///
    /// # Errors
    /// The database failed.
    pub async fn found(&self, ctx: &OpContext, wanted: &Wanted) -> Result<Found<Wallet>, StoreError> {
        self.0.found(&LISTING, (ctx, wanted), Ok).await
    }

    /// Says how a company pays; makes its wallet where it has none. What it has stays as it is.
    ///
    /// # Errors
    /// A company's operator; [`StoreError::NotFound`]; [`StoreError::Invalid`]: another currency than it has.
    pub async fn put(&self, ctx: &OpContext, company: CompanyId, new: &NewWallet) -> Result<Wallet, StoreError> {
        ctx.needs_brand("say how a company pays")?;
        let refuse = |what, why: &str| Err(StoreError::Invalid { what, why: why.to_owned() });
        if !METHODS.contains(&new.method.as_str()) {
            return refuse("method", "expected prepaid, postpaid or pseudo-prepaid");
        }
        if !is_currency(&new.currency) {
            return refuse("currency", "expected three capital letters, as EUR");
        }
        if new.credit < 0 || new.daily_cap.is_some_and(|cap| cap < 0) {
            return refuse("credit", "credit and daily cap are zero or more");
        }
        check::name("plan", &new.plan)?;
        match self.get(ctx, company).await {
            Ok(had) if had.currency != new.currency => {
                return refuse("currency", "the currency of a wallet never changes");
            }
            Ok(_) | Err(StoreError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        let args =
            args![ctx, company.0, &new.method, &new.plan, &new.currency, new.credit, new.daily_cap, new.low_mark];
        self.0.companies().get(ctx, company).await?;
        self.0.write_one::<Wallet>(PUT, args).await
    }

    /// Puts money in (`top-up`), or corrects by any amount (`correction`), once for ever by this key; gives the wallet.
    ///
    /// # Errors
    /// A company's operator; [`StoreError::NotFound`]; [`StoreError::Conflict`]: the key has moved something else.
    pub async fn deposit(
        &self,
        ctx: &OpContext,
        company: CompanyId,
        (key, amount): (&str, i64),
        memo: &str,
        now: Instant,
    ) -> Result<Wallet, StoreError> {
        ctx.needs_brand("move money by hand")?;
        let refuse = |what, why: String| Err(StoreError::Invalid { what, why });
        if key.is_empty() || key.len() > KEY_BYTES_MAX - 8 || key.chars().any(char::is_control) {
            return refuse("key", format!("expected 1 to {} bytes", KEY_BYTES_MAX - 8));
        }
        if amount == 0 {
            return refuse("amount", "expected more or less than nothing".to_owned());
        }
        check::display_name(memo)?;
        self.get(ctx, company).await?;
        let kind = if amount > 0 { "top-up" } else { "correction" };
        // What raters name cannot be named here: their keys have a prefix of their own.
        let name = format!("hand/{key}");
        by_hand(self.0, company, Moving { name: &name, kind, amount, memo, at: now }).await??;
        self.get(ctx, company).await
    }

    /// What was moved, newest first, before the row `page.after`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the database failed.
    pub async fn movements(
        &self,
        ctx: &OpContext,
        company: CompanyId,
        page: Page,
    ) -> Result<Vec<Movement>, StoreError> {
        self.get(ctx, company).await?;
        let rows = self.0.all::<MovementRow>(MOVEMENTS, args![ctx, company.0, page.after, page.limit()]).await?;
        Ok(rows.into_iter().map(Movement::from).collect())
    }
}

impl From<MovementRow> for Movement {
    fn from(row: MovementRow) -> Self {
        Movement {
            id: row.id,
            key: row.name,
            kind: row.kind,
            amount: row.amount,
            balance: row.balance,
            at: instant(row.at),
            memo: row.memo,
        }
    }
}
