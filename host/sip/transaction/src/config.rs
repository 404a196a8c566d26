//! The timer values of RFC 3261 section 17.1.1.1 and table 4, and the limit on transactions.

use core::time::Duration;
use model::{Instant, Limits, Transport};

/// Settings of a [`crate::Layer`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// T1: the estimated round trip, at least 1 ms.
    pub t1: Duration,
    /// T2: the longest gap between retransmissions of a non-INVITE request or a final response to an INVITE.
    pub t2: Duration,
    /// T4: how long a message can stay in the network.
    pub t4: Duration,
    /// Most transactions alive; past it a request that begins something is answered 503. A request within a dialog,
    /// which frees more than it takes, is let in until a quarter more are alive.
    pub transactions_max: usize,
    /// Most responses of one watched transaction that wait to be let go; past it a provisional one is lost.
    pub held_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            transactions_max: Limits::default().transactions_max,
            held_max: Limits::default().filter_queue_max,
        }
    }
}

/// Timer D over UDP is 64*T1, at least this (section 17.1.1.2).
const D_MIN: Duration = Duration::from_secs(32);
/// Silence of the transaction user after which an INVITE is answered 100 (section 17.2.1).
const TRYING_AFTER: Duration = Duration::from_millis(200);

/// The timers as one transaction sees them: which run depends on its transport.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    t1: Duration,
    t2: Duration,
    t4: Duration,
    reliable: bool,
}

/// A retransmission to come: when, and the gap that led there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Resend {
    pub(crate) at: Instant,
    gap: Duration,
}

impl Timing {
    pub(crate) fn new(config: &Config, transport: Transport) -> Timing {
        Timing { t1: config.t1, t2: config.t2, t4: config.t4, reliable: transport.is_reliable() }
    }

    /// 64*T1: timers B, F, H, L and M, on every transport.
    pub(crate) fn give_up(self, now: Instant) -> Instant {
        now + self.t1 * 64
    }

    /// The first retransmission, after T1: timers A, E and G; none on a reliable transport.
    pub(crate) fn first_resend(self, now: Instant) -> Option<Resend> {
        (!self.reliable).then(|| Resend { at: now + self.t1, gap: self.t1 })
    }

    /// Timer A again: the gap doubles.
    pub(crate) fn double(self, last: Resend, now: Instant) -> Resend {
        let gap = last.gap * 2;
        Resend { at: now + gap, gap }
    }

    /// Timers E and G again: the gap doubles up to T2.
    pub(crate) fn double_to_t2(self, last: Resend, now: Instant) -> Resend {
        let gap = (last.gap * 2).min(self.t2);
        Resend { at: now + gap, gap }
    }

    /// Timer E in Proceeding: the gap is T2.
    pub(crate) fn every_t2(self, now: Instant) -> Resend {
        Resend { at: now + self.t2, gap: self.t2 }
    }

    /// Timer D; `None` is zero: reliable transports do not repeat responses.
    pub(crate) fn d(self, now: Instant) -> Option<Instant> {
        (!self.reliable).then(|| now + (self.t1 * 64).max(D_MIN))
    }

    /// Timer J; `None` is zero.
    pub(crate) fn j(self, now: Instant) -> Option<Instant> {
        (!self.reliable).then(|| now + self.t1 * 64)
    }

    /// Timers I and K; `None` is zero.
    pub(crate) fn t4(self, now: Instant) -> Option<Instant> {
        (!self.reliable).then(|| now + self.t4)
    }

    /// When an INVITE that the transaction user said nothing about is answered 100.
    pub(crate) fn trying(self, now: Instant) -> Instant {
        now + TRYING_AFTER
    }
}
