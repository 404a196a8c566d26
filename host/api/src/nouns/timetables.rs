//! Timetables: jobs that come again and again, when they come next, and what came of the last.

use super::{Listed, Many};
use crate::extract::{Body, Id};
use crate::jobs::export::{self, Plan};
use crate::jobs::import::plan::Of;
use crate::jobs::timetable;
use crate::listing::{Asked, Noun};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller, stamp::rfc3339};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use core::time::Duration;
use model::Instant;
use serde::{Deserialize, Serialize};
use store::{Access, Cadence, Scope, Timing, When};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// The zone where none is named.
const ZONE: &str = "UTC";
/// The least and the most seconds between two times.
const EVERY: core::ops::RangeInclusive<u64> = 60..=366 * 86_400;
/// Jobs that ended which are kept where nothing is said, and at most.
const KEEP: u32 = 7;
const KEEP_MAX: u32 = 100;

/// What became of the last job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LastRun {
    /// The job's number.
    job: i64,
    /// As `state` of a job.
    state: &'static str,
    asked_at: String,
    ended_at: Option<String>,
    /// Why it failed last.
    error: Option<String>,
}

/// A timetable.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Timetable {
    id: i64,
    /// Null = the platform.
    brand: Option<i64>,
    /// Null = the whole brand.
    company: Option<i64>,
    /// Unique within its tenant.
    name: String,
    /// The kind of its jobs: `export`.
    kind: String,
    /// What its jobs give out; each keeps its file, which `GET /jobs/{id}/file` gives.
    export: Of,
    /// For rates: the name of the prefix table.
    table: Option<String>,
    /// Minute, hour, day, month, weekday, as cron has them.
    cron: Option<String>,
    /// The zone on whose wall `cron` is read.
    zone: Option<String>,
    /// Instead of `cron`: every so many seconds.
    every_s: Option<u64>,
    /// How many of its jobs that ended are kept.
    keep: u32,
    enabled: bool,
    /// Whose rights its jobs have: who made it or changed it last.
    actor: String,
    /// Who acted as that person.
    impersonator: Option<String>,
    made_at: String,
    /// When it comes next; null if it is switched off.
    next_at: Option<String>,
    /// How often its time came while its job of the time before was not done, or its tenant had too many jobs.
    skipped: u64,
    /// Its last job.
    last: Option<LastRun>,
}

impl From<store::Timetable> for Timetable {
    fn from(t: store::Timetable) -> Self {
        let (brand, company) = match t.scope {
            Scope::Platform => (None, None),
            Scope::Brand(brand) => (Some(brand.0), None),
            Scope::Company(brand, company) => (Some(brand.0), Some(company.0)),
        };
        let plan = plan(&t.timing);
        let (cron, zone, every_s) = match t.timing.cadence {
            Cadence::Cron(cron, zone) => (Some(cron), Some(zone), None),
            Cadence::Every(every) => (None, None, Some(every.as_secs())),
        };
        let last = t.last.map(|l| LastRun {
            job: l.job,
            state: l.state.word(),
            asked_at: rfc3339(l.made_at),
            ended_at: l.ended_at.map(rfc3339),
            error: l.error,
        });
        Timetable {
            id: t.id,
            brand,
            company,
            name: t.timing.name,
            kind: t.timing.kind,
            export: plan.of,
            table: plan.table,
            cron,
            zone,
            every_s,
            keep: t.timing.keep,
            enabled: t.timing.enabled,
            actor: t.timing.actor,
            impersonator: t.timing.impersonator,
            made_at: rfc3339(t.made_at),
            next_at: t.timing.next_at.map(rfc3339),
            skipped: t.skipped,
            last,
        }
    }
}

/// What a timetable gives out. One that cannot be read (a newer program's) gives out nothing that a company has.
fn plan(timing: &Timing) -> Plan {
    let nothing = Plan { of: Of::Rates, brand: None, company: None, table: None };
    serde_json::from_str(&timing.asked).unwrap_or(nothing)
}

/// A timetable to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddTimetable {
    /// For rates: the brand; a brand's token may leave it out.
    brand: Option<i64>,
    /// Of all but rates: the company; a company's token may leave it out.
    company: Option<i64>,
    /// Unique within its tenant.
    name: String,
    /// What its jobs give out.
    export: Of,
    /// For rates: the name of the prefix table.
    table: Option<String>,
    /// Minute, hour, day, month, weekday, as cron has them: `30 2 * * mon-fri`.
    cron: Option<String>,
    /// The zone on whose wall `cron` is read, as `Europe/Berlin`; else UTC.
    zone: Option<String>,
    /// Instead of `cron`: every so many seconds, 60 to 31622400.
    #[schema(minimum = 60, maximum = 31_622_400)]
    every_s: Option<u64>,
    /// How many of its jobs that ended are kept, with their files, 1 to 100; else 7.
    #[schema(minimum = 1, maximum = 100)]
    keep: Option<u32>,
    /// Else true.
    enabled: Option<bool>,
}

