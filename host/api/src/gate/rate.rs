//! How often somebody may ask: a rate with a burst (GCRA), for each by name.

use core::time::Duration;
use model::Instant;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Most askers whose rates are known; past it those who could ask anew are forgotten.
const KNOWN_MAX: usize = 65_536;

/// How often one may ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RateLimit {
    /// Requests a minute, in the long run.
    pub per_minute: u32,
    /// Requests at once after a pause.
    pub burst: u32,
}

/// The rates of many.
#[derive(Debug)]
pub(crate) struct Rates {
    gap: Duration,
    room: Duration,
    /// When each will have no debt left.
    paid: Mutex<BTreeMap<String, Instant>>,
}

impl Rates {
    pub(crate) fn new(limit: RateLimit) -> Rates {
        let gap = Duration::from_secs(60) / limit.per_minute.max(1);
        Rates { gap, room: gap * limit.burst.max(1), paid: Mutex::default() }
    }

    /// Counts one request of `who`; or says how long to wait.
    pub(crate) fn take(&self, who: &str, now: Instant) -> Result<(), Duration> {
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        let debt = paid.get(who).copied().unwrap_or(now).max(now) + self.gap;
        let over = debt.since(now).saturating_sub(self.room);
        if !over.is_zero() {
            return Err(over);
        }
        if paid.len() >= KNOWN_MAX && !paid.contains_key(who) {
            paid.retain(|_, until| *until > now);
            if paid.len() >= KNOWN_MAX {
                paid.pop_first();
            }
        }
        paid.insert(who.to_owned(), debt);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate_for_each_by_itself() {
        let rates = Rates::new(RateLimit { per_minute: 60, burst: 3 });
        let now = Instant::from_unix_nanos(1_000_000_000_000);
        for _ in 0..3 {
            rates.take("a", now).unwrap();
        }
        assert_eq!(rates.take("a", now), Err(Duration::from_secs(1)));
        rates.take("b", now).unwrap();
        let later = now + Duration::from_secs(1);
        rates.take("a", later).unwrap();
        assert_eq!(rates.take("a", later), Err(Duration::from_secs(1)));
    }
}
