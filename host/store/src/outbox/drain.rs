//! The reading end: moves ended legs into the database, and removes segments in which nothing is pending.

use super::journal::LegKey;
use super::line::{self, Glance};
use super::segment::{Segment, Shared, sync_dir};
use crate::{Db, StoreError};
use model::Cdr;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;

/// Journal bytes read, and moved in one transaction, at once: about a thousand calls. A longer line is read whole.
const CHUNK: usize = 1 << 20;
/// The first pause while the database is away; it doubles.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
/// How often the drain looks without being told.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Where damaged and refused lines go, for a person to look at.
const ASIDE: &str = "rejected.cdrs";

/// How far one segment has been moved.
#[derive(Debug)]
struct Reading {
    segment: Arc<Segment>,
    offset: u64,
    /// Legs whose newest `Answered` line is here and that have not ended.
    open: usize,
}

/// The task between journal and database. One per outbox.
///
/// # Invariants
/// A reading's offset moves only after the database has committed everything below it. `owners` names, for each open
/// leg of this process, the segment with its newest line. Of the segments of one writer, the oldest goes first, so that
/// what is left of the journal never shows an answered leg without the end that is known.
#[derive(Debug)]
pub struct Drain {
    shared: Arc<Shared>,
    readings: Vec<Reading>,
    owners: BTreeMap<LegKey, u64>,
    next: u64,
    /// Memory for a chunk's bytes and for its CDRs, kept from one to the next: so much at once comes from the kernel, and
    /// is cleared by it, each time that it was given back.
    bytes: Vec<u8>,
    ended: Vec<Cdr>,
}

/// One chunk of a segment, decoded.
struct Chunk {
    entries: Vec<Glance>,
    damaged: Vec<Vec<u8>>,
    end: u64,
    /// What it was read into.
    bytes: Vec<u8>,
}

impl Drain {
    pub(super) fn new(shared: Arc<Shared>, before: Vec<Arc<Segment>>) -> Drain {
        shared.counters.segments.fetch_add(before.len() as u64, Ordering::Relaxed);
        let next = before.last().map_or(0, |s| s.seq + 1);
        let readings = before.into_iter().map(|segment| Reading { segment, offset: 0, open: 0 }).collect();
        let (bytes, ended) = (Vec::new(), Vec::new());
        let drain = Drain { shared, readings, owners: BTreeMap::new(), next, bytes, ended };
        drain.count_pending();
        drain
    }

