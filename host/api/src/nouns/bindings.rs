//! Bindings: which plugin is asked for whom. Binding and rolling back swap at once; calls under way keep what they
//! began with.

use super::binding_config::{self, Change};
use super::{Listed, Many, plugins};
use crate::extract::{Body, Id};
use crate::listing::{Asked, Noun};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller, stamp::rfc3339};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{AccountId, BindingId, BrandId, CompanyId, FAX_APP, Instant, PluginId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use store::{Allowance, BindingTrial, ConfigOwner, NewBinding, Scope, StoreError};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// A binding.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Binding {
    id: i64,
    brand: i64,
    /// Null = every company of the brand.
    company: Option<i64>,
    /// Null = every account of the company.
    account: Option<i64>,
    /// Unique within its scope; routes hand calls to a call app by it.
    name: String,
    /// `routing/router` or `call/app`.
    point: String,
    /// Lower is asked first.
    priority: i64,
    /// What it runs, as `extensions@0.1.0`.
    plugin: String,
    /// The plugin's id.
    plugin_id: i64,
    /// The plugin's configuration. `********` stands for a secret (`x-secret` in the schema), which is never shown.
    config: Value,
    /// What a rollback would run, as `extensions@0.0.9`.
    previous: Option<String>,
    /// What rollbacks would run, one after the other: at most three, the last bound first.
    kept: Vec<String>,
    /// What this binding may use of what its plugin may; null = all of it.
    grants: Option<Value>,
    /// Whether a failure refuses, where the point has a choice.
    mandatory: bool,
    /// Of a call app: what becomes of a caller when it fails.
    on_failure: OnFailure,
    /// The plugin's id of a version on trial.
    trial_plugin_id: Option<i64>,
    /// How many of a hundred calls it answers; 0 is a shadow.
    trial_percent: Option<u8>,
}

/// How a binding does now, on this switch.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BindingState {
    /// `live`; `tripped`: its plugin kept failing and rests, so that its failure policy answers; or `absent`: the switch does
    /// not run it, and its log says why.
    state: &'static str,
    /// Since when it is tripped; null else.
    tripped_since: Option<String>,
    /// From when on its next question is a probe, which closes the breaker if it is answered; null unless it is tripped.
    next_probe_at: Option<String>,
    /// Instances of it that are alive, over all its versions; null where it is absent.
    instances: Option<u32>,
    /// How many may be: its share of the places there are, or all where nothing else is bound at such points. One more is
    /// answered by the failure policy at once.
    instances_max: Option<u32>,
    /// When its canary was rolled back because it did worse; null where it has none, or the canary is asked.
    trial_rolled_back_at: Option<String>,
    /// Why, in words.
    trial_rolled_back_why: Option<String>,
}

impl BindingState {
    fn seen(found: Option<shell::BindingState>, trial: Option<BindingTrial>, now: Instant) -> BindingState {
        let over = trial.and_then(|trial| trial.over);
        let tripped = found.and_then(|found| found.tripped);
        let state = match (found, tripped) {
            (None, _) => "absent",
            (Some(_), None) => "live",
            (Some(_), Some(_)) => "tripped",
        };
        BindingState {
            state,
            tripped_since: tripped.map(|tripped| rfc3339(now - tripped.since)),
            next_probe_at: tripped.map(|tripped| rfc3339(now + tripped.probe_in)),
            instances: found.map(|found| found.instances),
            instances_max: found.map(|found| found.instances_max),
            trial_rolled_back_at: over.as_ref().map(|(at, _)| rfc3339(*at)),
            trial_rolled_back_why: over.map(|(_, why)| why),
        }
    }
}

/// A version to try out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Try {
    /// The plugin's id: another version, or another plugin, that serves the binding's point.
    plugin: i64,
    /// Its configuration, where `********` stands for what the binding's own has there; else the binding's own.
    config: Option<Value>,
    /// A canary answers so many of a hundred calls, and goes by itself when it fails or is three times slower; 0, as if
    /// left out, is a shadow: asked about every call after the answer, and only compared.
    #[serde(default)]
    percent: u8,
}

