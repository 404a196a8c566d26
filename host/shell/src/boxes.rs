//! Keeps the voice mailboxes: rows in the store, sound in files below `mailboxes/COMPANY/`, lamps lit by what the rows
//! count. Plugins and API ask the same way ([`Boxes::carry`]); nothing here is on the path of a call.
//!
//! A message's file is the recording itself, moved. Beside it lies a note of what its row is to say (`NAME.json`), from
//! before the move until the row is there: however long the database is away, and whoever is killed meanwhile, the next look
//! writes the row. A file that neither a row nor a note names is removed by the sweep.

use crate::command::Command;
use crate::inboxes::WeakInboxes;
use crate::post::Postbox;
use crate::recorder::Unfinished;
use crate::recordings;
use crate::{Clock, recorder::FOLDER as RECORDINGS};
use core::time::Duration;
use model::{
    AppError, BoxOwner, BoxReply, BoxVerb, Clip, CompanyId, Deposit, Greeting, Instant, Mailbox, MessageCounts,
};
use plugin::BoxAnswer;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use store::{BoxShut, Db, NewVoiceMessage, StoreError};
use tokio::runtime::Handle as Runtime;
use tokio::sync::{Mutex, oneshot, watch};

/// Folder of the messages within the data folder.
pub(crate) const MESSAGES: &str = "mailboxes";
/// So long a recording may need to come to the disk once it has ended.
const WRITTEN_MAX: Duration = Duration::from_secs(5);
/// How often old messages are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(600);
/// A file that nobody names is left alone for so long: its row may be on its way.
const ORPHAN_AGE: Duration = Duration::from_secs(3_600);
/// The first pause before a message's row is tried again; it doubles.
const ROW_PAUSE_FIRST: Duration = Duration::from_millis(200);
/// So often somebody waits for it; then it is tried without anybody.
const ROW_TRIES: u32 = 5;
/// How often rows that wait are tried.
const ROW_PAUSE_MAX: Duration = Duration::from_secs(5);
/// The ending of notes.
const NOTE: &str = "json";
/// What comes before the samples of a recording.
const WAV_HEADER: u64 = 44;

/// The pauses between the tries that somebody waits for.
#[derive(Debug, Default)]
struct Pauses(u32);

impl Pauses {
    const fn is_first(&self) -> bool {
        self.0 == 0
    }

    const fn is_over(&self) -> bool {
        self.0 + 1 >= ROW_TRIES
    }

    fn next(&mut self) -> Duration {
        self.0 += 1;
        ROW_PAUSE_FIRST * 2_u32.pow(self.0 - 1)
    }
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Boxes {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    db: Db,
    data: PathBuf,
    unfinished: Unfinished,
    /// Weak: the shards hold the plugin host, which holds us.
    shards: WeakInboxes,
    clock: Clock,
    /// Tells owners of new messages by mail.
    post: Postbox,
    runtime: Runtime,
    /// Held from the count to the lamp, so that an old count never comes last.
    lamp: Mutex<()>,
    /// Whether there may be notes whose rows nobody is writing.
    noted: AtomicBool,
    /// The files of messages that are being left: their notes have somebody.
    leaving: std::sync::Mutex<BTreeSet<String>>,
}

/// What a message's row is to say.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    whose: BoxOwner,
    caller: String,
    caller_name: Option<String>,
    received_at: Instant,
    length_ms: u64,
    urgent: bool,
}

impl Note {
    /// The row of the message in this file.
    fn row(self, file: String) -> (BoxOwner, NewVoiceMessage) {
        let Note { whose, caller, caller_name, received_at, length_ms, urgent } = self;
        (whose, NewVoiceMessage { caller, caller_name, received_at, length_ms, urgent, file })
    }
}

/// A message is being left; nobody else writes its row meanwhile.
struct Leaving<'a>(&'a Inner, String);

