//! A token bucket in eight bytes: the generic cell rate algorithm.

use core::time::Duration;
use model::Instant;
use serde::{Deserialize, Serialize};

/// How often something may happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Times a minute, in the long run.
    pub per_minute: u32,
    /// Times at once.
    pub burst: u32,
}

impl Rate {
    /// `per_minute` and `burst`.
    #[must_use]
    pub const fn new(per_minute: u32, burst: u32) -> Rate {
        Rate { per_minute, burst }
    }

    fn interval(self) -> u64 {
        60_000_000_000 / u64::from(self.per_minute.max(1))
    }
}

/// How full a bucket is: when it will be full again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Meter(Instant);

impl Default for Meter {
    fn default() -> Meter {
        Meter(Instant::from_unix_nanos(0))
    }
}

impl Meter {
    /// Takes a token; `false` when there is none.
    pub(crate) fn take(&mut self, rate: Rate, now: Instant) -> bool {
        let full_at = self.0.max(now);
        let room = Duration::from_nanos(rate.interval().saturating_mul(u64::from(rate.burst.max(1) - 1)));
        if full_at.since(now) > room {
            return false;
        }
        self.0 = full_at + Duration::from_nanos(rate.interval());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_the_rate() {
        let rate = Rate::new(60, 5);
        let at = |ms: u64| Instant::from_unix_nanos((1_000_000 + ms) * 1_000_000);
        let mut meter = Meter::default();
        assert_eq!((0..10).filter(|_| meter.take(rate, at(0))).count(), 5);
        assert!(!meter.take(rate, at(999)));
        assert!(meter.take(rate, at(1_000)) && !meter.take(rate, at(1_001)));
        let passed = (0..100).filter(|n| meter.take(rate, at(2_000 + n * 100))).count();
        assert_eq!(passed, 10, "ten seconds at one a second");
        assert_eq!((0..10).filter(|_| meter.take(rate, at(60_000))).count(), 5, "rest fills it again");
    }
}