/// How a version on trial does.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Trial {
    /// The plugin's id.
    plugin_id: i64,
    /// How many of a hundred calls it answers; 0 is a shadow.
    percent: u8,
    /// Whether it did worse and is asked no more.
    rolled_back: bool,
    /// When that was found; null else.
    rolled_back_at: Option<String>,
    /// Why, in words; null else.
    rolled_back_why: Option<String>,
    /// Calls it was asked about.
    calls: u64,
    /// Of those, how many ended in a trap, a timeout or a broken rule.
    failures: u64,
    /// Of a shadow: answers that were the same.
    same: u64,
    /// Answers that were not.
    different: u64,
    /// The last of them, as `CALL: SERVED | SHADOW`.
    differences: Vec<String>,
}

/// A binding to make, or to change in place.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bind {
    /// The brand's id, for a binding of a whole brand; a brand's token may leave it out.
    brand: Option<i64>,
    /// The company's id, for a binding of one company.
    company: Option<i64>,
    /// The account's id, for a binding of one account: it is asked about the calls that the account makes, and about its
    /// registrations, after the company's bindings.
    account: Option<i64>,
    /// Unique within its scope: letters, digits, `-` and `_`.
    name: String,
    /// Else the only point that the plugin serves.
    point: Option<String>,
    /// The plugin's id.
    plugin: i64,
    /// Lower is asked first; else what it was, or 100.
    priority: Option<i32>,
    /// The plugin's configuration; else what it was, or `{}`. Checked against the schema of the plugin's bundle and by the
    /// plugin itself, where it checks; another version may change what it was to its liking. What the
    /// schema says is `x-secret` is kept sealed and never shown; `********` in its place keeps what it was.
    config: Option<Value>,
    /// What this binding may use of what its plugin may; else what it was, or all of it.
    grants: Option<Value>,
    /// Whether a failure refuses (`hooks/registration`, `hooks/sip-filter`: 503) instead of passing; else what it was, or
    /// false.
    mandatory: Option<bool>,
    /// Of a call app: what becomes of a caller when it fails (traps, takes too long, finds no place); else what it was, or an
    /// apology and the end of the call.
    on_failure: Option<OnFailure>,
}

/// What becomes of a caller whose call app fails.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OnFailure {
    /// The stored prompt that the caller hears first; null = `apology`, empty = none. A caller who has not been answered
    /// hears it only where there is no fallback.
    apology: Option<String>,
    /// The number that is called for the caller then, as if it had been dialled: an extension, a hunt group, a public
    /// number; null = the call ends.
    fallback: Option<String>,
    /// Whether the app is started once more, from its beginning, where it fails before anybody has answered.
    #[serde(default)]
    restart: bool,
}

/// Most characters of a fallback's number, and of a prompt's name.
const FALLBACK_MAX: usize = 64;
const APOLOGY_MAX: usize = 128;

impl OnFailure {
    fn seen(kept: store::OnFailure) -> OnFailure {
        OnFailure { apology: kept.apology, fallback: kept.fallback, restart: kept.restart }
    }

    fn checked(self, point: &str) -> Result<store::OnFailure, Problem> {
        if point != "call/app" {
            return Err(Problem::field("on_failure", format!("call apps have one, {point} has none")));
        }
        let number = |c: char| c.is_ascii_alphanumeric() || "+*#.-_".contains(c);
        if self.fallback.as_ref().is_some_and(|n| n.is_empty() || n.len() > FALLBACK_MAX || !n.chars().all(number)) {
            return Err(Problem::field(
                "on_failure.fallback",
                format!("expected a number of 1 to {FALLBACK_MAX} signs"),
            ));
        }
        let name = |c: char| c.is_ascii_alphanumeric() || "-_/.".contains(c);
        if self.apology.as_ref().is_some_and(|n| n.len() > APOLOGY_MAX || !n.chars().all(name)) {
            return Err(Problem::field(
                "on_failure.apology",
                format!("expected a prompt's name of {APOLOGY_MAX} signs at most"),
            ));
        }
        Ok(store::OnFailure { apology: self.apology, fallback: self.fallback, restart: self.restart })
    }
}

/// The names of a binding's secrets; the secrets themselves are never shown.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Secrets {
    names: Vec<String>,
}