impl<'a> Leaving<'a> {
    fn begin(inner: &'a Inner, file: &str) -> Leaving<'a> {
        inner.leaving.lock().unwrap_or_else(PoisonError::into_inner).insert(file.to_owned());
        Leaving(inner, file.to_owned())
    }
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.leaving.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

fn failed(error: StoreError) -> AppError {
    told(error, "the mailbox does not answer")
}

/// What a plugin is told of the database's refusal; `silent` where it is the database's own affair.
pub(crate) fn told(error: StoreError, silent: &str) -> AppError {
    match error {
        StoreError::NotFound { .. } => AppError::NotFound,
        StoreError::Invalid { .. } => AppError::InvalidArgument(error.to_string()),
        StoreError::Refused { .. } => AppError::InvalidState(error.to_string()),
        StoreError::Conflict { .. }
        | StoreError::InUse { .. }
        | StoreError::UsedBy { .. }
        | StoreError::Forbidden { .. }
        | StoreError::BadUrl { .. }
        | StoreError::Unreachable { .. }
        | StoreError::Broken { .. }
        | StoreError::NewerSchema { .. }
        | StoreError::Away { .. } => {
            tracing::warn!(%error, "{silent}");
            AppError::Unavailable(silent.to_owned())
        }
    }
}

fn disk(error: &std::io::Error, path: &Path) -> AppError {
    tracing::error!(%error, path = %path.display(), "a message's file cannot be used");
    AppError::Unavailable("the message's sound cannot be read".to_owned())
}

fn cannot_keep(error: &std::io::Error, name: &str) -> AppError {
    tracing::error!(%error, name, "a recording cannot be kept as a message");
    AppError::InvalidArgument("recording: there is no such recording".to_owned())
}

/// Work with files goes to threads that may wait.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, AppError> {
    let lost = |_| AppError::Unavailable("the switch is stopping".to_owned());
    tokio::task::spawn_blocking(work).await.map_err(lost)
}

impl plugin::Mailboxes for Boxes {
    fn ask(&self, whose: BoxOwner, verb: BoxVerb) -> oneshot::Receiver<BoxAnswer> {
        let (answer, receiver) = oneshot::channel();
        let boxes = self.clone();
        self.inner.runtime.spawn(async move {
            let _nobody_waits = answer.send(boxes.carry(&whose, verb).await);
        });
        receiver
    }
}

impl Boxes {
    /// Those of a node. Needs a runtime.
    pub(crate) fn new(
        (db, data): (Db, &Path),
        unfinished: Unfinished,
        shards: WeakInboxes,
        (clock, post): (Clock, Postbox),
    ) -> Boxes {
        let (data, runtime, lamp) = (data.to_owned(), Runtime::current(), Mutex::new(()));
        // What an earlier process left behind is looked for at once.
        let (noted, leaving) = (AtomicBool::new(true), std::sync::Mutex::default());
        Boxes { inner: Arc::new(Inner { db, data, unfinished, shards, clock, post, runtime, lamp, noted, leaving }) }
    }

    /// What tells owners by mail.
    pub(crate) fn post(&self) -> &Postbox {
        &self.inner.post
    }

