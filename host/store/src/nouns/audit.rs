//! The audit log: who changed what, when, from what to what. Written by [`crate::acting`]; never changed but for the
//! answer, which comes after the change.

use crate::acting::{Act, Deed, Tenant};
use crate::listing::{Column, Filter, Found, Listing, Owner, Test, Wanted};
use crate::sql::{Tx, instant, micros, statements};
use crate::{Db, OpContext, StoreError};
use model::{BrandId, CompanyId};

macro_rules! columns {
    () => {
        "id, at, brand_id, company_id, actor, impersonator, source, method, path, body_before, body_asked, body_after, status"
    };
}

statements! { "audit line";
    INSERT = "INSERT INTO audit (at, brand_id, company_id, actor, impersonator, source, method, path, body_before, body_asked)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id";
    FINISH = "UPDATE audit SET brand_id = $2, company_id = $3, body_after = $4, status = $5 WHERE id = $1";
}

pub(crate) static LISTING: Listing = Listing {
    what: "audit line",
    columns: columns!(),
    from: "audit",
    owner: Owner::Tenant("brand_id", "company_id"),
    key: &[Column::number("id", "id")],
    usual: "-id",
    by: &[
        Column::number("id", "id"),
        Column::number("at", "at"),
        Column::text("actor", "actor"),
        Column::text("path", "path"),
    ],
    filters: &[
        Filter::company("company_id"),
        Filter::brand("brand_id"),
        Filter::new("path", "path", Test::Begins, "Of paths that begin with this, as `/api/v1/accounts/5`."),
        Filter::new("actor", "actor", Test::Begins, "Of actors that begin with this, as `person 7 `."),
        Filter::new("from", "at", Test::From, "At or after, RFC 3339 or a date."),
        Filter::new("until", "at", Test::Until, "Before, RFC 3339 or a date."),
    ],
};

#[derive(sqlx::FromRow)]
struct AuditRow {
    id: i64,
    at: i64,
    brand_id: Option<i64>,
    company_id: Option<i64>,
    actor: String,
    impersonator: Option<String>,
    source: Option<String>,
    method: String,
    path: String,
    body_before: Option<String>,
    body_asked: Option<String>,
    body_after: Option<String>,
    status: Option<i64>,
}

/// One line of the audit log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditLine {
    /// Its number; lines are numbered in the order of their changes.
    pub id: i64,
    /// What was done, by whom.
    pub deed: Deed,
    /// The thing after, JSON, secrets masked.
    pub after: Option<String>,
    /// The HTTP status of the answer; none = the change was committed and the switch ended before it answered.
    pub status: Option<u16>,
}

impl From<AuditRow> for AuditLine {
    fn from(row: AuditRow) -> AuditLine {
        AuditLine {
            id: row.id,
            deed: Deed {
                at: instant(row.at),
                actor: row.actor,
                impersonator: row.impersonator,
                source: row.source,
                method: row.method,
                path: row.path,
                tenant: Tenant { brand: row.brand_id.map(BrandId), company: row.company_id.map(CompanyId) },
                before: row.body_before,
                asked: row.body_asked,
                key: None,
            },
            after: row.body_after,
            status: row.status.and_then(|s| u16::try_from(s).ok()),
        }
    }
}

/// What became of a deed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Whose thing it was.
    pub tenant: Tenant,
    /// The thing after, JSON, secrets masked.
    pub after: Option<String>,
    /// The HTTP status.
    pub status: u16,
}

/// The audit log.
#[derive(Clone, Copy, Debug)]
pub struct Audit<'a>(pub(crate) &'a Db);

impl Audit<'_> {
    /// Says how a deed ended. One that committed nothing of its own (a call that was hung up) gets its line here.
    ///
    /// # Errors
    /// The database failed.
    pub async fn finish(&self, act: &Act, outcome: &Outcome) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        let line = match act.line() {
            Some(line) => line,
            None => insert(&mut tx, &act.deed).await?,
        };
        let tenant = (outcome.tenant.brand.map(|b| b.0), outcome.tenant.company.map(|c| c.0));
        let (after, status) = (outcome.after.as_deref(), i64::from(outcome.status));
        tx.run(FINISH, &[line.into(), tenant.0.into(), tenant.1.into(), after.into(), status.into()]).await?;
        tx.commit().await?;
        act.has_line(line);
        Ok(())
    }

    /// Writes a line about what the switch did by itself.
    ///
    /// # Errors
    /// The database failed.
    pub async fn note(&self, deed: &Deed) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        note(&mut tx, deed).await?;
        tx.commit().await
    }

    /// A page of the lines in scope, newest first if no order is asked for, as it is wanted.
    ///
    /// # Errors
    /// The database failed.
    pub async fn found(&self, ctx: &OpContext, wanted: &Wanted) -> Result<Found<AuditLine>, StoreError> {
        self.0.found(&LISTING, (ctx, wanted), |row: AuditRow| Ok(row.into())).await
    }
}

/// Writes a line about what was done already into a transaction.
pub(crate) async fn note(tx: &mut Tx, deed: &Deed) -> Result<(), StoreError> {
    let line = insert(tx, deed).await?;
    let tenant = (deed.tenant.brand.map(|b| b.0), deed.tenant.company.map(|c| c.0));
    let after = deed.asked.as_deref();
    tx.run(FINISH, &[line.into(), tenant.0.into(), tenant.1.into(), after.into(), 200_i64.into()]).await?;
    Ok(())
}

/// Writes a line into a transaction; gives its number.
pub(crate) async fn insert(tx: &mut Tx, deed: &Deed) -> Result<i64, StoreError> {
    let (brand, company) = (deed.tenant.brand.map(|b| b.0), deed.tenant.company.map(|c| c.0));
    let row = tx
        .one::<(i64,)>(
            INSERT,
            &[
                micros(deed.at).into(),
                brand.into(),
                company.into(),
                (&deed.actor).into(),
                deed.impersonator.as_deref().into(),
                deed.source.as_deref().into(),
                (&deed.method).into(),
                (&deed.path).into(),
                deed.before.as_deref().into(),
                deed.asked.as_deref().into(),
            ],
        )
        .await?;
    crate::sql::stored("audit line", row.map(|(id,)| id))
}