/// What changes. Its jobs have the rights of who changes it from then on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchTimetable {
    name: Option<String>,
    export: Option<Of>,
    #[serde(default, deserialize_with = "super::nullable")]
    #[schema(value_type = Option<String>)]
    table: Option<Option<String>>,
    cron: Option<String>,
    zone: Option<String>,
    #[schema(minimum = 60, maximum = 31_622_400)]
    every_s: Option<u64>,
    #[schema(minimum = 1, maximum = 100)]
    keep: Option<u32>,
    enabled: Option<bool>,
}

/// When it comes: a line of cron's in a zone, or every so often.
fn cadence(cron: Option<String>, zone: Option<String>, every_s: Option<u64>) -> Result<Cadence, Problem> {
    let cadence = match (cron, every_s) {
        (Some(_), Some(_)) => return Err(Problem::field("every_s", "name either it or cron")),
        (None, None) => return Err(Problem::field("cron", "expected it or every_s")),
        (Some(cron), None) => {
            policy::Cron::parse(&cron).map_err(|why| Problem::field("cron", why))?;
            let zone = zone.unwrap_or_else(|| ZONE.to_owned());
            if !policy::is_zone(&zone) {
                return Err(Problem::field("zone", "expected the name of a time zone, as Europe/Berlin"));
            }
            Cadence::Cron(cron, zone)
        }
        (None, Some(_)) if zone.is_some() => return Err(Problem::field("zone", "it is for cron only")),
        (None, Some(every)) if EVERY.contains(&every) => Cadence::Every(Duration::from_secs(every)),
        (None, Some(_)) => {
            let why = format!("expected {} to {}", EVERY.start(), EVERY.end());
            return Err(Problem::field("every_s", why));
        }
    };
    Ok(cadence)
}

fn kept(keep: u32) -> Result<u32, Problem> {
    let within = (1..=KEEP_MAX).contains(&keep);
    within.then_some(keep).ok_or_else(|| Problem::field("keep", format!("expected 1 to {KEEP_MAX}")))
}

fn is_name(name: &str) -> Result<(), Problem> {
    let fits = (1..=64).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(Problem::field("name", "expected 1 to 64 characters")) }
}

/// When it comes first.
fn first(cadence: &Cadence, now: Instant) -> Result<Instant, Problem> {
    timetable::next(cadence, now, now).ok_or_else(|| Problem::field("cron", "there is no such day"))
}

/// The rights that its jobs need, and those that it needs to be made: nobody sets up what he may not read himself.
fn check(caller: &Caller, plan: &Plan) -> Result<(), Problem> {
    for noun in plan.of.nouns() {
        caller.check(noun, Access::Read)?;
    }
    if plan.of == Of::Rates {
        caller.needs_brand("Prices are for a brand's operator.")?;
        if plan.table.as_ref().is_none_or(String::is_empty) {
            return Err(Problem::field("table", "expected the name of a prefix table"));
        }
    } else if plan.table.is_some() {
        return Err(Problem::field("table", "it is for rates only"));
    }
    Ok(())
}

fn timing(caller: &Caller, name: String, plan: &Plan, cadence: Cadence) -> Result<Timing, Problem> {
    is_name(&name)?;
    Ok(Timing {
        name,
        kind: export::KIND.to_owned(),
        noun: plan.of.nouns().first().copied().unwrap_or_default().to_owned(),
        asked: serde_json::to_string(plan).map_err(|_| Problem::internal())?,
        cadence,
        keep: KEEP,
        enabled: true,
        actor: caller.actor.clone(),
        impersonator: caller.impersonator.clone(),
        principal: caller.principal(),
        next_at: None,
    })
}

impl Noun for Timetable {
    fn listing() -> &'static store::Listing {
        store::lists::TIMETABLES
    }
}

/// Lists timetables.
#[utoipa::path(get, path = "/timetables", tag = "jobs", params(Asked<Timetable>),
    responses((status = 200, body = Many<Timetable>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, asked: Asked<Timetable>) -> Listed<Timetable> {
    Ok(Many::found(api.db.timetables().found(&caller.ctx, &asked.0).await?))
}

/// Shows a timetable.
#[utoipa::path(get, path = "/timetables/{id}", tag = "jobs", params(("id" = i64, Path)),
    responses((status = 200, body = Timetable), Refusals))]
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Timetable>, Problem> {
    Ok(Json(api.db.timetables().get(&caller.ctx, id).await?.into()))
}

