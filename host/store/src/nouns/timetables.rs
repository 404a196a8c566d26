//! Timetables: jobs that come again and again.
//!
//! A row says what is to be done, when, and when it comes next; whoever notices that the time has come moves that on and
//! asks for the job in one transaction, in which it looks again whether the time is still the one it saw. So of several
//! nodes one asks, and after a crash either both is so or nothing. When the next time is, the caller reckons: the store
//! knows no calendars.

use super::jobs::{JOBS_MAX, JobState, Principal};
use crate::listing::{Column, Filter, Found, Listing, Owner, Wanted};
use crate::sql::{Arg, args, in_scope, instant, micros, statements, stored};
use crate::{Db, OpContext, Page, Scope, StoreError};
use core::time::Duration;
use model::Instant;

/// Most timetables of one tenant.
const TIMETABLES_MAX: i64 = 50;

macro_rules! columns {
    () => {
        "t.id, t.brand_id, t.company_id, t.name, t.kind, t.noun, t.asked, t.cron, t.zone, t.every_s, t.keep, t.enabled,
        t.actor, t.impersonator, t.token_id, t.person_id, t.made_at, t.next_at, t.skipped, j.id AS last_id,
        j.state AS last_state, j.made_at AS last_made_at, j.ended_at AS last_ended_at, j.error AS last_error"
    };
}
macro_rules! with_last {
    () => {
        "timetables t LEFT JOIN jobs j ON j.id = (SELECT MAX(n.id) FROM jobs n WHERE n.timetable_id = t.id)"
    };
}

statements! { "timetable";
    COUNT = "SELECT CAST(COUNT(*) AS BIGINT) FROM timetables WHERE COALESCE(brand_id, 0) = COALESCE(CAST($1 AS BIGINT), 0)
        AND COALESCE(company_id, 0) = COALESCE(CAST($2 AS BIGINT), 0)";
    CREATE = "INSERT INTO timetables (brand_id, company_id, name, kind, noun, asked, cron, zone, every_s, keep, enabled, actor,
        impersonator, token_id, person_id, made_at, next_at, skipped)
        VALUES (CAST($1 AS BIGINT), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 0) RETURNING id";
    GET = concat!("SELECT ", columns!(), " FROM ", with_last!(), " WHERE t.id = $3 AND ", in_scope!("t.brand_id", "t.company_id"));
    UPDATE = concat!("UPDATE timetables SET name = $4, kind = $5, noun = $6, asked = $7, cron = $8, zone = $9, every_s = $10,
        keep = $11, enabled = $12, actor = $13, impersonator = $14, token_id = $15, person_id = $16,
        next_at = CASE WHEN $18 THEN next_at ELSE $17 END WHERE id = $3 AND ", in_scope!());
    DELETE = concat!("DELETE FROM timetables WHERE id = $3 AND ", in_scope!());
    DUE = concat!("SELECT ", columns!(), " FROM ", with_last!(), " WHERE t.enabled AND t.next_at <= $1 ORDER BY t.next_at, t.id LIMIT 1");
    NEXT = "SELECT MIN(next_at) FROM timetables WHERE enabled";
    TAKE = "UPDATE timetables SET next_at = $3, enabled = $4 WHERE id = $1 AND next_at = $2 AND enabled RETURNING id";
    THIN = "DELETE FROM jobs WHERE timetable_id = $1 AND ((state = 'done' AND id NOT IN (SELECT id FROM jobs
            WHERE timetable_id = $1 AND state = 'done' ORDER BY id DESC LIMIT $2))
        OR (state IN ('failed', 'cancelled') AND id NOT IN (SELECT id FROM jobs
            WHERE timetable_id = $1 AND state IN ('failed', 'cancelled') ORDER BY id DESC LIMIT $2)))";
    START = "INSERT INTO jobs (brand_id, company_id, kind, noun, state, actor, impersonator, token_id, person_id, asked,
        made_at, due_at, tries, stop, done, faults, timetable_id)
        SELECT t.brand_id, t.company_id, t.kind, t.noun, 'waiting', t.actor, t.impersonator, t.token_id, t.person_id, t.asked,
        CAST($2 AS BIGINT), CAST($2 AS BIGINT), 0, FALSE, 0, 0, t.id FROM timetables t WHERE t.id = $1
        AND NOT EXISTS (SELECT 1 FROM jobs o WHERE o.timetable_id = t.id AND o.state IN ('waiting', 'running'))
        AND (SELECT COUNT(*) FROM jobs o WHERE o.state IN ('loading', 'waiting', 'running')
            AND COALESCE(o.brand_id, 0) = COALESCE(t.brand_id, 0)
            AND COALESCE(o.company_id, 0) = COALESCE(t.company_id, 0)) < $3 RETURNING id";
    SKIP = "UPDATE timetables SET skipped = skipped + 1 WHERE id = $1";
}

