//! Outgoing routes: by which trunks whose calls to which numbers leave a brand.

use super::companies::ClientKind;
use super::route_patterns::BRANDS;
use super::{Listed, Many, nullable};
use crate::extract::{Body, Id};
use crate::listing::{Asked, Noun};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{
    BrandId, CompanyId, OutgoingRouteId, RouteGroupId, RouteNumbers, RoutePatternId, RouteScope, RouteTagId, RouteWay,
    TrunkId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// The weight of a route that names none.
const WEIGHT: u8 = 1;

/// By what a route's calls go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RouteMode {
    /// By one trunk.
    Static,
    /// By several, the cheapest for the number first.
    Lcr,
    /// By none: the call is refused with 403 when it comes to this route.
    Block,
}

/// A trunk and what its carrier takes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RatedTrunk {
    /// The trunk's id.
    trunk: i64,
    /// The name of the brand's prefix table with its prices, in a column `price`.
    table: String,
}

/// An outgoing route.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OutgoingRoute {
    id: i64,
    brand: i64,
    /// Unique within the brand.
    name: String,
    /// Only for this company.
    company: Option<i64>,
    /// Only for companies of this kind.
    kind: Option<ClientKind>,
    /// Only for calls with this routing tag; without one, only for calls without any.
    tag: Option<i64>,
    /// Only to numbers of this routing pattern.
    pattern: Option<i64>,
    /// Only to numbers of this routing group's patterns.
    group: Option<i64>,
    mode: RouteMode,
    /// The trunk of a static route.
    trunk: Option<i64>,
    /// The trunks of a route by price; one that has no price for a number is left out.
    trunks: Vec<RatedTrunk>,
    /// Lower is tried first; how long a prefix is does not matter.
    priority: u8,
    /// Its share among routes of the same priority, in proportion.
    #[schema(minimum = 1)]
    weight: u8,
    /// No route of a higher number is tried after it.
    stopper: bool,
    /// What stands before the number on the carrier's side: digits, `*` and `#`.
    prefix: String,
    /// The number that is shown instead of the caller's, in E.164.
    caller: Option<String>,
}

impl From<model::OutgoingRoute> for OutgoingRoute {
    fn from(r: model::OutgoingRoute) -> Self {
        let (company, kind) = match r.scope {
            RouteScope::All => (None, None),
            RouteScope::Company(company) => (Some(company.0), None),
            RouteScope::Kind(kind) => (None, Some(kind.into())),
        };
        let (pattern, group) = match r.numbers {
            RouteNumbers::Any => (None, None),
            RouteNumbers::Pattern(pattern) => (Some(pattern.0), None),
            RouteNumbers::Group(group) => (None, Some(group.0)),
        };
        let (mode, trunk, rated) = match r.way {
            RouteWay::Static(trunk) => (RouteMode::Static, Some(trunk.0), Vec::new()),
            RouteWay::Lcr(rated) => (RouteMode::Lcr, None, rated),
            RouteWay::Block => (RouteMode::Block, None, Vec::new()),
        };
        OutgoingRoute {
            id: r.id.0,
            brand: r.brand.0,
            name: r.name,
            company,
            kind,
            tag: r.tag.map(|tag| tag.0),
            pattern,
            group,
            mode,
            trunk,
            trunks: rated.into_iter().map(|rated| RatedTrunk { trunk: rated.trunk.0, table: rated.table }).collect(),
            priority: r.priority,
            weight: r.weight,
            stopper: r.stopper,
            prefix: r.prefix,
            caller: r.caller,
        }
    }
}

