//! The job that takes in a file: line by line with the endpoints that REST calls, so that a line is checked, audited and
//! refused exactly as a request of the same person would be.
//!
//! Lines go in batches of some 50 ms: on SQLite a batch holds the one writer, and calls' records and other people's changes
//! wait no longer than one. What a batch did and how far the job is are one transaction, so a job that is taken up again
//! goes on after the last line that is in. All or none is two passes: one that looks, and one that is a single transaction,
//! for which the lines are few.

mod apply;
pub(crate) mod plan;
pub(crate) mod rates;
pub(crate) mod text;

use super::{Broke, Run};
use crate::auth;
use apply::{Doer, Done, Refusal};
use core::time::Duration;
use plan::{Of, Plan};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{Access, Batch, JobLine, JobState, Step};
use text::{Record, Records};
use tokio::time::Instant;

/// Its kind.
pub(crate) const KIND: &str = "import";
/// Most bytes of a file.
pub(crate) const BYTES_MAX: u64 = 64 * 1_024 * 1_024;
/// Bytes of a file that are kept as one piece.
pub(crate) const PIECE: usize = 256 * 1024;
/// Most lines of a file.
const LINES_MAX: u64 = 1_000_000;
/// Most lines of a file that is taken in whole or not at all, where one writer serves all.
const ATOMIC_LINES_SQLITE: u64 = 500;
/// The same where writers do not wait for each other.
const ATOMIC_LINES_POSTGRES: u64 = 20_000;
/// How long a batch goes on, and with how many lines at most.
const BATCH_TIME: Duration = Duration::from_millis(50);
const BATCH_LINES: u64 = 500;

/// How far a job is; kept with what it did.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct Place {
    lines: u64,
    added: u64,
    changed: u64,
    faults: u64,
}

impl Place {
    fn count(&mut self, done: &Result<Done, Vec<JobLine>>) {
        self.lines += 1;
        match done {
            Ok(Done::Added) => self.added += 1,
            Ok(Done::Changed) => self.changed += 1,
            Err(_) => self.faults += 1,
        }
    }

    fn step<'a>(&self, text: Option<&'a str>, total: Option<u64>) -> Step<'a> {
        Step { done: self.lines, faults: self.faults, total, place: text }
    }

    fn result(&self, plan: &Plan) -> Value {
        let Place { lines, added, changed, faults } = self;
        json!({ "lines": lines, "added": added, "changed": changed, "faults": faults, "dry_run": plan.dry_run })
    }
}

/// What becomes of what a pass does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// Nothing of it stays.
    Look,
    /// What a batch did stays.
    Keep,
    /// All of it stays, or nothing.
    Whole,
}

pub(super) async fn run(run: &Run) -> Result<Value, Broke> {
    let plan: Plan = serde_json::from_str(&run.job.asked).map_err(|e| Broke::Final(e.to_string(), None))?;
    let caller = auth::who_asked(&run.api, &run.job).await?;
    let caller = caller.ok_or_else(|| Broke::Final("who asked for it is not known any more".to_owned(), None))?;
    for noun in plan.of.nouns() {
        caller.check(noun, Access::Write).map_err(|problem| Broke::Final(problem.detail, None))?;
    }
    if plan.of == Of::Rates {
        return rates::run(run, &plan, &caller).await;
    }
    let import = Import { run, plan: &plan, doer: Doer::of(run, &plan, caller).await? };
    match (plan.dry_run, plan.atomic) {
        (true, _) => {
            let place = import.pass(Pass::Look).await?;
            import.end(None, &place).await
        }
        (false, false) => {
            let place = import.pass(Pass::Keep).await?;
            live(run).await;
            import.end(None, &place).await
        }
        (false, true) => import.whole().await,
    }
}

/// Waits until what was written is live; if that takes too long, the calls will know a little later.
async fn live(run: &Run) {
    if let Err(problem) = run.api.live().await {
        tracing::info!(job = run.job.id, why = problem.detail, "what a job wrote is not live yet");
    }
}

