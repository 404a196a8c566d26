//! Recordings: what there is, its sound, and what is to happen with those of a call that is up.

use super::{Listed, Many};
use crate::extract::{Body, Id};
use crate::listing::{Asked, Noun};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller, stamp::rfc3339};
use axum::Json;
use axum::body::Body as Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::try_unfold;
use model::{CallId, TapeAct, TapeRefusal};
use serde::{Deserialize, Serialize};
use shell::ArchiveError;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// A recording that is kept.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Recording {
    id: i64,
    brand: i64,
    company: i64,
    /// The call, as in its CDRs.
    call: String,
    /// The leg within it.
    leg: u16,
    /// `number`: its public number wants it; `hand`: a party of it or an operator.
    by: &'static str,
    /// `stereo`: what the leg's party says on the left, what it hears on the right.
    channels: &'static str,
    started_at: String,
    length_ms: u64,
    /// Of its file.
    bytes: u64,
    /// Of its file, in hex.
    sha256: String,
    /// `opus` (Ogg Opus), or `wav`: as its company wants it, or until it is encoded.
    format: &'static str,
    /// `node`, or `bucket`: the platform's S3-compatible store.
    place: &'static str,
}

impl From<store::Recording> for Recording {
    fn from(r: store::Recording) -> Self {
        Recording {
            id: r.id,
            brand: r.brand.0,
            company: r.company.0,
            call: r.call.to_string(),
            leg: r.leg,
            by: r.by.word(),
            channels: r.channels.word(),
            started_at: rfc3339(r.started_at),
            length_ms: r.length_ms,
            bytes: r.bytes,
            sha256: r.sha256,
            format: r.format.word(),
            place: r.place.word(),
        }
    }
}

impl Noun for Recording {
    fn listing() -> &'static store::Listing {
        store::lists::RECORDINGS
    }
}

/// Lists recordings.
#[utoipa::path(get, path = "/recordings", tag = "recordings", params(Asked<Recording>),
    responses((status = 200, body = Many<Recording>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, asked: Asked<Recording>) -> Listed<Recording> {
    Ok(Many::found(api.db.recordings().found(&caller.ctx, &asked.0).await?))
}

/// Shows a recording.
#[utoipa::path(get, path = "/recordings/{id}", tag = "recordings", params(("id" = i64, Path)),
    responses((status = 200, body = Recording), Refusals))]
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<Recording>, Problem> {
    Ok(Json(api.db.recordings().get(&caller.ctx, id).await?.into()))
}

/// The sound of a recording: Ogg Opus, or WAV, 16-bit linear PCM, as its `format` says.
#[utoipa::path(get, path = "/recordings/{id}/audio", tag = "recordings", params(("id" = i64, Path)),
    responses((status = 200, content((Vec<u8> = "audio/ogg; codecs=opus"), (Vec<u8> = "audio/wav"))), Refusals))]
async fn audio(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let opened = api.switch.recordings().open(&api.db, &caller.ctx, id).await;
    let (recording, sound) = opened.map_err(|error| match error {
        ArchiveError::Store(error) => error.into(),
        ArchiveError::File(error) => {
            tracing::warn!(%error, id, "a recording cannot be read");
            Problem::not_found("sound of this recording")
        }
        error @ (ArchiveError::Bucket(_) | ArchiveError::NoBucket) => {
            tracing::warn!(%error, id, "a recording cannot be read");
            Problem::unavailable("The bucket does not give this recording: see the log.".to_owned())
        }
    })?;
    let about = [
        (header::CONTENT_TYPE, recording.format.media_type().to_owned()),
        (header::CONTENT_LENGTH, sound.length().to_string()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{}.{}\"", recording.name, recording.format.word()),
        ),
    ];
    let pieces = try_unfold(sound, |mut sound| async move {
        let piece = sound.next().await.inspect_err(|error| tracing::error!(%error, "a recording breaks off"))?;
        Ok::<_, std::io::Error>(piece.map(|piece| (piece, sound)))
    });
    Ok((about, Bytes::from_stream(pieces)).into_response())
}

/// Removes a recording, its sound first.
#[utoipa::path(delete, path = "/recordings/{id}", tag = "recordings", params(("id" = i64, Path)),
    responses((status = 204, description = "Gone"), Refusals))]
async fn delete(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    match api.switch.recordings().remove(&api.db, &caller.ctx, id).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(ArchiveError::Store(error)) => Err(error.into()),
        Err(error) => {
            tracing::error!(%error, id, "a recording cannot be removed");
            Err(Problem::unavailable("The sound of this recording cannot be removed: see the log.".to_owned()))
        }
    }
}

/// What is to happen.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Act {
    /// Record a leg, both directions, each on a channel.
    Start,
    /// End what somebody began on this leg; what its number wants recorded goes on.
    Stop,
    /// Take nothing in on any leg, whoever records: a card number is being told.
    Pause,
    /// Take in again.
    Resume,
}

/// What is to happen with the recordings of a call.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tape {
    act: Act,
    /// For `start` and `stop`: which leg; 0, the caller's, unless named.
    #[serde(default)]
    leg: u16,
}

/// Begins, ends, halts or goes on with the recording of a call that is up.
#[utoipa::path(post, path = "/calls/{id}/recording", tag = "calls", request_body = Tape,
    params(("id" = String, Path, description = "The call's id")),
    responses((status = 204, description = "Done"), Refusals))]
async fn tape(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Body(body): Body<Tape>,
) -> Result<StatusCode, Problem> {
    let nothing = || Problem::not_found("call");
    let id: CallId = id.parse().map_err(|_| nothing())?;
    let calls = api.switch.calls().await?;
    if !calls.iter().any(|c| c.call == id && caller.sees(c.brand, c.company)) {
        return Err(nothing());
    }
    let act = match body.act {
        Act::Start => TapeAct::Start,
        Act::Stop => TapeAct::Stop,
        Act::Pause => TapeAct::Pause,
        Act::Resume => TapeAct::Resume,
    };
    match api.switch.tape(id, body.leg, act).await? {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(TapeRefusal::Nothing) => Err(Problem::not_found("answered leg")),
        Err(why @ (TapeRefusal::State | TapeRefusal::Unheard)) => Err(Problem::conflict(why.to_string())),
        Err(why @ TapeRefusal::Limit) => Err(Problem::unavailable(why.to_string())),
    }
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, delete))
        .routes(routes!(audio))
        .routes(routes!(tape))
}
