//! Companies: clients of a brand, the tenants of calls.

use super::security::Security;
use super::{Listed, Many};
use crate::extract::{Body, Id};
use crate::listing::{Asked, Noun};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{CompanyId, CompanyKind, CompanyRules, MediaPath};
use serde::{Deserialize, Serialize};
use store::NewCompany;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Where media flows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Media {
    /// Through the switch.
    Anchor,
    /// Straight between the parties.
    Direct,
}

impl From<Media> for MediaPath {
    fn from(m: Media) -> Self {
        match m {
            Media::Anchor => MediaPath::Anchor,
            Media::Direct => MediaPath::Direct,
        }
    }
}

/// How calls are handled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Handling {
    /// The switch stands between the parties: one dialog from end to end, media straight between them.
    Proxy,
    /// The same, with media through the switch.
    Relay,
    /// The switch has a dialog with each party.
    B2bua,
}

impl From<Handling> for model::Handling {
    fn from(h: Handling) -> Self {
        match h {
            Handling::Proxy => model::Handling::Proxy,
            Handling::Relay => model::Handling::Relay,
            Handling::B2bua => model::Handling::B2bua,
        }
    }
}

/// What kind of client a company is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ClientKind {
    /// A telephone system: extensions, groups, calls among its accounts.
    Vpbx,
    /// Homes: each account is a line with public numbers; no short numbers.
    Residential,
    /// Telephone systems of others: public numbers lead to accounts and nowhere else.
    Retail,
    /// Carriers: accounts are known by their addresses, call out, and are called by nobody.
    Wholesale,
}

impl From<ClientKind> for CompanyKind {
    fn from(kind: ClientKind) -> Self {
        match kind {
            ClientKind::Vpbx => CompanyKind::Vpbx,
            ClientKind::Residential => CompanyKind::Residential,
            ClientKind::Retail => CompanyKind::Retail,
            ClientKind::Wholesale => CompanyKind::Wholesale,
        }
    }
}

impl From<CompanyKind> for ClientKind {
    fn from(kind: CompanyKind) -> Self {
        match kind {
            CompanyKind::Vpbx => ClientKind::Vpbx,
            CompanyKind::Residential => ClientKind::Residential,
            CompanyKind::Retail => ClientKind::Retail,
            CompanyKind::Wholesale => ClientKind::Wholesale,
        }
    }
}

/// A company.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Company {
    id: i64,
    brand: i64,
    /// Unique within the brand.
    name: String,
    /// The SIP domain and digest realm, unique.
    domain: String,
    kind: ClientKind,
    media: Media,
    handling: Handling,
    /// Whether a 6xx of one phone ends the call for all that ring with it.
    decline_ends_all: bool,
    /// Most calls at once; null = the switch's limit.
    calls_max: Option<u32>,
    media_security: Security,
    /// The formats its calls may have, best first; empty = whatever the parties like.
    codecs: Vec<String>,
    /// The stored prompt that held and parked parties hear; null = whatever the holder plays.
    hold_music: Option<String>,
    /// What it says about its calls: `time_zone`, `call_acl`, `outgoing_ddi`, `outgoing_ddi_rules`, `emergency`
    /// (`number`, `dials`, `trunks`), `translation` (a translation set of the brand), `services` (codes by service) and
    /// `service_app`.
    #[schema(value_type = Object)]
    rules: CompanyRules,
}

impl From<model::Company> for Company {
    fn from(c: model::Company) -> Self {
        let media = match c.media {
            MediaPath::Direct => Media::Direct,
            MediaPath::Anchor | MediaPath::TenantDefault => Media::Anchor,
        };
        let handling = match c.handling {
            model::Handling::Proxy => Handling::Proxy,
            model::Handling::Relay => Handling::Relay,
            model::Handling::B2bua | model::Handling::TenantDefault => Handling::B2bua,
        };
        Company {
            id: c.id.0,
            brand: c.brand.0,
            name: c.name,
            domain: c.domain,
            kind: c.kind.into(),
            media,
            handling,
            decline_ends_all: c.decline_ends_all,
            calls_max: c.calls_max,
            media_security: c.media_security.into(),
            codecs: c.codecs,
            hold_music: c.hold_music,
            rules: c.rules,
        }
    }
}

/// A company to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddCompany {
    /// The brand's id; a brand's token may leave it out.
    brand: Option<i64>,
    /// Unique within the brand, 1 to 64 characters.
    name: String,
    /// The SIP domain, unique.
    domain: String,
    /// For good; else `vpbx`.
    kind: Option<ClientKind>,
    /// Else `anchor`.
    media: Option<Media>,
    /// Else `b2bua`.
    handling: Option<Handling>,
    /// Else false.
    decline_ends_all: Option<bool>,
    /// Else the switch's limit.
    calls_max: Option<u32>,
    /// SRTP on its legs; else `allow`.
    media_security: Option<Security>,
}

