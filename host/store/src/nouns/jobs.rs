//! Jobs as their tenants see them: asked for, looked at, called off, tried again. Who does them: [`super::job_runs`].

use crate::listing::{Column, Filter, Found, Listing, Owner, Test, Wanted};
use crate::sql::{Arg, args, in_scope, instant, micros, statements, stored};
use crate::{Db, OpContext, Page, PersonId, Scope, StoreError, TokenId};
use model::Instant;

/// Most jobs of one tenant that wait or run.
pub(crate) const JOBS_MAX: i64 = 100;

macro_rules! job_columns {
    () => {
        "id, brand_id, company_id, kind, noun, state, actor, impersonator, token_id, person_id, asked, made_at, due_at,
        started_at, ended_at, tries, stop, done, faults, total, place, result, error, timetable_id"
    };
}
pub(crate) use job_columns;

statements! { "job";
    OPEN = "SELECT CAST(COUNT(*) AS BIGINT) FROM jobs WHERE state IN ('loading', 'waiting', 'running')
        AND COALESCE(brand_id, 0) = COALESCE(CAST($1 AS BIGINT), 0)
        AND COALESCE(company_id, 0) = COALESCE(CAST($2 AS BIGINT), 0)";
    CREATE = concat!("INSERT INTO jobs (brand_id, company_id, kind, noun, state, actor, impersonator, token_id, person_id,
        asked, made_at, due_at, tries, stop, done, faults)
        VALUES (CAST($1 AS BIGINT), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, 0, FALSE, 0, 0) RETURNING ", job_columns!());
    GET = concat!("SELECT ", job_columns!(), " FROM jobs WHERE id = $3 AND ", in_scope!());
    CANCEL = concat!("UPDATE jobs SET state = CASE WHEN state = 'waiting' THEN 'cancelled' ELSE state END,
        ended_at = CASE WHEN state = 'waiting' THEN CAST($4 AS BIGINT) ELSE ended_at END,
        stop = TRUE WHERE id = $3 AND state IN ('waiting', 'running') AND ", in_scope!(), " RETURNING ", job_columns!());
    RETRY = concat!("UPDATE jobs SET state = 'waiting', due_at = $4, tries = 0, stop = FALSE, ended_at = NULL, error = NULL
        WHERE id = $3 AND state IN ('failed', 'cancelled') AND ", in_scope!(), " RETURNING ", job_columns!());
    LINES = concat!("SELECT l.id, l.line, l.field, l.detail FROM job_lines l JOIN jobs j ON j.id = l.job_id
        WHERE l.id > $4 AND l.job_id = $3 AND ", in_scope!("j.brand_id", "j.company_id"), " ORDER BY l.id LIMIT $5");
}

/// The words of the states.
fn states() -> Vec<&'static str> {
    JobState::ALL.into_iter().map(JobState::word).collect()
}

pub(crate) static LISTING: Listing = Listing {
    what: "job",
    columns: job_columns!(),
    from: "jobs",
    owner: Owner::Tenant("brand_id", "company_id"),
    key: &[Column::number("id", "id")],
    usual: "-id",
    by: &[
        Column::number("id", "id"),
        Column::text("kind", "kind"),
        Column::text("state", "state"),
        Column::number("made_at", "made_at"),
    ],
    filters: &[
        Filter::company("company_id"),
        Filter::brand("brand_id"),
        Filter::new("state", "state", Test::Word(states), "In this state."),
        Filter::new("kind", "kind", Test::Text, "Of this kind."),
        Filter::new("timetable", "timetable_id", Test::Number, "That this timetable asked for."),
    ],
};

/// What a job is at.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum JobState {
    /// What it is to work on is still being brought.
    Loading,
    /// Its time has not come, or nobody has a hand free.
    Waiting,
    /// Somebody works on it.
    Running,
    /// It is done.
    Done,
    /// It was tried in vain; nobody tries it again unless asked to.
    Failed,
    /// It was called off.
    Cancelled,
}

impl JobState {
    /// All of them.
    pub const ALL: [JobState; 6] = [
        JobState::Loading,
        JobState::Waiting,
        JobState::Running,
        JobState::Done,
        JobState::Failed,
        JobState::Cancelled,
    ];

    /// Its word, in the database and elsewhere.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            JobState::Loading => "loading",
            JobState::Waiting => "waiting",
            JobState::Running => "running",
            JobState::Done => "done",
            JobState::Failed => "failed",
            JobState::Cancelled => "cancelled",
        }
    }

    /// The state of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<JobState> {
        JobState::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// Whose rights a job has, as they are when it runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Principal {
    /// The switch's own work.
    Switch,
    /// Of a token.
    Token(TokenId),
    /// Of a person.
    Person(PersonId),
}

