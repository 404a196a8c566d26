//! How many calls, and how many new ones in a second: a token bucket that holds one second's worth.

use model::Instant;

/// Why a trunk takes no more calls now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Full {
    /// As many calls as it may have are up.
    Calls,
    /// As many as it may begin in a second have begun.
    Rate,
}

/// Thousandths of a token, so that one call a second is not rounded away.
const TOKEN: u64 = 1_000;

/// The calls of one trunk.
///
/// # Invariants
/// `tokens` is at most one second's worth of the newest rate it was asked with.
#[derive(Debug)]
pub(crate) struct Caps {
    calls: u32,
    tokens: u64,
    filled_at: Option<Instant>,
}

impl Caps {
    pub(crate) const fn new() -> Caps {
        Caps { calls: 0, tokens: 0, filled_at: None }
    }

    /// Calls up now.
    pub(crate) const fn calls(&self) -> u32 {
        self.calls
    }

    /// Takes a place for an outbound call.
    pub(crate) fn take(&mut self, calls_max: Option<u32>, cps_max: Option<u32>, now: Instant) -> Result<(), Full> {
        if calls_max.is_some_and(|max| self.calls >= max) {
            return Err(Full::Calls);
        }
        if let Some(rate) = cps_max {
            self.fill(rate, now);
            self.tokens = self.tokens.checked_sub(TOKEN).ok_or(Full::Rate)?;
        }
        self.calls += 1;
        Ok(())
    }

    /// Takes a place for an inbound call, whose rate the carrier chooses.
    pub(crate) fn take_inbound(&mut self, calls_max: Option<u32>) -> Result<(), Full> {
        self.take(calls_max, None, Instant::from_unix_nanos(0))
    }

    /// A call has ended.
    pub(crate) fn give_back(&mut self) {
        self.calls = self.calls.saturating_sub(1);
    }

    fn fill(&mut self, rate: u32, now: Instant) {
        let full = u64::from(rate) * TOKEN;
        let passed = self.filled_at.map_or(u64::MAX, |at| u64::try_from(now.since(at).as_micros()).unwrap_or(u64::MAX));
        let fresh = u64::from(rate).saturating_mul(passed) / (1_000_000 / TOKEN);
        // Time is only used up once it gave something: a slow rate asked often still fills.
        if fresh > 0 {
            self.filled_at = Some(now);
            self.tokens = self.tokens.saturating_add(fresh).min(full);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_unix_nanos(1_000_000_000_000 + ms * 1_000_000)
    }

    #[test]
    fn the_rate_is_kept_and_a_second_of_it_may_come_at_once() {
        let mut caps = Caps::new();
        let mut taken = |ms: u64| caps.take(None, Some(5), at(ms)).is_ok();
        assert_eq!((0..7).filter(|_| taken(0)).count(), 5);
        assert!(!taken(199));
        assert!(taken(200));
        assert!(!taken(201));
        // Ten seconds of nothing give no more than one second's worth.
        assert_eq!((0..20).filter(|_| taken(10_000)).count(), 5);
        // Over a long time, asked often, exactly the rate.
        assert_eq!((10_001..=20_000).filter(|ms| taken(*ms)).count(), 50);
        let mut slow = Caps::new();
        assert_eq!((0..10_000).filter(|ms| slow.take(None, Some(1), at(*ms)).is_ok()).count(), 10);
        assert_eq!(slow.take(None, Some(0), at(99_000)), Err(Full::Rate));
    }

    #[test]
    fn calls_are_counted_both_ways() {
        let mut caps = Caps::new();
        caps.take(Some(2), None, at(0)).unwrap();
        caps.take_inbound(Some(2)).unwrap();
        assert_eq!(caps.take(Some(2), Some(100), at(0)), Err(Full::Calls));
        assert_eq!(caps.take_inbound(Some(2)), Err(Full::Calls));
        caps.give_back();
        caps.take(Some(2), None, at(0)).unwrap();
        assert_eq!(caps.calls(), 2);
        assert_eq!(caps.take(Some(0), None, at(0)), Err(Full::Calls));
    }
}
