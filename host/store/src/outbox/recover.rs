//! What an earlier process left: torn tails are cut, interrupted legs get their end.
//!
//! The ends are written into a segment of their own before anything is served. A crash in the middle of that leaves
//! some of them; the next recovery finds those legs ended and writes the others, so each leg ends exactly once.

use super::journal::LegKey;
use super::line::{self, Entry};
use super::segment::{Segment, path_of, seq_of, sync_dir};
use model::{CallRecord, Cause, Cdr, EndedBy, Instant};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What [`super::Outbox::open`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Recovered {
    /// Legs that were answered and not ended; each got an end with [`Cause::SwitchRestarted`].
    pub legs_interrupted: usize,
    /// Bytes cut from torn tails.
    pub bytes_torn: u64,
    /// Damaged lines before intact ones; the drain sets them aside.
    pub lines_damaged: usize,
}

pub(super) struct Recovery {
    pub(super) recovered: Recovered,
    pub(super) segments: Vec<Arc<Segment>>,
    /// The number of the next segment.
    pub(super) next: u64,
}

/// The legs of all segments together.
#[derive(Default)]
struct Legs {
    answered: BTreeMap<LegKey, Cdr>,
    ended: BTreeSet<LegKey>,
    last_alive: Option<Instant>,
}

impl Legs {
    fn take(&mut self, entry: Entry) {
        self.last_alive = self.last_alive.max(Some(entry.at()));
        match entry {
            Entry::Answered(cdr) => {
                self.answered.insert((cdr.call, cdr.leg), cdr);
            }
            Entry::Ended(cdr) => {
                self.ended.insert((cdr.call, cdr.leg));
            }
            Entry::Alive(_) => {}
        }
    }

    /// The legs that nothing ended, each as it ended: when the process was last known to live.
    fn interrupted(mut self) -> Vec<Cdr> {
        self.answered.retain(|key, _| !self.ended.contains(key));
        let last_alive = self.last_alive;
        let end = |cdr: Cdr| {
            let ended_at = last_alive.max(cdr.answered_at).unwrap_or(cdr.started_at);
            Cdr { cause: Cause::SwitchRestarted, ended_by: EndedBy::Switch, ended_at, ..cdr }
        };
        self.answered.into_values().map(end).collect()
    }
}

pub(super) fn recover(dir: &Path) -> io::Result<Recovery> {
    let mut found: Vec<(u64, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if let Some(seq) = seq_of(&path) {
            found.push((seq, path));
        }
    }
    found.sort();
    let mut next = found.last().map_or(1, |(seq, _)| seq + 1);
    let (mut legs, mut recovered) = (Legs::default(), Recovered::default());
    let mut segments = Vec::with_capacity(found.len() + 1);
    for (seq, path) in found {
        segments.push(Arc::new(read_segment(seq, path, &mut legs, &mut recovered)?));
    }
    let interrupted = legs.interrupted();
    if !interrupted.is_empty() {
        recovered.legs_interrupted = interrupted.len();
        tracing::warn!(legs = interrupted.len(), "the switch ended while these legs were up: they get their CDRs now");
        segments.push(Arc::new(write_ends(dir, next, interrupted)?));
        next += 1;
    }
    Ok(Recovery { recovered, segments, next })
}

/// Reads a segment and cuts what follows its last intact line. A line that is intact and says nothing to this program, as
/// that of a newer one, stays: the drain sets it aside.
fn read_segment(seq: u64, path: PathBuf, legs: &mut Legs, recovered: &mut Recovered) -> io::Result<Segment> {
    let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let (mut good, mut damaged, mut damaged_before_good) = (0, 0, 0);
    for (end, line) in line::lines(&bytes) {
        match line::decode(line) {
            Some(entry) => {
                legs.take(entry);
                (good, damaged_before_good) = (end, damaged);
            }
            None => {
                damaged += 1;
                if let Some(ends) = line::foreign(line) {
                    legs.ended.extend(ends);
                    (good, damaged_before_good) = (end, damaged);
                }
            }
        }
    }
    if damaged_before_good > 0 {
        recovered.lines_damaged += damaged_before_good;
        tracing::error!(path = %path.display(), lines = damaged_before_good, "damaged lines in the CDR journal");
    }
    let torn = (bytes.len() - good) as u64;
    if torn > 0 {
        recovered.bytes_torn += torn;
        tracing::warn!(path = %path.display(), bytes = torn, "the CDR journal has a torn tail: it is cut");
        file.set_len(good as u64)?;
        file.sync_data()?;
    }
    Ok(Segment::of_before(seq, path, file, good as u64))
}

fn write_ends(dir: &Path, seq: u64, ends: Vec<Cdr>) -> io::Result<Segment> {
    let path = path_of(dir, seq);
    let mut lines = Vec::new();
    for cdr in ends {
        line::encode(&mut lines, &CallRecord::Ended(cdr))?;
    }
    let mut file: File = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    file.write_all(&lines)?;
    file.sync_data()?;
    sync_dir(dir)?;
    Ok(Segment::of_before(seq, path, file, lines.len() as u64))
}
