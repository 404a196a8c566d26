//! Keeps recordings: a thread of its own writes them as WAV files below `recordings/COMPANY/`, 16-bit linear PCM.
//!
//! After each piece the header is made true, so that a process that is killed leaves a file that plays up to its last half
//! second. A disk that stands still loses sound, never calls: the shard does not wait for it.

use crate::recordings::{file_of, folder_of, note};
use model::{RecordedBy, RecordingEvent, RecordingId, RecordingStart};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use tokio::sync::mpsc::Sender;
use tokio::sync::watch;

/// Folder of the recordings within the data folder.
pub(crate) const FOLDER: &str = "recordings";
/// Most events waiting for the disk: five thousand recordings have ten thousand pieces a second.
const WAITING_MAX: usize = 20_000;
/// RIFF header, format chunk and the header of the data chunk.
pub(crate) const HEADER: usize = 44;

/// The shard's side.
///
/// # Invariants
/// The thread ends when the last event is written after `to` is gone.
#[derive(Debug)]
pub(crate) struct Recorder {
    to: Option<SyncSender<RecordingEvent>>,
    thread: Option<JoinHandle<()>>,
    lost: u64,
    unfinished: Unfinished,
    /// Ends that found the queue full: told before anything else. No more than there are recordings.
    ends: VecDeque<RecordingEvent>,
}

/// The names of recordings that are not yet whole on the disk. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unfinished(Arc<watch::Sender<BTreeSet<String>>>);

impl Unfinished {
    fn begin(&self, name: &str) {
        self.0.send_if_modified(|names| names.insert(name.to_owned()));
    }

    fn end(&self, name: &str) {
        self.0.send_if_modified(|names| names.remove(name));
    }

    /// Whether the recording of this name is being written.
    pub(crate) fn holds(&self, name: &str) -> bool {
        self.0.borrow().contains(name)
    }

    /// Returns when the recording of this name is whole, or was never begun.
    pub(crate) async fn over(&self, name: &str) {
        let mut names = self.0.subscribe();
        let _sender_lives = names.wait_for(|names| !names.contains(name)).await;
    }
}

impl Recorder {
    /// Starts the thread; a folder is made when the first recording of a company begins.
    /// `finished` is told of each file that is to be kept, once it is whole; `unfinished` is how others wait for one.
    pub(crate) fn start(data_dir: &Path, finished: Sender<PathBuf>, unfinished: Unfinished) -> io::Result<Recorder> {
        let (to, from) = sync_channel(WAITING_MAX);
        let root = data_dir.join(FOLDER);
        let told = unfinished.clone();
        let thread = std::thread::Builder::new()
            .name("recordings".to_owned())
            .spawn(move || write_all(&root, &from, (&finished, &told)))?;
        Ok(Recorder { to: Some(to), thread: Some(thread), lost: 0, unfinished, ends: VecDeque::new() })
    }

    /// Hands an event on. Sound may be lost where the disk is too slow, an end never.
    pub(crate) fn take(&mut self, event: RecordingEvent) {
        if let RecordingEvent::Started(start) = &event {
            self.unfinished.begin(&start.name);
        }
        while let Some(end) = self.ends.pop_front() {
            if let Err(end) = self.tell(end) {
                self.ends.push_front(end);
                break;
            }
        }
        match self.tell(event) {
            Ok(()) if self.lost > 0 => {
                tracing::warn!(pieces = self.lost, "the disk was too slow: recordings have gaps");
                self.lost = 0;
            }
            Ok(()) => {}
            Err(end @ RecordingEvent::Ended(..)) => self.ends.push_back(end),
            Err(RecordingEvent::Started(start)) => {
                self.unfinished.end(&start.name);
                self.lost += 1;
            }
            Err(RecordingEvent::Sound(..)) => self.lost += 1,
        }
    }

    fn tell(&self, event: RecordingEvent) -> Result<(), RecordingEvent> {
        let Some(to) = &self.to else { return Err(event) };
        to.try_send(event).map_err(|refused| match refused {
            TrySendError::Full(event) | TrySendError::Disconnected(event) => event,
        })
    }
}