/// Puts the plugins' names to rows.
async fn named(api: &Api, caller: &Caller, rows: Vec<store::Binding>) -> Result<Vec<Binding>, Problem> {
    let mut plugins: BTreeMap<PluginId, store::Plugin> = BTreeMap::new();
    let mut wanted = BTreeSet::new();
    for row in &rows {
        wanted.insert(row.plugin);
        wanted.extend(row.previous.iter().map(|(id, _)| *id));
    }
    for id in wanted {
        plugins.insert(id, api.db.plugins().get(&caller.ctx, id).await?);
    }
    let name = |id: PluginId| plugins.get(&id).map(|p| format!("{}@{}", p.name, p.version)).unwrap_or_default();
    let config = |b: &store::Binding| plugins.get(&b.plugin).map(|p| binding_config::shown(p, &b.config));
    let view = |b: store::Binding| Binding {
        config: config(&b).unwrap_or(Value::Null),
        id: b.id.0,
        brand: b.brand.0,
        company: b.company.map(|c| c.0),
        account: b.account.map(|a| a.0),
        name: b.name,
        point: b.point,
        priority: b.priority,
        plugin: name(b.plugin),
        plugin_id: b.plugin.0,
        previous: b.previous.first().map(|(id, _)| name(*id)),
        kept: b.previous.iter().map(|(id, _)| name(*id)).collect(),
        grants: b.granted.and_then(|g| serde_json::from_str(&g).ok()),
        mandatory: b.mandatory,
        on_failure: OnFailure::seen(b.on_failure),
        trial_plugin_id: b.trial.as_ref().map(|t| t.plugin.0),
        trial_percent: b.trial.as_ref().map(|t| t.percent),
    };
    Ok(rows.into_iter().map(view).collect())
}

async fn one(api: &Api, caller: &Caller, row: store::Binding) -> Result<Json<Binding>, Problem> {
    named(api, caller, vec![row]).await?.pop().map(Json).ok_or_else(|| Problem::not_found("binding"))
}

impl Noun for Binding {
    fn listing() -> &'static store::Listing {
        store::lists::BINDINGS
    }
}

/// Lists bindings.
#[utoipa::path(get, path = "/bindings", tag = "bindings", params(Asked<Binding>),
    responses((status = 200, body = Many<Binding>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, asked: Asked<Binding>) -> Listed<Binding> {
    let found = api.db.plugin_bindings().found(&caller.ctx, &asked.0).await?;
    let rows = named(&api, &caller, found.rows).await?;
    Ok(Many::found(store::Found { rows, next: found.next }))
}

/// Shows a binding.
#[utoipa::path(get, path = "/bindings/{id}", tag = "bindings", params(("id" = i64, Path)),
    responses((status = 200, body = Binding), Refusals))]
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Binding>, Problem> {
    let row = api.db.plugin_bindings().get(&caller.ctx, BindingId(id)).await?;
    one(&api, &caller, row).await
}

/// Shows how a binding does: whether its plugin is asked or rests after failures, and how many instances of it there are.
#[utoipa::path(get, path = "/bindings/{id}/state", tag = "bindings", params(("id" = i64, Path)),
    responses((status = 200, body = BindingState), Refusals))]
async fn show_state(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<BindingState>, Problem> {
    let row = api.db.plugin_bindings().get(&caller.ctx, BindingId(id)).await?;
    Ok(Json(BindingState::seen(api.switch.binding(row.id), row.trial, api.switch.now())))
}

type Whom = (BrandId, Option<CompanyId>, Option<AccountId>);

/// Whom a binding serves: a company names its brand by itself, an account its company.
async fn scope(api: &Api, caller: &Caller, body: &Bind) -> Result<Whom, Problem> {
    let account = match body.account {
        Some(id) => Some(api.db.accounts().get(&caller.ctx, AccountId(id)).await?),
        None => None,
    };
    let company = match (body.company, caller.ctx.scope, &account) {
        (Some(company), _, _) => Some(CompanyId(company)),
        (None, _, Some(account)) => Some(account.company),
        (None, Scope::Company(_, own), None) if body.brand.is_none() => Some(own),
        (None, _, None) => None,
    };
    if account.as_ref().is_some_and(|a| Some(a.company) != company) {
        return Err(Problem::not_found("account"));
    }
    match company {
        Some(company) => {
            let brand = api.db.companies().get(&caller.ctx, company).await?.brand;
            if body.brand.is_some_and(|named| named != brand.0) {
                return Err(Problem::not_found("company"));
            }
            Ok((brand, Some(company), account.map(|a| a.id)))
        }
        None => {
            let brand = caller.brand(body.brand)?;
            api.db.brands().get(&caller.ctx, brand).await?;
            Ok((brand, None, None))
        }
    }
}

fn check_name(name: &str) -> Result<(), Problem> {
    let fits = (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if fits { Ok(()) } else { Err(Problem::field("name", "expected 1 to 64 letters, digits, `-` or `_`")) }
}

/// The point asked for, or the only one; the plugin must serve it.
fn point(wanted: Option<String>, serves: &[String]) -> Result<String, Problem> {
    match (wanted, serves) {
        (Some(point), serves) if serves.contains(&point) => Ok(point),
        (None, [only]) => Ok(only.clone()),
        (Some(_) | None, serves) => {
            Err(Problem::field("point", format!("expected what the plugin serves: {}", serves.join(", "))))
        }
    }
}

/// Binds a plugin, or gives the binding of that name and scope another version, configuration or priority.
#[utoipa::path(put, path = "/bindings", tag = "bindings", request_body = Bind,
    responses((status = 200, body = Binding), Refusals))]
