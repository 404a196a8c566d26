//! Routing tags: what callers of a brand dial before a number for other routes, and which companies may.

use super::route_patterns::BRANDS;
use super::{Listed, Many};
use crate::extract::{Body, Id};
use crate::listing::{Asked, Noun};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{CompanyId, RouteTagId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// A routing tag.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RouteTag {
    id: i64,
    brand: i64,
    /// Unique within the brand.
    name: String,
    /// 1 to 3 digits, which are dialled with `#` before the number. Unique within the brand.
    tag: String,
    /// Every company of the brand may use it.
    everybody: bool,
    /// The companies that may use it beside, by id.
    companies: Vec<i64>,
}

impl From<model::RouteTag> for RouteTag {
    fn from(t: model::RouteTag) -> Self {
        RouteTag {
            id: t.id.0,
            brand: t.brand.0,
            name: t.name,
            tag: t.tag,
            everybody: t.everybody,
            companies: t.companies.iter().map(|c| c.0).collect(),
        }
    }
}

/// A routing tag to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddRouteTag {
    /// The brand's id; a brand's token may leave it out.
    brand: Option<i64>,
    /// Unique within the brand.
    name: String,
    /// 1 to 3 digits, which are dialled with `#` before the number. Unique within the brand.
    tag: String,
    /// Every company of the brand may use it.
    #[serde(default)]
    everybody: bool,
    /// The companies that may use it beside, by id.
    #[serde(default)]
    companies: Vec<i64>,
}

/// What changes; the list is replaced whole.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchRouteTag {
    name: Option<String>,
    tag: Option<String>,
    everybody: Option<bool>,
    companies: Option<Vec<i64>>,
}

impl Noun for RouteTag {
    fn listing() -> &'static store::Listing {
        store::lists::ROUTE_TAGS
    }
}

/// Lists routing tags.
#[utoipa::path(get, path = "/route-tags", tag = "routing", params(Asked<RouteTag>),
    responses((status = 200, body = Many<RouteTag>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, asked: Asked<RouteTag>) -> Listed<RouteTag> {
    Ok(Many::found(api.db.route_tags().found(&caller.ctx, &asked.0).await?))
}

/// Shows a routing tag.
#[utoipa::path(get, path = "/route-tags/{id}", tag = "routing", params(("id" = i64, Path)),
    responses((status = 200, body = RouteTag), Refusals))]
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<RouteTag>, Problem> {
    Ok(Json(api.db.route_tags().get(&caller.ctx, RouteTagId(id)).await?.into()))
}

/// Adds a routing tag. For a brand's operator.
#[utoipa::path(post, path = "/route-tags", tag = "routing", request_body = AddRouteTag,
    responses((status = 201, body = RouteTag), Refusals))]
async fn add(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<AddRouteTag>,
) -> Result<(StatusCode, Json<RouteTag>), Problem> {
    caller.needs_brand(BRANDS)?;
    let new = model::RouteTag {
        id: RouteTagId(0),
        brand: caller.brand(body.brand)?,
        name: body.name,
        tag: body.tag,
        everybody: body.everybody,
        companies: body.companies.into_iter().map(CompanyId).collect(),
    };
    let made = api.db.route_tags().create(&caller.ctx, &new).await?;
    api.live().await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Changes a routing tag. For a brand's operator.
#[utoipa::path(patch, path = "/route-tags/{id}", tag = "routing", params(("id" = i64, Path)),
    request_body = PatchRouteTag, responses((status = 200, body = RouteTag), Refusals))]
async fn patch(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<PatchRouteTag>,
) -> Result<Json<RouteTag>, Problem> {
    let mut tag = api.db.route_tags().get(&caller.ctx, RouteTagId(id)).await?;
    tag.name = body.name.unwrap_or(tag.name);
    tag.tag = body.tag.unwrap_or(tag.tag);
    tag.everybody = body.everybody.unwrap_or(tag.everybody);
    if let Some(companies) = body.companies {
        tag.companies = companies.into_iter().map(CompanyId).collect();
    }
    let tag = api.db.route_tags().update(&caller.ctx, &tag).await?;
    api.live().await?;
    Ok(Json(tag.into()))
}

/// Deletes a routing tag that no route names. For a brand's operator.
#[utoipa::path(delete, path = "/route-tags/{id}", tag = "routing", params(("id" = i64, Path)),
    responses((status = 204, description = "Gone"), Refusals))]
async fn delete(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    caller.needs_brand(BRANDS)?;
    api.db.route_tags().delete(&caller.ctx, RouteTagId(id)).await?;
    api.live().await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(show, patch, delete))
}
