//! Files of this node on their way to a client, piece by piece.

use crate::problem::Problem;
use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream::try_unfold;
use std::io;
use std::path::Path;
use tokio::io::AsyncReadExt;

/// Bytes of a file that are sent at once.
const PIECE: usize = 64 * 1024;

/// A file as an attachment of its own name; `what` it is, where it is not there.
pub(crate) async fn sent(path: Option<&Path>, content_type: &str, what: &'static str) -> Result<Response, Problem> {
    let missing = || Problem::not_found(what);
    let path = path.ok_or_else(missing)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).ok_or_else(missing)?;
    let opened = async {
        let file = tokio::fs::File::open(path).await?;
        let length = file.metadata().await?.len();
        Ok::<_, io::Error>((file, length))
    };
    let (file, length) = opened.await.map_err(|error| {
        tracing::warn!(%error, path = %path.display(), "a file cannot be read");
        missing()
    })?;
    let pieces = try_unfold(file, |mut file| async move {
        let mut piece = vec![0; PIECE];
        let read = file.read(&mut piece).await?;
        piece.truncate(read);
        Ok::<_, io::Error>((read > 0).then_some((piece, file)))
    });
    let about = [
        (header::CONTENT_TYPE, content_type.to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    Ok((about, Body::from_stream(pieces)).into_response())
}
