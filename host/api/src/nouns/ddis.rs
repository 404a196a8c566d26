//! DDIs: public numbers, which a brand has in stock and gives to its companies.

use super::{Listed, Many, Target};
use crate::extract::{Body, Id};
use crate::listing::{Asked, Noun};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{BrandId, CompanyId, DdiId, DdiRecording, RouteTagId, TrunkId};
use serde::{Deserialize, Serialize};
use store::Number;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// A company that could give itself a number could take another's before its brand does.
const ASSIGNS: &str = "Public numbers are assigned by a brand's operator; a company's chooses where they lead.";

/// A DDI.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ddi {
    id: i64,
    brand: i64,
    /// Whose it is; null = in the brand's stock, and calls for it are answered 404.
    company: Option<i64>,
    /// `+` and digits, unique on the platform.
    e164: String,
    /// Where it leads; null only in stock.
    target: Option<Target>,
    /// The call filter that its calls from outside go through, by name; null = none.
    call_filter: Option<String>,
    /// Which of its calls are recorded: `none`, `in` (those that carriers bring), `out` (those that show it), `all`.
    record: &'static str,
    /// The brand's trunk that its calls are said to have come by, where they may have come by several; null = the first.
    trunk: Option<i64>,
    /// The brand's routing tag of outgoing calls that show it and have dialled none; null = none.
    tag: Option<i64>,
    /// The name that its called see in place of the caller's; empty = the caller's own.
    display_name: String,
    /// Words about it, for people.
    description: String,
}

impl From<store::Number> for Ddi {
    fn from(e: store::Number) -> Self {
        Ddi {
            id: e.id.0,
            brand: e.brand.0,
            company: e.company.map(|company| company.0),
            e164: e.e164,
            target: e.target.map(Into::into),
            call_filter: e.call_filter,
            record: e.record.word(),
            trunk: e.trunk.map(|trunk| trunk.0),
            tag: e.tag.map(|tag| tag.0),
            display_name: e.display_name,
            description: e.description,
        }
    }
}

/// A DDI to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddDdi {
    /// The company's id; without one the number is put in the brand's stock.
    company: Option<i64>,
    /// The brand's id, for a number in stock; a brand's token may leave it out.
    brand: Option<i64>,
    /// `+` and digits.
    e164: String,
    /// An account, an app, an extension, a group: needed exactly where there is a company.
    target: Option<Target>,
    /// A call filter of the company, by name.
    call_filter: Option<String>,
    /// `none`, `in`, `out` or `all`; else `none`.
    record: Option<String>,
    /// A trunk of the brand, by id.
    trunk: Option<i64>,
    /// A routing tag of the brand, by id.
    tag: Option<i64>,
    /// At most 128 characters; else empty.
    display_name: Option<String>,
    /// At most 256 characters; else empty.
    description: Option<String>,
}

/// What changes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchDdi {
    /// Who gets a number that is in stock, with a target. Null = back to the stock: then it leads nowhere and has no call
    /// filter any more. For a brand's operator.
    #[serde(default, deserialize_with = "super::nullable")]
    #[schema(value_type = Option<i64>)]
    company: Option<Option<i64>>,
    /// For a brand's operator.
    e164: Option<String>,
    target: Option<Target>,
    /// A call filter of the company, by name. Null = none.
    #[serde(default, deserialize_with = "super::nullable")]
    #[schema(value_type = Option<String>)]
    call_filter: Option<Option<String>>,
    /// `none`, `in`, `out` or `all`.
    record: Option<String>,
    /// Null = whichever brings the call. For a brand's operator.
    #[serde(default, deserialize_with = "super::nullable")]
    #[schema(value_type = Option<i64>)]
    trunk: Option<Option<i64>>,
    /// Null = none. For a brand's operator.
    #[serde(default, deserialize_with = "super::nullable")]
    #[schema(value_type = Option<i64>)]
    tag: Option<Option<i64>>,
    /// At most 128 characters.
    display_name: Option<String>,
    /// At most 256 characters.
    description: Option<String>,
}

impl PatchDdi {
    /// What a company may not say of its numbers.
    fn is_for_brands(&self) -> bool {
        self.company.is_some() || self.e164.is_some() || self.trunk.is_some() || self.tag.is_some()
    }
}

