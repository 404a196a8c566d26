//! Segments, the state the outbox's parts share, and the thread that does the fdatasyncs.

use super::OutboxConfig;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::Notify;

/// One file of the journal.
///
/// # Invariants
/// `written` grows only, always to the end of a whole line, and after the bytes below it are in the kernel. Once
/// `closed`, it stands still.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) seq: u64,
    /// Which journal of this process writes it; segments of earlier processes have none.
    pub(crate) writer: Option<u64>,
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    pub(crate) written: AtomicU64,
    pub(crate) closed: AtomicBool,
    synced: AtomicU64,
}

impl Segment {
    fn new(seq: u64, writer: Option<u64>, path: PathBuf, file: File, len: u64) -> Segment {
        let (written, synced) = (AtomicU64::new(len), AtomicU64::new(len));
        Segment { seq, writer, path, file, written, closed: AtomicBool::new(writer.is_none()), synced }
    }

    /// A segment of an earlier process: it gets no more lines.
    pub(crate) fn of_before(seq: u64, path: PathBuf, file: File, len: u64) -> Segment {
        Segment::new(seq, None, path, file, len)
    }

    /// Writes a batch at its place. On failure the file is cut back, and the next batch goes to the same place.
    pub(crate) fn write(&self, bytes: &[u8], shared: &Shared) -> io::Result<()> {
        let at = self.written.load(Ordering::Relaxed);
        if let Err(error) = shared.put(&self.file, bytes, at) {
            // Best effort: what remains behind `at` is overwritten by the next batch, or cut as a torn tail.
            let _ = self.file.set_len(at);
            return Err(error);
        }
        self.written.store(at + bytes.len() as u64, Ordering::Release);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let written = self.written.load(Ordering::Acquire);
        if self.synced.load(Ordering::Relaxed) < written {
            self.file.sync_data()?;
            self.synced.store(written, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// The path of a segment.
pub(crate) fn path_of(dir: &Path, seq: u64) -> PathBuf {
    dir.join(format!("{seq:016x}.cdrs"))
}

/// The number in a segment's name.
pub(crate) fn seq_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?.strip_suffix(".cdrs")?;
    if name.len() == 16 { u64::from_str_radix(name, 16).ok() } else { None }
}

/// Takes the folder's lock, which the kernel gives back when the process dies; `None` if another process has it.
pub(crate) fn lock(dir: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(dir.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Makes a new file name, or a removed one, last through a power cut.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) records_written: AtomicU64,
    pub(crate) records_unwritten: AtomicU64,
    pub(crate) records_lost: AtomicU64,
    pub(crate) io_errors: AtomicU64,
    pub(crate) cdrs_stored: AtomicU64,
    pub(crate) cdrs_rejected: AtomicU64,
    pub(crate) bytes_pending: AtomicU64,
    pub(crate) segments: AtomicU64,
}

/// What journals, drain and the sync thread share.
///
/// # Invariants
/// `live` holds every segment that this process writes or wrote and that is still on the disk.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) dir: PathBuf,
    pub(crate) config: OutboxConfig,
    pub(crate) counters: Counts,
    /// Wakes the drain.
    pub(crate) ready: Notify,
    live: Mutex<Vec<Arc<Segment>>>,
    next: AtomicU64,
    writers: AtomicU64,
    dirty: AtomicBool,
    new_names: AtomicBool,
    wake: SyncSender<()>,
    _lock: File,
    /// Bytes the disk still takes: a test's full disk.
    #[cfg(test)]
    pub(crate) room: AtomicU64,
}

impl Shared {
    pub(crate) fn start(dir: &Path, config: OutboxConfig, lock: File, next: u64) -> io::Result<Arc<Shared>> {
        let (wake, woken) = sync_channel(1);
        let shared = Arc::new(Shared {
            dir: dir.to_owned(),
            config,
            counters: Counts::default(),
            ready: Notify::new(),
            live: Mutex::default(),
            next: AtomicU64::new(next),
            writers: AtomicU64::new(0),
            dirty: AtomicBool::new(false),
            new_names: AtomicBool::new(false),
            wake,
            _lock: lock,
            #[cfg(test)]
            room: AtomicU64::new(u64::MAX),
        });
        let (weak, pause) = (Arc::downgrade(&shared), shared.config.sync_every);
        std::thread::Builder::new().name("cdr-sync".to_owned()).spawn(move || sync_loop(&weak, &woken, pause))?;
        Ok(shared)
    }

    pub(crate) fn next_writer(&self) -> u64 {
        self.writers.fetch_add(1, Ordering::Relaxed)
    }

    /// Begins a segment.
    pub(crate) fn begin(&self, writer: u64) -> io::Result<Arc<Segment>> {
        // Numbered under the lock, so that the drain never sees a number before a lower one.
        let mut live = self.live();
        let seq = self.next.fetch_add(1, Ordering::Relaxed);
        let path = path_of(&self.dir, seq);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        let segment = Arc::new(Segment::new(seq, Some(writer), path, file, 0));
        live.push(Arc::clone(&segment));
        drop(live);
        self.counters.segments.fetch_add(1, Ordering::Relaxed);
        self.new_names.store(true, Ordering::Release);
        Ok(segment)
    }

    /// The live segments from number `from` on.
    pub(crate) fn live_from(&self, from: u64) -> Vec<Arc<Segment>> {
        self.live().iter().filter(|s| s.seq >= from).map(Arc::clone).collect()
    }

    /// Removes a segment from the disk.
    pub(crate) fn remove(&self, segment: &Segment) -> io::Result<()> {
        std::fs::remove_file(&segment.path)?;
        self.live().retain(|s| s.seq != segment.seq);
        self.counters.segments.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }

    /// Tells the drain and the sync thread of new lines.
    pub(crate) fn wrote(&self) {
        self.ready.notify_one();
        if !self.dirty.swap(true, Ordering::AcqRel) {
            // Full means that the thread is about to look anyway.
            let _ = self.wake.try_send(());
        }
    }

    fn live(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Segment>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(not(test))]
    fn put(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        file.write_all_at(bytes, at)
    }

    /// Fills the test's disk up to its end, as a real one would be.
    #[cfg(test)]
    fn put(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        let room = self.room.load(Ordering::Relaxed);
        let fits = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        file.write_all_at(&bytes[..fits], at)?;
        if fits < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.room.store(room - fits as u64, Ordering::Relaxed);
        Ok(())
    }

    fn sync(&self) {
        let failed = |error: &io::Error, what: &str| {
            self.counters.io_errors.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, what, "the CDR journal could not be made safe against a power cut");
        };
        if self.new_names.swap(false, Ordering::AcqRel)
            && let Err(error) = sync_dir(&self.dir)
        {
            failed(&error, "folder");
        }
        for segment in self.live_from(0) {
            if let Err(error) = segment.sync() {
                failed(&error, "segment");
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.sync();
    }
}

/// Syncs whatever was written, one pause after the first write; ends with the outbox.
fn sync_loop(shared: &Weak<Shared>, woken: &Receiver<()>, pause: std::time::Duration) {
    while woken.recv().is_ok() {
        std::thread::sleep(pause);
        let Some(shared) = shared.upgrade() else { return };
        shared.dirty.store(false, Ordering::Release);
        shared.sync();
    }
}
