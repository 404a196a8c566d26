//! DDIs: the public numbers of a company.

use super::{Listed, Many, Target};
use crate::extract::{Body, Id};
use crate::listing::{Asked, Noun};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{DdiId, DdiRecording};
use serde::{Deserialize, Serialize};
use store::NewDdi;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// A company that could give itself a number could take another's before its brand does.
const ASSIGNS: &str = "Public numbers are assigned by a brand's operator; a company's chooses where they lead.";

/// A DDI.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ddi {
    id: i64,
    company: i64,
    /// `+` and digits, unique on the platform.
    e164: String,
    /// Where it leads.
    target: Target,
    /// The call filter that its calls from outside go through, by name; null = none.
    call_filter: Option<String>,
    /// Which of its calls are recorded: `none`, `in` (those that carriers bring), `out` (those that show it), `all`.
    record: &'static str,
}

impl From<model::Ddi> for Ddi {
    fn from(e: model::Ddi) -> Self {
        Ddi {
            id: e.id.0,
            company: e.company.0,
            e164: e.e164,
            target: e.target.into(),
            call_filter: e.call_filter,
            record: e.record.word(),
        }
    }
}

/// A DDI to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddDdi {
    /// The company's id; a company's token may leave it out.
    company: Option<i64>,
    /// `+` and digits.
    e164: String,
    /// An account, an app or an extension.
    target: Target,
}

/// What changes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchDdi {
    e164: Option<String>,
    target: Option<Target>,
    /// A call filter of the company, by name. Null = none.
    #[serde(default, deserialize_with = "super::nullable")]
    #[schema(value_type = Option<String>)]
    call_filter: Option<Option<String>>,
    /// `none`, `in`, `out` or `all`.
    record: Option<String>,
}

impl Noun for Ddi {
    fn listing() -> &'static store::Listing {
        store::lists::DDIS
    }
}

/// Lists DDIs.
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

/// Adds a DDI. For a brand's operator.
#[utoipa::path(post, path = "/ddis", tag = "ddis", request_body = AddDdi,
    responses((status = 201, body = Ddi), Refusals))]
async fn add(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<AddDdi>,
) -> Result<(StatusCode, Json<Ddi>), Problem> {
    caller.needs_brand(ASSIGNS)?;
    let new = NewDdi { company: caller.company(body.company)?, e164: body.e164, target: body.target.into() };
    let ddi = api.db.ddis().create(&caller.ctx, new).await?;
    api.live().await?;
    Ok((StatusCode::CREATED, Json(ddi.into())))
}

/// Changes a DDI.
#[utoipa::path(patch, path = "/ddis/{id}", tag = "ddis", params(("id" = i64, Path)),
    request_body = PatchDdi, responses((status = 200, body = Ddi), Refusals))]
async fn patch(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<PatchDdi>,
) -> Result<Json<Ddi>, Problem> {
    let mut ddi = api.db.ddis().get(&caller.ctx, DdiId(id)).await?;
    if body.e164.is_some() {
        caller.needs_brand(ASSIGNS)?;
    }
    ddi.e164 = body.e164.unwrap_or(ddi.e164);
    ddi.target = body.target.map_or(ddi.target, Into::into);
    ddi.call_filter = body.call_filter.unwrap_or(ddi.call_filter);
    if let Some(word) = &body.record {
        let known = || Problem::field("record", "expected none, in, out or all".to_owned());
        ddi.record = DdiRecording::from_word(word).ok_or_else(known)?;
    }
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
