//! The central timer queue: one entry per transaction, at the earliest of its machine's timers.

use crate::{ClientKey, ServerKey};
use model::Instant;
use std::collections::BTreeSet;

/// A transaction of either side.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Key {
    Client(ClientKey),
    Server(ServerKey),
}

impl Key {
    pub(crate) const MIN: Key = Key::Client(ClientKey(0));
    pub(crate) const MAX: Key = Key::Server(ServerKey(u64::MAX));
}

/// When a transaction wants to be woken, as it noted at the queue; kept by the transaction.
pub(crate) type Due = Option<Instant>;

/// The queue.
///
/// # Invariants
/// - A transaction has an entry if and only if its [`Due`] is `Some`, and the entry is at that time.
/// - `front` is the time of the first entry.
#[derive(Default, Debug)]
pub(crate) struct Timers {
    queue: BTreeSet<(Instant, Key)>,
    front: Option<Instant>,
}

impl Timers {
    /// Moves the entry of `key` from `due` to `next`.
    pub(crate) fn set(&mut self, key: Key, due: &mut Due, next: Due) {
        if *due == next {
            return;
        }
        if let Some(at) = *due {
            self.queue.remove(&(at, key));
        }
        if let Some(at) = next {
            self.queue.insert((at, key));
        }
        *due = next;
        self.front = self.queue.first().map(|(at, _)| *at);
    }

    /// The first transaction whose time has come. Its owner wakes it and calls [`Timers::set`].
    pub(crate) fn due(&self, now: Instant) -> Option<Key> {
        self.queue.first().filter(|(at, _)| *at <= now).map(|(_, key)| *key)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.front
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }
}
