//! The only source of [`Instant`] in the product.

use model::Instant;
use std::time::{SystemTime, UNIX_EPOCH};

/// The monotonic clock, anchored to the wall clock once: what it shows looks like Unix time and never steps back.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    anchor: std::time::Instant,
    unix_nanos: u64,
}

impl Clock {
    /// Reads the wall clock for the first and last time.
    #[must_use]
    pub fn anchored() -> Clock {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { anchor: std::time::Instant::now(), unix_nanos: u64::try_from(unix.as_nanos()).unwrap_or(u64::MAX) }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::from_unix_nanos(self.unix_nanos) + self.anchor.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;

    #[test]
    fn it_never_steps_back() {
        let clock = Clock::anchored();
        let (one, two) = (clock.now(), clock.now());
        assert!(one <= two && one.unix_secs() > 1_600_000_000);
    }
}
