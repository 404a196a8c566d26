//! Jobs: what was asked for and is done in the background, how far it is, and what came of it.

use super::{Listed, Many};
use crate::extract::{Id, Params};
use crate::jobs::export::Plan;
use crate::listing::{Asked, Noun};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller, stamp::rfc3339};
use axum::Json;
use axum::body::Body as Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::try_unfold;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Access, JobState, Page, Scope, StoreError};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

/// A job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Job {
    id: i64,
    /// Null = the platform.
    brand: Option<i64>,
    /// Null = the whole brand.
    company: Option<i64>,
    /// What is to be done.
    kind: String,
    /// The noun whose rights are needed to call it off or try it again.
    noun: String,
    /// `loading` (its file is on its way), `waiting`, `running`, `done`, `failed` (tried in vain), `cancelled`.
    state: &'static str,
    /// Who asked for it, as audit lines have it.
    actor: String,
    /// Who acted as that person.
    impersonator: Option<String>,
    /// How it was asked for.
    #[schema(value_type = Object)]
    asked: Value,
    made_at: String,
    /// When it is begun, or tried again.
    due_at: String,
    started_at: Option<String>,
    ended_at: Option<String>,
    /// How often it was begun.
    tries: u32,
    /// Whether it is to end before it is done.
    stopping: bool,
    /// Parts of it that are done.
    done: u64,
    /// Of those, how many were not as they should be; its report says what is wrong with them.
    faults: u64,
    /// Parts it has, once that is known.
    total: Option<u64>,
    /// What came of it.
    #[schema(value_type = Option<Object>)]
    result: Option<Value>,
    /// Why it failed last.
    error: Option<String>,
    /// The timetable that asked for it.
    timetable: Option<i64>,
}

impl From<store::Job> for Job {
    fn from(j: store::Job) -> Self {
        let (brand, company) = match j.scope {
            Scope::Platform => (None, None),
            Scope::Brand(brand) => (Some(brand.0), None),
            Scope::Company(brand, company) => (Some(brand.0), Some(company.0)),
        };
        let said = |text: String| serde_json::from_str(&text).unwrap_or(Value::Null);
        Job {
            id: j.id,
            brand,
            company,
            kind: j.kind,
            noun: j.noun,
            stopping: j.stop && j.state == JobState::Running,
            state: j.state.word(),
            actor: j.actor,
            impersonator: j.impersonator,
            asked: said(j.asked),
            made_at: rfc3339(j.made_at),
            due_at: rfc3339(j.due_at),
            started_at: j.started_at.map(rfc3339),
            ended_at: j.ended_at.map(rfc3339),
            tries: j.tries,
            done: j.done,
            faults: j.faults,
            total: j.total,
            result: j.result.map(said),
            error: j.error,
            timetable: j.timetable,
        }
    }
}

/// What a job has to say about a line of the file it was given.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Line {
    /// The first line of the file is 1.
    line: i64,
    /// The column that is wrong; empty for the line as a whole.
    field: String,
    /// What is wrong with it.
    detail: String,
}

impl From<store::JobLine> for Line {
    fn from(l: store::JobLine) -> Self {
        Line { line: l.line, field: l.field, detail: l.detail }
    }
}

impl Noun for Job {
    fn listing() -> &'static store::Listing {
        store::lists::JOBS
    }
}

/// Lists jobs, the newest first.
#[utoipa::path(get, path = "/jobs", tag = "jobs", params(Asked<Job>),
    responses((status = 200, body = Many<Job>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, asked: Asked<Job>) -> Listed<Job> {
    Ok(Many::found(api.db.jobs().found(&caller.ctx, &asked.0).await?))
}

/// Shows a job.
#[utoipa::path(get, path = "/jobs/{id}", tag = "jobs", params(("id" = i64, Path)),
    responses((status = 200, body = Job), Refusals))]
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Job>, Problem> {
    Ok(Json(api.db.jobs().get(&caller.ctx, id).await?.into()))
}

/// Which page of a report.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paging {
    /// `next` of the page before.
    after: Option<i64>,
    /// At most so many, 1 to 1000; else 100.
    limit: Option<u32>,
}

