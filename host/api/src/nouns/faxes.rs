//! Faxes: those that came, those that are sent, their pages.

use super::{Listed, Many};
use crate::extract::{Id, Params, Raw};
use crate::listing::{Asked, Noun};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller, extract, files, stamp::rfc3339};
use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use shell::{FaxKind, NoPaper};
use store::NewFax;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Longest number, in characters.
const NUMBER_CHARS_MAX: usize = 64;

/// A fax.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Fax {
    id: i64,
    brand: i64,
    company: i64,
    /// `in`: it came; `out`: it is to be sent, or was.
    direction: &'static str,
    /// `received`; `queued`, `sending`, `sent`; `failed`: it was sent in vain, or did not come whole.
    state: &'static str,
    from: String,
    to: String,
    /// Its call, as in the CDRs; of one that is sent the last. Null = there was none yet.
    call: Option<String>,
    /// What the other machine calls itself; empty = it did not say.
    station: String,
    /// How many pages it has; of one that came, how many came.
    pages: u32,
    /// How many of them were confirmed.
    pages_done: u32,
    /// It went by T.38, not as sound, at the end.
    t38: bool,
    /// How it ended, or the last try did; empty = nothing was tried yet.
    reason: String,
    /// Of its TIFF.
    bytes: u64,
    /// How often it was tried.
    tries: u32,
    /// When it was asked for, or the call came.
    made_at: String,
    /// When it is tried next. Null = it is not queued.
    due_at: Option<String>,
    /// When it was over. Null = it is not.
    ended_at: Option<String>,
}

impl From<store::Fax> for Fax {
    fn from(f: store::Fax) -> Self {
        let due = (f.state == store::FaxState::Queued).then(|| rfc3339(f.due_at));
        Fax {
            id: f.id,
            brand: f.brand.0,
            company: f.company.0,
            direction: if f.inbound { "in" } else { "out" },
            state: f.state.word(),
            from: f.caller,
            to: f.callee,
            call: f.call.map(|call| call.to_string()),
            station: f.station,
            pages: f.pages,
            pages_done: f.pages_done,
            t38: f.t38,
            reason: f.reason,
            bytes: f.bytes,
            tries: f.tries,
            made_at: rfc3339(f.made_at),
            due_at: due,
            ended_at: f.ended_at.map(rfc3339),
        }
    }
}

impl Noun for Fax {
    fn listing() -> &'static store::Listing {
        store::lists::FAXES
    }
}

/// Where a fax goes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Send {
    /// The company's id; a company's token may leave it out.
    company: Option<i64>,
    /// One of the company's public numbers, as `+4930123456`.
    from: String,
    /// The number, as the company's rules and routes know it.
    to: String,
}

/// Lists faxes, the newest first.
#[utoipa::path(get, path = "/faxes", tag = "faxes", params(Asked<Fax>),
    responses((status = 200, body = Many<Fax>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, asked: Asked<Fax>) -> Listed<Fax> {
    Ok(Many::found(api.db.faxes().found(&caller.ctx, &asked.0).await?))
}

/// Sends a fax, at the company's cost. The body is its pages: a TIFF of black and white pages, uncompressed, T.4 or T.6, or a
/// PDF where this machine has what draws one.
#[utoipa::path(post, path = "/faxes", tag = "faxes", params(Send),
    request_body(content = Vec<u8>, content_type = "image/tiff", description = "The pages: TIFF or PDF"),
    responses((status = 202, body = Fax), (status = 413, body = Problem, content_type = "application/problem+json"), Refusals))]
async fn send(
    State(api): State<Api>,
    caller: Caller,
    Params(wanted): Params<Send>,
    Raw(bytes): Raw,
) -> Result<(StatusCode, Json<Fax>), Problem> {
    let company = api.db.companies().get(&caller.ctx, caller.company(wanted.company)?).await?;
    let dialled = |c: char| c.is_ascii_alphanumeric() || "*#+-._".contains(c);
    if wanted.to.is_empty() || wanted.to.len() > NUMBER_CHARS_MAX || !wanted.to.chars().all(dialled) {
        return Err(Problem::field("to", "expected 1 to 64 digits, letters or * # + - . _"));
    }
    let room = api.switch.fax_room();
    let paper = shell::keep_paper(&room, company.id, bytes.into()).await.map_err(unfit)?;
    let new = NewFax {
        name: paper.name.clone(),
        company: company.id,
        from: wanted.from,
        to: wanted.to,
        pages: paper.pages,
        bytes: paper.bytes,
        made_at: api.switch.now(),
    };
    let queued = api.db.faxes().queue(&caller.ctx, &new, room.waiting_max).await;
    if queued.is_err() {
        shell::drop_paper(&room, company.id, &paper).await;
    }
    let fax = queued?;
    api.switch.fax_queued();
    Ok((StatusCode::ACCEPTED, Json(fax.into())))
}

fn unfit(why: NoPaper) -> Problem {
    match why {
        NoPaper::Unfit(_) => Problem::field("body", why.to_string()),
        NoPaper::NotDrawn { .. } => Problem::unavailable(why.to_string()),
        NoPaper::Disk(_) => {
            tracing::error!(%why, "a fax cannot be kept");
            Problem::unavailable("The pages cannot be kept: see the log.".to_owned())
        }
    }
}

/// Shows a fax.
#[utoipa::path(get, path = "/faxes/{id}", tag = "faxes", params(("id" = i64, Path)),
    responses((status = 200, body = Fax), Refusals))]
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Fax>, Problem> {
    Ok(Json(api.db.faxes().get(&caller.ctx, id).await?.into()))
}

/// The pages of a fax as they came, or are sent.
#[utoipa::path(get, path = "/faxes/{id}/tiff", tag = "faxes", params(("id" = i64, Path)),
    responses((status = 200, content_type = "image/tiff", body = Vec<u8>), Refusals))]
async fn tiff(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    pages(&api, &caller, id, (FaxKind::Tiff, "image/tiff")).await
}

/// The pages of a fax as a PDF.
#[utoipa::path(get, path = "/faxes/{id}/pdf", tag = "faxes", params(("id" = i64, Path)),
    responses((status = 200, content_type = "application/pdf", body = Vec<u8>), Refusals))]
async fn pdf(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    pages(&api, &caller, id, (FaxKind::Pdf, "application/pdf")).await
}

async fn pages(api: &Api, caller: &Caller, id: i64, (kind, content): (FaxKind, &str)) -> Result<Response, Problem> {
    let fax = api.db.faxes().get(&caller.ctx, id).await?;
    let path = shell::fax_file(&api.switch.fax_room().root, &fax, kind);
    files::sent(Some(&path), content, "file of this fax").await
}

/// Removes a fax and its pages; one that is queued is not sent.
#[utoipa::path(delete, path = "/faxes/{id}", tag = "faxes", params(("id" = i64, Path)),
    responses((status = 204, description = "Gone"), Refusals))]
async fn delete(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    let fax = api.db.faxes().get(&caller.ctx, id).await?;
    // The row first: while it is there, a call may be made for it.
    api.db.faxes().delete(&caller.ctx, id).await?;
    if let Err(error) = shell::remove_fax(&api.switch.fax_room().root, &fax).await {
        tracing::error!(%error, fax = id, "the files of a fax that was removed stay");
    }
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    let uploads =
        OpenApiRouter::new().routes(routes!(list, send)).layer(DefaultBodyLimit::max(extract::COMPONENT_BYTES_MAX));
    uploads.routes(routes!(show, delete)).routes(routes!(tiff)).routes(routes!(pdf))
}
