//! Recordings that are kept: each finished file gets its row, and what a company keeps no longer is removed.
//!
//! Beside the file of a recording that is to be kept lies a note of it (`NAME.json`) from its first byte until its row is
//! in the database, so that a process that is killed loses neither: the next one finds the note. A file goes before its
//! row; a row whose file is gone is removed the next time somebody looks. What becomes of a file that has its row is told
//! in [`crate::encoding`] and [`crate::uploads`].

use crate::archive::{Archive, ArchiveError};
use crate::clock::Clock;
use crate::recorder::Unfinished;
use crate::sigv4::hex;
use core::time::Duration;
use model::{CompanyId, Instant, RecordingFormat, RecordingStart};
use sha2::{Digest, Sha256};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::{Db, OpContext, Page, RecordedFile, Recording, StoreError};
use tokio::sync::{Notify, mpsc, watch};

/// How often is looked for what is kept no longer.
const SWEEP_EVERY: Duration = Duration::from_secs(600);
/// Most recordings of a company that one look removes at once.
const SWEEP_MAX: u32 = 500;
/// The pause while the database is away; it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Of a file that is read for its sum.
const PIECE: usize = 64 * 1024;
/// Finished recordings that wait for their rows; of more the notes are found by the next look.
pub(crate) const FINISHED_MAX: usize = 1_000;
/// The ending of notes.
const NOTE: &str = "json";

/// Where the recordings of a company are.
pub(crate) fn folder_of(root: &Path, company: CompanyId) -> PathBuf {
    root.join(company.0.to_string())
}

/// The file of a recording as it is taken up.
pub(crate) fn file_of(root: &Path, company: CompanyId, name: &str) -> PathBuf {
    folder_of(root, company).join(format!("{name}.wav"))
}

/// Writes the note of a recording that begins.
pub(crate) fn note(file: &Path, start: &RecordingStart) -> io::Result<()> {
    std::fs::write(file.with_extension(NOTE), serde_json::to_vec(start)?)
}

/// Gives finished recordings their rows, and sweeps, until `stop` holds true; then what is finished already. `noted` is
/// told of each row.
pub(crate) async fn keep(
    archive: Archive,
    (db, clock): (Db, Clock),
    (mut finished, unfinished, noted): (mpsc::Receiver<PathBuf>, Unfinished, Arc<Notify>),
    mut stop: watch::Receiver<bool>,
) {
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let next = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            _ = sweep.tick() => None,
            file = finished.recv() => Some(file),
        };
        match next {
            Some(Some(file)) => {
                index(&db, &file, &mut stop).await;
                noted.notify_one();
            }
            Some(None) => return,
            None => {
                // What an earlier process left, and what was finished while many waited here.
                for file in left_behind(archive.root(), &unfinished) {
                    index(&db, &file, &mut stop).await;
                    noted.notify_one();
                }
                if let Err(error) = sweep_all(&archive, &db, clock.now()).await {
                    tracing::warn!(%error, "old recordings could not be looked for");
                }
            }
        }
    }
    while let Ok(file) = finished.try_recv() {
        index(&db, &file, &mut stop).await;
    }
}

/// The files that have notes and are not being written.
fn left_behind(root: &Path, unfinished: &Unfinished) -> Vec<PathBuf> {
    let entries = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    let mut files: Vec<PathBuf> = entries(root)
        .flat_map(|company| entries(&company).collect::<Vec<_>>())
        .filter(|path| path.extension().is_some_and(|e| e == NOTE))
        .filter(|path| path.file_stem().is_some_and(|name| !unfinished.holds(&name.to_string_lossy())))
        .map(|note| note.with_extension("wav"))
        .collect();
    files.sort();
    files
}

