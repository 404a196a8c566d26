//! Overload: new work is answered 503 before queues grow; work that began is never refused.
//!
//! The shell says how late the shard is. Whether anything is shed is decided by the least lateness within an interval: a
//! pause of the machine passes, a queue that stands does not. While it is, the share of new requests that are taken
//! follows from how late the shard is now: all up to half the limit, hardly any from one and a half times the limit on,
//! and in between evenly less; never much more than of late. So the queue settles near the limit, whatever is offered and whatever a request costs.
//! A share that was changed step by step did not: what it changed showed only when the queue before it was worked off,
//! and the calls it took came back as further messages. Which requests are taken is counted out evenly, not drawn.

use core::time::Duration;
use model::Instant;
use serde::{Deserialize, Serialize};
use sip_message::OverloadReport;

/// How late a shard is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Load {
    /// How long the oldest message that was read waited before it was handled.
    pub lag: Duration,
    /// Messages that wait.
    pub queued: usize,
}

/// When the shedder acts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShedderConfig {
    /// A shard that is later than this sheds, in milliseconds.
    pub lag_ms: u32,
    /// A shard with more waiting than this sheds.
    pub queued: usize,
    /// How often the share is set anew, in milliseconds: about as long as a change takes to show.
    pub interval_ms: u32,
    /// The least share of new requests that is taken, in thousandths: never nothing, or nobody would see it end.
    pub share_min: u32,
    /// After so many intervals in a row in which the shard was hardly late it sheds no more.
    pub calm_intervals: u32,
}

impl Default for ShedderConfig {
    fn default() -> ShedderConfig {
        ShedderConfig { lag_ms: 150, queued: 4_000, interval_ms: 100, share_min: 20, calm_intervals: 10 }
    }
}

/// Totals since the start, and how it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ShedderCounters {
    /// Requests answered 503.
    pub shed: u64,
    /// Times that shedding began.
    pub began: u64,
    /// The share of new requests that is taken now, in thousandths.
    pub share: u32,
}

const WHOLE: u32 = 1_000;
/// How many intervals neighbours hold to what they were told.
const VALIDITY_INTERVALS: u32 = 10;
/// Late intervals in a row before anything is shed.
const LATE_MIN: u32 = 2;
/// Lateness up to which everything is taken, and from which on hardly anything is, in thousandths of the limit.
const TAKES_ALL: u32 = 500;
const TAKES_LEAST: u32 = 1_500;
/// Lateness that is none: the shard works off what comes.
const CALM: u32 = 100;
/// How much more is taken than of late when the shard is less late, one in so many: the calls that were taken come back
/// with further messages, and a share that followed every pause of theirs would swing with them.
const LEAP: u32 = 4;
/// How much of the share that is told is that of the last interval: one in so many.
const SMOOTHING: u32 = 8;

/// Decides which new requests are taken.
///
/// # Invariants
/// `share` and `told` are from `share_min` to [`WHOLE`]; at [`WHOLE`] nothing is shed, and where `sheds` is not set they
/// are so. `turn` is below [`WHOLE`].
#[derive(Debug)]
pub struct Shedder {
    config: ShedderConfig,
    share: u32,
    /// The share of late, for those who look and for neighbours.
    told: u32,
    turn: u32,
    least: Option<Load>,
    sheds: bool,
    /// Late intervals in a row, and calm ones.
    late: u32,
    calm: u32,
    set_at: Option<Instant>,
    /// When the share that is told changed last.
    changed_at: Instant,
    shed: u64,
    began: u64,
    spread: u32,
}

impl Shedder {
    /// One that takes everything until it is told otherwise.
    #[must_use]
    pub fn new(config: ShedderConfig) -> Shedder {
        Shedder {
            config,
            share: WHOLE,
            told: WHOLE,
            turn: 0,
            least: None,
            sheds: false,
            late: 0,
            calm: 0,
            set_at: None,
            changed_at: Instant::from_unix_nanos(0),
            shed: 0,
            began: 0,
            spread: 0,
        }
    }

    /// How late the shard is now.
    pub fn observe(&mut self, load: Load, now: Instant) {
        let least = self.least.get_or_insert(load);
        least.lag = least.lag.min(load.lag);
        least.queued = least.queued.min(load.queued);
        let least = *least;
        let interval = Duration::from_millis(u64::from(self.config.interval_ms));
        let set_at = *self.set_at.get_or_insert(now);
        if now.since(set_at) >= interval {
            self.least = None;
            self.set_at = Some(now);
            self.decide(self.excess(&least), now);
        }
        self.share =
            if self.sheds { self.share_at(self.excess(&load)).min(self.told + self.told / LEAP) } else { WHOLE };
    }

    /// At the end of an interval: whether anything is shed from now on, and what is told of it.
    fn decide(&mut self, excess: u32, now: Instant) {
        self.late = if excess > WHOLE { self.late.saturating_add(1) } else { 0 };
        self.calm = if excess < CALM { self.calm.saturating_add(1) } else { 0 };
        let before = self.told;
        if !self.sheds && self.late >= LATE_MIN {
            self.sheds = true;
            self.began += 1;
            self.told = self.share_at(excess);
        } else if self.sheds && self.calm >= self.config.calm_intervals {
            self.sheds = false;
            self.told = WHOLE;
        } else if self.sheds {
            self.told = (self.told * (SMOOTHING - 1) + self.share_at(excess)) / SMOOTHING;
        }
        if self.told != before {
            self.changed_at = now;
        }
    }

    /// The share of new requests that is taken by a shard that is so late, in thousandths.
    fn share_at(&self, excess: u32) -> u32 {
        let left = TAKES_LEAST.saturating_sub(excess).min(TAKES_LEAST - TAKES_ALL);
        (left * WHOLE / (TAKES_LEAST - TAKES_ALL)).max(self.config.share_min.clamp(1, WHOLE))
    }

    /// How late it is, in thousandths of what it may be.
    fn excess(&self, load: &Load) -> u32 {
        let lag_max = u128::from(self.config.lag_ms.max(1)) * 1_000;
        let lag = load.lag.as_micros() * u128::from(WHOLE) / lag_max;
        let queued = load.queued as u128 * u128::from(WHOLE) / (self.config.queued.max(1) as u128);
        u32::try_from(lag.max(queued)).unwrap_or(u32::MAX)
    }

    /// Whether a new request outside a dialog is taken; else the seconds after which to try again, which differ from one
    /// to the next.
    ///
    /// # Errors
    /// The Retry-After of the 503.
    pub fn take(&mut self) -> Result<(), u32> {
        self.turn += self.share;
        if self.turn >= WHOLE {
            self.turn -= WHOLE;
            return Ok(());
        }
        self.shed += 1;
        self.spread = (self.spread + 1) % 10;
        Err(1 + self.spread)
    }

    /// What neighbours are asked that speak RFC 7339, of the requests that they could leave out.
    #[must_use]
    pub fn report(&self) -> OverloadReport {
        let percent = u8::try_from((WHOLE - self.told.min(WHOLE)).div_ceil(10)).unwrap_or(100);
        // Said anew with every answer; a neighbour that hears nothing for so long sends as much as it likes.
        let validity_ms = if percent == 0 { 0 } else { self.config.interval_ms.saturating_mul(VALIDITY_INTERVALS) };
        OverloadReport { sequence: self.changed_at.unix_nanos() / 10_000, percent, validity_ms }
    }

    /// The totals.
    #[must_use]
    pub fn counters(&self) -> ShedderCounters {
        ShedderCounters { shed: self.shed, began: self.began, share: self.told }
    }
}

#[cfg(test)]
mod tests;