/// Makes a timetable. Each of its times asks for one job, however many nodes there are; times that were missed because no
/// switch ran come once when one runs again. Its jobs have the rights that who made it has then.
#[utoipa::path(post, path = "/timetables", tag = "jobs", request_body = AddTimetable,
    responses((status = 201, body = Timetable), Refusals))]
async fn add(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<AddTimetable>,
) -> Result<(StatusCode, Json<Timetable>), Problem> {
    let of = body.export;
    let (scope, plan) = if of == Of::Rates {
        caller.needs_brand("Prices are for a brand's operator.")?;
        let brand = api.db.brands().get(&caller.ctx, caller.brand(body.brand)?).await?.id;
        (Scope::Brand(brand), Plan { of, brand: Some(brand.0), company: None, table: body.table })
    } else {
        let company = api.db.companies().get(&caller.ctx, caller.company(body.company)?).await?;
        if body.brand.is_some_and(|brand| brand != company.brand.0) {
            return Err(Problem::not_found("company"));
        }
        let scope = Scope::Company(company.brand, company.id);
        (scope, Plan { of, brand: None, company: Some(company.id.0), table: body.table })
    };
    check(&caller, &plan)?;
    let now = api.switch.now();
    let cadence = cadence(body.cron, body.zone, body.every_s)?;
    let first = first(&cadence, now)?;
    let enabled = body.enabled.unwrap_or(true);
    let next_at = enabled.then_some(first);
    let keep = kept(body.keep.unwrap_or(KEEP))?;
    let new = Timing { keep, enabled, next_at, ..timing(&caller, body.name, &plan, cadence)? };
    let made = api.db.timetables().create(&caller.ctx, scope, &new, now).await?;
    api.times.notify_one();
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Changes a timetable. Its jobs have the rights of who changed it last.
#[utoipa::path(patch, path = "/timetables/{id}", tag = "jobs", params(("id" = i64, Path)),
    request_body = PatchTimetable, responses((status = 200, body = Timetable), Refusals))]
async fn patch(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<PatchTimetable>,
) -> Result<Json<Timetable>, Problem> {
    let there = api.db.timetables().get(&caller.ctx, id).await?;
    let was = there.timing;
    let old = plan(&was);
    let of = body.export.unwrap_or(old.of);
    if (of == Of::Rates) != (old.of == Of::Rates) {
        return Err(Problem::field("export", "prices are a brand's, and all else a company's: make another timetable"));
    }
    let plan = Plan { of, table: body.table.unwrap_or_else(|| old.table.clone()), ..old.clone() };
    check(&caller, &old)?;
    check(&caller, &plan)?;
    let changes = body.cron.is_some() || body.zone.is_some() || body.every_s.is_some();
    let at_once = (&was.cadence, body.cron, body.every_s);
    let cadence = match at_once {
        _ if !changes => was.cadence.clone(),
        (Cadence::Cron(cron, zone), new, None) => {
            cadence(new.or_else(|| Some(cron.clone())), body.zone.or_else(|| Some(zone.clone())), None)?
        }
        (_, new, every) => cadence(new, body.zone, every)?,
    };
    let enabled = body.enabled.unwrap_or(was.enabled);
    let kept_on = enabled && was.enabled && !changes;
    let next_at = match enabled {
        false => When::Never,
        true if kept_on => When::AsItIs,
        true => When::At(first(&cadence, api.switch.now())?),
    };
    let keep = kept(body.keep.unwrap_or(was.keep))?;
    let new = timing(&caller, body.name.unwrap_or_else(|| was.name.clone()), &plan, cadence)?;
    let mut new = Timing { keep, enabled, next_at: was.next_at, ..new };
    // A change that changes nothing leaves it whose it is.
    let as_was = Timing {
        actor: was.actor.clone(),
        impersonator: was.impersonator.clone(),
        principal: was.principal,
        ..new.clone()
    };
    if as_was == was && next_at == When::AsItIs {
        new = as_was;
    }
    let changed = api.db.timetables().update(&caller.ctx, id, &new, next_at).await?;
    api.times.notify_one();
    Ok(Json(changed.into()))
}

/// Deletes a timetable. Its jobs stay; one that runs goes on.
#[utoipa::path(delete, path = "/timetables/{id}", tag = "jobs", params(("id" = i64, Path)),
    responses((status = 204, description = "Gone"), Refusals))]
async fn delete(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    let there = api.db.timetables().get(&caller.ctx, id).await?;
    for noun in plan(&there.timing).of.nouns() {
        caller.check(noun, Access::Read)?;
    }
    api.db.timetables().delete(&caller.ctx, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(show, patch, delete))
}
