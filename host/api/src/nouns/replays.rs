//! Recordings of what plugins are asked and told, to be replayed by their authors (`strowger plugin replay`). They hold
//! what calls hold: numbers, names, digits pressed. So they begin only when somebody says so, and go after a day.

use crate::extract::{Body, Id};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use model::BindingId;
use serde::{Deserialize, Serialize};
use store::Access;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// What to record.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    /// So many questions or calls, 1 to 1000.
    calls: usize,
    /// Of so many of a hundred calls, 1 to 100; else of every call.
    percent: Option<u8>,
}

/// How far a recording of a binding has come.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PluginRecording {
    /// The version that is recorded, as `extensions@0.1.0`.
    plugin: String,
    /// Questions or calls that it holds.
    calls: usize,
    /// How many are wanted.
    wanted: usize,
    /// What they take, in bytes.
    bytes: usize,
    /// Those that were larger than a mebibyte, or that ran out of time.
    left_out: u64,
    /// Whether nothing more is recorded: it has what was wanted, or the binding was changed since it was begun.
    full: bool,
}

fn state(api: &Api, binding: BindingId) -> Result<Json<PluginRecording>, Problem> {
    let r = api.switch.plugin_recording(binding).ok_or_else(|| Problem::not_found("recording of this binding"))?;
    Ok(Json(PluginRecording {
        plugin: r.plugin,
        calls: r.takes,
        wanted: r.wanted,
        bytes: r.bytes,
        left_out: r.left_out,
        full: r.full,
    }))
}

/// Shows how far the recording of a binding has come.
#[utoipa::path(get, path = "/bindings/{id}/recording", tag = "bindings", params(("id" = i64, Path)),
    responses((status = 200, body = PluginRecording), Refusals))]
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<PluginRecording>, Problem> {
    let row = api.db.plugin_bindings().get(&caller.ctx, BindingId(id)).await?;
    state(&api, row.id)
}

/// Begins to record what a binding is asked and told: its next questions or calls, each with every answer of its imports.
/// The one before is forgotten. It is in memory only, and goes after a day. Secrets are not in it; numbers, names and
/// digits pressed are.
#[utoipa::path(put, path = "/bindings/{id}/recording", tag = "bindings", params(("id" = i64, Path)),
    request_body = Record, responses((status = 200, body = PluginRecording), Refusals))]
async fn begin(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<Record>,
) -> Result<Json<PluginRecording>, Problem> {
    let row = api.db.plugin_bindings().get(&caller.ctx, BindingId(id)).await?;
    if !(1..=shell::TAKES_MAX).contains(&body.calls) {
        return Err(Problem::field("calls", format!("expected 1 to {}", shell::TAKES_MAX)));
    }
    let percent = body.percent.unwrap_or(100);
    if !(1..=100).contains(&percent) {
        return Err(Problem::field("percent", "expected 1 to 100"));
    }
    let sample = shell::Sample { wanted: body.calls, percent };
    api.switch.record_plugin(row.id, sample).map_err(|e| Problem::conflict(e.to_string()))?;
    state(&api, row.id)
}

/// The recording as a file for `strowger plugin replay`; for those who may read calls too.
#[utoipa::path(get, path = "/bindings/{id}/recording/file", tag = "bindings", params(("id" = i64, Path)),
    responses((status = 200, content_type = "application/jsonl", body = String), Refusals))]
async fn file(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    caller.check("calls", Access::Read)?;
    let row = api.db.plugin_bindings().get(&caller.ctx, BindingId(id)).await?;
    let text = api.switch.plugin_recording_file(row.id);
    let text = text.ok_or_else(|| Problem::not_found("recording of this binding"))?;
    let named = format!("attachment; filename=\"{}.jsonl\"", row.name);
    let about = [(header::CONTENT_TYPE, "application/jsonl".to_owned()), (header::CONTENT_DISPOSITION, named)];
    Ok((about, text).into_response())
}

/// Ends the recording of a binding, and forgets it.
#[utoipa::path(delete, path = "/bindings/{id}/recording", tag = "bindings", params(("id" = i64, Path)),
    responses((status = 204, description = "Gone"), Refusals))]
async fn end(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    let row = api.db.plugin_bindings().get(&caller.ctx, BindingId(id)).await?;
    let had = api.switch.forget_plugin_recording(row.id);
    if had { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found("recording of this binding")) }
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(show, begin, end)).routes(routes!(file))
}