pub(crate) static LISTING: Listing = Listing {
    what: "timetable",
    columns: columns!(),
    from: with_last!(),
    owner: Owner::Tenant("t.brand_id", "t.company_id"),
    key: &[Column::number("id", "t.id")],
    usual: "id",
    by: &[
        Column::number("id", "t.id"),
        Column::text("name", "t.name"),
        Column::text("kind", "t.kind"),
        Column::truth("enabled", "t.enabled"),
        Column::number("made_at", "t.made_at"),
    ],
    filters: &[
        Filter::company("t.company_id"),
        Filter::brand("t.brand_id"),
        Filter::name_begins("t.name"),
        Filter::enabled("t.enabled"),
    ],
};

/// When something comes again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cadence {
    /// As cron has it: the five fields, and the zone on whose wall they are read.
    Cron(String, String),
    /// Every so often; at least a minute.
    Every(Duration),
}

/// What a change says of the next time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// It is not touched: whoever moved it on meanwhile has moved it on.
    AsItIs,
    /// It does not come.
    Never,
    /// Then.
    At(Instant),
}

/// What a timetable asks for, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Timing {
    /// Unique within its tenant.
    pub name: String,
    /// The kind of job.
    pub kind: String,
    /// The noun whose rights are needed for it.
    pub noun: String,
    /// How the job is asked for, JSON.
    pub asked: String,
    /// When.
    pub cadence: Cadence,
    /// How many of its jobs that ended are kept, with what came of them.
    pub keep: u32,
    /// Whether it comes at all.
    pub enabled: bool,
    /// Who wanted it so last, as audit lines have it.
    pub actor: String,
    /// Who stood behind the person that was acted as.
    pub impersonator: Option<String>,
    /// Whose rights its jobs have.
    pub principal: Principal,
    /// When it comes next; none if it does not.
    pub next_at: Option<Instant>,
}

/// What became of the last job of a timetable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LastRun {
    /// The job.
    pub job: i64,
    /// What it is at.
    pub state: JobState,
    /// When it was asked for.
    pub made_at: Instant,
    /// When it ended.
    pub ended_at: Option<Instant>,
    /// Why it failed last.
    pub error: Option<String>,
}

/// A timetable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Timetable {
    /// The row.
    pub id: i64,
    /// Whose it is.
    pub scope: Scope,
    /// What it asks for, and when.
    pub timing: Timing,
    /// When the row was made.
    pub made_at: Instant,
    /// How often its time came while its job of the time before was not done, or its tenant had too many.
    pub skipped: u64,
    /// Its last job.
    pub last: Option<LastRun>,
}

