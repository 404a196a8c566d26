//! Live calls: list, make, hang up.

use super::cdrs::Cdr;
use super::summons::{self, AddCall, AddedCall};
use super::{Listed, Many};
use crate::extract::Body;
use crate::listing::OfTenants;
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller, stamp::rfc3339};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use model::{CallId, CallSnapshot, Explained, LegSnapshot, LegState};
use serde::Serialize;
use store::StoreError;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// A call that is up.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Call {
    /// 32 hex digits.
    id: String,
    brand: i64,
    company: i64,
    /// The account that calls; null for a call from a carrier.
    account: Option<i64>,
    /// Who calls.
    caller: String,
    /// Who is called.
    callee: String,
    /// `trying`, `ringing`, `answered`, `held`: the furthest of its legs.
    state: &'static str,
    /// The call app that runs it, by its binding's name.
    app: Option<String>,
    started_at: String,
    answered_at: Option<String>,
    legs: Vec<Leg>,
}

/// A leg that is up.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Leg {
    /// 0 is the caller's.
    leg: u16,
    /// The number or user part.
    party: String,
    /// `trying`, `ringing`, `answered`, `held`.
    state: &'static str,
}

const fn state(state: LegState) -> &'static str {
    match state {
        LegState::Trying => "trying",
        LegState::Ringing => "ringing",
        LegState::Answered => "answered",
        LegState::Held => "held",
    }
}

const fn rank(leg: &LegSnapshot) -> u8 {
    match leg.state {
        LegState::Trying => 0,
        LegState::Ringing => 1,
        LegState::Answered => 2,
        LegState::Held => 3,
    }
}

impl From<CallSnapshot> for Call {
    fn from(call: CallSnapshot) -> Self {
        let furthest = call.legs.iter().max_by_key(|l| rank(l)).map_or("trying", |l| state(l.state));
        let leg = |l: LegSnapshot| Leg { leg: l.leg, party: l.party, state: state(l.state) };
        Call {
            id: call.call.to_string(),
            brand: call.brand.0,
            company: call.company.0,
            account: call.account.map(|account| account.0),
            caller: call.caller,
            callee: call.callee,
            state: furthest,
            app: call.app,
            started_at: rfc3339(call.started_at),
            answered_at: call.answered_at.map(rfc3339),
            legs: call.legs.into_iter().map(leg).collect(),
        }
    }
}

/// Lists the calls that are up, oldest first.
#[utoipa::path(get, path = "/calls", tag = "calls", params(OfTenants),
    responses((status = 200, body = Many<Call>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, asked: OfTenants) -> Listed<Call> {
    let mut calls = api.switch.calls().await?;
    calls.retain(|c| caller.sees(c.brand, c.company) && asked.wants(c.company.0, c.account.map(|a| a.0)));
    Ok(asked.page(calls, |c| format!("{:020} {}", c.started_at.unix_nanos(), c.call)))
}

/// Makes a call for an account, as click to call wants it: the account's own phones ring first, and when one is answered
/// the number is called as if the account had dialled it there. `DELETE /calls/{id}` calls it off at any time.
#[utoipa::path(post, path = "/calls", tag = "calls", request_body = AddCall,
    responses((status = 202, description = "The account's phones ring", body = AddedCall), Refusals))]
async fn add(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<AddCall>,
) -> Result<(StatusCode, Json<AddedCall>), Problem> {
    let company = api.db.companies().get(&caller.ctx, caller.company(body.company)?).await?;
    let extension = match api.db.extensions().find(&caller.ctx, company.id, &body.caller).await {
        Ok(extension) => extension.target.account().map(str::to_owned),
        Err(StoreError::NotFound { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let username = extension.as_deref().unwrap_or(&body.caller);
    let account = api.db.accounts().find(&caller.ctx, company.id, username).await?;
    summons::begin(&api, account, body.into()).await
}

/// Ends a call: every leg is told, and the CDRs say that an operator did it.
#[utoipa::path(delete, path = "/calls/{id}", tag = "calls", params(("id" = String, Path, description = "The call's id")),
    responses((status = 202, description = "Being ended"), Refusals))]
async fn hangup(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let nothing = || Problem::not_found("call");
    let id: CallId = id.parse().map_err(|_| nothing())?;
    let calls = api.switch.calls().await?;
    if !calls.iter().any(|c| c.call == id && caller.sees(c.brand, c.company)) {
        return Err(nothing());
    }
    if api.switch.hangup(id).await? { Ok(StatusCode::ACCEPTED) } else { Err(nothing()) }
}

/// One hook that was asked about a call.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Hook {
    /// The binding.
    binding: String,
    /// The plugin's id and version, as `extensions@0.1.0`.
    plugin: String,
    /// `next`, `connect`, ... or how it failed.
    outcome: String,
    /// How long it took, instantiation and drop included.
    took_us: u64,
    /// Whether an instance that had answered before was asked, and no fresh one.
    warm: bool,
}

/// One question about a call, and what came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Question {
    /// When the answer came.
    at: String,
    /// `route`, `exhausted`, or `sip-filter` of one message.
    asked: String,
    /// Who was called at that time; of a message which it was, and where it entered or left.
    callee: String,
    /// What was decided, in one line.
    decision: String,
    /// Every hook asked, in order.
    hooks: Vec<Hook>,
}

/// A call from its first INVITE to its last CDR: why it went where it went.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Trace {
    /// The call's id.
    call: String,
    /// Every question to the plugins, in order.
    questions: Vec<Question>,
    /// The CDRs of the legs that have ended.
    legs: Vec<Cdr>,
}

impl From<Explained> for Question {
    fn from(why: Explained) -> Self {
        let hook = |h: model::HookReport| Hook {
            binding: h.binding,
            plugin: h.plugin,
            outcome: h.outcome,
            took_us: u64::try_from(h.took.as_micros()).unwrap_or(u64::MAX),
            warm: h.warm,
        };
        Question {
            at: rfc3339(why.at),
            asked: why.asked,
            callee: why.callee,
            decision: why.decision,
            hooks: why.hooks.into_iter().map(hook).collect(),
        }
    }
}

/// Explains a call, live or over: every plugin asked, what it answered and how long it took, and the legs that came of
/// it.
#[utoipa::path(get, path = "/calls/{id}/trace", tag = "calls",
    params(("id" = String, Path, description = "The call's id")), responses((status = 200, body = Trace), Refusals))]
async fn trace(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Result<Json<Trace>, Problem> {
    let call: CallId = id.parse().map_err(|_| Problem::not_found("call"))?;
    let questions: Vec<_> = api.db.explanations().of_call(&caller.ctx, call).await?;
    let legs = api.db.cdrs().of_call(&caller.ctx, call).await?;
    if questions.is_empty() && legs.is_empty() {
        return Err(Problem::not_found("call"));
    }
    let questions = questions.into_iter().map(Question::from).collect();
    Ok(Json(Trace { call: call.to_string(), questions, legs: super::cdrs::shown(legs, caller.ctx.scope) }))
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(hangup)).routes(routes!(trace))
}
