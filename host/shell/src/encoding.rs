//! Recordings become Ogg Opus in the background.
//!
//! The row is the job: one whose format is not yet what it is to be waits to be encoded, and nothing else remembers it. The
//! file is written beside the WAV, brought to the disk, renamed; then the row says that it is Opus, then the WAV goes. A
//! process that is killed in between leaves either the WAV and a row that waits, and all is done again, or both files and
//! a row that does not, and the WAV goes at the next start.
//!
//! Threads of their own encode, in the class that gets only spare CPU: calls come first.

use crate::archive::{Archive, files_of, look_again, remove_file};
use crate::recorder::HEADER;
use crate::sigv4::hex;
use model::RecordingFormat;
use opus::OggWriter;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::{Db, Recording, StoreError};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinSet;

/// Most threads that encode at once.
const ENCODERS_MAX: usize = 4;
/// Samples that are encoded at once: a second of two channels.
const PIECE: usize = 16_000;
/// The ending of a file that is being written.
const PART: &str = "opus.part";

/// Encodes what waits until `stop` holds true, whenever `due` tells of a new row; `done` is told of each that waits no
/// longer.
pub(crate) async fn encode_all(
    archive: Archive,
    db: Db,
    (due, done): (Arc<Notify>, Arc<Notify>),
    mut stop: watch::Receiver<bool>,
) {
    let left_over = |row: &Recording| row.format == RecordingFormat::Opus;
    if let Err(error) = archive.tidy(&db, left, left_over).await {
        tracing::warn!(%error, "recordings that were being encoded could not be looked for");
    }
    loop {
        match encode_waiting(&archive, &db, &stop).await {
            // Those that need no encoding wait for the bucket as well.
            Ok(()) => done.notify_one(),
            Err(error) => tracing::warn!(%error, "recordings wait to be encoded"),
        }
        if !look_again(&due, &mut stop).await {
            return;
        }
    }
}

/// Removes unfinished files below a folder; the WAV files that have an Opus file beside them.
fn left(root: &Path) -> Vec<PathBuf> {
    let mut wavs = Vec::new();
    for path in files_of(root) {
        if path.extension().is_some_and(|e| e == "part") {
            let _stays = std::fs::remove_file(&path);
        } else if path.extension().is_some_and(|e| e == "opus") && path.with_extension("wav").exists() {
            wavs.push(path.with_extension("wav"));
        }
    }
    wavs
}

/// Encodes all that waits now.
async fn encode_waiting(archive: &Archive, db: &Db, stop: &watch::Receiver<bool>) -> Result<(), StoreError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let at_once = (cores / 2).clamp(1, ENCODERS_MAX);
    let mut behind = 0;
    loop {
        let waiting = db.recordings().to_encode(behind, at_once as u32).await?;
        let Some(last) = waiting.last() else { return Ok(()) };
        behind = last.id;
        let mut tasks = JoinSet::new();
        for recording in waiting {
            let (archive, db, stop) = (archive.clone(), db.clone(), stop.clone());
            tasks.spawn(async move { encode_one(&archive, &db, (&recording, stop)).await });
        }
        while let Some(ended) = tasks.join_next().await {
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(Failure::Store(error))) => return Err(error),
                Ok(Err(Failure::File(error))) => tracing::error!(%error, "a recording waits to be encoded"),
                Err(error) => tracing::error!(%error, "a recording waits to be encoded"),
            }
        }
        if *stop.borrow() {
            return Ok(());
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    File(#[from] io::Error),
}

async fn encode_one(
    archive: &Archive,
    db: &Db,
    (recording, stop): (&Recording, watch::Receiver<bool>),
) -> Result<(), Failure> {
    let (wav, to) = (archive.file(recording, recording.format), archive.file(recording, RecordingFormat::Opus));
    // The stream's number: of use where somebody joins files.
    let (from, into, serial) = (wav.clone(), to.clone(), recording.id as u32);
    let encoded = in_background(move || encode(&from, &into, (serial, &stop))).await;
    match encoded {
        Ok(Some((bytes, sha256))) => {
            if !db.recordings().encoded(recording.id, (bytes, &sha256)).await? {
                // Somebody removed it meanwhile; else it has been left as it is, and its WAV is what is kept.
                if db.recordings().named(&recording.name).await?.is_none() {
                    remove_file(&wav).await?;
                }
                remove_file(&to).await?;
                return Ok(());
            }
            remove_file(&wav).await?;
            let (name, before) = (&recording.name, recording.bytes);
            tracing::info!(name, before, bytes, "a recording is encoded");
            Ok(())
        }
        // The process ends; the next one begins again.
        Ok(None) => Ok(()),
        Err(error) if [io::ErrorKind::InvalidData, io::ErrorKind::InvalidInput].contains(&error.kind()) => {
            tracing::error!(%error, name = recording.name, "a recording cannot be encoded and stays as it is");
            db.recordings().left_as_it_is(recording.id).await?;
            Ok(())
        }
        // It is another node's, or was removed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tracing::debug!(name = recording.name, "a recording that waits to be encoded is not here");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// What `work` says, done by a thread that gets only spare CPU. One that falls over has found something in its data.
async fn in_background<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let (tell, told) = oneshot::channel();
    std::thread::Builder::new().name("encoder".to_owned()).spawn(move || {
        plugin::take_spare_cpu_only();
        // Nobody waits where the process ends.
        let _gone = tell.send(work());
    })?;
    told.await.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::InvalidData, "the coder fell over")))
}

