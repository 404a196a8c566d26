//! Brands: resellers, the unit of isolation. The platform's operator makes them; each sees its own.

use super::{Listed, Many};
use crate::extract::{Body, Id};
use crate::listing::{Asked, Noun};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{BrandId, DefaultVerdict};
use serde::{Deserialize, Serialize};
use store::NewBrand;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// What happens to a call when no plugin decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// Refuse it.
    Refuse,
    /// Ring the account or extension dialled.
    Extensions,
}

impl From<DefaultVerdict> for Verdict {
    fn from(v: DefaultVerdict) -> Self {
        match v {
            DefaultVerdict::Refuse => Verdict::Refuse,
            DefaultVerdict::Extensions => Verdict::Extensions,
        }
    }
}

impl From<Verdict> for DefaultVerdict {
    fn from(v: Verdict) -> Self {
        match v {
            Verdict::Refuse => DefaultVerdict::Refuse,
            Verdict::Extensions => DefaultVerdict::Extensions,
        }
    }
}

/// A brand.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Brand {
    id: i64,
    /// Unique.
    name: String,
    default_verdict: Verdict,
}

impl From<model::Brand> for Brand {
    fn from(b: model::Brand) -> Self {
        Brand { id: b.id.0, name: b.name, default_verdict: b.default_verdict.into() }
    }
}

/// A brand to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddBrand {
    /// Unique, 1 to 64 characters.
    name: String,
    /// Else `refuse`.
    default_verdict: Option<Verdict>,
}

/// What changes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchBrand {
    name: Option<String>,
    default_verdict: Option<Verdict>,
}

impl Noun for Brand {
    fn listing() -> &'static store::Listing {
        store::lists::BRANDS
    }
}

/// Lists brands.
#[utoipa::path(get, path = "/brands", tag = "brands", params(Asked<Brand>),
    responses((status = 200, body = Many<Brand>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, asked: Asked<Brand>) -> Listed<Brand> {
    Ok(Many::found(api.db.brands().found(&caller.ctx, &asked.0).await?))
}

/// Shows a brand.
#[utoipa::path(get, path = "/brands/{id}", tag = "brands", params(("id" = i64, Path)),
    responses((status = 200, body = Brand), Refusals))]
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Brand>, Problem> {
    Ok(Json(api.db.brands().get(&caller.ctx, BrandId(id)).await?.into()))
}

/// Adds a brand. For the platform's operator.
#[utoipa::path(post, path = "/brands", tag = "brands", request_body = AddBrand,
    responses((status = 201, body = Brand), Refusals))]
async fn add(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<AddBrand>,
) -> Result<(StatusCode, Json<Brand>), Problem> {
    let default_verdict = body.default_verdict.unwrap_or(Verdict::Refuse).into();
    let brand = api.db.brands().create(&caller.ctx, NewBrand { name: body.name, default_verdict }).await?;
    api.live().await?;
    Ok((StatusCode::CREATED, Json(brand.into())))
}

/// Changes a brand.
#[utoipa::path(patch, path = "/brands/{id}", tag = "brands", params(("id" = i64, Path)), request_body = PatchBrand,
    responses((status = 200, body = Brand), Refusals))]
async fn patch(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<PatchBrand>,
) -> Result<Json<Brand>, Problem> {
    let mut brand = api.db.brands().get(&caller.ctx, BrandId(id)).await?;
    brand.name = body.name.unwrap_or(brand.name);
    brand.default_verdict = body.default_verdict.map_or(brand.default_verdict, Into::into);
    let brand = api.db.brands().update(&caller.ctx, &brand).await?;
    api.live().await?;
    Ok(Json(brand.into()))
}

/// Deletes a brand that has nothing left. For the platform's operator.
#[utoipa::path(delete, path = "/brands/{id}", tag = "brands", params(("id" = i64, Path)),
    responses((status = 204, description = "Gone"), Refusals))]
async fn delete(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    api.db.brands().delete(&caller.ctx, BrandId(id)).await?;
    api.live().await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(show, patch, delete))
}
