//! How often a brand is told that an address is another brand's: each such answer tells something of the others, and who
//! asks often enough knows them all.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Refusals that a brand has within [`PERIOD`].
const REFUSALS_MAX: u32 = 20;
/// How long they are counted together.
const PERIOD: Duration = Duration::from_secs(3_600);

/// The refusals of each brand in its current period.
///
/// # Invariants
/// No more entries than brands that were refused within the last period.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<BTreeMap<i64, (Instant, u32)>>);

impl Refusals {
    /// Whether the brand may ask about another address.
    pub(crate) fn may_ask(&self, brand: i64, now: Instant) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let current = known.get(&brand).filter(|(since, _)| now.saturating_duration_since(*since) < PERIOD);
        current.is_none_or(|(_, count)| *count < REFUSALS_MAX)
    }

    /// It was refused one.
    pub(crate) fn refused(&self, brand: i64, now: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (since, _)| now.saturating_duration_since(*since) < PERIOD);
        known.entry(brand).or_insert((now, 0)).1 += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brand_is_told_a_few_times_an_hour_and_then_again() {
        let (refusals, now) = (Refusals::default(), Instant::now());
        for _ in 0..REFUSALS_MAX {
            assert!(refusals.may_ask(1, now));
            refusals.refused(1, now);
        }
        assert!(!refusals.may_ask(1, now) && refusals.may_ask(2, now));
        assert!(!refusals.may_ask(1, now + PERIOD / 2));
        assert!(refusals.may_ask(1, now + PERIOD));
        refusals.refused(2, now + PERIOD);
        assert_eq!(refusals.0.lock().unwrap().len(), 1, "what is over is forgotten");
    }
}