/// What changes. The domain stays while there are accounts: their digest secrets are bound to it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchCompany {
    name: Option<String>,
    media: Option<Media>,
    handling: Option<Handling>,
    decline_ends_all: Option<bool>,
    /// For a brand's operator.
    domain: Option<String>,
    /// Null = the switch's limit. For a brand's operator.
    #[serde(default, deserialize_with = "super::nullable")]
    #[schema(value_type = Option<u32>)]
    calls_max: Option<Option<u32>>,
    media_security: Option<Security>,
    /// Encoding names, as `PCMA`, `G722`; at most 8.
    codecs: Option<Vec<String>>,
    /// Null = whatever the holder plays.
    #[serde(default, deserialize_with = "super::nullable")]
    #[schema(value_type = Option<String>)]
    hold_music: Option<Option<String>>,
    /// All of it. Emergency numbers and their trunks are for a brand's operator.
    #[schema(value_type = Option<Object>)]
    rules: Option<CompanyRules>,
}

impl Noun for Company {
    fn listing() -> &'static store::Listing {
        store::lists::COMPANIES
    }
}

/// Lists companies.
#[utoipa::path(get, path = "/companies", tag = "companies", params(Asked<Company>),
    responses((status = 200, body = Many<Company>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, asked: Asked<Company>) -> Listed<Company> {
    Ok(Many::found(api.db.companies().found(&caller.ctx, &asked.0).await?))
}

/// Shows a company.
#[utoipa::path(get, path = "/companies/{id}", tag = "companies", params(("id" = i64, Path)),
    responses((status = 200, body = Company), Refusals))]
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Company>, Problem> {
    Ok(Json(api.db.companies().get(&caller.ctx, CompanyId(id)).await?.into()))
}

/// Adds a company. For a brand's operator.
#[utoipa::path(post, path = "/companies", tag = "companies", request_body = AddCompany,
    responses((status = 201, body = Company), Refusals))]
async fn add(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<AddCompany>,
) -> Result<(StatusCode, Json<Company>), Problem> {
    let brand = caller.brand(body.brand)?;
    let media = body.media.unwrap_or(Media::Anchor).into();
    let new = NewCompany {
        brand,
        name: body.name,
        domain: body.domain,
        media,
        handling: body.handling.unwrap_or(Handling::B2bua).into(),
        decline_ends_all: body.decline_ends_all.unwrap_or(false),
        calls_max: body.calls_max,
        kind: body.kind.unwrap_or(ClientKind::Vpbx).into(),
        media_security: body.media_security.map_or_else(Default::default, Into::into),
    };
    let company = api.db.companies().create(&caller.ctx, new).await?;
    api.live().await?;
    Ok((StatusCode::CREATED, Json(company.into())))
}

/// Changes a company.
#[utoipa::path(patch, path = "/companies/{id}", tag = "companies", params(("id" = i64, Path)), request_body = PatchCompany,
    responses((status = 200, body = Company), Refusals))]
async fn patch(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<PatchCompany>,
) -> Result<Json<Company>, Problem> {
    let mut company = api.db.companies().get(&caller.ctx, CompanyId(id)).await?;
    if body.domain.is_some() || body.calls_max.is_some() {
        caller.needs_brand("A company's domain and limits are for its brand's operator.")?;
    }
    if let Some(rules) = body.rules {
        if rules.emergency != company.rules.emergency {
            caller.needs_brand("Emergency numbers are for a brand's operator.")?;
        }
        if let Some(wrong) = rules.time_zone.as_deref().filter(|zone| !policy::is_zone(zone)) {
            return Err(Problem::field("rules.time_zone", format!("there is no time zone {wrong:?}")));
        }
        company.rules = rules;
    }
    company.name = body.name.unwrap_or(company.name);
    company.domain = body.domain.unwrap_or(company.domain);
    company.media = body.media.map_or(company.media, Into::into);
    company.handling = body.handling.map_or(company.handling, Into::into);
    company.decline_ends_all = body.decline_ends_all.unwrap_or(company.decline_ends_all);
    company.calls_max = body.calls_max.unwrap_or(company.calls_max);
    company.hold_music = body.hold_music.unwrap_or(company.hold_music);
    company.codecs = body.codecs.unwrap_or(company.codecs);
    company.media_security = body.media_security.map_or(company.media_security, Into::into);
    let company = api.db.companies().update(&caller.ctx, &company).await?;
    api.live().await?;
    Ok(Json(company.into()))
}

/// Deletes a company that has nothing left. For a brand's operator.
#[utoipa::path(delete, path = "/companies/{id}", tag = "companies", params(("id" = i64, Path)),
    responses((status = 204, description = "Gone"), Refusals))]
async fn delete(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    api.db.companies().delete(&caller.ctx, CompanyId(id)).await?;
    api.live().await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(show, patch, delete))
}