/// Gives a file its row, and removes its note. While the database is away it is tried again; at the end of the process
/// the note stays for the next one.
async fn index(db: &Db, file: &Path, stop: &mut watch::Receiver<bool>) {
    // It may have been found by its note already.
    if !file.with_extension(NOTE).exists() {
        return;
    }
    let path = file.to_owned();
    let read = tokio::task::spawn_blocking(move || read_file(&path)).await.unwrap_or_else(|e| Err(io::Error::other(e)));
    let mut pause = PAUSE_FIRST;
    while let Err(error) = give_row(db, file, &read).await {
        tracing::warn!(%error, path = %file.display(), "a recording waits for the database");
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSE_MAX),
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

async fn give_row(db: &Db, file: &Path, read: &io::Result<(RecordingStart, RecordedFile)>) -> Result<(), StoreError> {
    match read {
        Ok((start, about)) => {
            let becomes = match db.companies().get(&OpContext::platform(), start.company).await {
                Ok(company) => company.rules.recording.format,
                // It is gone, and so will this be.
                Err(StoreError::NotFound { .. }) => RecordingFormat::Wav,
                Err(error) => return Err(error),
            };
            db.recordings().add(start, &RecordedFile { becomes, ..about.clone() }).await?;
        }
        // One that an earlier process gave its row, and which was encoded before its note went.
        Err(error) if error.kind() == io::ErrorKind::NotFound && has_row(db, file).await? => {}
        Err(error) => {
            tracing::error!(%error, path = %file.display(), "a recording cannot be noted");
            return Ok(());
        }
    }
    if let Err(error) = std::fs::remove_file(file.with_extension(NOTE)) {
        tracing::warn!(%error, path = %file.display(), "the note of a recording stays");
    }
    Ok(())
}

async fn has_row(db: &Db, file: &Path) -> Result<bool, StoreError> {
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(db.recordings().named(&name).await?.is_some())
}

/// What the note says, and what the file is like.
fn read_file(file: &Path) -> io::Result<(RecordingStart, RecordedFile)> {
    let start: RecordingStart = serde_json::from_slice(&std::fs::read(file.with_extension(NOTE))?)?;
    let (bytes, sha256) = summed(file)?;
    let frame = 2 * u64::from(start.channels.count()) * u64::from(start.rate.max(1));
    let length_ms = bytes.saturating_sub(crate::recorder::HEADER as u64) * 1_000 / frame;
    Ok((start, RecordedFile { length_ms, bytes, sha256, becomes: RecordingFormat::Wav }))
}

/// The size of a file, and its SHA-256 in hex.
pub(crate) fn summed(file: &Path) -> io::Result<(u64, String)> {
    let mut from = std::fs::File::open(file)?;
    let (mut sum, mut bytes, mut piece) = (Sha256::new(), 0_u64, vec![0; PIECE]);
    loop {
        let read = from.read(&mut piece)?;
        let Some(some) = piece.get(..read).filter(|some| !some.is_empty()) else { break };
        sum.update(some);
        bytes += some.len() as u64;
    }
    Ok((bytes, hex(&sum.finalize())))
}

/// Removes what companies keep no longer: by age, by size, and of companies that are gone.
pub(crate) async fn sweep_all(archive: &Archive, db: &Db, now: Instant) -> Result<(), StoreError> {
    remove(archive, db, db.recordings().orphans(SWEEP_MAX).await?).await?;
    let mut page = Page::first();
    loop {
        let companies = db.companies().list(&OpContext::platform(), None, page).await?;
        for company in &companies {
            let rules = &company.rules.recording;
            if let Some(days) = rules.days {
                let before = now.since(Instant::from_unix_nanos(0)).saturating_sub(Duration::from_secs(86_400) * days);
                let before = Instant::from_unix_nanos(u64::try_from(before.as_nanos()).unwrap_or(u64::MAX));
                remove(archive, db, db.recordings().older(company.id, before, SWEEP_MAX).await?).await?;
            }
            if let Some(megabytes) = rules.megabytes {
                let bytes = u64::from(megabytes) * 1_000_000;
                remove(archive, db, db.recordings().surplus(company.id, bytes, SWEEP_MAX).await?).await?;
            }
        }
        match companies.last() {
            Some(last) if companies.len() >= usize::try_from(page.limit).unwrap_or(usize::MAX) => {
                page.after = last.id.0
            }
            Some(_) | None => return Ok(()),
        }
    }
}

async fn remove(archive: &Archive, db: &Db, recordings: Vec<Recording>) -> Result<(), StoreError> {
    for old in recordings {
        match archive.remove(db, &OpContext::platform(), old.id).await {
            Ok(()) => tracing::info!(name = old.name, company = old.company.0, "a recording is kept no longer"),
            Err(ArchiveError::Store(StoreError::NotFound { .. })) => {}
            Err(ArchiveError::Store(error)) => return Err(error),
            Err(error) => tracing::warn!(%error, name = old.name, "a recording cannot be removed"),
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::recorder::{FOLDER, Recorder};
    use model::{
        BrandId, CallId, Channels, CompanyKind, DefaultVerdict, Handling, MediaPath, RecordedBy, RecordingEvent,
        RecordingId, RecordingRules,
    };
    use store::{NewBrand, NewCompany};

    pub(crate) async fn store(dir: &Path) -> (Db, CompanyId) {
        let db = Db::open(&format!("sqlite:{}", dir.join("a.db").display())).await.unwrap();
        let ctx = OpContext::platform();
        let new = NewBrand { name: "b".to_owned(), default_verdict: DefaultVerdict::Refuse };
        let brand = db.brands().create(&ctx, new).await.unwrap();
        let new = NewCompany {
            brand: brand.id,
            name: "c".to_owned(),
            domain: "c.test".to_owned(),
            kind: CompanyKind::default(),
            media: MediaPath::Anchor,
            handling: Handling::B2bua,
            decline_ends_all: false,
            calls_max: None,
            media_security: Default::default(),
        };
        let company = db.companies().create(&ctx, new).await.unwrap();
        (db, company.id)
    }

    pub(crate) fn start(n: u64, company: CompanyId, at: u64) -> RecordingStart {
        RecordingStart {
            recording: RecordingId(n),
            name: format!("call-0-{n}"),
            brand: BrandId(1),
            company,
            call: CallId(5),
            leg: 0,
            channels: Channels::Stereo,
            rate: 8_000,
            by: RecordedBy::Number,
            at: Instant::from_unix_nanos(at * 1_000_000_000),
        }
    }

    #[tokio::test]
    async fn a_recording_is_noted_once_even_if_the_process_is_killed_before() {
        let dir = tempfile::tempdir().unwrap();
        let (db, company) = store(dir.path()).await;
        let (told, finished) = mpsc::channel(FINISHED_MAX);
        let mut recorder = Recorder::start(dir.path(), told.clone(), Unfinished::default()).unwrap();
        let of_app = RecordingStart { by: RecordedBy::App, ..start(3, company, 10) };
        for recorded in [start(1, company, 10), start(2, company, 10), of_app] {
            let id = recorded.recording;
            recorder.take(RecordingEvent::Started(recorded));
            recorder.take(RecordingEvent::Sound(id, vec![7; 16_000]));
        }
        recorder.take(RecordingEvent::Ended(RecordingId(1), Duration::from_secs(1)));
        recorder.take(RecordingEvent::Ended(RecordingId(3), Duration::from_secs(1)));
        // The second has no end: what a killed process leaves.
        drop((recorder, told));
        let root = dir.path().join(FOLDER);
        let (_running, stop) = watch::channel(false);
        let with = (finished, Unfinished::default(), Arc::default());
        keep(Archive::at(root.clone()), (db.clone(), Clock::anchored()), with, stop).await;
        let ctx = OpContext::platform();
        let kept = db.recordings().list(&ctx, (Some(company), None), Page::first()).await.unwrap();
        let seen: Vec<_> = kept.iter().map(|r| (r.name.as_str(), r.length_ms, r.bytes, r.sha256.len())).collect();
        assert_eq!(seen, [("call-0-1", 1_000, 32_044, 64), ("call-0-2", 1_000, 32_044, 64)]);
        assert!(left_behind(&root, &Unfinished::default()).is_empty(), "the notes are gone with the rows");
    }

    #[tokio::test]
    async fn what_is_too_old_or_too_much_or_nobodys_goes_file_and_row() {
        let dir = tempfile::tempdir().unwrap();
        let (db, id) = store(dir.path()).await;
        let (root, ctx) = (dir.path().join(FOLDER), OpContext::platform());
        let gone = CompanyId(99);
        let day = 86_400;
        let all = [(1, id, 1), (2, id, 20 * day), (3, id, 21 * day), (4, id, 22 * day), (5, gone, 22 * day)];
        for (n, company, at) in all {
            let start = start(n, company, at);
            let file = file_of(&root, company, &start.name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, b"sound").unwrap();
            let becomes = RecordingFormat::Wav;
            let about = RecordedFile { length_ms: 1, bytes: 600_000, sha256: "0".repeat(64), becomes };
            db.recordings().add(&start, &about).await.unwrap();
        }
        let mut company = db.companies().get(&ctx, id).await.unwrap();
        company.rules.recording = RecordingRules { days: Some(5), megabytes: Some(1), ..RecordingRules::default() };
        db.companies().update(&ctx, &company).await.unwrap();
        sweep_all(&Archive::at(root.clone()), &db, Instant::from_unix_nanos(23 * day * 1_000_000_000)).await.unwrap();
        // The first is too old; of the others the newest fits into a megabyte, two do not.
        let kept = db.recordings().list(&ctx, (None, None), Page::first()).await.unwrap();
        assert_eq!(kept.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["call-0-4"]);
        let files = all.map(|(n, company, _)| file_of(&root, company, &format!("call-0-{n}")).exists());
        assert_eq!(files, [false, false, false, true, false]);
    }
}
