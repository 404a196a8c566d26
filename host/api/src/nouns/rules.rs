//! Rules: the named nouns of a company that say what becomes of its calls.

use super::{Listed, Many};
use crate::extract::{Body, Id};
use crate::listing::{Asked, Noun};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{RuleBody, RuleId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::NewRule;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// What sort of rule it is, and so what its body holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RuleKind {
    /// `numbers`, `prefixes`, `patterns`: any of them counts.
    MatchList,
    /// `hours`: a list of `days`, `from` and `to`; `to` is not in it, and 24:00 is the end of the day.
    Schedule,
    /// `holidays`: `name`, `date`, `until`, `hours`, `way`. `periods`: `name`, `from`, `until`, `schedules`, `way`.
    Calendar,
    /// `black_lists`, `white_lists`, `calendars`, `schedules` by name; `holiday` and `closed` say where calls go.
    CallFilter,
    /// `rules`: a list of `list` and `permission`, first match decides; `default`.
    CallAcl,
    /// `strategy` (`ring-all`, `linear`, `round-robin`, `random`); `members`: a list of `to` (`kind` `account` or `number`, and
    /// `name`), `priority`, `ring_s`; `ring_s`, `rounds`, `no_answer` (a way), `prevent_missed_calls`.
    HuntGroup,
    /// `conditions`: a list of `match_lists`, `schedules`, `calendars`, `locks` by name and the `way`; `otherwise`.
    ConditionalRoute,
    /// `open`; `code`: the digits that follow a service code to throw it.
    RouteLock,
    /// `rules`: a list of `list` or `prefix`, and `choice` (`kind` `keep` or `force`, `ddi`); `default`.
    OutgoingDdiRules,
}

impl From<RuleKind> for model::RuleKind {
    fn from(kind: RuleKind) -> Self {
        match kind {
            RuleKind::MatchList => model::RuleKind::MatchList,
            RuleKind::Schedule => model::RuleKind::Schedule,
            RuleKind::Calendar => model::RuleKind::Calendar,
            RuleKind::CallFilter => model::RuleKind::CallFilter,
            RuleKind::CallAcl => model::RuleKind::CallAcl,
            RuleKind::HuntGroup => model::RuleKind::HuntGroup,
            RuleKind::ConditionalRoute => model::RuleKind::ConditionalRoute,
            RuleKind::RouteLock => model::RuleKind::RouteLock,
            RuleKind::OutgoingDdiRules => model::RuleKind::OutgoingDdiRules,
        }
    }
}

impl From<model::RuleKind> for RuleKind {
    fn from(kind: model::RuleKind) -> Self {
        match kind {
            model::RuleKind::MatchList => RuleKind::MatchList,
            model::RuleKind::Schedule => RuleKind::Schedule,
            model::RuleKind::Calendar => RuleKind::Calendar,
            model::RuleKind::CallFilter => RuleKind::CallFilter,
            model::RuleKind::CallAcl => RuleKind::CallAcl,
            model::RuleKind::HuntGroup => RuleKind::HuntGroup,
            model::RuleKind::ConditionalRoute => RuleKind::ConditionalRoute,
            model::RuleKind::RouteLock => RuleKind::RouteLock,
            model::RuleKind::OutgoingDdiRules => RuleKind::OutgoingDdiRules,
        }
    }
}

/// A rule.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Rule {
    id: i64,
    company: i64,
    kind: RuleKind,
    /// Unique among the company's rules of its kind.
    name: String,
    /// What it says; see the kind.
    #[schema(value_type = Object)]
    body: RuleBody,
}

impl From<model::Rule> for Rule {
    fn from(r: model::Rule) -> Self {
        Rule { id: r.id.0, company: r.company.0, kind: r.body.kind().into(), name: r.name, body: r.body }
    }
}

/// A rule to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddRule {
    /// The company's id; a company's token may leave it out.
    company: Option<i64>,
    /// What it is.
    kind: RuleKind,
    /// 1 to 64 characters.
    name: String,
    /// What it says; see the kind.
    #[schema(value_type = Object)]
    body: Value,
}

/// What changes. Kind and name stay: others name it by them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchRule {
    /// The whole of what it says.
    #[schema(value_type = Option<Object>)]
    body: Option<Value>,
}

fn read(kind: model::RuleKind, body: Value) -> Result<RuleBody, Problem> {
    RuleBody::read(kind, body).map_err(|error| Problem::field("body", error.to_string()))
}

impl Noun for Rule {
    fn listing() -> &'static store::Listing {
        store::lists::RULES
    }
}

/// Lists rules.
#[utoipa::path(get, path = "/rules", tag = "rules", params(Asked<Rule>),
    responses((status = 200, body = Many<Rule>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, asked: Asked<Rule>) -> Listed<Rule> {
    Ok(Many::found(api.db.rules().found(&caller.ctx, &asked.0).await?))
}

/// Shows a rule.
#[utoipa::path(get, path = "/rules/{id}", tag = "rules", params(("id" = i64, Path)),
    responses((status = 200, body = Rule), Refusals))]
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Rule>, Problem> {
    Ok(Json(api.db.rules().get(&caller.ctx, RuleId(id)).await?.into()))
}

/// Adds a rule.
#[utoipa::path(post, path = "/rules", tag = "rules", request_body = AddRule,
    responses((status = 201, body = Rule), Refusals))]
async fn add(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<AddRule>,
) -> Result<(StatusCode, Json<Rule>), Problem> {
    let said = read(body.kind.into(), body.body)?;
    let new = NewRule { company: caller.company(body.company)?, name: body.name, body: said };
    let rule = api.db.rules().create(&caller.ctx, new).await?;
    api.live().await?;
    Ok((StatusCode::CREATED, Json(rule.into())))
}

/// Changes what a rule says.
#[utoipa::path(patch, path = "/rules/{id}", tag = "rules", params(("id" = i64, Path)),
    request_body = PatchRule, responses((status = 200, body = Rule), Refusals))]
async fn patch(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<PatchRule>,
) -> Result<Json<Rule>, Problem> {
    let mut rule = api.db.rules().get(&caller.ctx, RuleId(id)).await?;
    if let Some(said) = body.body {
        let said = read(rule.body.kind(), said)?;
        rule = api.db.rules().update(&caller.ctx, rule.id, &said).await?;
        api.live().await?;
    }
    Ok(Json(rule.into()))
}

/// Deletes a rule that nobody names.
#[utoipa::path(delete, path = "/rules/{id}", tag = "rules", params(("id" = i64, Path)),
    responses((status = 204, description = "Gone"), Refusals))]
async fn delete(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    api.db.rules().delete(&caller.ctx, RuleId(id)).await?;
    api.live().await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(show, patch, delete))
}