#[derive(sqlx::FromRow)]
struct TimetableRow {
    id: i64,
    brand_id: Option<i64>,
    company_id: Option<i64>,
    name: String,
    kind: String,
    noun: String,
    asked: String,
    cron: Option<String>,
    zone: Option<String>,
    every_s: Option<i64>,
    keep: i64,
    enabled: bool,
    actor: String,
    impersonator: Option<String>,
    token_id: Option<i64>,
    person_id: Option<i64>,
    made_at: i64,
    next_at: Option<i64>,
    skipped: i64,
    last_id: Option<i64>,
    last_state: Option<String>,
    last_made_at: Option<i64>,
    last_ended_at: Option<i64>,
    last_error: Option<String>,
}

impl TryFrom<TimetableRow> for Timetable {
    type Error = StoreError;
    fn try_from(row: TimetableRow) -> Result<Timetable, StoreError> {
        let cadence = match (row.cron, row.zone, row.every_s) {
            (Some(cron), Some(zone), _) => Some(Cadence::Cron(cron, zone)),
            (_, _, Some(seconds)) => u64::try_from(seconds).ok().map(|s| Cadence::Every(Duration::from_secs(s))),
            (None, _, None) | (_, None, None) => None,
        };
        let last = match row.last_id.zip(row.last_state).zip(row.last_made_at) {
            Some(((job, word), made_at)) => Some(LastRun {
                job,
                state: stored("state of a job", JobState::from_word(&word))?,
                made_at: instant(made_at),
                ended_at: row.last_ended_at.map(instant),
                error: row.last_error,
            }),
            None => None,
        };
        let timing = Timing {
            name: row.name,
            kind: row.kind,
            noun: row.noun,
            asked: row.asked,
            cadence: stored("cadence of a timetable", cadence)?,
            keep: u32::try_from(row.keep).unwrap_or(1),
            enabled: row.enabled,
            actor: row.actor,
            impersonator: row.impersonator,
            principal: Principal::of(row.token_id, row.person_id),
            next_at: row.next_at.map(instant),
        };
        Ok(Timetable {
            id: row.id,
            scope: crate::scope::of(row.brand_id, row.company_id),
            timing,
            made_at: instant(row.made_at),
            skipped: u64::try_from(row.skipped).unwrap_or_default(),
            last,
        })
    }
}

/// The operations on timetables.
#[derive(Clone, Copy, Debug)]
pub struct Timetables<'a>(pub(crate) &'a Db);