    /// Does what is asked of a box, and tells its owner's phones.
    pub(crate) async fn carry(&self, whose: &BoxOwner, verb: BoxVerb) -> BoxAnswer {
        let boxes = self.inner.db.voice_boxes();
        let now = self.inner.clock.now();
        Ok(match verb {
            BoxVerb::Open => BoxReply::Opened(boxes.open(whose, now).await.map_err(failed)?),
            BoxVerb::Configure(wanted) => {
                boxes.configure(whose, &wanted).await.map_err(failed)?;
                BoxReply::Done
            }
            BoxVerb::CheckPin(pin) => BoxReply::Pin(boxes.check_pin(whose, &pin, now).await.map_err(failed)?),
            BoxVerb::SetPin(pin) => {
                boxes.set_pin(whose, pin.as_deref()).await.map_err(failed)?;
                BoxReply::Done
            }
            BoxVerb::Deposit(deposit) => self.deposit(whose, deposit).await?,
            BoxVerb::Messages(folder) => BoxReply::Messages(boxes.messages(whose, folder).await.map_err(failed)?),
            BoxVerb::Hear(id) => {
                let kept = boxes.message(whose, id).await.map_err(failed)?;
                self.sound(self.message_path(whose.company, &kept.file)).await?
            }
            BoxVerb::Fetch(id) => {
                let kept = boxes.message(whose, id).await.map_err(failed)?;
                let path = self.message_path(whose.company, &kept.file);
                BoxReply::File(blocking(move || std::fs::read(&path).map_err(|e| disk(&e, &path))).await??)
            }
            BoxVerb::Move(id, folder) => {
                boxes.put(whose, id, folder, now).await.map_err(failed)?;
                self.light(whose).await;
                BoxReply::Done
            }
            BoxVerb::Erase(id) => {
                let file = boxes.erase(whose, id).await.map_err(failed)?;
                self.forget(file.map(|file| (whose.company, file)).into_iter().collect()).await;
                self.light(whose).await;
                BoxReply::Done
            }
            BoxVerb::Forward(id, to) => self.forward(whose, id, to).await?,
            BoxVerb::Greet(kind, recording) => self.greet(whose, kind, recording).await?,
            BoxVerb::HearGreeting(kind) => match boxes.greeting(whose, kind).await.map_err(failed)? {
                Some(file) => self.sound(self.message_path(whose.company, &file)).await?,
                None => BoxReply::Sound(None),
            },
            BoxVerb::HearRecording(name) => {
                self.written(&name).await?;
                self.sound(self.recording_path(whose.company, &name)).await?
            }
        })
    }

    fn message_path(&self, company: CompanyId, file: &str) -> PathBuf {
        recordings::file_of(&self.inner.data.join(MESSAGES), company, file)
    }

    fn recording_path(&self, company: CompanyId, name: &str) -> PathBuf {
        recordings::file_of(&self.inner.data.join(RECORDINGS), company, name)
    }

    /// Waits until a recording that has ended is on the disk.
    async fn written(&self, name: &str) -> Result<(), AppError> {
        let late = || AppError::Unavailable("the recording has not come to the disk".to_owned());
        tokio::time::timeout(WRITTEN_MAX, self.inner.unfinished.over(name)).await.map_err(|_| late())
    }

    async fn sound(&self, path: PathBuf) -> BoxAnswer {
        let read = move || {
            let bytes = std::fs::read(&path).map_err(|e| disk(&e, &path))?;
            let broken = |e: media::wav::WavError| {
                tracing::error!(error = %e, path = %path.display(), "a message's file is none");
                AppError::Unavailable("the message's sound cannot be read".to_owned())
            };
            media::wav::read(&bytes).map(|samples| Clip(Arc::from(samples))).map_err(broken)
        };
        Ok(BoxReply::Sound(Some(blocking(read).await??)))
    }

    /// How long a recording that has ended is, in milliseconds.
    async fn length_ms(&self, company: CompanyId, name: &str) -> Result<u64, AppError> {
        self.written(name).await?;
        let from = self.recording_path(company, name);
        let length = blocking(move || std::fs::metadata(from)).await?;
        let bytes = length.map_err(|e| cannot_keep(&e, name))?.len();
        Ok(bytes.saturating_sub(WAV_HEADER) * 1_000 / (2 * u64::from(media::RECORD_RATE)))
    }

    /// Moves a recording to the messages, with a note if it is to have a row of its own.
    async fn take_over(&self, company: CompanyId, name: &str, note: Option<Vec<u8>>) -> Result<(), AppError> {
        let (from, to) = (self.recording_path(company, name), self.message_path(company, name));
        let work = move || {
            if let Some(folder) = to.parent() {
                std::fs::create_dir_all(folder)?;
            }
            if let Some(note) = note {
                write_whole(&to.with_extension(NOTE), &note)?;
            }
            std::fs::rename(&from, &to)
        };
        blocking(work).await?.map_err(|e| cannot_keep(&e, name))
    }

