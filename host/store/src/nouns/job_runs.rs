//! Jobs as those who do them see them: claimed under a lease, done step by step, ended.
//!
//! Whoever claims a job has it for as long as it renews its lease; a process that is killed does not, and the job is
//! another's a little later. Every write of a run names its lease, so that a run which was believed dead can change nothing
//! any more. A claim is one statement that looks again at what it found, so that of two claims one gets the job, in both
//! databases. Of a brand's jobs one runs at a time: what one tenant asks for does not keep the others waiting.

use super::jobs::{Job, JobLine, JobRow, JobState, job_columns};
use crate::sql::{instant, micros, statements};
use crate::{Db, StoreError};
use core::time::Duration;
use model::Instant;

/// Most lines that are kept of what one job has to say.
const LINES_MAX: i64 = 1_000;

statements! { "job";
    CLAIM = concat!("UPDATE jobs SET state = 'running', lease = $1, lease_until = $3, tries = tries + 1,
        started_at = COALESCE(started_at, $2)
        WHERE id = (SELECT j.id FROM jobs j WHERE ((j.state = 'waiting' AND j.due_at <= $2)
            OR (j.state = 'running' AND j.lease_until < $2))
            AND NOT EXISTS (SELECT 1 FROM jobs o WHERE o.state = 'running' AND o.lease_until >= $2
                AND COALESCE(o.brand_id, 0) = COALESCE(j.brand_id, 0))
            ORDER BY j.due_at, j.id LIMIT 1)
        AND ((state = 'waiting' AND due_at <= $2) OR (state = 'running' AND lease_until < $2)) RETURNING ", job_columns!());
    RENEW = "UPDATE jobs SET lease_until = $3 WHERE id = $1 AND lease = $2 AND state = 'running' RETURNING stop";
    STEP = "UPDATE jobs SET done = $3, faults = $4, total = $5, place = $6
        WHERE id = $1 AND lease = $2 AND state = 'running' AND stop = FALSE RETURNING id";
    END = "UPDATE jobs SET state = $3, ended_at = $4, result = $5, error = $6, lease = NULL, lease_until = NULL
        WHERE id = $1 AND lease = $2 AND state = 'running' RETURNING id";
    LATER = "UPDATE jobs SET state = 'waiting', due_at = $3, error = $4, tries = tries - $5, lease = NULL, lease_until = NULL
        WHERE id = $1 AND lease = $2 AND state = 'running' RETURNING id";
    NEXT = "SELECT MIN(due_at) FROM jobs WHERE state = 'waiting'";
    ADD_LINE = "INSERT INTO job_lines (job_id, line, field, detail) SELECT $1, CAST($2 AS BIGINT), $3, $4
        WHERE (SELECT COUNT(*) FROM job_lines WHERE job_id = $1) < $5";
    UNSAY = "DELETE FROM job_lines WHERE job_id = $1";
    ADD_PIECE = "INSERT INTO job_pieces (job_id, piece, body) VALUES ($1, $2, $3)";
    PIECE = "SELECT body FROM job_pieces WHERE job_id = $1 AND piece = $2";
    DROP_PIECES = "DELETE FROM job_pieces WHERE job_id = $1";
    READY = "UPDATE jobs SET state = 'waiting', due_at = $2, total = $3 WHERE id = $1 AND state = 'loading' RETURNING id";
    DROP_LOADING = "DELETE FROM jobs WHERE id = $1 AND state = 'loading'";
    SWEEP = "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE (state IN ('done', 'failed', 'cancelled')
        AND ended_at < $1 AND timetable_id IS NULL) OR (state = 'loading' AND made_at < $2) ORDER BY id LIMIT $3)";
    SCHEDULE = "INSERT INTO job_schedules (name, every_us, next_at) VALUES ($1, $2, $3)
        ON CONFLICT (name) DO UPDATE SET every_us = excluded.every_us";
    COME = "UPDATE job_schedules SET next_at = $1 + every_us WHERE next_at <= $1
        AND name = (SELECT name FROM job_schedules WHERE next_at <= $1 ORDER BY next_at LIMIT 1) RETURNING name";
    START = "INSERT INTO jobs (kind, noun, state, actor, asked, made_at, due_at, tries, stop, done, faults)
        SELECT CAST($1 AS TEXT), 'jobs', 'waiting', 'switch', '{}', CAST($2 AS BIGINT), CAST($2 AS BIGINT), 0, FALSE, 0, 0
        WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE kind = $1 AND brand_id IS NULL AND state IN ('waiting', 'running'))";
    COUNT = "SELECT state, CAST(COUNT(*) AS BIGINT) FROM jobs GROUP BY state";
}

