//! Trunks: a brand's links to carriers.

mod status;
mod wire;

use super::{Listed, Many};
use crate::extract::{Body, Id};
use crate::listing::{Asked, Noun};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{BrandId, TranslationSetId, TrunkId};
use serde::{Deserialize, Serialize};
use status::Status;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use wire::{Credentials, Headers, Registration, Server, ShownCredentials, Source, Stir, sources};

/// Carriers are a brand's own: their settings are no company's to change.
const BRANDS: &str = "Trunks are for a brand's operator.";

/// A trunk.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Trunk {
    id: i64,
    brand: i64,
    /// Unique within the brand; what routing plugins call it.
    name: String,
    /// A disabled trunk neither registers nor takes nor makes calls.
    enabled: bool,
    /// Where calls go.
    servers: Vec<Server>,
    /// Who we are to the carrier.
    credentials: Option<ShownCredentials>,
    /// What is registered with the carrier.
    registration: Option<Registration>,
    /// The user part of From instead of the caller's number.
    from_user: Option<String>,
    /// The host part of From instead of our own address.
    from_domain: Option<String>,
    /// Which identity headers cross it.
    headers: Headers,
    /// Most calls at once.
    calls_max: Option<u32>,
    /// Most new calls in a second.
    cps_max: Option<u32>,
    /// A server that does not answer at all for this long has failed, 500 to 32000 milliseconds.
    answer_ms: u32,
    /// How often each server is asked by OPTIONS, 5 to 3600 seconds.
    ping_s: Option<u32>,
    /// The translation set's id.
    translation_set: Option<i64>,
    /// Media of its calls passes through the switch, whatever company and plan say.
    anchor: bool,
    /// Where its calls come from without a registration.
    sources: Vec<Source>,
    stir: Stir,
}

impl From<model::Trunk> for Trunk {
    fn from(t: model::Trunk) -> Self {
        Trunk {
            id: t.id.0,
            brand: t.brand.0,
            name: t.name,
            enabled: t.enabled,
            servers: t.servers.into_iter().map(Into::into).collect(),
            credentials: t.credentials.map(Into::into),
            registration: t.registration.map(Into::into),
            from_user: t.from_user,
            from_domain: t.from_domain,
            headers: t.headers.into(),
            calls_max: t.calls_max,
            cps_max: t.cps_max,
            answer_ms: t.answer_ms,
            ping_s: t.ping_s,
            translation_set: t.translation.map(|s| s.0),
            anchor: t.anchor,
            sources: t.sources.into_iter().map(Into::into).collect(),
            stir: t.stir.into(),
        }
    }
}

