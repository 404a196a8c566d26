//! Bans that grow: each is four times as long as the one before, until a day.

use super::Source;
use core::time::Duration;
use model::{Ban, Instant, Offence};
use std::collections::BTreeMap;

/// How much longer each ban of the same source is.
const GROWTH: u32 = 4;
/// How long a ban that is over is remembered, so that the next one is longer.
const MEMORY: Duration = Duration::from_secs(86_400);

#[derive(Debug)]
struct Entry {
    why: Offence,
    since: Instant,
    until: Instant,
    length: Duration,
    hits: u64,
}

/// # Invariants
/// At most `max` entries; one that is over longer than [`MEMORY`] counts as none.
#[derive(Debug)]
pub(crate) struct Bans {
    entries: BTreeMap<Source, Entry>,
    first: Duration,
    longest: Duration,
    max: usize,
}

impl Bans {
    pub(crate) fn new(first: Duration, longest: Duration, max: usize) -> Bans {
        Bans { entries: BTreeMap::new(), first, longest: longest.max(first), max: max.max(1) }
    }

    /// Whether the source is banned; counts the hit.
    pub(crate) fn hit(&mut self, source: Source, now: Instant) -> bool {
        if self.entries.is_empty() {
            return false;
        }
        match self.entries.get_mut(&source) {
            Some(entry) if entry.until > now => {
                entry.hits += 1;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Bans a source, if it is not banned already; whether it was not. When there is no room, the ban that ends first is
    /// let off.
    pub(crate) fn ban(&mut self, source: Source, why: Offence, now: Instant) -> bool {
        if self.entries.get(&source).is_some_and(|e| e.until > now) {
            return false;
        }
        let before = self.entries.get(&source).filter(|e| now.since(e.until) < MEMORY).map(|e| e.length);
        if self.entries.len() >= self.max && !self.entries.contains_key(&source) {
            let next = self.entries.iter().min_by_key(|(_, e)| e.until).map(|(source, _)| *source);
            next.and_then(|source| self.entries.remove(&source));
        }
        let length = before.map_or(self.first, |b| b.saturating_mul(GROWTH)).min(self.longest);
        self.entries.insert(source, Entry { why, since: now, until: now + length, length, hits: 0 });
        true
    }

    /// Lets a source off, and forgets what it did; whether it was banned.
    pub(crate) fn lift(&mut self, source: Source, now: Instant) -> bool {
        self.entries.remove(&source).is_some_and(|e| e.until > now)
    }

    /// The bans that hold, in the order of the addresses.
    pub(crate) fn list(&self, now: Instant) -> impl Iterator<Item = Ban> {
        self.entries.iter().filter(move |(_, e)| e.until > now).map(|(source, e)| Ban {
            source: source.cidr(),
            account: None,
            why: e.why,
            since: e.since,
            until: e.until,
            hits: e.hits,
        })
    }

    pub(crate) fn alive(&self, now: Instant) -> usize {
        self.entries.values().filter(|e| e.until > now).count()
    }
}