/// Whose run of a job it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lease<'a> {
    /// The job.
    pub job: i64,
    /// Names the run; nobody else has it.
    pub holder: &'a str,
}

/// Whether a run may go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outlook {
    /// It may.
    Going,
    /// The job was called off.
    CalledOff,
    /// The job is another's by now, or gone.
    Lost,
}

/// How far a run is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Step<'a> {
    /// Parts that are done.
    pub done: u64,
    /// Of those, how many were not as they should be.
    pub faults: u64,
    /// How many there are, where that is known.
    pub total: Option<u64>,
    /// Where the next run would go on, JSON.
    pub place: Option<&'a str>,
}

/// What is done about jobs.
#[derive(Clone, Copy, Debug)]
pub struct JobRuns<'a>(pub(crate) &'a Db);

impl JobRuns<'_> {
    /// Takes the job whose turn it is, for as long as the lease.
    ///
    /// # Errors
    /// The database failed.
    pub async fn claim(&self, holder: &str, now: Instant, lease: Duration) -> Result<Option<Job>, StoreError> {
        let mut tx = self.0.begin().await?;
        let row = tx.one::<JobRow>(CLAIM, &[holder.into(), micros(now).into(), micros(now + lease).into()]).await?;
        tx.commit().await?;
        row.map(Job::try_from).transpose()
    }

    /// Holds a job a little longer.
    ///
    /// # Errors
    /// The database failed.
    pub async fn renew(&self, of: Lease<'_>, until: Instant) -> Result<Outlook, StoreError> {
        let mut tx = self.0.begin().await?;
        let row = tx.one::<(bool,)>(RENEW, &[of.job.into(), of.holder.into(), micros(until).into()]).await?;
        tx.commit().await?;
        Ok(match row {
            Some((false,)) => Outlook::Going,
            Some((true,)) => Outlook::CalledOff,
            None => Outlook::Lost,
        })
    }

    /// Says how far a run is; in a step of a batch together with what it did.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: the job was called off or is another's, and nothing may come of this run any more.
    pub async fn step(&self, of: Lease<'_>, step: Step<'_>) -> Result<(), StoreError> {
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let total = step.total.map(number);
        let args = [
            of.job.into(),
            of.holder.into(),
            number(step.done).into(),
            number(step.faults).into(),
            total.into(),
            step.place.into(),
        ];
        self.changed(STEP, &args).await
    }

    /// Ends a run: the job is done, has failed for good, or was called off.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: the job is another's.
    pub async fn end(
        &self,
        of: Lease<'_>,
        (state, now): (JobState, Instant),
        result: Option<&str>,
        error: Option<&str>,
    ) -> Result<(), StoreError> {
        let (state, error) = (state.word(), error.map(|e| e.replace('\0', "\u{fffd}")));
        let args =
            [of.job.into(), of.holder.into(), state.into(), micros(now).into(), result.into(), error.as_deref().into()];
        self.changed(END, &args).await
    }

    /// Gives a job back, to be tried again at `due`. A run that was only interrupted does not count as one.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: the job is another's.
    pub async fn later(&self, of: Lease<'_>, due: Instant, error: Option<&str>) -> Result<(), StoreError> {
        let uncounted = i64::from(error.is_none());
        let error = error.map(|e| e.replace('\0', "\u{fffd}"));
        let args = [of.job.into(), of.holder.into(), micros(due).into(), error.as_deref().into(), uncounted.into()];
        self.changed(LATER, &args).await
    }

    async fn changed(&self, s: crate::Statement, args: &[crate::sql::Arg<'_>]) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        tx.one::<(i64,)>(s, args).await?.ok_or(StoreError::NotFound { what: "job" })?;
        tx.commit().await
    }

    /// When the next job's time comes.
    ///
    /// # Errors
    /// The database failed.
    pub async fn next(&self) -> Result<Option<Instant>, StoreError> {
        Ok(self.0.one::<(Option<i64>,)>(NEXT, &[]).await?.and_then(|(at,)| at).map(instant))
    }

    /// Notes what a run has to say about lines; of more than [`LINES_MAX`] only the first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn say(&self, job: i64, lines: &[JobLine]) -> Result<(), StoreError> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut tx = self.0.begin().await?;
        for line in lines {
            let (field, detail) = (line.field.replace('\0', "\u{fffd}"), line.detail.replace('\0', "\u{fffd}"));
            let args = [job.into(), line.line.into(), (&field).into(), (&detail).into(), LINES_MAX.into()];
            tx.run(ADD_LINE, &args).await?;
        }
        tx.commit().await
    }

    /// Forgets what an earlier run had to say: this one begins anew.
    ///
    /// # Errors
    /// The database failed.
    pub async fn unsay(&self, job: i64) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        tx.run(UNSAY, &[job.into()]).await?;
        tx.commit().await
    }

    /// Keeps a piece of what a job is to work on, sealed: it may hold passwords.
    ///
    /// # Errors
    /// There is no key to seal with; the database failed.
    pub async fn add_piece(&self, job: i64, piece: u32, body: &[u8]) -> Result<(), StoreError> {
        let sealed = self.key()?.seal(&place(job, piece), body);
        let sealed = sealed.ok_or_else(|| StoreError::Away { why: "no randomness".to_owned() })?;
        let mut tx = self.0.begin().await?;
        tx.run(ADD_PIECE, &[job.into(), i64::from(piece).into(), sealed.as_slice().into()]).await?;
        tx.commit().await
    }

    /// A piece of what a job is to work on; none after the last.
    ///
    /// # Errors
    /// It was sealed with another key; the database failed.
    pub async fn piece(&self, job: i64, piece: u32) -> Result<Option<Vec<u8>>, StoreError> {
        let row = self.0.one::<(Vec<u8>,)>(PIECE, &[job.into(), i64::from(piece).into()]).await?;
        let Some((sealed,)) = row else { return Ok(None) };
        crate::sql::stored("piece of a file", self.key()?.open(&place(job, piece), &sealed)).map(Some)
    }

    /// Forgets what a job was to work on.
    ///
    /// # Errors
    /// The database failed.
    pub async fn drop_pieces(&self, job: i64) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        tx.run(DROP_PIECES, &[job.into()]).await?;
        tx.commit().await
    }

    fn key(&self) -> Result<&crate::SecretKey, StoreError> {
        let why = || "files are kept sealed, and this switch has no key to seal with".to_owned();
        self.0.inner.key.as_ref().ok_or_else(|| StoreError::Invalid { what: "file", why: why() })
    }

    /// Everything that the job is to work on is there; about how many parts that is.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: it is not being loaded.
    pub async fn ready(&self, job: i64, now: Instant, total: Option<u64>) -> Result<(), StoreError> {
        let total = total.map(|n| i64::try_from(n).unwrap_or(i64::MAX));
        self.changed(READY, &[job.into(), micros(now).into(), total.into()]).await
    }

    /// Forgets a job whose file broke off.
    ///
    /// # Errors
    /// The database failed.
    pub async fn broke_off(&self, job: i64) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        tx.run(DROP_LOADING, &[job.into()]).await?;
        tx.commit().await
    }

    /// Forgets up to `max` jobs that ended before `ended`, or whose files broke off before `loading`; how many it was.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sweep(&self, ended: Instant, loading: Instant, max: u32) -> Result<u64, StoreError> {
        let mut tx = self.0.begin().await?;
        let gone = tx.run(SWEEP, &[micros(ended).into(), micros(loading).into(), i64::from(max).into()]).await?;
        tx.commit().await?;
        Ok(gone)
    }

    /// Lets a job of this kind come every so often, the first time now. One that is known keeps its next time.
    ///
    /// # Errors
    /// The database failed.
    pub async fn schedule(&self, kind: &str, every: Duration, now: Instant) -> Result<(), StoreError> {
        let every = i64::try_from(every.as_micros()).unwrap_or(i64::MAX / 4);
        let mut tx = self.0.begin().await?;
        tx.run(SCHEDULE, &[kind.into(), every.into(), micros(now).into()]).await?;
        tx.commit().await
    }

    /// Asks for the jobs whose schedules' times have come, each once however many nodes ask; how many times came.
    ///
    /// # Errors
    /// The database failed.
    pub async fn come(&self, now: Instant) -> Result<u32, StoreError> {
        let mut came = 0;
        loop {
            let mut tx = self.0.begin().await?;
            let Some((kind,)) = tx.one::<(String,)>(COME, &[micros(now).into()]).await? else { return Ok(came) };
            tx.run(START, &[(&kind).into(), micros(now).into()]).await?;
            tx.commit().await?;
            came += 1;
        }
    }

    /// How many jobs there are, by state.
    ///
    /// # Errors
    /// The database failed.
    pub async fn count(&self) -> Result<Vec<(JobState, u64)>, StoreError> {
        let rows = self.0.all::<(String, i64)>(COUNT, &[]).await?;
        let known =
            |(word, n): (String, i64)| Some((JobState::from_word(&word)?, u64::try_from(n).unwrap_or_default()));
        Ok(rows.into_iter().filter_map(known).collect())
    }
}

fn place(job: i64, piece: u32) -> String {
    format!("job {job} {piece}")
}