struct Import<'a> {
    run: &'a Run,
    plan: &'a Plan,
    doer: Doer<'a>,
}

/// The columns of a file, by the place of their cells.
pub(super) type Columns = Vec<Option<&'static str>>;

/// What the first line, or the request, says the columns are; and what is to be told about it.
pub(super) fn columns(plan: &Plan, first: Option<&Record>) -> Result<(Columns, Vec<JobLine>), Broke> {
    let named = plan.columns.as_deref().or(first.map(|record| record.cells.as_slice())).unwrap_or_default();
    let columns: Columns = named.iter().map(|heading| plan.of.column(heading)).collect();
    let fault = |why: String| Broke::Final(why, None);
    for needed in plan.of.needed() {
        if !columns.contains(&Some(needed)) {
            let known: Vec<&str> = plan.of.columns().iter().map(|c| c.name).collect();
            return Err(fault(format!("no column is {needed}; known are {}", known.join(", "))));
        }
    }
    for (at, column) in columns.iter().enumerate() {
        if column.is_some() && columns.get(..at).is_some_and(|before| before.contains(column)) {
            return Err(fault(format!("two columns are {}", column.unwrap_or_default())));
        }
    }
    let strange = named.iter().zip(&columns).filter(|(heading, column)| column.is_none() && !heading.is_empty());
    let told = |(heading, _): (&String, _)| JobLine {
        id: 0,
        line: 1,
        field: heading.chars().take(64).collect(),
        detail: "this column means nothing here and is passed over".to_owned(),
    };
    let told = strange.map(told).collect();
    Ok((columns, told))
}

/// The cells of a line by the names of their columns; those that are empty are not there.
pub(super) fn cells<'r>(columns: &Columns, record: &'r Record) -> Result<Vec<(&'static str, &'r str)>, Vec<JobLine>> {
    if record.cells.len() > columns.len() {
        let why = format!("has {} cells, and there are {} columns", record.cells.len(), columns.len());
        return Err(vec![fault(record.line, "", &why)]);
    }
    let named = columns.iter().zip(&record.cells).filter_map(|(column, cell)| Some(((*column)?, cell.as_str())));
    Ok(named.filter(|(_, cell)| !cell.is_empty()).collect())
}

pub(super) fn fault(line: u64, field: &str, detail: &str) -> JobLine {
    JobLine { id: 0, line: i64::try_from(line).unwrap_or(i64::MAX), field: field.to_owned(), detail: detail.to_owned() }
}

