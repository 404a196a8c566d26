//! Archives: files of records that were old enough to leave the database.

use super::{Listed, Many};
use crate::extract::Id;
use crate::jobs::archive::file_of;
use crate::listing::{Asked, Noun};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller, files, stamp::rfc3339};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use std::io::ErrorKind;
use std::path::PathBuf;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// A file of records that left the database.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Archive {
    id: i64,
    /// Its file's name, without the ending.
    name: String,
    /// `cdrs`: each line as `/cdrs` shows it; `explanations`: each line a question of `/calls/{id}/trace`, with its call.
    kind: &'static str,
    brand: i64,
    /// How many records.
    rows: u64,
    /// When the first of them began.
    first_at: String,
    /// When the last of them began.
    last_at: String,
    /// When they left the database.
    made_at: String,
    /// Of its file.
    bytes: u64,
    /// Of its file, in hex.
    sha256: String,
}

impl From<store::Archive> for Archive {
    fn from(a: store::Archive) -> Self {
        Archive {
            id: a.id,
            name: a.name,
            kind: a.kind.word(),
            brand: a.brand.0,
            rows: a.rows,
            first_at: rfc3339(a.first_at),
            last_at: rfc3339(a.last_at),
            made_at: rfc3339(a.made_at),
            bytes: a.bytes,
            sha256: a.sha256,
        }
    }
}

impl Noun for Archive {
    fn listing() -> &'static store::Listing {
        store::lists::ARCHIVES
    }
}

/// Lists archives, those of the newest records first.
#[utoipa::path(get, path = "/archives", tag = "archives", params(Asked<Archive>),
    responses((status = 200, body = Many<Archive>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, asked: Asked<Archive>) -> Listed<Archive> {
    Ok(Many::found(api.db.archives().found(&caller.ctx, &asked.0).await?))
}

/// Shows an archive.
#[utoipa::path(get, path = "/archives/{id}", tag = "archives", params(("id" = i64, Path)),
    responses((status = 200, body = Archive), Refusals))]
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Archive>, Problem> {
    Ok(Json(api.db.archives().get(&caller.ctx, id).await?.into()))
}

/// The file of an archive: JSON, a record a line, compressed by zstd.
#[utoipa::path(get, path = "/archives/{id}/file", tag = "archives", params(("id" = i64, Path)),
    responses((status = 200, content_type = "application/zstd", body = Vec<u8>), Refusals))]
async fn file(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let archive = api.db.archives().get(&caller.ctx, id).await?;
    let path = path_of(&api, &archive);
    files::sent(path.as_deref(), "application/zstd", "file of this archive").await
}

/// Removes an archive, its file first: these records are gone for good.
#[utoipa::path(delete, path = "/archives/{id}", tag = "archives", params(("id" = i64, Path)),
    responses((status = 204, description = "Gone"), Refusals))]
async fn delete(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    let archive = api.db.archives().get(&caller.ctx, id).await?;
    if let Some(path) = path_of(&api, &archive)
        && let Err(error) = tokio::fs::remove_file(&path).await
        && error.kind() != ErrorKind::NotFound
    {
        tracing::error!(%error, path = %path.display(), "an archive cannot be removed");
        return Err(Problem::unavailable("The file of this archive cannot be removed: see the log.".to_owned()));
    }
    api.db.archives().delete(&caller.ctx, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where the file lies, if this node keeps archives at all.
fn path_of(api: &Api, archive: &store::Archive) -> Option<PathBuf> {
    Some(file_of(api.archives.as_deref()?, archive.brand, &archive.name))
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show, delete)).routes(routes!(file))
}