async fn bind(State(api): State<Api>, caller: Caller, Body(body): Body<Bind>) -> Result<Json<Binding>, Problem> {
    let (brand, company, account) = scope(&api, &caller, &body).await?;
    if company.is_none() {
        caller.needs_brand("A whole brand is bound by its brand's operator.")?;
    }
    check_name(&body.name)?;
    let candidate = plugins::candidate(&api, &caller, PluginId(body.plugin)).await?;
    let point = point(body.point, &candidate.points)?;
    if point == "call/app" && body.name == FAX_APP {
        return Err(Problem::field("name", "`fax` is the switch's own app, which receives faxes: take another name"));
    }
    if account.is_some() && ["hooks/event-sink", "billing/rater"].contains(&point.as_str()) {
        return Err(Problem::field("account", "an event sink or a rater serves a brand or a company, not one account"));
    }
    let old = match api.db.plugin_bindings().find(&caller.ctx, (brand, company, account), &body.name).await {
        Ok(old) => Some(old),
        Err(StoreError::NotFound { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let priority = body.priority.map(i64::from).or(old.as_ref().map(|o| o.priority)).unwrap_or(100);
    let owner = ConfigOwner { brand, company, account, name: &body.name };
    let change = Change { candidate: &candidate, owner, before: old.as_ref() };
    let config = change.settled(&api, &caller, body.config).await?;
    let granted = match body.grants {
        Some(grants) => Some(checked_grants(grants)?),
        None => old.as_ref().and_then(|o| o.granted.clone()),
    };
    let mandatory = body.mandatory.or(old.as_ref().map(|o| o.mandatory)).unwrap_or(false);
    let on_failure = match body.on_failure {
        Some(said) => said.checked(&point)?,
        None => old.as_ref().map(|o| o.on_failure.clone()).unwrap_or_default(),
    };
    let plugin = candidate.plugin.id;
    let new = NewBinding { brand, company, account, name: body.name, point, priority, plugin, config };
    let allowed = Allowance { granted, mandatory, on_failure };
    let row = api.db.plugin_bindings().bind_and_allow(&caller.ctx, new, Some(&allowed)).await?;
    api.live().await?;
    one(&api, &caller, row).await
}

fn checked_grants(grants: Value) -> Result<String, Problem> {
    let grants: bundle::Grants = serde_json::from_value(grants).map_err(|e| Problem::field("grants", e.to_string()))?;
    serde_json::to_string(&grants).map_err(|e| Problem::field("grants", e.to_string()))
}

/// Gives a binding back the version and configuration it had before. What it has now is kept as the last of at most three, so
/// each further time goes further back, and after the last one it is where it began.
#[utoipa::path(post, path = "/bindings/{id}/rollback", tag = "bindings", params(("id" = i64, Path)),
    responses((status = 200, body = Binding), Refusals))]
async fn rollback(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Binding>, Problem> {
    let row = api.db.plugin_bindings().rollback(&caller.ctx, BindingId(id)).await?;
    api.live().await?;
    one(&api, &caller, row).await
}

/// Shows how the version on trial does.
#[utoipa::path(get, path = "/bindings/{id}/trial", tag = "bindings", params(("id" = i64, Path)),
    responses((status = 200, body = Trial), Refusals))]