    /// Moves records as they come, until `stop` holds `true` or its sender is gone; then once more, and returns. While
    /// the database is away it tries again with growing pauses.
    pub async fn run(mut self, db: Db, mut stop: watch::Receiver<bool>) {
        let mut backoff = BACKOFF_FIRST;
        loop {
            let last = *stop.borrow_and_update() || stop.has_changed().is_err();
            let moved = self.drain(&db).await;
            if last {
                if let Err(error) = moved {
                    let bytes = self.shared.counters.bytes_pending.load(Ordering::Relaxed);
                    tracing::warn!(%error, bytes, "CDRs stay in the journal until the next start");
                }
                return;
            }
            let pause = match moved {
                Ok(_) => {
                    backoff = BACKOFF_FIRST;
                    tokio::select! {
                        () = self.shared.ready.notified() => self.shared.config.gather,
                        () = tokio::time::sleep(LOOK_EVERY) => Duration::ZERO,
                        _ = stop.wait_for(|stop| *stop) => Duration::ZERO,
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, again_in = ?backoff, "CDRs wait in the journal");
                    let pause = backoff;
                    backoff = (backoff * 2).min(self.shared.config.backoff_max);
                    pause
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        }
    }

    /// Moves everything that the journal holds now; gives the number of CDRs handed to the database.
    ///
    /// # Errors
    /// The database or the disk failed; what was not moved stays in the journal.
    pub async fn drain(&mut self, db: &Db) -> Result<u64, StoreError> {
        let moved = self.move_all(db).await;
        self.remove_finished();
        self.count_pending();
        moved
    }

    async fn move_all(&mut self, db: &Db) -> Result<u64, StoreError> {
        let fresh = self.shared.live_from(self.next);
        self.next = fresh.last().map_or(self.next, |s| s.seq + 1);
        self.readings.extend(fresh.into_iter().map(|segment| Reading { segment, offset: 0, open: 0 }));
        // What comes meanwhile is for the next time: whoever chases a busy writer commits its records one by one.
        let ends: Vec<u64> = self.readings.iter().map(|r| r.segment.written.load(Ordering::Acquire)).collect();
        let mut moved = 0;
        for (index, end) in ends.into_iter().enumerate() {
            while let Some(chunk) = self.read(index, end).await? {
                moved += self.deliver(index, chunk, db).await?;
            }
        }
        Ok(moved)
    }

    /// What comes next of a segment, before `end`.
    async fn read(&mut self, index: usize, end: u64) -> Result<Option<Chunk>, StoreError> {
        let Some(reading) = self.readings.get(index) else { return Ok(None) };
        let (segment, offset) = (Arc::clone(&reading.segment), reading.offset);
        if offset >= end {
            return Ok(None);
        }
        let bytes = core::mem::take(&mut self.bytes);
        let read = tokio::task::spawn_blocking(move || read_chunk(&segment, (offset, end), bytes)).await;
        read.map_err(io::Error::other).and_then(|chunk| chunk).map(Some).map_err(disk)
    }

    async fn deliver(&mut self, index: usize, chunk: Chunk, db: &Db) -> Result<u64, StoreError> {
        let (mut ended, mut steps) = (core::mem::take(&mut self.ended), Vec::with_capacity(chunk.entries.len()));
        ended.clear();
        for entry in chunk.entries {
            match entry {
                Glance::Answered { call, leg } => steps.push(((call, leg), true)),
                Glance::Ended(cdr) => {
                    steps.push(((cdr.call, cdr.leg), false));
                    ended.push(*cdr);
                }
                Glance::Alive(_) => {}
            }
        }
        self.store(db, &ended).await?;
        // After the database has the others, so that a chunk that is read again is not set aside again.
        for line in &chunk.damaged {
            self.set_aside(line)?;
        }
        if let Some(reading) = self.readings.get_mut(index) {
            reading.offset = chunk.end;
        }
        self.follow_legs(index, &steps);
        let moved = ended.len() as u64;
        if chunk.bytes.capacity() <= CHUNK {
            (self.bytes, self.ended) = (chunk.bytes, ended);
        }
        Ok(moved)
    }

    /// Stores CDRs; those that the database refuses for what they say are set aside, so that they hold up no others.
    async fn store(&self, db: &Db, cdrs: &[Cdr]) -> Result<(), StoreError> {
        if cdrs.is_empty() {
            return Ok(());
        }
        match db.cdrs().insert(cdrs).await {
            Ok(()) => {}
            Err(error) if !error.is_about_the_row() => return Err(error),
            Err(_) => {
                let mut refused = Vec::new();
                for cdr in cdrs {
                    match db.cdrs().insert(std::slice::from_ref(cdr)).await {
                        Err(error) if error.is_about_the_row() => {
                            tracing::error!(call = %cdr.call, leg = cdr.leg, %error, "the database refuses a CDR");
                            let mut line = Vec::new();
                            line::encode(&mut line, &model::CallRecord::Ended(cdr.clone())).map_err(disk)?;
                            refused.push(line);
                        }
                        other => other?,
                    }
                }
                for line in refused {
                    self.set_aside(line.trim_ascii_end())?;
                }
            }
        }
        self.shared.counters.cdrs_stored.fetch_add(cdrs.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Keeps the count of open legs per segment; each step is a leg that was answered, or has ended. Segments of earlier processes have none: recovery ended them all.
    fn follow_legs(&mut self, index: usize, steps: &[(LegKey, bool)]) {
        let Some(seq) = self.readings.get(index).filter(|r| r.segment.writer.is_some()).map(|r| r.segment.seq) else {
            return;
        };
        for (leg, answered) in steps {
            let (before, after) =
                if *answered { (self.owners.insert(*leg, seq), Some(seq)) } else { (self.owners.remove(leg), None) };
            if let Some(reading) = before.and_then(|seq| self.reading_of(seq)) {
                reading.open = reading.open.saturating_sub(1);
            }
            if let Some(reading) = after.and_then(|seq| self.reading_of(seq)) {
                reading.open += 1;
            }
        }
    }

    /// Segments are taken up in the order of their numbers.
    fn reading_of(&mut self, seq: u64) -> Option<&mut Reading> {
        let index = self.readings.binary_search_by_key(&seq, |r| r.segment.seq).ok()?;
        self.readings.get_mut(index)
    }

    fn remove_finished(&mut self) {
        let mut blocked: Vec<Option<u64>> = Vec::new();
        let shared = &self.shared;
        self.readings.retain(|reading| {
            let segment = &reading.segment;
            let closed = segment.closed.load(Ordering::Acquire);
            let done = closed && reading.open == 0 && reading.offset >= segment.written.load(Ordering::Acquire);
            if !done || blocked.contains(&segment.writer) {
                blocked.push(segment.writer);
                return true;
            }
            match shared.remove(segment) {
                Ok(()) => false,
                Err(error) => {
                    tracing::warn!(%error, path = %segment.path.display(), "a finished CDR segment cannot be removed");
                    blocked.push(segment.writer);
                    true
                }
            }
        });
    }

    fn count_pending(&self) {
        let left = |r: &Reading| r.segment.written.load(Ordering::Relaxed).saturating_sub(r.offset);
        let pending = self.readings.iter().map(left).sum();
        self.shared.counters.bytes_pending.store(pending, Ordering::Relaxed);
    }

    fn set_aside(&self, line: &[u8]) -> Result<(), StoreError> {
        append_line(&self.shared.dir, line).map_err(disk)?;
        self.shared.counters.cdrs_rejected.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

fn disk(error: io::Error) -> StoreError {
    StoreError::Away { why: format!("the CDR journal cannot be read or written: {error}") }
}

fn append_line(dir: &Path, line: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(dir.join(ASIDE))?;
    file.write_all(&[line, b"\n"].concat())?;
    file.sync_data()?;
    sync_dir(dir)
}

/// Reads whole lines from `offset` on, at least one; a line ends at `until`.
fn read_chunk(segment: &Segment, (offset, until): (u64, u64), mut bytes: Vec<u8>) -> io::Result<Chunk> {
    let left = usize::try_from(until.saturating_sub(offset)).unwrap_or(usize::MAX);
    let mut size = CHUNK.min(left);
    loop {
        bytes.resize(size, 0);
        segment.file.read_exact_at(&mut bytes, offset)?;
        let mut chunk = Chunk { entries: Vec::new(), damaged: Vec::new(), end: offset, bytes: Vec::new() };
        for (end, line) in line::lines(&bytes) {
            chunk.end = offset + end as u64;
            match line::glance(line) {
                Some(entry) => chunk.entries.push(entry),
                None => chunk.damaged.push(line.to_vec()),
            }
        }
        if chunk.end > offset {
            return Ok(Chunk { bytes, ..chunk });
        }
        if size == left {
            // Cannot be: `written` stands at the end of a line. Give the bytes up as damaged rather than hang.
            return Ok(Chunk { damaged: vec![bytes], end: offset + size as u64, ..chunk });
        }
        size = size.saturating_mul(2).min(left);
    }
}