/// Two bodies with the same settings: serde cannot refuse unknown fields of a flattened struct.
macro_rules! body {
    ($(#[$doc:meta])* $name:ident { $($(#[$own_doc:meta])* $own:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name {
            $($(#[$own_doc])* $own: $kind,)*
            /// Else true.
            enabled: Option<bool>,
            servers: Option<Vec<Server>>,
            #[serde(default, deserialize_with = "super::nullable")]
            #[schema(value_type = Option<Credentials>)]
            credentials: Option<Option<Credentials>>,
            #[serde(default, deserialize_with = "super::nullable")]
            #[schema(value_type = Option<Registration>)]
            registration: Option<Option<Registration>>,
            #[serde(default, deserialize_with = "super::nullable")]
            #[schema(value_type = Option<String>)]
            from_user: Option<Option<String>>,
            #[serde(default, deserialize_with = "super::nullable")]
            #[schema(value_type = Option<String>)]
            from_domain: Option<Option<String>>,
            headers: Option<Headers>,
            #[serde(default, deserialize_with = "super::nullable")]
            #[schema(value_type = Option<u32>)]
            calls_max: Option<Option<u32>>,
            #[serde(default, deserialize_with = "super::nullable")]
            #[schema(value_type = Option<u32>)]
            cps_max: Option<Option<u32>>,
            /// Else 5000.
            answer_ms: Option<u32>,
            #[serde(default, deserialize_with = "super::nullable")]
            #[schema(value_type = Option<u32>)]
            ping_s: Option<Option<u32>>,
            #[serde(default, deserialize_with = "super::nullable")]
            #[schema(value_type = Option<i64>)]
            translation_set: Option<Option<i64>>,
            anchor: Option<bool>,
            sources: Option<Vec<Source>>,
            stir: Option<Stir>,
        }

        impl $name {
            /// `trunk` with what is named here.
            fn onto(self, mut trunk: model::Trunk) -> Result<model::Trunk, Problem> {
                trunk.enabled = self.enabled.unwrap_or(trunk.enabled);
                if let Some(servers) = self.servers {
                    trunk.servers = servers.into_iter().map(Into::into).collect();
                }
                if let Some(credentials) = self.credentials {
                    trunk.credentials = credentials.map(Credentials::kept).transpose()?;
                }
                if let Some(registration) = self.registration {
                    trunk.registration = registration.map(Into::into);
                }
                trunk.from_user = self.from_user.unwrap_or(trunk.from_user);
                trunk.from_domain = self.from_domain.unwrap_or(trunk.from_domain);
                trunk.headers = self.headers.map_or(trunk.headers, Into::into);
                trunk.calls_max = self.calls_max.unwrap_or(trunk.calls_max);
                trunk.cps_max = self.cps_max.unwrap_or(trunk.cps_max);
                trunk.answer_ms = self.answer_ms.unwrap_or(trunk.answer_ms);
                trunk.ping_s = self.ping_s.unwrap_or(trunk.ping_s);
                if let Some(set) = self.translation_set {
                    trunk.translation = set.map(TranslationSetId);
                }
                trunk.anchor = self.anchor.unwrap_or(trunk.anchor);
                if let Some(list) = self.sources {
                    trunk.sources = sources(list)?;
                }
                trunk.stir = self.stir.map_or(trunk.stir, Into::into);
                Ok(trunk)
            }
        }
    };
}

body! {
    /// A trunk to be.
    AddTrunk {
        /// The brand's id; a brand's token may leave it out.
        brand: Option<i64>,
        /// Unique within the brand.
        name: String,
    }
}

body! {
    /// What changes. A list is replaced whole; null takes a value away.
    PatchTrunk {
        /// Unique within the brand.
        name: Option<String>,
    }
}

/// A trunk of this name with nothing set.
fn blank(brand: BrandId, name: String) -> model::Trunk {
    model::Trunk {
        id: TrunkId(0),
        brand,
        name,
        enabled: true,
        servers: Vec::new(),
        credentials: None,
        registration: None,
        from_user: None,
        from_domain: None,
        headers: model::TrunkHeaders::default(),
        calls_max: None,
        cps_max: None,
        answer_ms: model::Trunk::ANSWER_MS,
        ping_s: None,
        translation: None,
        anchor: false,
        sources: Vec::new(),
        stir: model::TrunkStir::default(),
    }
}

impl Noun for Trunk {
    fn listing() -> &'static store::Listing {
        store::lists::TRUNKS
    }
}

/// Lists trunks.
#[utoipa::path(get, path = "/trunks", tag = "trunks", params(Asked<Trunk>),
    responses((status = 200, body = Many<Trunk>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, asked: Asked<Trunk>) -> Listed<Trunk> {
    Ok(Many::found(api.db.trunks().found(&caller.ctx, &asked.0).await?))
}

/// Shows a trunk.
#[utoipa::path(get, path = "/trunks/{id}", tag = "trunks", params(("id" = i64, Path)),
    responses((status = 200, body = Trunk), Refusals))]
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Trunk>, Problem> {
    Ok(Json(api.db.trunks().get(&caller.ctx, TrunkId(id)).await?.into()))
}

/// Shows how a trunk is just now: its registration, its servers, its calls.
#[utoipa::path(get, path = "/trunks/{id}/status", tag = "trunks", params(("id" = i64, Path)),
    responses((status = 200, body = Status), Refusals))]
async fn status(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Status>, Problem> {
    let trunk = api.db.trunks().get(&caller.ctx, TrunkId(id)).await?;
    let all = api.switch.trunks().await?;
    let found = all.into_iter().find(|t| t.trunk == trunk.id);
    Ok(Json(found.map_or_else(Status::off, Into::into)))
}

/// Adds a trunk. For a brand's operator.
#[utoipa::path(post, path = "/trunks", tag = "trunks", request_body = AddTrunk,
    responses((status = 201, body = Trunk), Refusals))]
async fn add(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<AddTrunk>,
) -> Result<(StatusCode, Json<Trunk>), Problem> {
    caller.needs_brand(BRANDS)?;
    let blank = blank(caller.brand(body.brand)?, body.name.clone());
    let trunk = body.onto(blank)?;
    let trunk = api.db.trunks().create(&caller.ctx, &trunk).await?;
    api.live().await?;
    Ok((StatusCode::CREATED, Json(trunk.into())))
}

/// Changes a trunk. For a brand's operator.
#[utoipa::path(patch, path = "/trunks/{id}", tag = "trunks", params(("id" = i64, Path)),
    request_body = PatchTrunk, responses((status = 200, body = Trunk), Refusals))]
async fn patch(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<PatchTrunk>,
) -> Result<Json<Trunk>, Problem> {
    let mut trunk = api.db.trunks().get(&caller.ctx, TrunkId(id)).await?;
    trunk.name = body.name.clone().unwrap_or(trunk.name);
    let trunk = body.onto(trunk)?;
    let trunk = api.db.trunks().update(&caller.ctx, &trunk).await?;
    api.live().await?;
    Ok(Json(trunk.into()))
}

/// Deletes a trunk. Calls under way go on. For a brand's operator.
#[utoipa::path(delete, path = "/trunks/{id}", tag = "trunks", params(("id" = i64, Path)),
    responses((status = 204, description = "Gone"), Refusals))]
async fn delete(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    caller.needs_brand(BRANDS)?;
    api.db.trunks().delete(&caller.ctx, TrunkId(id)).await?;
    api.live().await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(show, patch, delete)).routes(routes!(status))
}