impl Timetables<'_> {
    /// Makes a timetable of a scope that is not wider than the asker's.
    ///
    /// # Errors
    /// The scope is wider; the name is another's; the tenant has too many already.
    pub async fn create(
        &self,
        ctx: &OpContext,
        of: Scope,
        new: &Timing,
        now: Instant,
    ) -> Result<Timetable, StoreError> {
        let of = ctx.narrowed(of)?;
        let mut tx = self.0.begin().await?;
        let there = tx.one::<(i64,)>(COUNT, args![&of]).await?.map_or(0, |(n,)| n);
        if there >= TIMETABLES_MAX {
            let why = format!("there are {TIMETABLES_MAX} already, which is the most of one tenant");
            return Err(StoreError::Invalid { what: "timetable", why });
        }
        let (cron, zone, every) = cadence(&new.cadence);
        let (token, person) = new.principal.rows();
        let args = args![
            &of,
            &new.name,
            &new.kind,
            &new.noun,
            &new.asked,
            cron,
            zone,
            every,
            i64::from(new.keep),
            new.enabled,
            &new.actor,
            new.impersonator.as_deref(),
            token,
            person,
            micros(now),
            new.next_at.map(micros),
        ];
        let (id,) = tx.one::<(i64,)>(CREATE, args).await?.ok_or(StoreError::NotFound { what: "timetable" })?;
        self.0.commit(tx).await?;
        self.get(ctx, id).await
    }

    /// One timetable.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn get(&self, ctx: &OpContext, id: i64) -> Result<Timetable, StoreError> {
        let row = self.0.one::<TimetableRow>(GET, args![ctx, id]).await?;
        row.ok_or(StoreError::NotFound { what: "timetable" })?.try_into()
    }

    /// A page of the timetables in scope, as it is wanted.
    ///
    /// # Errors
    /// The database failed.
    pub async fn found(&self, ctx: &OpContext, wanted: &Wanted) -> Result<Found<Timetable>, StoreError> {
        self.0.found(&LISTING, (ctx, wanted), |row: TimetableRow| row.try_into()).await
    }

    /// The timetables in scope.
    ///
    /// # Errors
    /// The database failed.
    pub async fn list(&self, ctx: &OpContext, page: Page) -> Result<Vec<Timetable>, StoreError> {
        let wanted = Wanted::page(&LISTING, page);
        Ok(self.found(ctx, &wanted).await?.rows)
    }

    /// Changes a timetable; of its next time only `next_at` says something.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the name is another's.
    pub async fn update(&self, ctx: &OpContext, id: i64, new: &Timing, next_at: When) -> Result<Timetable, StoreError> {
        let at = match next_at {
            When::At(at) => Some(micros(at)),
            When::Never | When::AsItIs => None,
        };
        let (cron, zone, every) = cadence(&new.cadence);
        let (token, person) = new.principal.rows();
        let args = args![
            ctx,
            id,
            &new.name,
            &new.kind,
            &new.noun,
            &new.asked,
            cron,
            zone,
            every,
            i64::from(new.keep),
            new.enabled,
            &new.actor,
            new.impersonator.as_deref(),
            token,
            person,
            at,
            next_at == When::AsItIs,
        ];
        self.0.write(UPDATE, args).await?;
        self.get(ctx, id).await
    }

    /// Deletes a timetable; its jobs stay.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn delete(&self, ctx: &OpContext, id: i64) -> Result<(), StoreError> {
        self.0.write(DELETE, args![ctx, id]).await
    }

    /// The timetable whose time came first, of every tenant.
    ///
    /// # Errors
    /// The database failed.
    pub async fn due(&self, now: Instant) -> Result<Option<Timetable>, StoreError> {
        let row = self.0.one::<TimetableRow>(DUE, &[micros(now).into()]).await?;
        row.map(Timetable::try_from).transpose()
    }

    /// When the next one's time comes.
    ///
    /// # Errors
    /// The database failed.
    pub async fn next(&self) -> Result<Option<Instant>, StoreError> {
        Ok(self.0.one::<(Option<i64>,)>(NEXT, &[]).await?.and_then(|(at,)| at).map(instant))
    }

    /// Asks for the job of a timetable that was due, and says when it comes next; without a next time it is switched off.
    /// Whoever comes second changes nothing,
    /// and the answer is none; so it is where the job of the time before is not done yet.
    ///
    /// # Errors
    /// The database failed: nothing was changed.
    pub async fn come(&self, seen: &Timetable, next: Option<Instant>, now: Instant) -> Result<Option<i64>, StoreError> {
        let Some(due) = seen.timing.next_at else { return Ok(None) };
        let mut tx = self.0.begin().await?;
        let take = [seen.id.into(), micros(due).into(), Arg::from(next.map(micros)), next.is_some().into()];
        if tx.one::<(i64,)>(TAKE, &take).await?.is_none() {
            return Ok(None);
        }
        tx.run(THIN, &[seen.id.into(), i64::from(seen.timing.keep).into()]).await?;
        let made = tx.one::<(i64,)>(START, &[seen.id.into(), micros(now).into(), JOBS_MAX.into()]).await?;
        if made.is_none() {
            tx.run(SKIP, &[seen.id.into()]).await?;
        }
        tx.commit().await?;
        Ok(made.map(|(id,)| id))
    }
}

fn cadence(of: &Cadence) -> (Option<&str>, Option<&str>, Option<i64>) {
    match of {
        Cadence::Cron(cron, zone) => (Some(cron), Some(zone), None),
        Cadence::Every(every) => (None, None, Some(i64::try_from(every.as_secs()).unwrap_or(i64::MAX))),
    }
}