fn recording(word: Option<&str>) -> Result<Option<DdiRecording>, Problem> {
    let Some(word) = word else { return Ok(None) };
    let known = || Problem::field("record", "expected none, in, out or all".to_owned());
    DdiRecording::from_word(word).ok_or_else(known).map(Some)
}

impl Noun for Ddi {
    fn listing() -> &'static store::Listing {
        store::lists::DDIS
    }
}

/// Lists DDIs; a brand's operator sees those in stock, too.
#[utoipa::path(get, path = "/ddis", tag = "ddis", params(Asked<Ddi>),
    responses((status = 200, body = Many<Ddi>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, asked: Asked<Ddi>) -> Listed<Ddi> {
    Ok(Many::found(api.db.ddis().found(&caller.ctx, &asked.0).await?))
}

/// Shows a DDI.
#[utoipa::path(get, path = "/ddis/{id}", tag = "ddis", params(("id" = i64, Path)),
    responses((status = 200, body = Ddi), Refusals))]
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Ddi>, Problem> {
    Ok(Json(api.db.ddis().get(&caller.ctx, DdiId(id)).await?.into()))
}

/// Adds a DDI to a company, or to the brand's stock. For a brand's operator.
#[utoipa::path(post, path = "/ddis", tag = "ddis", request_body = AddDdi,
    responses((status = 201, body = Ddi), Refusals))]
async fn add(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<AddDdi>,
) -> Result<(StatusCode, Json<Ddi>), Problem> {
    caller.needs_brand(ASSIGNS)?;
    // A number of a company is of the company's brand.
    let brand = if body.company.is_some() { BrandId(0) } else { caller.brand(body.brand)? };
    let new = Number {
        company: body.company.map(CompanyId),
        target: body.target.map(Into::into),
        call_filter: body.call_filter,
        record: recording(body.record.as_deref())?.unwrap_or_default(),
        trunk: body.trunk.map(TrunkId),
        tag: body.tag.map(RouteTagId),
        display_name: body.display_name.unwrap_or_default(),
        description: body.description.unwrap_or_default(),
        ..Number::stock(brand, &body.e164)
    };
    let ddi = api.db.ddis().add(&caller.ctx, &new).await?;
    api.live().await?;
    Ok((StatusCode::CREATED, Json(ddi.into())))
}

/// Changes a DDI; a brand's operator gives it to a company, or takes it back.
#[utoipa::path(patch, path = "/ddis/{id}", tag = "ddis", params(("id" = i64, Path)),
    request_body = PatchDdi, responses((status = 200, body = Ddi), Refusals))]
async fn patch(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<PatchDdi>,
) -> Result<Json<Ddi>, Problem> {
    let mut ddi = api.db.ddis().get(&caller.ctx, DdiId(id)).await?;
    if body.is_for_brands() {
        caller.needs_brand(ASSIGNS)?;
    }
    match body.company {
        Some(Some(company)) => ddi.company = Some(CompanyId(company)),
        Some(None) => ddi = Number { company: None, target: None, call_filter: None, ..ddi },
        None => {}
    }
    ddi.e164 = body.e164.unwrap_or(ddi.e164);
    ddi.target = body.target.map(Into::into).or(ddi.target);
    ddi.call_filter = body.call_filter.unwrap_or(ddi.call_filter);
    ddi.record = recording(body.record.as_deref())?.unwrap_or(ddi.record);
    ddi.trunk = body.trunk.map_or(ddi.trunk, |trunk| trunk.map(TrunkId));
    ddi.tag = body.tag.map_or(ddi.tag, |tag| tag.map(RouteTagId));
    ddi.display_name = body.display_name.unwrap_or(ddi.display_name);
    ddi.description = body.description.unwrap_or(ddi.description);
    let ddi = api.db.ddis().update(&caller.ctx, &ddi).await?;
    api.live().await?;
    Ok(Json(ddi.into()))
}

/// Deletes a DDI. For a brand's operator.
#[utoipa::path(delete, path = "/ddis/{id}", tag = "ddis", params(("id" = i64, Path)),
    responses((status = 204, description = "Gone"), Refusals))]
async fn delete(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    caller.needs_brand(ASSIGNS)?;
    api.db.ddis().delete(&caller.ctx, DdiId(id)).await?;
    api.live().await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(show, patch, delete))
}