/// What goes to the file is summed on its way.
struct Summed {
    file: File,
    sum: Sha256,
    bytes: u64,
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.sum.update(bytes.get(..written).unwrap_or_default());
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Encodes a WAV file of ours; the size and sum of what is there now, or `None` where `stop` came to hold true.
fn encode(wav: &Path, to: &Path, (serial, stop): (u32, &watch::Receiver<bool>)) -> io::Result<Option<(u64, String)>> {
    let mut from = BufReader::new(File::open(wav)?);
    let format = read_header(&mut from)?;
    let part = to.with_extension(PART);
    let out = Summed { file: File::create(&part)?, sum: Sha256::new(), bytes: 0 };
    let mut file = OggWriter::new(BufWriter::new(out), format, serial)?;
    let mut bytes = vec![0; PIECE * 2];
    loop {
        let read = read_fully(&mut from, &mut bytes)?;
        let samples: Vec<i16> = bytes
            .get(..read)
            .unwrap_or_default()
            .chunks_exact(2)
            .map(|b| b.first_chunk().map_or(0, |b| i16::from_le_bytes(*b)))
            .collect();
        file.add(&samples)?;
        if read < bytes.len() {
            break;
        }
        if *stop.borrow() {
            return Ok(None);
        }
    }
    let out = file.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    out.file.sync_all()?;
    std::fs::rename(&part, to)?;
    if let Some(folder) = to.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(Some((out.bytes, hex(&out.sum.finalize()))))
}

/// Rate and channels of a file that `crate::recorder` wrote.
fn read_header(from: &mut impl Read) -> io::Result<(u32, u16)> {
    let no = || io::Error::new(io::ErrorKind::InvalidData, "no WAV file of the switch");
    let mut header = [0; HEADER];
    from.read_exact(&mut header).map_err(|_| no())?;
    let two = |at: usize| header.get(at..).and_then(|b| b.first_chunk()).map(|b| u16::from_le_bytes(*b));
    let rate = header.get(24..).and_then(|b| b.first_chunk()).map(|b| u32::from_le_bytes(*b));
    let (rate, channels) = (rate.ok_or_else(no)?, two(22).ok_or_else(no)?);
    let ours = header.starts_with(b"RIFF") && two(20) == Some(1) && two(34) == Some(16) && (1..=2).contains(&channels);
    if ours { Ok((rate, channels)) } else { Err(no()) }
}

/// Reads until `into` is full or there is no more.
fn read_fully(from: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    let mut all = 0;
    while let Some(room) = into.get_mut(all..).filter(|room| !room.is_empty()) {
        match from.read(room)? {
            0 => break,
            read => all += read,
        }
    }
    Ok(all)
}

#[cfg(test)]
#[path = "encoding_tests.rs"]
pub(crate) mod tests;
