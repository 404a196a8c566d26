//! What a brand says about all of its companies: limits and service codes.

use crate::extract::{Body, Id};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller};
use axum::Json;
use axum::extract::State;
use model::{BrandId, BrandRules};
use serde_json::Value;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Shows what a brand says about its companies, for a brand's operator: `calls_max`, `kinds` (of companies that it may have) and `services` (codes by
/// service: `pickup`, `group-pickup`, `park`, `retrieve`, `lock-open`, `lock-close`, `lock-toggle`; an empty one is off).
#[utoipa::path(get, path = "/brands/{id}/rules", tag = "brands", params(("id" = i64, Path)),
    responses((status = 200, body = Value), Refusals))]
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<BrandRules>, Problem> {
    // What a brand says about its companies is for its operator; to a company it is not there.
    caller.needs_brand("").map_err(|_| Problem::not_found("brand"))?;
    Ok(Json(api.db.brands().rules(&caller.ctx, BrandId(id)).await?))
}

/// Replaces it whole. `calls_max` and `kinds` are for the platform's operator.
#[utoipa::path(put, path = "/brands/{id}/rules", tag = "brands", params(("id" = i64, Path)), request_body = Value,
    responses((status = 200, body = Value), Refusals))]
async fn put(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<Value>,
) -> Result<Json<BrandRules>, Problem> {
    let rules: BrandRules = serde_json::from_value(body).map_err(|error| Problem::field("rules", error.to_string()))?;
    let rules = api.db.brands().set_rules(&caller.ctx, BrandId(id), &rules).await?;
    api.live().await?;
    Ok(Json(rules))
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(show, put))
}
