//! The CDR outbox: what a shard says of its calls is on the disk before it acts on it, and in the database when the
//! database can take it.
//!
//! ```text
//! shard 0 -- Journal --> 0000000000000004.cdrs --+
//! shard 1 -- Journal --> 0000000000000005.cdrs --+--> Drain --> cdrs (call, leg) unique
//!                        (fdatasync beside it)   +--> segments removed once nothing in them is pending
//! ```
//! A kill -9 loses nothing: a batch is one write(2), and the kernel has it when the call returns. A power cut loses at
//! most [`OutboxConfig::sync_every`]. After either, [`Outbox::open`] cuts a torn tail and gives every leg that was
//! answered and not ended its end. What is moved twice is stored once: the database knows `(call, leg)`.

mod drain;
mod journal;
mod line;
mod recover;
mod segment;
#[cfg(test)]
mod tests;

pub use drain::Drain;
pub use journal::Journal;
pub use recover::Recovered;

use segment::Shared;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The limits of an outbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutboxConfig {
    /// A segment that has grown past this is closed and the next one begun.
    pub segment_bytes_max: u64,
    /// Most records of one journal that wait in memory while the disk takes none; past it they are lost, and counted.
    pub unwritten_max: usize,
    /// How long a write may wait for its fdatasync.
    pub sync_every: Duration,
    /// How long the drain gathers before it writes to the database.
    pub gather: Duration,
    /// The longest pause between two tries while the database is away.
    pub backoff_max: Duration,
}

impl Default for OutboxConfig {
    fn default() -> Self {
        OutboxConfig {
            segment_bytes_max: 16 << 20,
            unwritten_max: 100_000,
            sync_every: Duration::from_millis(200),
            gather: Duration::from_secs(1),
            backoff_max: Duration::from_secs(10),
        }
    }
}

/// Why an outbox cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// Another process has it.
    #[error("the CDR journal in {} is in use by another process", .0.display())]
    Locked(PathBuf),
    /// The file system failed.
    #[error("the CDR journal in {} cannot be opened: {why}", dir.display())]
    Io {
        /// The folder.
        dir: PathBuf,
        /// The reason.
        why: io::Error,
    },
}

/// What happened so far, for metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OutboxCounters {
    /// Records written to the journal.
    pub records_written: u64,
    /// Records that wait in memory because the disk takes none.
    pub records_unwritten: u64,
    /// Records dropped because too many waited.
    pub records_lost: u64,
    /// Failed writes and fdatasyncs.
    pub io_errors: u64,
    /// CDRs handed to the database.
    pub cdrs_stored: u64,
    /// Lines set aside in `rejected.cdrs`: damaged, or refused by the database for what they say.
    pub cdrs_rejected: u64,
    /// Journal bytes that the drain has not moved yet.
    pub bytes_pending: u64,
    /// Segments on the disk.
    pub segments: u64,
}

/// The outbox of one process: a folder, locked.
///
/// # Invariants
/// One process at a time holds the folder. Every segment in it is written by at most one [`Journal`] of this process.
#[derive(Clone, Debug)]
pub struct Outbox {
    shared: Arc<Shared>,
    recovered: Recovered,
}

impl Outbox {
    /// Locks the folder (made if it is not there), recovers what an earlier process left, and gives the drain that
    /// moves it on. Reads the whole journal, so call it before anything is served.
    ///
    /// # Errors
    /// [`OutboxError::Locked`]; [`OutboxError::Io`].
    pub fn open(dir: &Path, config: OutboxConfig) -> Result<(Outbox, Drain), OutboxError> {
        let failed = |why| OutboxError::Io { dir: dir.to_owned(), why };
        std::fs::create_dir_all(dir).map_err(failed)?;
        let lock = segment::lock(dir).map_err(failed)?.ok_or_else(|| OutboxError::Locked(dir.to_owned()))?;
        let recovery = recover::recover(dir).map_err(failed)?;
        let shared = Shared::start(dir, config, lock, recovery.next).map_err(failed)?;
        let drain = Drain::new(Arc::clone(&shared), recovery.segments);
        Ok((Outbox { shared, recovered: recovery.recovered }, drain))
    }

    /// A journal for one shard thread.
    #[must_use]
    pub fn journal(&self) -> Journal {
        Journal::new(Arc::clone(&self.shared))
    }

    /// What [`Outbox::open`] found.
    #[must_use]
    pub const fn recovered(&self) -> Recovered {
        self.recovered
    }

    /// The counters as they stand.
    #[must_use]
    pub fn counters(&self) -> OutboxCounters {
        let c = &self.shared.counters;
        OutboxCounters {
            records_written: c.records_written.load(Ordering::Relaxed),
            records_unwritten: c.records_unwritten.load(Ordering::Relaxed),
            records_lost: c.records_lost.load(Ordering::Relaxed),
            io_errors: c.io_errors.load(Ordering::Relaxed),
            cdrs_stored: c.cdrs_stored.load(Ordering::Relaxed),
            cdrs_rejected: c.cdrs_rejected.load(Ordering::Relaxed),
            bytes_pending: c.bytes_pending.load(Ordering::Relaxed),
            segments: c.segments.load(Ordering::Relaxed),
        }
    }
}