async fn show_trial(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Trial>, Problem> {
    let row = api.db.plugin_bindings().get(&caller.ctx, BindingId(id)).await?;
    let trial = row.trial.ok_or_else(|| Problem::not_found("trial"))?;
    let figures = api.switch.trial(row.id).unwrap_or_default();
    Ok(Json(Trial {
        plugin_id: trial.plugin.0,
        percent: trial.percent,
        rolled_back: figures.rolled_back || trial.over.is_some(),
        rolled_back_at: trial.over.as_ref().map(|(at, _)| rfc3339(*at)),
        rolled_back_why: trial.over.map(|(_, why)| why),
        calls: figures.calls,
        failures: figures.failures,
        same: figures.same,
        different: figures.different,
        differences: figures.differences,
    }))
}

/// Puts a version on trial beside the bound one; binding it ends the trial.
#[utoipa::path(put, path = "/bindings/{id}/trial", tag = "bindings", params(("id" = i64, Path)), request_body = Try,
    responses((status = 200, body = Binding), Refusals))]
async fn try_out(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<Try>,
) -> Result<Json<Binding>, Problem> {
    let row = api.db.plugin_bindings().get(&caller.ctx, BindingId(id)).await?;
    if !["routing/router", "routing/router-io"].contains(&row.point.as_str()) {
        return Err(Problem::field("plugin", format!("routers are tried out, not {}", row.point)));
    }
    if body.percent > 100 {
        return Err(Problem::field("percent", "expected 0 to 100"));
    }
    let candidate = plugins::candidate(&api, &caller, PluginId(body.plugin)).await?;
    point(Some(row.point.clone()), &candidate.points)?;
    let change = Change { candidate: &candidate, owner: row.config_owner(), before: Some(&row) };
    let config = change.settled(&api, &caller, body.config).await?;
    let plugin = candidate.plugin;
    let begun_at = api.switch.now();
    let trial = BindingTrial { plugin: plugin.id, config, percent: body.percent, begun_at, over: None };
    let row = api.db.plugin_bindings().try_out(&caller.ctx, row.id, Some(&trial)).await?;
    tracing::info!(binding = %row.name, trial = %plugin.version, percent = body.percent, "a trial begins");
    api.live().await?;
    one(&api, &caller, row).await
}

/// Ends a trial.
#[utoipa::path(delete, path = "/bindings/{id}/trial", tag = "bindings", params(("id" = i64, Path)),
    responses((status = 200, body = Binding), Refusals))]
async fn end_trial(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Binding>, Problem> {
    let row = api.db.plugin_bindings().try_out(&caller.ctx, BindingId(id), None).await?;
    api.live().await?;
    one(&api, &caller, row).await
}

/// Lists the names of a binding's secrets.
#[utoipa::path(get, path = "/bindings/{id}/secrets", tag = "bindings", params(("id" = i64, Path)),
    responses((status = 200, body = Secrets), Refusals))]
async fn secrets(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Secrets>, Problem> {
    let names = api.db.plugin_bindings().secret_names(&caller.ctx, BindingId(id)).await?;
    Ok(Json(Secrets { names }))
}

/// Gives a binding secrets by name, or takes them away where the value is null; the others stay. They are kept sealed,
/// and the plugin has those that it is granted at once. They stay over versions and rollbacks.
#[utoipa::path(put, path = "/bindings/{id}/secrets", tag = "bindings", params(("id" = i64, Path)),
    request_body = BTreeMap<String, Option<String>>, responses((status = 200, body = Secrets), Refusals))]
async fn set_secrets(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Body(secrets): Body<BTreeMap<String, Option<String>>>,
) -> Result<Json<Secrets>, Problem> {
    let names = api.db.plugin_bindings().set_secrets(&caller.ctx, BindingId(id), &secrets).await?;
    api.live().await?;
    Ok(Json(Secrets { names }))
}

/// Removes a binding; its plugin stays installed.
#[utoipa::path(delete, path = "/bindings/{id}", tag = "bindings", params(("id" = i64, Path)),
    responses((status = 204, description = "Gone"), Refusals))]
async fn unbind(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    api.db.plugin_bindings().unbind(&caller.ctx, BindingId(id)).await?;
    api.live().await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, bind))
        .routes(routes!(show, unbind))
        .routes(routes!(show_state))
        .routes(routes!(rollback))
        .routes(routes!(show_trial, try_out, end_trial))
        .routes(routes!(secrets, set_secrets))
}
