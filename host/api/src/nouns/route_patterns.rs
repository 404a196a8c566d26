//! Routing patterns: numbers of a brand's calls to the outside that begin alike.

use super::{Listed, Many};
use crate::extract::{Body, Id};
use crate::listing::{Asked, Noun};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::RoutePatternId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// How calls leave is a brand's own affair.
pub(super) const BRANDS: &str = "Routing is for a brand's operator.";

/// A routing pattern.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RoutePattern {
    id: i64,
    brand: i64,
    /// Unique within the brand.
    name: String,
    /// What its numbers begin with: `+` and 1 to 15 digits. Unique within the brand.
    prefix: String,
    /// Calls to its numbers are neither rated nor recorded.
    special: bool,
}

impl From<model::RoutePattern> for RoutePattern {
    fn from(p: model::RoutePattern) -> Self {
        RoutePattern { id: p.id.0, brand: p.brand.0, name: p.name, prefix: p.prefix, special: p.special }
    }
}

/// A routing pattern to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddRoutePattern {
    /// The brand's id; a brand's token may leave it out.
    brand: Option<i64>,
    /// Unique within the brand.
    name: String,
    /// What its numbers begin with: `+` and 1 to 15 digits. Unique within the brand.
    prefix: String,
    /// Calls to its numbers are neither rated nor recorded.
    #[serde(default)]
    special: bool,
}

/// What changes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchRoutePattern {
    name: Option<String>,
    prefix: Option<String>,
    special: Option<bool>,
}

impl Noun for RoutePattern {
    fn listing() -> &'static store::Listing {
        store::lists::ROUTE_PATTERNS
    }
}

/// Lists routing patterns.
#[utoipa::path(get, path = "/route-patterns", tag = "routing", params(Asked<RoutePattern>),
    responses((status = 200, body = Many<RoutePattern>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, asked: Asked<RoutePattern>) -> Listed<RoutePattern> {
    Ok(Many::found(api.db.route_patterns().found(&caller.ctx, &asked.0).await?))
}

/// Shows a routing pattern.
#[utoipa::path(get, path = "/route-patterns/{id}", tag = "routing", params(("id" = i64, Path)),
    responses((status = 200, body = RoutePattern), Refusals))]
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<RoutePattern>, Problem> {
    Ok(Json(api.db.route_patterns().get(&caller.ctx, RoutePatternId(id)).await?.into()))
}

/// Adds a routing pattern. For a brand's operator.
#[utoipa::path(post, path = "/route-patterns", tag = "routing", request_body = AddRoutePattern,
    responses((status = 201, body = RoutePattern), Refusals))]
async fn add(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<AddRoutePattern>,
) -> Result<(StatusCode, Json<RoutePattern>), Problem> {
    caller.needs_brand(BRANDS)?;
    let new = model::RoutePattern {
        id: RoutePatternId(0),
        brand: caller.brand(body.brand)?,
        name: body.name,
        prefix: body.prefix,
        special: body.special,
    };
    let made = api.db.route_patterns().create(&caller.ctx, &new).await?;
    api.live().await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Changes a routing pattern. For a brand's operator.
#[utoipa::path(patch, path = "/route-patterns/{id}", tag = "routing", params(("id" = i64, Path)),
    request_body = PatchRoutePattern, responses((status = 200, body = RoutePattern), Refusals))]
async fn patch(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<PatchRoutePattern>,
) -> Result<Json<RoutePattern>, Problem> {
    let mut pattern = api.db.route_patterns().get(&caller.ctx, RoutePatternId(id)).await?;
    pattern.name = body.name.unwrap_or(pattern.name);
    pattern.prefix = body.prefix.unwrap_or(pattern.prefix);
    pattern.special = body.special.unwrap_or(pattern.special);
    let pattern = api.db.route_patterns().update(&caller.ctx, &pattern).await?;
    api.live().await?;
    Ok(Json(pattern.into()))
}

/// Deletes a routing pattern that no group and no route names. For a brand's operator.
#[utoipa::path(delete, path = "/route-patterns/{id}", tag = "routing", params(("id" = i64, Path)),
    responses((status = 204, description = "Gone"), Refusals))]
async fn delete(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    caller.needs_brand(BRANDS)?;
    api.db.route_patterns().delete(&caller.ctx, RoutePatternId(id)).await?;
    api.live().await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(show, patch, delete))
}