impl Principal {
    pub(crate) fn of(token: Option<i64>, person: Option<i64>) -> Principal {
        match (token, person) {
            (Some(token), _) => Principal::Token(TokenId(token)),
            (None, Some(person)) => Principal::Person(PersonId(person)),
            (None, None) => Principal::Switch,
        }
    }

    /// The rows of its token and its person.
    pub(crate) const fn rows(self) -> (Option<i64>, Option<i64>) {
        match self {
            Principal::Switch => (None, None),
            Principal::Token(token) => (Some(token.0), None),
            Principal::Person(person) => (None, Some(person.0)),
        }
    }
}

/// A job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Job {
    /// The row.
    pub id: i64,
    /// Whose it is.
    pub scope: Scope,
    /// What is to be done.
    pub kind: String,
    /// The noun whose rights are needed for it.
    pub noun: String,
    /// What it is at.
    pub state: JobState,
    /// Who asked for it, as audit lines have it.
    pub actor: String,
    /// Who stood behind the person that was acted as.
    pub impersonator: Option<String>,
    /// Whose rights it has.
    pub principal: Principal,
    /// How it was asked for, JSON.
    pub asked: String,
    /// When it was asked for.
    pub made_at: Instant,
    /// When it is to be begun, or tried again.
    pub due_at: Instant,
    /// When it was begun first.
    pub started_at: Option<Instant>,
    /// When it ended.
    pub ended_at: Option<Instant>,
    /// How often it was begun.
    pub tries: u32,
    /// Whether it was called off while it ran.
    pub stop: bool,
    /// How many of its parts are done.
    pub done: u64,
    /// Of those, how many were not as they should be.
    pub faults: u64,
    /// How many there are, where that is known.
    pub total: Option<u64>,
    /// Where it goes on, JSON.
    pub place: Option<String>,
    /// What came of it, JSON.
    pub result: Option<String>,
    /// Why it failed last.
    pub error: Option<String>,
    /// The timetable that asked for it.
    pub timetable: Option<i64>,
}

#[derive(sqlx::FromRow)]
pub(crate) struct JobRow {
    id: i64,
    brand_id: Option<i64>,
    company_id: Option<i64>,
    kind: String,
    noun: String,
    state: String,
    actor: String,
    impersonator: Option<String>,
    token_id: Option<i64>,
    person_id: Option<i64>,
    asked: String,
    made_at: i64,
    due_at: i64,
    started_at: Option<i64>,
    ended_at: Option<i64>,
    tries: i64,
    stop: bool,
    done: i64,
    faults: i64,
    total: Option<i64>,
    place: Option<String>,
    result: Option<String>,
    error: Option<String>,
    timetable_id: Option<i64>,
}

impl TryFrom<JobRow> for Job {
    type Error = StoreError;
    fn try_from(row: JobRow) -> Result<Job, StoreError> {
        let count = |n: i64| u64::try_from(n).unwrap_or_default();
        Ok(Job {
            id: row.id,
            scope: crate::scope::of(row.brand_id, row.company_id),
            kind: row.kind,
            noun: row.noun,
            state: stored("state of a job", JobState::from_word(&row.state))?,
            actor: row.actor,
            impersonator: row.impersonator,
            principal: Principal::of(row.token_id, row.person_id),
            asked: row.asked,
            made_at: instant(row.made_at),
            due_at: instant(row.due_at),
            started_at: row.started_at.map(instant),
            ended_at: row.ended_at.map(instant),
            tries: u32::try_from(row.tries).unwrap_or(u32::MAX),
            stop: row.stop,
            done: count(row.done),
            faults: count(row.faults),
            total: row.total.map(count),
            place: row.place,
            result: row.result,
            error: row.error,
            timetable: row.timetable_id,
        })
    }
}

/// A job to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewJob {
    /// Whose it is; within the scope of who asks.
    pub scope: Scope,
    /// What is to be done.
    pub kind: String,
    /// The noun whose rights are needed for it.
    pub noun: String,
    /// Who asks, as audit lines have it.
    pub actor: String,
    /// Who stands behind the person that is acted as.
    pub impersonator: Option<String>,
    /// Whose rights it has.
    pub principal: Principal,
    /// How it is asked for, JSON.
    pub asked: String,
    /// Whether something is still to be brought for it; [`super::job_runs::JobRuns::ready`] says when that is there.
    pub loading: bool,
    /// Now.
    pub made_at: Instant,
}