/// Waits until everything is written.
impl Drop for Recorder {
    fn drop(&mut self) {
        if let Some(to) = self.to.take() {
            self.ends.drain(..).for_each(|end| drop(to.send(end)));
        }
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

fn write_all(root: &Path, from: &Receiver<RecordingEvent>, (finished, unfinished): (&Sender<PathBuf>, &Unfinished)) {
    let whole = |wav: Wav| {
        unfinished.end(&wav.name);
        if wav.kept {
            // Where nobody takes it now, its note says that it is there.
            let _later = finished.try_send(wav.path);
        }
    };
    let mut open: BTreeMap<RecordingId, Wav> = BTreeMap::new();
    while let Ok(event) = from.recv() {
        match event {
            RecordingEvent::Started(start) => match Wav::create(root, &start) {
                Ok(wav) => drop(open.insert(start.recording, wav)),
                Err(error) => {
                    tracing::error!(%error, name = start.name, "a recording cannot be written");
                    unfinished.end(&start.name);
                }
            },
            RecordingEvent::Sound(recording, samples) => {
                let Some(wav) = open.get_mut(&recording) else { continue };
                if let Err(error) = wav.add(&samples) {
                    tracing::error!(%error, path = %wav.path.display(), "a recording cannot be written on");
                    open.remove(&recording).into_iter().for_each(whole);
                }
            }
            RecordingEvent::Ended(recording, length) => {
                let Some(wav) = open.remove(&recording) else { continue };
                let path = wav.path.display().to_string();
                match wav.file.sync_data() {
                    Ok(()) => tracing::info!(path, seconds = length.as_secs(), "recorded"),
                    Err(error) => tracing::error!(%error, path, "a recording may not be on the disk"),
                }
                whole(wav);
            }
        }
    }
}

#[derive(Debug)]
struct Wav {
    file: File,
    path: PathBuf,
    name: String,
    /// Bytes of sound.
    len: u32,
    /// It is no script's: it is kept for the company.
    kept: bool,
}

impl Wav {
    fn create(root: &Path, start: &RecordingStart) -> io::Result<Wav> {
        let path = file_of(root, start.company, &start.name);
        std::fs::create_dir_all(folder_of(root, start.company))?;
        let file = File::create_new(&path)?;
        file.write_all_at(&header(start), 0)?;
        let kept = start.by != RecordedBy::App;
        if kept {
            note(&path, start)?;
        }
        Ok(Wav { file, path, name: start.name.clone(), len: 0, kept })
    }

    /// The sound first, then the header that counts it.
    fn add(&mut self, samples: &[i16]) -> io::Result<()> {
        let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        let len = u32::try_from(bytes.len()).ok().and_then(|more| self.len.checked_add(more));
        let len = len.filter(|len| *len < u32::MAX - HEADER as u32).ok_or(io::ErrorKind::FileTooLarge)?;
        self.file.write_all_at(&bytes, HEADER as u64 + u64::from(self.len))?;
        self.len = len;
        self.file.write_all_at(&(len + HEADER as u32 - 8).to_le_bytes(), 4)?;
        self.file.write_all_at(&len.to_le_bytes(), HEADER as u64 - 4)
    }
}

/// The header of a file without sound.
fn header(start: &RecordingStart) -> [u8; HEADER] {
    let channels = start.channels.count();
    let frame = channels * 2;
    let mut bytes = [0; HEADER];
    let fields: [&[u8]; 13] = [
        b"RIFF",
        &(HEADER as u32 - 8).to_le_bytes(),
        b"WAVE",
        b"fmt ",
        &16_u32.to_le_bytes(),
        &1_u16.to_le_bytes(),
        &channels.to_le_bytes(),
        &start.rate.to_le_bytes(),
        &(start.rate * u32::from(frame)).to_le_bytes(),
        &frame.to_le_bytes(),
        &16_u16.to_le_bytes(),
        b"data",
        &0_u32.to_le_bytes(),
    ];
    let text = fields.iter().flat_map(|field| field.iter());
    bytes.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
    bytes
}

#[cfg(test)]
mod tests {
    use super::{FOLDER, Recorder, Unfinished};
    use core::time::Duration;
    use model::{
        BrandId, CallId, Channels, CompanyId, Instant, RecordedBy, RecordingEvent, RecordingId, RecordingStart,
    };
    use tokio::sync::mpsc::channel;

    fn start(recording: u64, channels: Channels) -> RecordingEvent {
        RecordingEvent::Started(RecordingStart {
            recording: RecordingId(recording),
            name: format!("call-0-{recording}"),
            brand: BrandId(1),
            company: CompanyId(7),
            call: CallId(5),
            leg: 0,
            channels,
            rate: 8_000,
            by: RecordedBy::App,
            at: Instant::from_unix_nanos(0),
        })
    }

    /// Waits for the writer to have come so far.
    fn read(path: &std::path::Path, samples: u32) -> hound::WavReader<std::io::BufReader<std::fs::File>> {
        let begun = std::time::Instant::now();
        loop {
            match hound::WavReader::open(path) {
                Ok(reader) if reader.len() == samples => return reader,
                _ if begun.elapsed() > Duration::from_secs(20) => panic!("{} has no {samples}", path.display()),
                _ => std::thread::yield_now(),
            }
        }
    }

    #[test]
    fn a_file_is_whole_after_every_piece() {
        let folder = tempfile::tempdir().unwrap();
        let file = |n: u64| folder.path().join(FOLDER).join("7").join(format!("call-0-{n}.wav"));
        let mut recorder = Recorder::start(folder.path(), channel(1).0, Unfinished::default()).unwrap();
        recorder.take(start(1, Channels::Stereo));
        recorder.take(start(2, Channels::Party));
        recorder.take(RecordingEvent::Sound(RecordingId(1), vec![1, -2, 3, -4]));
        // Nobody has ended it: what a killed process leaves is what is there now.
        let mut whole = read(&file(1), 4);
        assert_eq!((whole.spec().channels, whole.spec().sample_rate, whole.spec().bits_per_sample), (2, 8_000, 16));
        assert_eq!(whole.samples::<i16>().map(Result::unwrap).collect::<Vec<_>>(), [1, -2, 3, -4]);
        recorder.take(RecordingEvent::Sound(RecordingId(1), vec![5; 8_000]));
        recorder.take(RecordingEvent::Sound(RecordingId(9), vec![5; 8_000]));
        recorder.take(RecordingEvent::Ended(RecordingId(1), Duration::from_secs(1)));
        drop(recorder);
        let mut whole = read(&file(1), 8_004);
        assert_eq!(whole.samples::<i16>().last().unwrap().unwrap(), 5);
        assert_eq!(read(&file(2), 0).spec().channels, 1);
    }

    #[test]
    fn a_folder_that_cannot_be_made_loses_the_recording_only() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FOLDER), b"in the way").unwrap();
        let mut recorder = Recorder::start(folder.path(), channel(1).0, Unfinished::default()).unwrap();
        recorder.take(start(1, Channels::Mixed));
        recorder.take(RecordingEvent::Sound(RecordingId(1), vec![1]));
        recorder.take(RecordingEvent::Ended(RecordingId(1), Duration::ZERO));
    }
}