impl Import<'_> {
    /// Goes through the file, once.
    async fn pass(&self, pass: Pass) -> Result<Place, Broke> {
        let mut records = Records::of(self.run);
        let first = if self.plan.columns.is_none() { records.next().await? } else { None };
        let (columns, mut told) = columns(self.plan, first.as_ref())?;
        let resumed = self.run.job.place.as_deref().filter(|_| pass == Pass::Keep);
        let mut place: Place = resumed.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        for _ in 0..place.lines {
            records.next().await?;
        }
        if place.lines > 0 || pass == Pass::Whole {
            told.clear();
        } else {
            self.run.api.db.job_runs().unsay(self.run.job.id).await?;
        }
        let mut next = records.next().await?;
        while next.is_some() || !told.is_empty() {
            let batch = self.run.api.db.batch().await?;
            let (begun, before) = (Instant::now(), place.lines);
            while let Some(record) = next {
                let done = self.line(&batch, &columns, &record).await?;
                place.count(&done);
                told.extend(done.err().unwrap_or_default());
                next = records.next().await?;
                if place.lines > LINES_MAX {
                    return Err(Broke::Final(format!("the file has more than {LINES_MAX} lines"), None));
                }
                let full = begun.elapsed() >= BATCH_TIME || place.lines - before >= BATCH_LINES;
                if pass != Pass::Whole && full {
                    break;
                }
            }
            self.note(batch, pass, (&place, &mut told)).await?;
        }
        Ok(place)
    }

    /// One line, whole or not at all.
    async fn line(
        &self,
        batch: &Batch,
        columns: &Columns,
        record: &Record,
    ) -> Result<Result<Done, Vec<JobLine>>, Broke> {
        let named = match cells(columns, record) {
            Ok(named) => named,
            Err(faults) => return Ok(Err(faults)),
        };
        match batch.step(self.doer.line(&named)).await? {
            Ok(done) => Ok(Ok(done)),
            Err(Refusal::Line(faults)) => {
                Ok(Err(faults.iter().map(|(field, detail)| fault(record.line, field, detail)).collect()))
            }
            Err(Refusal::Run(broke)) => Err(broke),
        }
    }

    /// Ends a batch: says how far the job is and what is wrong, together with what the batch did if that stays.
    async fn note(&self, batch: Batch, pass: Pass, (place, told): (&Place, &mut Vec<JobLine>)) -> Result<(), Broke> {
        let runs = self.run.api.db.job_runs();
        let text = serde_json::to_string(place).ok().filter(|_| pass == Pass::Keep);
        let said = async {
            runs.step(self.run.lease(), place.step(text.as_deref(), self.run.job.total)).await?;
            runs.say(self.run.job.id, told).await
        };
        let batch = match pass {
            Pass::Keep => batch,
            Pass::Look => {
                drop(batch);
                self.run.api.db.batch().await?
            }
            Pass::Whole => return self.whole_end(batch, place).await,
        };
        batch.step(said).await??;
        batch.commit().await?;
        told.clear();
        Ok(())
    }

    /// All lines or none: a look first, then one transaction in which the job ends too.
    async fn whole(&self) -> Result<Value, Broke> {
        let lines_max = match self.run.api.db.backend() {
            "sqlite" => ATOMIC_LINES_SQLITE,
            _ => ATOMIC_LINES_POSTGRES,
        };
        let looked = self.pass(Pass::Look).await?;
        let nothing =
            |why: String| Broke::Final(why, Some(Place { added: 0, changed: 0, ..looked.clone() }.result(self.plan)));
        if looked.faults > 0 {
            return Err(nothing(format!("{} lines are wrong; nothing was taken in", looked.faults)));
        }
        if looked.lines > lines_max {
            return Err(nothing(format!("at most {lines_max} lines are taken in all or none; nothing was taken in")));
        }
        let place = self.pass(Pass::Whole).await?;
        live(self.run).await;
        Ok(place.result(self.plan))
    }

    async fn whole_end(&self, batch: Batch, place: &Place) -> Result<(), Broke> {
        if place.faults > 0 {
            return Err(Broke::Passing("it was all right a moment ago; something else was changed since".to_owned()));
        }
        self.ended(batch, place).await
    }

    /// Ends the job: its file goes with its end.
    async fn end(&self, batch: Option<Batch>, place: &Place) -> Result<Value, Broke> {
        let batch = match batch {
            Some(batch) => batch,
            None => self.run.api.db.batch().await?,
        };
        self.ended(batch, place).await?;
        Ok(place.result(self.plan))
    }

    async fn ended(&self, batch: Batch, place: &Place) -> Result<(), Broke> {
        finish(self.run, batch, (place.lines, place.faults), &place.result(self.plan)).await
    }
}

/// Ends a job in the transaction of its last effect, and forgets its file.
async fn finish(run: &Run, batch: Batch, (lines, faults): (u64, u64), result: &Value) -> Result<(), Broke> {
    let (runs, now, result) = (run.api.db.job_runs(), run.api.switch.now(), result.to_string());
    let end = async {
        runs.step(run.lease(), Step { done: lines, faults, total: Some(lines), place: None }).await?;
        runs.drop_pieces(run.job.id).await?;
        runs.end(run.lease(), (JobState::Done, now), Some(&result), None).await
    };
    batch.step(end).await??;
    Ok(batch.commit().await?)
}
