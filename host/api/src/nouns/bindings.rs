//! Bindings: which plugin is asked for whom. Binding and rolling back swap at once; calls under way keep what they
//! began with.

use super::{Listed, Many, Paging, plugins};
use crate::extract::{Body, Id, Params};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{BindingId, BrandId, CompanyId, PluginId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use store::{NewBinding, Scope, StoreError};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// A binding.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Binding {
    id: i64,
    brand: i64,
    /// Null = every company of the brand.
    company: Option<i64>,
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
    /// The plugin's configuration.
    config: Value,
    /// What a rollback would run, as `extensions@0.0.9`.
    previous: Option<String>,
}

/// A binding to make, or to change in place.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bind {
    /// The brand's id, for a binding of a whole brand; a brand's token may leave it out.
    brand: Option<i64>,
    /// The company's id, for a binding of one company.
    company: Option<i64>,
    /// Unique within its scope: letters, digits, `-` and `_`.
    name: String,
    /// Else the only point that the plugin serves.
    point: Option<String>,
    /// The plugin's id.
    plugin: i64,
    /// Lower is asked first; else what it was, or 100.
    priority: Option<i32>,
    /// The plugin's configuration; else what it was, or `{}`.
    config: Option<Value>,
}

/// Puts the plugins' names to rows.
async fn named(api: &Api, caller: &Caller, rows: Vec<store::Binding>) -> Result<Vec<Binding>, Problem> {
    let mut names: BTreeMap<i64, String> = BTreeMap::new();
    let mut wanted = BTreeSet::new();
    for row in &rows {
        wanted.insert(row.plugin);
        wanted.extend(row.previous.as_ref().map(|(id, _)| *id));
    }
    for id in wanted {
        let plugin = api.db.plugins().get(&caller.ctx, id).await?;
        names.insert(id.0, format!("{}@{}", plugin.name, plugin.version));
    }
    let name = |id: PluginId| names.get(&id.0).cloned().unwrap_or_default();
    let view = |b: store::Binding| Binding {
        id: b.id.0,
        brand: b.brand.0,
        company: b.company.map(|c| c.0),
        name: b.name,
        point: b.point,
        priority: b.priority,
        plugin: name(b.plugin),
        plugin_id: b.plugin.0,
        config: serde_json::from_str(&b.config).unwrap_or(Value::Null),
        previous: b.previous.map(|(id, _)| name(id)),
    };
    Ok(rows.into_iter().map(view).collect())
}

async fn one(api: &Api, caller: &Caller, row: store::Binding) -> Result<Json<Binding>, Problem> {
    named(api, caller, vec![row]).await?.pop().map(Json).ok_or_else(|| Problem::not_found("binding"))
}

/// Lists bindings.
#[utoipa::path(get, path = "/bindings", tag = "bindings", params(Paging),
    responses((status = 200, body = Many<Binding>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, Params(paging): Params<Paging>) -> Listed<Binding> {
    let page = paging.page()?;
    let rows = api.db.plugin_bindings().list(&caller.ctx, page).await?;
    let next = Many::<Binding>::next(&rows, page, |b| b.id.0);
    Ok(Many::of(named(&api, &caller, rows).await?, next))
}

/// Shows a binding.
#[utoipa::path(get, path = "/bindings/{id}", tag = "bindings", params(("id" = i64, Path)),
    responses((status = 200, body = Binding), Refusals))]
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Binding>, Problem> {
    let row = api.db.plugin_bindings().get(&caller.ctx, BindingId(id)).await?;
    one(&api, &caller, row).await
}

/// Whom a binding serves: a company names its brand by itself.
async fn scope(api: &Api, caller: &Caller, body: &Bind) -> Result<(BrandId, Option<CompanyId>), Problem> {
    let company = match (body.company, caller.ctx.scope) {
        (Some(company), _) => Some(CompanyId(company)),
        (None, Scope::Company(_, own)) if body.brand.is_none() => Some(own),
        (None, _) => None,
    };
    match company {
        Some(company) => {
            let brand = api.db.companies().get(&caller.ctx, company).await?.brand;
            if body.brand.is_some_and(|named| named != brand.0) {
                return Err(Problem::not_found("company"));
            }
            Ok((brand, Some(company)))
        }
        None => {
            let brand = caller.brand(body.brand)?;
            api.db.brands().get(&caller.ctx, brand).await?;
            Ok((brand, None))
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
    let (brand, company) = scope(&api, &caller, &body).await?;
    if company.is_none() {
        caller.needs_brand("A whole brand is bound by its brand's operator.")?;
    }
    check_name(&body.name)?;
    let plugin = api.db.plugins().get(&caller.ctx, PluginId(body.plugin)).await?;
    let point = point(body.point, &plugins::points(&api, &caller, plugin.id).await?)?;
    let old = match api.db.plugin_bindings().find(&caller.ctx, brand, company, &body.name).await {
        Ok(old) => Some(old),
        Err(StoreError::NotFound { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let priority = body.priority.map(i64::from).or(old.as_ref().map(|o| o.priority)).unwrap_or(100);
    let config = body.config.map(|c| c.to_string()).or(old.map(|o| o.config)).unwrap_or_else(|| "{}".to_owned());
    let new = NewBinding { brand, company, name: body.name, point, priority, plugin: plugin.id, config };
    let row = api.db.plugin_bindings().bind(&caller.ctx, new).await?;
    api.live().await?;
    one(&api, &caller, row).await
}

/// Gives a binding back the version and configuration it had before; a second time goes forward again.
#[utoipa::path(post, path = "/bindings/{id}/rollback", tag = "bindings", params(("id" = i64, Path)),
    responses((status = 200, body = Binding), Refusals))]
async fn rollback(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Binding>, Problem> {
    let row = api.db.plugin_bindings().rollback(&caller.ctx, BindingId(id)).await?;
    api.live().await?;
    one(&api, &caller, row).await
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
    OpenApiRouter::new().routes(routes!(list, bind)).routes(routes!(show, unbind)).routes(routes!(rollback))
}
