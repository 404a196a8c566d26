//! Answered legs that wait for their price. A row is made in the transaction of its CDR and is done when the charge
//! stands in the CDR, in one transaction again: a leg is never forgotten between the two.

use super::cdrs::Cdrs;
use crate::sql::{args, in_scope, instant, micros, statements, stored};
use crate::{Db, OpContext, StoreError};
use model::{CallId, Cdr, Charge, Instant};

statements! { "settlement";
    ADD = "INSERT INTO settlements (call_id, leg, brand_id, company_id, done, tries, due_at, made_at)
        VALUES ($1, $2, $3, $4, FALSE, 0, $5, $5) ON CONFLICT (call_id, leg) DO NOTHING";
    DUE = "SELECT call_id, leg, company_id, tries, due_at, made_at, error FROM (SELECT call_id, leg, company_id, tries,
        due_at, made_at, error,
        ROW_NUMBER() OVER (PARTITION BY company_id ORDER BY due_at) AS place FROM settlements WHERE done = FALSE
        AND due_at <= $1 AND $2 NOT LIKE '%,' || CAST(company_id AS TEXT) || ',%') AS due
        WHERE place <= $3 ORDER BY place, due_at LIMIT $4";
    FORGET = "DELETE FROM settlements WHERE (call_id, leg) IN (SELECT call_id, leg FROM settlements
        WHERE done = TRUE AND due_at <= $1 ORDER BY due_at LIMIT $2)";
    NEXT = "SELECT MIN(due_at) FROM settlements WHERE done = FALSE";
    LATER = "UPDATE settlements SET tries = tries + 1, due_at = $3, error = $4 WHERE call_id = $1 AND leg = $2 AND done = FALSE";
    DONE = "UPDATE settlements SET done = TRUE, error = NULL WHERE call_id = $1 AND leg = $2 AND done = FALSE";
    CHARGE = "UPDATE cdrs SET cost = $3, carrier_cost = $4, currency = $5, charge_lines = $6 WHERE call_id = $1 AND leg = $2";
    WAITING = concat!("SELECT call_id, leg, company_id, tries, due_at, made_at, error FROM settlements WHERE done = FALSE AND ",
        in_scope!(), " AND (tries >= $3) AND (made_at, call_id, leg) > ($4, $5, $6) ORDER BY made_at, call_id, leg LIMIT $7");
    RETRY = concat!("UPDATE settlements SET due_at = $5 WHERE call_id = $3 AND leg = $4 AND done = FALSE AND ", in_scope!());
    COUNT = "SELECT CAST(COUNT(*) AS BIGINT), CAST(COALESCE(SUM(CASE WHEN tries > 0 THEN 1 ELSE 0 END), 0) AS BIGINT)
        FROM settlements WHERE done = FALSE";
}

/// Legs of one company read at once.
const OF_COMPANY_MAX: i64 = 32;
/// A settled leg's row is kept so long: two days, in microseconds.
const KEPT_MICROS: i64 = 172_800_000_000;
/// Most rows forgotten in one transaction.
const FORGET_MAX: i64 = 10_000;

#[derive(sqlx::FromRow)]
struct Row {
    call_id: String,
    leg: i64,
    company_id: i64,
    tries: i64,
    due_at: i64,
    made_at: i64,
    error: Option<String>,
}

/// A leg that waits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settlement {
    /// Its call.
    pub call: CallId,
    /// Its number.
    pub leg: u16,
    /// Whose.
    pub company: i64,
    /// How often it was tried in vain.
    pub tries: u32,
    /// When it is tried next.
    pub due_at: Instant,
    /// Since when it waits.
    pub made_at: Instant,
    /// Why it failed last.
    pub error: Option<String>,
}

impl TryFrom<Row> for Settlement {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Settlement, StoreError> {
        Ok(Settlement {
            call: stored("call id", row.call_id.parse().ok())?,
            leg: stored("leg", u16::try_from(row.leg).ok())?,
            company: row.company_id,
            tries: u32::try_from(row.tries).unwrap_or(u32::MAX),
            due_at: instant(row.due_at),
            made_at: instant(row.made_at),
            error: row.error,
        })
    }
}

/// Where a list of those that wait goes on: since when the last one waits, its call and its leg.
pub type Place = (Instant, CallId, u16);

/// The operations on settlements.
#[derive(Clone, Copy, Debug)]
pub struct Settlements<'a>(pub(crate) &'a Db);