/// Shows what a job has to say about lines of its file: at most the first 1,000 of them.
#[utoipa::path(get, path = "/jobs/{id}/report", tag = "jobs", params(("id" = i64, Path), Paging),
    responses((status = 200, body = Many<Line>), Refusals))]
async fn report(State(api): State<Api>, caller: Caller, Id(id): Id, Params(paging): Params<Paging>) -> Listed<Line> {
    let page = Page { after: paging.after.unwrap_or(0), limit: super::limit(paging.limit)? };
    let job = api.db.jobs().get(&caller.ctx, id).await?;
    Ok(Many::page(api.db.jobs().lines(&caller.ctx, job.id, page).await?, page, |l| l.id))
}

/// Gives the file that an export of a timetable made, as it was then. For those who may read what is in it.
#[utoipa::path(get, path = "/jobs/{id}/file", tag = "jobs", params(("id" = i64, Path)),
    responses((status = 200, content_type = "text/csv", body = String), Refusals))]
async fn file(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let job = api.db.jobs().get(&caller.ctx, id).await?;
    let plan = Plan::of_job(&job).filter(|_| job.state == JobState::Done);
    let plan = plan.ok_or_else(|| Problem::not_found("file"))?;
    for noun in plan.of.nouns() {
        caller.check(noun, Access::Read)?;
    }
    let result: Option<serde_json::Value> = job.result.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let whole = result.and_then(|result| result.get("bytes")?.as_u64()).unwrap_or_default();
    let pieces = try_unfold((api, 0, 0), move |(api, piece, given)| async move {
        match api.db.job_runs().piece(id, piece).await? {
            Some(bytes) => {
                let given = given + bytes.len() as u64;
                Ok(Some((bytes, (api, piece + 1, given))))
            }
            // It was forgotten while it was fetched: what is cut off must not look whole.
            None if given < whole => Err(StoreError::NotFound { what: "file" }),
            None => Ok(None),
        }
    });
    let named = format!("attachment; filename=\"{}-{id}.csv\"", plan.of.word());
    let about = [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, named)];
    Ok((about, Bytes::from_stream(pieces)).into_response())
}

/// The job, if the caller may also change what it changes; of one that only gives something out, if he may read it.
async fn changed(api: &Api, caller: &Caller, id: i64) -> Result<store::Job, Problem> {
    let job = api.db.jobs().get(&caller.ctx, id).await?;
    match Plan::of_job(&job) {
        Some(plan) => plan.of.nouns().iter().try_for_each(|noun| caller.check(noun, Access::Read))?,
        None => caller.check(&job.noun, Access::Write)?,
    }
    Ok(job)
}

fn refused(error: store::StoreError, job: &store::Job) -> Problem {
    if matches!(error, store::StoreError::NotFound { .. }) {
        return Problem::conflict(format!("The job is {}.", job.state.word()));
    }
    error.into()
}

/// Calls a job off: one that waits at once, one that runs before its next step. What it has done stays done.
#[utoipa::path(post, path = "/jobs/{id}/cancel", tag = "jobs", params(("id" = i64, Path)),
    responses((status = 200, body = Job), Refusals))]
async fn cancel(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Job>, Problem> {
    let job = changed(&api, &caller, id).await?;
    let cancelled = api.db.jobs().cancel(&caller.ctx, id, api.switch.now()).await.map_err(|e| refused(e, &job))?;
    api.calls_off.notify_waiters();
    Ok(Json(cancelled.into()))
}

/// Tries a job again that failed or was called off. It goes on where it was, with the rights of who asked for it first.
#[utoipa::path(post, path = "/jobs/{id}/retry", tag = "jobs", params(("id" = i64, Path)),
    responses((status = 200, body = Job), Refusals))]
async fn retry(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Job>, Problem> {
    let job = changed(&api, &caller, id).await?;
    let again = api.db.jobs().retry(&caller.ctx, id, api.switch.now()).await.map_err(|e| refused(e, &job))?;
    api.jobs.notify_one();
    Ok(Json(again.into()))
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(report))
        .routes(routes!(file))
        .routes(routes!(cancel))
        .routes(routes!(retry))
}
