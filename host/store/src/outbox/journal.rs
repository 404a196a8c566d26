//! The writing end: one per shard thread, synchronous, one write(2) per batch.

use super::line;
use super::segment::{Segment, Shared};
use model::{CallId, CallRecord, Instant};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Most lines of open legs carried into the current segment with one batch.
const CARRY_MAX: usize = 64;

/// One leg, for ever.
pub(crate) type LegKey = (CallId, u16);

/// The journal of one shard.
///
/// Long calls would keep old segments on the disk; so after a rotation the lines of legs still open are written again,
/// a few with each batch, and the old segments are free.
///
/// # Invariants
/// Lines reach the disk in the order of [`Journal::append`]; lines that could not be written wait in front of newer
/// ones. `waiting` holds whole lines, `waiting_records` of them, at most [`super::OutboxConfig::unwritten_max`].
#[derive(Debug)]
pub struct Journal {
    shared: Arc<Shared>,
    writer: u64,
    segment: Option<Arc<Segment>>,
    waiting: Vec<u8>,
    waiting_records: usize,
    /// The lines of answered legs that have not ended.
    open: BTreeMap<LegKey, Box<[u8]>>,
    /// Those of them to be written into the current segment.
    carry: VecDeque<LegKey>,
    batch: Vec<u8>,
}

impl Journal {
    pub(crate) fn new(shared: Arc<Shared>) -> Journal {
        Journal {
            writer: shared.next_writer(),
            shared,
            segment: None,
            waiting: Vec::new(),
            waiting_records: 0,
            open: BTreeMap::new(),
            carry: VecDeque::new(),
            batch: Vec::new(),
        }
    }

    /// Writes records in order with one write(2). When it returns `Ok`, a kill -9 cannot lose them.
    ///
    /// # Errors
    /// The disk did not take them. The caller goes on with its calls: the records wait in memory and are tried again
    /// with the next [`Journal::append`] or [`Journal::heartbeat`]; [`Journal::unwritten`] tells how many wait.
    pub fn append(&mut self, records: &[CallRecord]) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        // Before the new legs are known, so that a new segment carries the older ones only.
        let segment = self.segment();
        let mut lines = std::mem::take(&mut self.batch);
        lines.clear();
        let encoded = self.encode(&mut lines, records);
        let written = self.write(segment, &lines, records.len());
        self.batch = lines;
        encoded.and(written)
    }

    /// Says that the process lives, so that after a crash its calls are known to have lasted until now; tries again
    /// what could not be written. Call it about once a second; without open legs it writes nothing.
    ///
    /// # Errors
    /// The disk did not take it.
    pub fn heartbeat(&mut self, now: Instant) -> io::Result<()> {
        if self.open.is_empty() && self.waiting.is_empty() {
            return Ok(());
        }
        let mut lines = Vec::new();
        line::encode_alive(&mut lines, now)?;
        // Not worth keeping if the disk refuses it: zero records.
        let segment = self.segment();
        self.write(segment, &lines, 0)
    }

    /// How many records wait in memory because the disk does not take them.
    #[must_use]
    pub const fn unwritten(&self) -> usize {
        self.waiting_records
    }

    fn encode(&mut self, lines: &mut Vec<u8>, records: &[CallRecord]) -> io::Result<()> {
        for record in records {
            let start = lines.len();
            line::encode(lines, record)?;
            match record {
                CallRecord::Answered(cdr) => {
                    let line = lines.get(start..).unwrap_or_default().into();
                    self.open.insert((cdr.call, cdr.leg), line);
                }
                CallRecord::Ended(cdr) => {
                    self.open.remove(&(cdr.call, cdr.leg));
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, segment: io::Result<Arc<Segment>>, lines: &[u8], records: usize) -> io::Result<()> {
        match segment.and_then(|segment| self.try_write(&segment, lines)) {
            Ok(()) => {
                self.taken(records);
                Ok(())
            }
            Err(error) => {
                self.shared.counters.io_errors.fetch_add(1, Ordering::Relaxed);
                self.keep(lines, records);
                Err(error)
            }
        }
    }

    /// Everything that waited and `records` more are on the disk.
    fn taken(&mut self, records: usize) {
        let written = (records + self.waiting_records) as u64;
        self.shared.counters.records_written.fetch_add(written, Ordering::Relaxed);
        self.set_waiting(0);
        self.waiting = Vec::new();
        self.shared.wrote();
    }

    fn try_write(&mut self, segment: &Segment, lines: &[u8]) -> io::Result<()> {
        if self.waiting.is_empty() && self.carry.is_empty() {
            return segment.write(lines, &self.shared);
        }
        // Carried lines first: the end of such a leg, if it is in this batch, must come behind.
        let carried: Vec<LegKey> = self.carry.iter().take(CARRY_MAX).copied().collect();
        let mut all = Vec::new();
        for key in &carried {
            all.extend_from_slice(self.open.get(key).map_or(&[], |line| line));
        }
        all.extend_from_slice(&self.waiting);
        all.extend_from_slice(lines);
        segment.write(&all, &self.shared)?;
        self.carry.drain(..carried.len());
        Ok(())
    }

    /// The segment for the next batch. Where a new one cannot be begun the old one grows on.
    fn segment(&mut self) -> io::Result<Arc<Segment>> {
        let room = |s: &Segment| s.written.load(Ordering::Relaxed) <= self.shared.config.segment_bytes_max;
        if let Some(segment) = self.segment.as_ref().filter(|segment| room(segment)) {
            return Ok(Arc::clone(segment));
        }
        match (self.shared.begin(self.writer), &self.segment) {
            (Ok(next), old) => {
                if let Some(old) = old {
                    old.closed.store(true, Ordering::Release);
                    self.carry = self.open.keys().copied().collect();
                }
                self.segment = Some(Arc::clone(&next));
                Ok(next)
            }
            (Err(_), Some(old)) => Ok(Arc::clone(old)),
            (Err(error), None) => Err(error),
        }
    }

    fn keep(&mut self, lines: &[u8], records: usize) {
        if records == 0 {
            return;
        }
        if self.waiting_records + records > self.shared.config.unwritten_max {
            self.shared.counters.records_lost.fetch_add(records as u64, Ordering::Relaxed);
            tracing::error!(records, "the disk takes no CDRs and too many wait: records are lost");
            return;
        }
        self.waiting.extend_from_slice(lines);
        self.set_waiting(self.waiting_records + records);
    }

    fn set_waiting(&mut self, records: usize) {
        let unwritten = &self.shared.counters.records_unwritten;
        unwritten.fetch_sub(self.waiting_records as u64, Ordering::Relaxed);
        unwritten.fetch_add(records as u64, Ordering::Relaxed);
        self.waiting_records = records;
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if self.waiting_records > 0 {
            match self.segment().and_then(|segment| self.try_write(&segment, &[])) {
                Ok(()) => self.taken(0),
                Err(error) => {
                    let records = self.waiting_records;
                    tracing::error!(records, %error, "CDRs that waited for the disk are lost");
                    self.shared.counters.records_lost.fetch_add(records as u64, Ordering::Relaxed);
                    self.set_waiting(0);
                }
            }
        }
        if let Some(segment) = &self.segment {
            segment.closed.store(true, Ordering::Release);
            self.shared.ready.notify_one();
        }
    }
}