impl OutgoingRoute {
    /// What is stored of it.
    ///
    /// # Errors
    /// Two fields that exclude each other, or one that is missing.
    fn checked(self) -> Result<model::OutgoingRoute, Problem> {
        let scope = match (self.company, self.kind) {
            (Some(_), Some(_)) => return Err(Problem::field("kind", "it is for a company or for a kind, not both")),
            (Some(company), None) => RouteScope::Company(CompanyId(company)),
            (None, Some(kind)) => RouteScope::Kind(kind.into()),
            (None, None) => RouteScope::All,
        };
        let numbers = match (self.pattern, self.group) {
            (Some(_), Some(_)) => return Err(Problem::field("group", "it is for a pattern or for a group, not both")),
            (Some(pattern), None) => RouteNumbers::Pattern(RoutePatternId(pattern)),
            (None, Some(group)) => RouteNumbers::Group(RouteGroupId(group)),
            (None, None) => RouteNumbers::Any,
        };
        let rated = |rated: RatedTrunk| model::RatedTrunk { trunk: TrunkId(rated.trunk), table: rated.table };
        let way = match (self.mode, self.trunk, self.trunks.is_empty()) {
            (RouteMode::Static, Some(trunk), true) => RouteWay::Static(TrunkId(trunk)),
            (RouteMode::Static, None, true) => return Err(Problem::field("trunk", "a static route needs one")),
            (RouteMode::Lcr, None, false) => RouteWay::Lcr(self.trunks.into_iter().map(rated).collect()),
            (RouteMode::Lcr, None, true) => {
                return Err(Problem::field("trunks", "a route by price needs at least one"));
            }
            (RouteMode::Block, None, true) => RouteWay::Block,
            (RouteMode::Static | RouteMode::Block, _, false) => {
                return Err(Problem::field("trunks", "only a route by price has them"));
            }
            (RouteMode::Lcr | RouteMode::Block, Some(_), _) => {
                return Err(Problem::field("trunk", "only a static route has one"));
            }
        };
        Ok(model::OutgoingRoute {
            id: OutgoingRouteId(self.id),
            brand: BrandId(self.brand),
            name: self.name,
            scope,
            tag: self.tag.map(RouteTagId),
            numbers,
            way,
            priority: self.priority,
            weight: self.weight,
            stopper: self.stopper,
            prefix: self.prefix,
            caller: self.caller,
        })
    }
}

/// An outgoing route to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddOutgoingRoute {
    /// The brand's id; a brand's token may leave it out.
    brand: Option<i64>,
    /// Unique within the brand.
    name: String,
    /// Only for this company; without company and kind for all.
    company: Option<i64>,
    /// Only for companies of this kind.
    kind: Option<ClientKind>,
    /// Only for calls with this routing tag; without one, only for calls without any.
    tag: Option<i64>,
    /// Only to numbers of this routing pattern; without pattern and group to all.
    pattern: Option<i64>,
    /// Only to numbers of this routing group's patterns.
    group: Option<i64>,
    mode: RouteMode,
    /// The trunk of a static route.
    trunk: Option<i64>,
    /// The trunks of a route by price.
    #[serde(default)]
    trunks: Vec<RatedTrunk>,
    /// Lower is tried first.
    #[serde(default)]
    priority: u8,
    /// Its share among routes of the same priority; else 1.
    #[schema(minimum = 1)]
    weight: Option<u8>,
    /// No route of a higher number is tried after it.
    #[serde(default)]
    stopper: bool,
    /// What stands before the number on the carrier's side: digits, `*` and `#`.
    #[serde(default)]
    prefix: String,
    /// The number that is shown instead of the caller's, in E.164.
    caller: Option<String>,
}

/// What changes; the list is replaced whole, null takes a value away. Another mode begins without trunks.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchOutgoingRoute {
    name: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<i64>)]
    company: Option<Option<i64>>,
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<ClientKind>)]
    kind: Option<Option<ClientKind>>,
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<i64>)]
    tag: Option<Option<i64>>,
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<i64>)]
    pattern: Option<Option<i64>>,
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<i64>)]
    group: Option<Option<i64>>,
    mode: Option<RouteMode>,
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<i64>)]
    trunk: Option<Option<i64>>,
    trunks: Option<Vec<RatedTrunk>>,
    priority: Option<u8>,
    #[schema(minimum = 1)]
    weight: Option<u8>,
    stopper: Option<bool>,
    prefix: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    caller: Option<Option<String>>,
}