/// Which jobs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct JobFilter<'a> {
    /// Of this company.
    pub company: Option<i64>,
    /// At this.
    pub state: Option<JobState>,
    /// Of this kind.
    pub kind: Option<&'a str>,
    /// Of this timetable.
    pub timetable: Option<i64>,
}

/// What a job has to say about a line of what it was given.
#[derive(Clone, PartialEq, Eq, Debug, sqlx::FromRow)]
pub struct JobLine {
    /// The row; 0 before it has one.
    pub id: i64,
    /// The line, the first is 1.
    pub line: i64,
    /// The column that is wrong; empty for the line as a whole.
    pub field: String,
    /// What is wrong with it.
    pub detail: String,
}

/// The operations on jobs.
#[derive(Clone, Copy, Debug)]
pub struct Jobs<'a>(pub(crate) &'a Db);

impl Jobs<'_> {
    /// Asks for a job.
    ///
    /// # Errors
    /// The scope is wider than the asker's; the tenant has too many already.
    pub async fn create(&self, ctx: &OpContext, new: NewJob) -> Result<Job, StoreError> {
        let of = ctx.narrowed(new.scope)?;
        let (token, person) = new.principal.rows();
        let state = if new.loading { JobState::Loading } else { JobState::Waiting };
        let mut tx = self.0.begin().await?;
        let open = tx.one::<(i64,)>(OPEN, args![&of]).await?.map_or(0, |(n,)| n);
        if open >= JOBS_MAX {
            let why = format!("{JOBS_MAX} wait or run already, which is the most of one tenant");
            return Err(StoreError::Invalid { what: "job", why });
        }
        let args = args![
            &of,
            &new.kind,
            &new.noun,
            state.word(),
            &new.actor,
            new.impersonator.as_deref(),
            token,
            person,
            &new.asked,
            micros(new.made_at),
        ];
        let row = tx.one::<JobRow>(CREATE, args).await?.ok_or(StoreError::NotFound { what: "job" })?;
        self.0.commit(tx).await?;
        row.try_into()
    }

    /// One job.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn get(&self, ctx: &OpContext, id: i64) -> Result<Job, StoreError> {
        let row = self.0.one::<JobRow>(GET, args![ctx, id]).await?;
        row.ok_or(StoreError::NotFound { what: "job" })?.try_into()
    }

    /// A page of the jobs in scope, newest first if no order is asked for, as it is wanted.
    ///
    /// # Errors
    /// The database failed.
    pub async fn found(&self, ctx: &OpContext, wanted: &Wanted) -> Result<Found<Job>, StoreError> {
        self.0.found(&LISTING, (ctx, wanted), |row: JobRow| row.try_into()).await
    }

    /// The jobs in scope, newest first; `page.after` is the last one of the page before, 0 for the first page.
    ///
    /// # Errors
    /// The database failed.
    pub async fn list(&self, ctx: &OpContext, which: JobFilter<'_>, page: Page) -> Result<Vec<Job>, StoreError> {
        let of = Wanted::page(&LISTING, page).only_some("company", which.company);
        let of = of.only_some("state", which.state.map(JobState::word)).only_some("kind", which.kind);
        Ok(self.found(ctx, &of.only_some("timetable", which.timetable)).await?.rows)
    }

    /// Calls a job off: one that waits at once, one that runs at its next step.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], also of a job that neither waits nor runs.
    pub async fn cancel(&self, ctx: &OpContext, id: i64, now: Instant) -> Result<Job, StoreError> {
        self.0.write_one::<JobRow>(CANCEL, args![ctx, id, micros(now)]).await?.try_into()
    }

    /// Tries a job again that failed or was called off; it goes on where it was.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], also of a job that did neither.
    pub async fn retry(&self, ctx: &OpContext, id: i64, now: Instant) -> Result<Job, StoreError> {
        self.0.write_one::<JobRow>(RETRY, args![ctx, id, micros(now)]).await?.try_into()
    }

    /// What a job has to say about lines of what it was given, in the order in which it said it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn lines(&self, ctx: &OpContext, id: i64, page: Page) -> Result<Vec<JobLine>, StoreError> {
        let args: &[Arg<'_>] = args![ctx, id, page.after, page.limit()];
        self.0.all::<JobLine>(LINES, args).await
    }
}