    async fn deposit(&self, whose: &BoxOwner, deposit: Deposit) -> BoxAnswer {
        let length_ms = self.length_ms(whose.company, &deposit.recording).await?;
        let file = deposit.recording;
        let note = Note {
            whose: whose.clone(),
            caller: deposit.caller,
            caller_name: deposit.caller_name,
            received_at: self.inner.clock.now(),
            length_ms,
            urgent: deposit.urgent,
        };
        let text = serde_json::to_vec(&note).map_err(|e| AppError::Unavailable(e.to_string()))?;
        let leaving = Leaving::begin(&self.inner, &file);
        self.take_over(whose.company, &file, Some(text)).await?;
        let (_, new) = note.row(file);
        let mut tries = Pauses::default();
        loop {
            match self.enter(whose, &new, tries.is_first()).await {
                Ok(kept) => {
                    self.forget_note(whose.company, &new.file).await;
                    return kept;
                }
                Err(error) if !tries.is_over() => {
                    tracing::warn!(%error, "a message waits for the database");
                    tokio::time::sleep(tries.next()).await;
                }
                Err(error) => {
                    let path = self.message_path(whose.company, &new.file);
                    tracing::warn!(%error, path = %path.display(), "a message gets its row when the database is back");
                    // In this order: a look between the two must find it.
                    drop(leaving);
                    self.inner.noted.store(true, Ordering::Release);
                    return Err(failed(error));
                }
            }
        }
    }

    /// Writes a message's row. A passing trouble is an error and may be tried again: it costs nobody the message.
    async fn enter(&self, whose: &BoxOwner, new: &NewVoiceMessage, first: bool) -> Result<BoxAnswer, StoreError> {
        let boxes = self.inner.db.voice_boxes();
        // A try whose answer was lost may have written it.
        if !first && let Some(id) = boxes.by_file(whose.company, &new.file).await? {
            self.light(whose).await;
            return Ok(Ok(BoxReply::Kept(id)));
        }
        let told = match self.inner.post.told(whose, new).await {
            // Whose account is gone is refused below.
            Err(StoreError::NotFound { .. }) => None,
            other => other?,
        };
        let (caps, now) = self.inner.post.caps();
        let shut = match boxes.add(whose, new, told.as_ref().map(|mail| (mail, caps, now))).await {
            Ok(Ok(id)) => {
                self.inner.post.wake();
                tracing::info!(account = whose.account, id, length_ms = new.length_ms, "a message was left");
                self.light(whose).await;
                return Ok(Ok(BoxReply::Kept(id)));
            }
            Ok(Err(BoxShut::Full)) => AppError::LimitExceeded("mailbox-messages-max".to_owned()),
            Ok(Err(BoxShut::Off)) => AppError::InvalidState("the mailbox takes no messages".to_owned()),
            Err(error) if error.is_passing() => return Err(error),
            Err(error) => failed(error),
        };
        self.forget(vec![(whose.company, new.file.clone())]).await;
        Ok(Err(shut))
    }

    /// Writes the rows of messages whose notes nobody looks after.
    async fn enter_noted(&self) {
        if !self.inner.noted.swap(false, Ordering::AcqRel) {
            return;
        }
        let Some(companies) = self.message_folders().await else {
            return self.inner.noted.store(true, Ordering::Release);
        };
        for (company, folder) in companies {
            for file in blocking(move || notes(&folder)).await.unwrap_or_default() {
                if let Err(error) = self.enter_one(company, &file).await {
                    tracing::debug!(%error, file, "a message waits for the database");
                    // The others would wait for the same.
                    return self.inner.noted.store(true, Ordering::Release);
                }
            }
        }
    }

