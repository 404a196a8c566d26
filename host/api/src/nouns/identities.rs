//! Who vouches for a brand's callers, and whom it believes about others' (STIR/SHAKEN).

use crate::extract::{Body, Id};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller};
use axum::Json;
use axum::extract::State;
use identity::{Anchors, BrandKey};
use model::BrandId;
use serde::{Deserialize, Serialize};
use store::BrandIdentity;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// A brand's identity.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Identity {
    /// What its calls are signed with; null = they are not. The private key is never shown.
    key: Option<ShownKey>,
    /// The authorities whose word about a caller's number counts, beside the platform's: certificates in PEM.
    anchors: String,
}

/// A certificate.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownKey {
    /// Where others find it.
    url: String,
    /// PEM, the leaf first.
    certificate: String,
}

impl From<BrandIdentity> for Identity {
    fn from(i: BrandIdentity) -> Self {
        let key = i.certificate.map(|(url, certificate)| ShownKey { url, certificate });
        Identity { key, anchors: i.anchors }
    }
}

/// A key to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetKey {
    /// Where others find the certificate: an https URL.
    url: String,
    /// PEM, the leaf first, with a TNAuthList (RFC 8226).
    certificate: String,
    /// The private key of P-256, PEM; sealed, and never shown again.
    key: String,
}

/// What changes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchIdentity {
    /// Null takes the key away.
    #[serde(default, deserialize_with = "super::nullable")]
    #[schema(value_type = Option<SetKey>)]
    key: Option<Option<SetKey>>,
    /// Certificates in PEM, all of them; empty = none.
    anchors: Option<String>,
}

/// Shows a brand's identity. For a brand's operator.
#[utoipa::path(get, path = "/brands/{id}/identity", tag = "brands", params(("id" = i64, Path)),
    responses((status = 200, body = Identity), Refusals))]
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Identity>, Problem> {
    Ok(Json(api.db.identities().get(&caller.ctx, BrandId(id)).await?.into()))
}

/// Changes a brand's identity. For a brand's operator.
#[utoipa::path(patch, path = "/brands/{id}/identity", tag = "brands", params(("id" = i64, Path)),
    request_body = PatchIdentity, responses((status = 200, body = Identity), Refusals))]
async fn patch(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<PatchIdentity>,
) -> Result<Json<Identity>, Problem> {
    let (identities, brand) = (api.db.identities(), BrandId(id));
    if let Some(anchors) = &body.anchors {
        Anchors::from_pem(anchors).map_err(|e| Problem::field("anchors", e.to_string()))?;
    }
    if let Some(Some(set)) = &body.key {
        BrandKey::new(&set.url, &set.certificate, &set.key).map_err(|e| Problem::field("key", e.to_string()))?;
    }
    let before = identities.get(&caller.ctx, brand).await?;
    match &body.key {
        Some(Some(set)) => {
            identities.set_key(&caller.ctx, brand, (&set.url, &set.certificate), &set.key).await?;
        }
        Some(None) if before.certificate.is_some() => identities.remove_key(&caller.ctx, brand).await?,
        Some(None) | None => {}
    }
    if let Some(anchors) = &body.anchors {
        identities.set_anchors(&caller.ctx, brand, anchors).await?;
    }
    api.live().await?;
    Ok(Json(identities.get(&caller.ctx, brand).await?.into()))
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(show, patch))
}
