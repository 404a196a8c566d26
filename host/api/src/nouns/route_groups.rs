//! Routing groups: patterns of a brand under one name.

use super::route_patterns::BRANDS;
use super::{Listed, Many};
use crate::extract::{Body, Id};
use crate::listing::{Asked, Noun};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{RouteGroupId, RoutePatternId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// A routing group.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RouteGroup {
    id: i64,
    brand: i64,
    /// Unique within the brand.
    name: String,
    /// Its routing patterns, by id.
    patterns: Vec<i64>,
}

impl From<model::RouteGroup> for RouteGroup {
    fn from(g: model::RouteGroup) -> Self {
        RouteGroup { id: g.id.0, brand: g.brand.0, name: g.name, patterns: g.patterns.iter().map(|p| p.0).collect() }
    }
}

/// A routing group to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddRouteGroup {
    /// The brand's id; a brand's token may leave it out.
    brand: Option<i64>,
    /// Unique within the brand.
    name: String,
    /// Its routing patterns, by id.
    #[serde(default)]
    patterns: Vec<i64>,
}

/// What changes; the list is replaced whole.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchRouteGroup {
    name: Option<String>,
    patterns: Option<Vec<i64>>,
}

impl Noun for RouteGroup {
    fn listing() -> &'static store::Listing {
        store::lists::ROUTE_GROUPS
    }
}

/// Lists routing groups.
#[utoipa::path(get, path = "/route-groups", tag = "routing", params(Asked<RouteGroup>),
    responses((status = 200, body = Many<RouteGroup>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, asked: Asked<RouteGroup>) -> Listed<RouteGroup> {
    Ok(Many::found(api.db.route_groups().found(&caller.ctx, &asked.0).await?))
}

/// Shows a routing group.
#[utoipa::path(get, path = "/route-groups/{id}", tag = "routing", params(("id" = i64, Path)),
    responses((status = 200, body = RouteGroup), Refusals))]
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<RouteGroup>, Problem> {
    Ok(Json(api.db.route_groups().get(&caller.ctx, RouteGroupId(id)).await?.into()))
}

/// Adds a routing group. For a brand's operator.
#[utoipa::path(post, path = "/route-groups", tag = "routing", request_body = AddRouteGroup,
    responses((status = 201, body = RouteGroup), Refusals))]
async fn add(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<AddRouteGroup>,
) -> Result<(StatusCode, Json<RouteGroup>), Problem> {
    caller.needs_brand(BRANDS)?;
    let new = model::RouteGroup {
        id: RouteGroupId(0),
        brand: caller.brand(body.brand)?,
        name: body.name,
        patterns: body.patterns.into_iter().map(RoutePatternId).collect(),
    };
    let made = api.db.route_groups().create(&caller.ctx, &new).await?;
    api.live().await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Changes a routing group. For a brand's operator.
#[utoipa::path(patch, path = "/route-groups/{id}", tag = "routing", params(("id" = i64, Path)),
    request_body = PatchRouteGroup, responses((status = 200, body = RouteGroup), Refusals))]
async fn patch(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<PatchRouteGroup>,
) -> Result<Json<RouteGroup>, Problem> {
    let mut group = api.db.route_groups().get(&caller.ctx, RouteGroupId(id)).await?;
    group.name = body.name.unwrap_or(group.name);
    if let Some(patterns) = body.patterns {
        group.patterns = patterns.into_iter().map(RoutePatternId).collect();
    }
    let group = api.db.route_groups().update(&caller.ctx, &group).await?;
    api.live().await?;
    Ok(Json(group.into()))
}

/// Deletes a routing group that no route names. For a brand's operator.
#[utoipa::path(delete, path = "/route-groups/{id}", tag = "routing", params(("id" = i64, Path)),
    responses((status = 204, description = "Gone"), Refusals))]
async fn delete(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    caller.needs_brand(BRANDS)?;
    api.db.route_groups().delete(&caller.ctx, RouteGroupId(id)).await?;
    api.live().await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(show, patch, delete))
}