    /// One of them.
    async fn enter_one(&self, company: CompanyId, file: &str) -> Result<(), StoreError> {
        if self.inner.leaving.lock().unwrap_or_else(PoisonError::into_inner).contains(file) {
            // Whoever leaves it says so if the row is not written.
            return Ok(());
        }
        let path = self.message_path(company, file);
        let note = path.with_extension(NOTE);
        let read =
            blocking(move || std::fs::read(note).ok().and_then(|text| serde_json::from_slice::<Note>(&text).ok()));
        let Ok(Some(note)) = read.await else {
            tracing::error!(path = %path.display(), "the note of a message makes no sense: its file stays without a row");
            return Ok(());
        };
        // Killed between the note and the move.
        if !path.exists() && self.take_over(company, file, None).await.is_err() {
            self.forget_note(company, file).await;
            return Ok(());
        }
        let (whose, new) = note.row(file.to_owned());
        // A refusal has removed the file, and has been told.
        let _kept_or_refused = self.enter(&whose, &new, false).await?;
        self.forget_note(company, file).await;
        Ok(())
    }

    async fn forget_note(&self, company: CompanyId, file: &str) {
        let note = self.message_path(company, file).with_extension(NOTE);
        let _stopping = blocking(move || {
            if let Err(error) = std::fs::remove_file(&note) {
                tracing::warn!(%error, path = %note.display(), "the note of a message stays");
            }
        })
        .await;
    }

    async fn forward(&self, whose: &BoxOwner, id: i64, to: String) -> BoxAnswer {
        let boxes = self.inner.db.voice_boxes();
        let kept = boxes.message(whose, id).await.map_err(failed)?;
        let new = NewVoiceMessage {
            caller: kept.message.caller,
            caller_name: kept.message.caller_name,
            received_at: Instant::from_unix_nanos(kept.message.received_ms.saturating_mul(1_000_000)),
            length_ms: kept.message.length_ms,
            urgent: kept.message.urgent,
            file: kept.file,
        };
        let other = BoxOwner { account: to, ..whose.clone() };
        let told = self.inner.post.told(&other, &new).await.map_err(failed)?;
        let (caps, now) = self.inner.post.caps();
        match boxes.add(&other, &new, told.as_ref().map(|mail| (mail, caps, now))).await.map_err(failed)? {
            Ok(id) => {
                self.inner.post.wake();
                self.light(&other).await;
                Ok(BoxReply::Kept(id))
            }
            Err(BoxShut::Full) => Err(AppError::LimitExceeded("mailbox-messages-max".to_owned())),
            Err(BoxShut::Off) => Err(AppError::InvalidState("the mailbox takes no messages".to_owned())),
        }
    }

    async fn greet(&self, whose: &BoxOwner, kind: Greeting, recording: Option<String>) -> BoxAnswer {
        if let Some(name) = &recording {
            self.written(name).await?;
            self.take_over(whose.company, name, None).await?;
        }
        let boxes = self.inner.db.voice_boxes();
        let before = boxes.greet(whose, kind, recording.as_deref()).await.map_err(failed)?;
        self.forget(before.map(|file| (whose.company, file)).into_iter().collect()).await;
        Ok(BoxReply::Done)
    }

    /// Removes files that no row names.
    async fn forget(&self, files: Vec<(CompanyId, String)>) {
        let paths: Vec<PathBuf> = files.iter().map(|(company, file)| self.message_path(*company, file)).collect();
        let work = move || {
            for path in paths {
                if let Err(error) = std::fs::remove_file(&path) {
                    tracing::warn!(%error, path = %path.display(), "a message's file stays");
                }
            }
        };
        let _stopping = blocking(work).await;
    }

    /// Tells the phones of a box's owner what waits.
    pub(crate) async fn light(&self, whose: &BoxOwner) {
        let _turn = self.inner.lamp.lock().await;
        match self.inner.db.voice_boxes().open(whose, self.inner.clock.now()).await {
            Ok(found) => {
                let voice = MessageCounts {
                    new: found.new,
                    old: found.saved,
                    new_urgent: found.new_urgent,
                    old_urgent: found.saved_urgent,
                };
                let (company, account) = (whose.company, whose.account.clone());
                self.tell(Mailbox { company, account, voice, fax: MessageCounts::default() }).await;
            }
            Err(error) => tracing::warn!(%error, account = whose.account, "lamps may show an old count"),
        }
    }

    async fn tell(&self, mailbox: Mailbox) {
        let Some(shards) = self.inner.shards.upgrade() else { return };
        let _gone = shards.ask(|done| Command::Mailbox(mailbox.clone(), done)).await;
    }

