//! What plugins wrote to their logs: the last lines of each binding. What comes is told by `/events?log=BINDING`.
//!
//! Plugins write what they like, of the calls that they are asked about too: so the lines are for those who may read
//! calls, and each sees those about its own tenants only. They are in memory, and go with the binding and the process.

use super::events;
use crate::extract::{Id, Params};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller, stamp::rfc3339};
use axum::Json;
use axum::extract::State;
use model::{BindingId, Told};
use serde::{Deserialize, Serialize};
use shell::{GuestLog, Since};
use std::sync::Arc;
use store::Access;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Lines of one answer, unless less is asked for.
const LINES_MAX: usize = 1_000;

/// Which lines.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Those after this place (`place` of an answer); else the newest.
    after: Option<String>,
    /// At most so many, 1 to 1000.
    limit: Option<usize>,
}

/// One line.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogLine {
    at: String,
    /// `trace`, `debug`, `info`, `warn`, `error`: in the plugin's own eyes.
    level: String,
    /// The version that wrote it, as `extensions@0.1.0`; of a trial the one on trial.
    plugin: String,
    /// The company whose call or registration it was about; 0 = none.
    company: i64,
    /// The call that it was asked about.
    call: Option<String>,
    /// The message and its fields, on one line; secrets of the binding stand in it as `[secret]`.
    line: String,
}

/// The last lines of a binding.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BindingLog {
    /// Oldest first.
    lines: Vec<LogLine>,
    /// The place behind the last of them, for `after` of the next request and of `/events?log=`.
    place: String,
    /// Whether lines between the place that was named and these are gone.
    lost: bool,
    /// Lines that were never kept: their guests wrote more than they may.
    dropped: u64,
}

impl From<&Told> for LogLine {
    fn from(told: &Told) -> Self {
        let said = |name: &str| told.attrs.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone()).unwrap_or_default();
        LogLine {
            at: rfc3339(told.at),
            level: said("level"),
            plugin: said("plugin"),
            company: told.company.0,
            call: told.call.map(|call| call.to_string()),
            line: said("line"),
        }
    }
}

/// Whether the caller may read a binding's log.
pub(super) async fn may_read(api: &Api, caller: &Caller, binding: BindingId) -> Result<BindingId, Problem> {
    caller.check("bindings", Access::Read)?;
    caller.check("calls", Access::Read)?;
    Ok(api.db.plugin_bindings().get(&caller.ctx, binding).await?.id)
}

/// A binding's log, for those who may read it.
pub(super) async fn open(
    api: &Api,
    caller: &Caller,
    binding: BindingId,
) -> Result<(BindingId, Arc<GuestLog>), Problem> {
    let binding = may_read(api, caller, binding).await?;
    let log = api.switch.binding_log(binding).ok_or_else(|| Problem::not_found("log of this binding"))?;
    Ok((binding, log))
}

/// Shows the last log lines of a binding's plugin: of all its versions, and of the one on trial. A binding keeps 500 lines
/// and 64 KiB of text. For those who may read calls too.
#[utoipa::path(get, path = "/bindings/{id}/logs", tag = "bindings", params(("id" = i64, Path), Wanted),
    responses((status = 200, body = BindingLog), Refusals))]
async fn show(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Params(wanted): Params<Wanted>,
) -> Result<Json<BindingLog>, Problem> {
    let limit = wanted.limit.unwrap_or(LINES_MAX);
    if !(1..=LINES_MAX).contains(&limit) {
        return Err(Problem::field("limit", format!("expected 1 to {LINES_MAX}")));
    }
    let (_, log) = open(&api, &caller, BindingId(id)).await?;
    let place = |number: u64| format!("{}-{number}", api.epoch);
    let named = wanted.after.as_deref().map(|named| log.since(events::after(&api, 0, Some(named)), usize::MAX));
    let (all, lost, forward) = match named {
        Some(Since::Events(after)) => (after, false, true),
        Some(Since::Lost(_)) => (log.all(), true, true),
        None => (log.all(), false, false),
    };
    let newest = all.last().map_or_else(|| log.newest(), |(number, _)| *number);
    let mut seen: Vec<_> = all.into_iter().filter(|(_, told)| caller.sees(told.brand, told.company)).collect();
    let mut until = newest;
    if seen.len() > limit && forward {
        seen.truncate(limit);
        until = seen.last().map_or(newest, |(number, _)| *number);
    } else if seen.len() > limit {
        seen.drain(..seen.len() - limit);
    }
    let lines = seen.iter().map(|(_, told)| LogLine::from(&**told)).collect();
    Ok(Json(BindingLog { lines, place: place(until), lost, dropped: log.dropped() }))
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(show))
}