impl Settlements<'_> {
    /// Those whose time has come, with their CDRs: of each company but these, which are `busy`, its oldest, and one of
    /// each before the second of any. So no company's backlog stands before the others'.
    ///
    /// # Errors
    /// The database failed.
    pub async fn due(&self, now: Instant, limit: u32, busy: &[i64]) -> Result<Vec<(Settlement, Cdr)>, StoreError> {
        let names: Vec<String> = busy.iter().map(i64::to_string).collect();
        let names = format!(",{},", names.join(","));
        let args = [micros(now).into(), (&names).into(), OF_COMPANY_MAX.into(), i64::from(limit).into()];
        let rows = self.0.all::<Row>(DUE, &args).await?;
        let mut due = Vec::with_capacity(rows.len());
        for row in rows {
            let settlement = Settlement::try_from(row)?;
            let legs = Cdrs(self.0).of_call(&OpContext::platform(), settlement.call).await?;
            if let Some(cdr) = legs.into_iter().find(|cdr| cdr.leg == settlement.leg) {
                due.push((settlement, cdr));
            }
        }
        Ok(due)
    }

    /// Forgets those that were settled long ago. A CDR that came once more after that would be asked about again, and its
    /// charge, which has its key, would be the same.
    ///
    /// # Errors
    /// The database failed.
    pub async fn forget(&self, now: Instant) -> Result<(), StoreError> {
        let until = micros(now).saturating_sub(KEPT_MICROS);
        let mut tx = self.0.begin().await?;
        tx.run(FORGET, &[until.into(), FORGET_MAX.into()]).await?;
        tx.commit().await
    }

    /// When the next one's time comes.
    ///
    /// # Errors
    /// The database failed.
    pub async fn next(&self) -> Result<Option<Instant>, StoreError> {
        Ok(self.0.one::<(Option<i64>,)>(NEXT, &[]).await?.and_then(|(at,)| at).map(instant))
    }

    /// It failed: again at `due_at`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn later(&self, (call, leg): (CallId, u16), due_at: Instant, error: &str) -> Result<(), StoreError> {
        let (call, error) = (call.to_string(), error.replace('\0', "\u{fffd}"));
        let mut tx = self.0.begin().await?;
        tx.run(LATER, &[(&call).into(), i64::from(leg).into(), micros(due_at).into(), (&error).into()]).await?;
        tx.commit().await
    }

    /// It is settled: the charge stands in the CDR from now on. A second time changes nothing.
    ///
    /// # Errors
    /// The database failed; nothing was done.
    pub async fn done(&self, (call, leg): (CallId, u16), charge: &Charge) -> Result<(), StoreError> {
        let (call, leg) = (call.to_string(), i64::from(leg));
        let lines = serde_json::to_string(&charge.lines).unwrap_or_else(|_| "[]".to_owned()).replace('\0', "\u{fffd}");
        let mut tx = self.0.begin().await?;
        if tx.run(DONE, &[(&call).into(), leg.into()]).await? > 0 {
            let row = [
                (&call).into(),
                leg.into(),
                charge.micros.into(),
                charge.carrier_micros.into(),
                (&charge.currency).into(),
                (&lines).into(),
            ];
            tx.run(CHARGE, &row).await?;
        }
        tx.commit().await
    }

    /// Those that wait and have failed at least so often, oldest first, after the place `after`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn waiting(
        &self,
        ctx: &OpContext,
        tries: u32,
        after: Option<&Place>,
        limit: i64,
    ) -> Result<Vec<Settlement>, StoreError> {
        let (made_at, call, leg) = after
            .map_or((i64::MIN, String::new(), -1), |place| (micros(place.0), place.1.to_string(), i64::from(place.2)));
        let args = args![ctx, i64::from(tries), made_at, &call, leg, limit];
        self.0.all::<Row>(WAITING, args).await?.into_iter().map(Settlement::try_from).collect()
    }

    /// Tries one again at once.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: none such waits.
    pub async fn retry(&self, ctx: &OpContext, (call, leg): (CallId, u16), now: Instant) -> Result<(), StoreError> {
        self.0.write(RETRY, args![ctx, &call.to_string(), i64::from(leg), micros(now)]).await
    }

    /// How many wait, and how many of them have failed.
    ///
    /// # Errors
    /// The database failed.
    pub async fn count(&self) -> Result<(u64, u64), StoreError> {
        let (all, failed) = self.0.one::<(i64, i64)>(COUNT, &[]).await?.unwrap_or_default();
        Ok((u64::try_from(all).unwrap_or_default(), u64::try_from(failed).unwrap_or_default()))
    }
}