    /// Lights the lamps of a start, then forgets what becomes too old, until `stop` holds true.
    pub(crate) async fn sweep(self, mut stop: watch::Receiver<bool>) {
        match self.inner.db.voice_boxes().waiting().await {
            Ok(all) => {
                for mailbox in all {
                    self.tell(mailbox).await;
                }
            }
            Err(error) => tracing::warn!(%error, "lamps stay dark until a message comes or goes"),
        }
        let mut swept = tokio::time::Instant::now();
        loop {
            self.enter_noted().await;
            tokio::select! {
                () = tokio::time::sleep(ROW_PAUSE_MAX) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            if swept.elapsed() < SWEEP_EVERY {
                continue;
            }
            swept = tokio::time::Instant::now();
            if let Err(error) = self.age().await {
                tracing::warn!(%error, "old messages stay for now");
            }
            self.remove_orphans().await;
        }
    }

    pub(crate) async fn age(&self) -> Result<(), StoreError> {
        let mut after = 0;
        loop {
            let aged = self.inner.db.voice_boxes().age(self.inner.clock.now(), after).await?;
            self.forget(aged.files).await;
            for owner in &aged.boxes {
                self.light(owner).await;
            }
            match aged.next {
                Some(next) => after = next,
                None => return Ok(()),
            }
        }
    }

    /// The companies that have messages here, with their folders; `None` where that cannot be found out, which is told.
    async fn message_folders(&self) -> Option<Vec<(CompanyId, PathBuf)>> {
        let root = self.inner.data.join(MESSAGES);
        match blocking(move || std::fs::read_dir(&root).map(folders)).await.ok()? {
            Ok(companies) => Some(companies),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(Vec::new()),
            Err(error) => {
                tracing::warn!(%error, "the folder of messages cannot be read");
                None
            }
        }
    }

    /// Removes files that nobody has named for an hour.
    async fn remove_orphans(&self) {
        for (company, folder) in self.message_folders().await.unwrap_or_default() {
            let old = blocking(move || old_files(&folder)).await.unwrap_or_default();
            if old.is_empty() {
                continue;
            }
            // Asked after the look at the disk: what is named by now stays.
            let Ok(named) = self.inner.db.voice_boxes().files(company).await else { return };
            let gone = old.into_iter().filter(|file| !named.contains(file)).map(|file| (company, file)).collect();
            self.forget(gone).await;
        }
    }
}

fn folders(entries: std::fs::ReadDir) -> Vec<(CompanyId, PathBuf)> {
    let company = |path: &PathBuf| path.file_name()?.to_str()?.parse().ok().map(CompanyId);
    entries.flatten().map(|e| e.path()).filter_map(|path| Some((company(&path)?, path))).collect()
}

fn old_files(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let old = |e: &std::fs::DirEntry| {
        let changed = e.metadata().and_then(|m| m.modified()).ok();
        changed.and_then(|at| at.elapsed().ok()).is_some_and(|age| age > ORPHAN_AGE)
    };
    let name = |e: std::fs::DirEntry| {
        let path = e.path();
        let sound = path.extension().is_some_and(|e| e == "wav") && !path.with_extension(NOTE).exists();
        sound.then(|| Some(path.file_stem()?.to_str()?.to_owned())).flatten()
    };
    entries.flatten().filter(old).filter_map(name).collect()
}

/// Writes a file that is there whole or not at all, also after a power cut.
fn write_whole(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let fresh = path.with_extension("json-new");
    let mut file = std::fs::File::create(&fresh)?;
    std::io::Write::write_all(&mut file, text)?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)?;
    path.parent().map_or(Ok(()), |folder| std::fs::File::open(folder)?.sync_all())
}

/// The files that have notes, by name.
fn notes(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path());
    let noted = entries.filter(|path| path.extension().is_some_and(|e| e == NOTE));
    let mut files: Vec<String> = noted.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    files.sort();
    files
}

#[cfg(test)]
#[path = "boxes_tests.rs"]
mod tests;