impl PatchOutgoingRoute {
    fn onto(self, mut route: OutgoingRoute) -> OutgoingRoute {
        if let Some(mode) = self.mode.filter(|mode| *mode != route.mode) {
            (route.mode, route.trunk, route.trunks) = (mode, None, Vec::new());
        }
        OutgoingRoute {
            id: route.id,
            brand: route.brand,
            name: self.name.unwrap_or(route.name),
            company: self.company.unwrap_or(route.company),
            kind: self.kind.unwrap_or(route.kind),
            tag: self.tag.unwrap_or(route.tag),
            pattern: self.pattern.unwrap_or(route.pattern),
            group: self.group.unwrap_or(route.group),
            mode: route.mode,
            trunk: self.trunk.unwrap_or(route.trunk),
            trunks: self.trunks.unwrap_or(route.trunks),
            priority: self.priority.unwrap_or(route.priority),
            weight: self.weight.unwrap_or(route.weight),
            stopper: self.stopper.unwrap_or(route.stopper),
            prefix: self.prefix.unwrap_or(route.prefix),
            caller: self.caller.unwrap_or(route.caller),
        }
    }
}

impl Noun for OutgoingRoute {
    fn listing() -> &'static store::Listing {
        store::lists::OUTGOING_ROUTES
    }
}

/// Lists outgoing routes.
#[utoipa::path(get, path = "/outgoing-routes", tag = "routing", params(Asked<OutgoingRoute>),
    responses((status = 200, body = Many<OutgoingRoute>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, asked: Asked<OutgoingRoute>) -> Listed<OutgoingRoute> {
    Ok(Many::found(api.db.outgoing_routes().found(&caller.ctx, &asked.0).await?))
}

/// Shows an outgoing route.
#[utoipa::path(get, path = "/outgoing-routes/{id}", tag = "routing", params(("id" = i64, Path)),
    responses((status = 200, body = OutgoingRoute), Refusals))]
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<OutgoingRoute>, Problem> {
    Ok(Json(api.db.outgoing_routes().get(&caller.ctx, OutgoingRouteId(id)).await?.into()))
}

/// Adds an outgoing route. For a brand's operator.
#[utoipa::path(post, path = "/outgoing-routes", tag = "routing", request_body = AddOutgoingRoute,
    responses((status = 201, body = OutgoingRoute), Refusals))]
async fn add(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<AddOutgoingRoute>,
) -> Result<(StatusCode, Json<OutgoingRoute>), Problem> {
    caller.needs_brand(BRANDS)?;
    let new = OutgoingRoute {
        id: 0,
        brand: caller.brand(body.brand)?.0,
        name: body.name,
        company: body.company,
        kind: body.kind,
        tag: body.tag,
        pattern: body.pattern,
        group: body.group,
        mode: body.mode,
        trunk: body.trunk,
        trunks: body.trunks,
        priority: body.priority,
        weight: body.weight.unwrap_or(WEIGHT),
        stopper: body.stopper,
        prefix: body.prefix,
        caller: body.caller,
    };
    let made = api.db.outgoing_routes().create(&caller.ctx, &new.checked()?).await?;
    api.live().await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Changes an outgoing route. For a brand's operator.
#[utoipa::path(patch, path = "/outgoing-routes/{id}", tag = "routing", params(("id" = i64, Path)),
    request_body = PatchOutgoingRoute, responses((status = 200, body = OutgoingRoute), Refusals))]
async fn patch(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<PatchOutgoingRoute>,
) -> Result<Json<OutgoingRoute>, Problem> {
    let route = api.db.outgoing_routes().get(&caller.ctx, OutgoingRouteId(id)).await?;
    let route = body.onto(route.into()).checked()?;
    let route = api.db.outgoing_routes().update(&caller.ctx, &route).await?;
    api.live().await?;
    Ok(Json(route.into()))
}

/// Deletes an outgoing route. Calls under way go on. For a brand's operator.
#[utoipa::path(delete, path = "/outgoing-routes/{id}", tag = "routing", params(("id" = i64, Path)),
    responses((status = 204, description = "Gone"), Refusals))]
async fn delete(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    caller.needs_brand(BRANDS)?;
    api.db.outgoing_routes().delete(&caller.ctx, OutgoingRouteId(id)).await?;
    api.live().await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(show, patch, delete))
}
