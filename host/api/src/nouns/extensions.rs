//! Extensions: the short numbers of a company.

use super::{Listed, Many, Target};
use crate::extract::{Body, Id};
use crate::listing::{Asked, Noun};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::ExtensionId;
use serde::{Deserialize, Serialize};
use store::NewExtension;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// An extension.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Extension {
    id: i64,
    company: i64,
    /// The digits dialled, unique within the company.
    number: String,
    /// Where it leads.
    target: Target,
}

impl From<model::Extension> for Extension {
    fn from(e: model::Extension) -> Self {
        Extension { id: e.id.0, company: e.company.0, number: e.number, target: e.target.into() }
    }
}

/// An extension to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddExtension {
    /// The company's id; a company's token may leave it out.
    company: Option<i64>,
    /// The digits dialled.
    number: String,
    /// Anything but another extension.
    target: Target,
}

/// What changes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchExtension {
    number: Option<String>,
    target: Option<Target>,
}

impl Noun for Extension {
    fn listing() -> &'static store::Listing {
        store::lists::EXTENSIONS
    }
}

/// Lists extensions.
#[utoipa::path(get, path = "/extensions", tag = "extensions", params(Asked<Extension>),
    responses((status = 200, body = Many<Extension>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, asked: Asked<Extension>) -> Listed<Extension> {
    Ok(Many::found(api.db.extensions().found(&caller.ctx, &asked.0).await?))
}

/// Shows an extension.
#[utoipa::path(get, path = "/extensions/{id}", tag = "extensions", params(("id" = i64, Path)),
    responses((status = 200, body = Extension), Refusals))]
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Extension>, Problem> {
    Ok(Json(api.db.extensions().get(&caller.ctx, ExtensionId(id)).await?.into()))
}

/// Adds an extension.
#[utoipa::path(post, path = "/extensions", tag = "extensions", request_body = AddExtension,
    responses((status = 201, body = Extension), Refusals))]
async fn add(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<AddExtension>,
) -> Result<(StatusCode, Json<Extension>), Problem> {
    let new = NewExtension { company: caller.company(body.company)?, number: body.number, target: body.target.into() };
    let extension = api.db.extensions().create(&caller.ctx, new).await?;
    api.live().await?;
    Ok((StatusCode::CREATED, Json(extension.into())))
}

/// Changes an extension.
#[utoipa::path(patch, path = "/extensions/{id}", tag = "extensions", params(("id" = i64, Path)),
    request_body = PatchExtension, responses((status = 200, body = Extension), Refusals))]
async fn patch(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<PatchExtension>,
) -> Result<Json<Extension>, Problem> {
    let mut extension = api.db.extensions().get(&caller.ctx, ExtensionId(id)).await?;
    extension.number = body.number.unwrap_or(extension.number);
    extension.target = body.target.map_or(extension.target, Into::into);
    let extension = api.db.extensions().update(&caller.ctx, &extension).await?;
    api.live().await?;
    Ok(Json(extension.into()))
}

/// Deletes an extension that no public number leads to.
#[utoipa::path(delete, path = "/extensions/{id}", tag = "extensions", params(("id" = i64, Path)),
    responses((status = 204, description = "Gone"), Refusals))]
async fn delete(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    api.db.extensions().delete(&caller.ctx, ExtensionId(id)).await?;
    api.live().await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(show, patch, delete))
}
