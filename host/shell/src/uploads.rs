//! Recordings go to the bucket, where there is one.
//!
//! The row is the job here too: one that says `node` waits. The object is put with its sum, looked at, then the row says
//! `bucket`, then the file goes. What a killed process leaves is put again under its name, or is a file whose row says that
//! it is elsewhere, which goes at the next start.

use crate::archive::{Archive, files_of, look_again, remove_file};
use crate::bucket::{Bucket, BucketError};
use core::time::Duration;
use model::{RecordingFormat, RecordingPlace};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::{Db, Recording, StoreError};
use tokio::sync::{Notify, watch};

/// Rows that are read at once.
const PAGE: u32 = 50;
/// The pause while the bucket is away; it doubles.
#[cfg(not(test))]
const PAUSE_FIRST: Duration = Duration::from_secs(1);
#[cfg(test)]
const PAUSE_FIRST: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// So often an object is put whose sum comes out wrong.
const TRIES: u32 = 5;

/// Uploads what waits until `stop` holds true, whenever `due` tells that something may.
pub(crate) async fn upload_all(archive: Archive, db: Db, due: Arc<Notify>, mut stop: watch::Receiver<bool>) {
    let Some(bucket) = archive.bucket().cloned() else { return };
    if let Err(error) = tidy(&archive, &db).await {
        tracing::warn!(%error, "recordings that were being uploaded could not be looked for");
    }
    loop {
        if let Err(error) = upload_waiting((&archive, &bucket), &db, &mut stop).await {
            tracing::warn!(%error, "recordings wait to be uploaded");
        }
        if !look_again(&due, &mut stop).await {
            return;
        }
    }
}

/// Removes the files that are in the bucket already.
async fn tidy(archive: &Archive, db: &Db) -> Result<(), StoreError> {
    archive.tidy(db, sounds, |row| row.place == RecordingPlace::Bucket).await
}

fn sounds(root: &Path) -> Vec<PathBuf> {
    let sound = |path: &PathBuf| path.extension().and_then(|e| e.to_str()).and_then(RecordingFormat::from_word);
    files_of(root).filter(|path| sound(path).is_some()).collect()
}

async fn upload_waiting(
    (archive, bucket): (&Archive, &Bucket),
    db: &Db,
    stop: &mut watch::Receiver<bool>,
) -> Result<(), StoreError> {
    let mut behind = 0;
    loop {
        let waiting = db.recordings().to_upload(behind, PAGE).await?;
        let Some(last) = waiting.last() else { return Ok(()) };
        behind = last.id;
        for recording in waiting {
            if !try_upload((archive, bucket), db, (&recording, stop)).await? {
                return Ok(());
            }
        }
    }
}

/// Uploads one, again and again while the bucket is away; whether it is worth while to go on with others.
async fn try_upload(
    (archive, bucket): (&Archive, &Bucket),
    db: &Db,
    (recording, stop): (&Recording, &mut watch::Receiver<bool>),
) -> Result<bool, StoreError> {
    let (mut pause, mut tries) = (PAUSE_FIRST, 0);
    while let Err(error) = upload((archive, bucket), db, recording).await? {
        let name = &recording.name;
        tries += 1;
        match error {
            // It is another node's, or was removed.
            BucketError::File(error) if error.kind() == io::ErrorKind::NotFound => break,
            BucketError::Refused { .. } => {
                tracing::error!(%error, name, "recordings stay here: the bucket does not take them");
                return Ok(false);
            }
            BucketError::Away(_) => {
                tracing::warn!(%error, name, again_s = pause.as_secs(), "recordings wait for the bucket");
            }
            BucketError::Differs(_) if tries < TRIES => {
                tracing::warn!(%error, name, "a recording is uploaded again");
            }
            BucketError::Differs(_) | BucketError::File(_) => {
                tracing::error!(%error, name, "a recording cannot be uploaded and stays here");
                break;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSE_MAX),
            _ = stop.wait_for(|stop| *stop) => return Ok(false),
        }
    }
    Ok(!*stop.borrow())
}

async fn upload(
    (archive, bucket): (&Archive, &Bucket),
    db: &Db,
    recording: &Recording,
) -> Result<Result<(), BucketError>, StoreError> {
    let (file, key) = (archive.file(recording, recording.format), Archive::key(recording));
    let about = (recording.bytes, recording.sha256.as_str());
    if let Err(error) = bucket.put((&key, recording.format.media_type()), &file, about).await {
        return Ok(Err(error));
    }
    if db.recordings().uploaded(recording.id, &recording.sha256).await? {
        tracing::info!(name = recording.name, "a recording is in the bucket");
        return Ok(remove_file(&file).await.map_err(BucketError::File));
    }
    match db.recordings().named(&recording.name).await? {
        // Somebody removed it meanwhile.
        None => Ok(bucket.delete(&key).await),
        // Its row was written, though that looked like a failure.
        Some(row) if row.place == RecordingPlace::Bucket => Ok(remove_file(&file).await.map_err(BucketError::File)),
        Some(_) => Ok(Ok(())),
    }
}

#[cfg(test)]
#[path = "uploads_tests.rs"]
mod tests;
