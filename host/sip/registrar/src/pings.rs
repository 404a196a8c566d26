//! Keeping UDP phones behind NATs reachable: who is pinged when, spread over time and bounded per second.

use core::time::Duration;
use model::{AccountId, Flow, IdSource, Instant, NatPing};
use std::collections::BTreeSet;

/// The width of a window in which pings are counted.
const WINDOW: Duration = Duration::from_millis(100);
const WINDOWS_PER_S: u32 = 10;

/// A packet that a NAT needs to see.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ping {
    /// Where it goes.
    pub flow: Flow,
    /// [`NatPing::Crlf`] or [`NatPing::Options`].
    pub kind: NatPing,
    /// The contact: the Request-URI of an OPTIONS.
    pub contact: String,
}

/// When each binding is pinged.
///
/// # Invariants
/// In one window of 100 ms at most a tenth of the limit leaves; what is left over waits, in order.
#[derive(Debug)]
pub(crate) struct Pings {
    due: BTreeSet<(Instant, AccountId, u64)>,
    every: Duration,
    per_window: u32,
    window: Instant,
    sent: u32,
}

impl Pings {
    pub(crate) fn new(every_s: u32, per_second: u32) -> Pings {
        Pings {
            due: BTreeSet::new(),
            every: Duration::from_secs(u64::from(every_s.max(1))),
            per_window: (per_second / WINDOWS_PER_S).max(1),
            window: Instant::from_unix_nanos(0),
            sent: 0,
        }
    }

    /// The first time: somewhere in the second half of the interval, so that phones that came together part.
    pub(crate) fn first(&self, ids: &mut IdSource, now: Instant) -> Instant {
        let half = u32::try_from(self.every.as_millis() / 2).unwrap_or(u32::MAX).max(1);
        now + self.every - Duration::from_millis(u64::from(ids.u32() % half))
    }

    /// The time after a ping.
    pub(crate) fn next(&self, now: Instant) -> Instant {
        now + self.every
    }

    pub(crate) fn insert(&mut self, at: Instant, account: AccountId, number: u64) {
        self.due.insert((at, account, number));
    }

    pub(crate) fn remove(&mut self, at: Instant, account: AccountId, number: u64) {
        self.due.remove(&(at, account, number));
    }

    /// The next one that is due and may leave now.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<(AccountId, u64)> {
        let &(at, account, number) = self.due.first().filter(|(at, ..)| *at <= now)?;
        if now.since(self.window) >= WINDOW {
            self.window = now;
            self.sent = 0;
        }
        if self.sent >= self.per_window {
            return None;
        }
        self.sent += 1;
        self.due.remove(&(at, account, number));
        Some((account, number))
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let (at, ..) = self.due.first()?;
        Some(if self.sent >= self.per_window { (*at).max(self.window + WINDOW) } else { *at })
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.due.is_empty()
    }
}
