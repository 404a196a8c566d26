//! How often somebody may ask: a rate with a burst (GCRA), for each by name.

use core::time::Duration;
use model::Instant;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// Most askers whose rates are known; past it those who have the least debt are forgotten.
const KNOWN_MAX: usize = 65_536;

/// How often one may ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RateLimit {
    /// Requests a minute, in the long run.
    pub per_minute: u32,
    /// Requests at once after a pause.
    pub burst: u32,
}

/// What an asker is known by: the beginning of a hash of the name, so that nobody chooses how much is remembered.
type Key = [u8; 16];

/// The rates of many.
#[derive(Debug)]
pub(crate) struct Rates {
    gap: Duration,
    room: Duration,
    debts: Mutex<Debts>,
}

/// Who has debts.
///
/// # Invariants
/// Both hold the same, and at most [`KNOWN_MAX`].
#[derive(Debug, Default)]
struct Debts {
    /// When each will have none left.
    paid: BTreeMap<Key, Instant>,
    order: BTreeSet<(Instant, Key)>,
}

impl Debts {
    fn put(&mut self, who: Key, paid: Instant) {
        if let Some(before) = self.paid.insert(who, paid) {
            self.order.remove(&(before, who));
        }
        self.order.insert((paid, who));
    }

    /// Forgets who has none left, and while there are too many those who soon have none.
    fn shrink(&mut self, now: Instant) {
        while let Some((paid, who)) = self.order.first().copied()
            && (paid <= now || self.paid.len() > KNOWN_MAX)
        {
            self.order.remove(&(paid, who));
            self.paid.remove(&who);
        }
    }
}

impl Rates {
    pub(crate) fn new(limit: RateLimit) -> Rates {
        let gap = Duration::from_secs(60) / limit.per_minute.max(1);
        Rates { gap, room: gap * limit.burst.max(1), debts: Mutex::default() }
    }

    /// Counts one request of `who`; or says how long to wait.
    pub(crate) fn take(&self, who: &str, now: Instant) -> Result<(), Duration> {
        let digest: [u8; 32] = Sha256::digest(who.as_bytes()).into();
        let who: Key = core::array::from_fn(|n| digest[n]);
        let mut debts = self.debts.lock().unwrap_or_else(PoisonError::into_inner);
        debts.shrink(now);
        let debt = debts.paid.get(&who).copied().unwrap_or(now).max(now) + self.gap;
        let over = debt.since(now).saturating_sub(self.room);
        if !over.is_zero() {
            return Err(over);
        }
        debts.put(who, debt);
        debts.shrink(now);
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
    #[test]
    fn little_is_remembered_and_not_for_long() {
        let rates = Rates::new(RateLimit { per_minute: 60, burst: 3 });
        let now = Instant::from_unix_nanos(1_000_000_000_000);
        for _ in 0..3 {
            rates.take("owes much", now).unwrap();
        }
        for n in 0..KNOWN_MAX + 10 {
            rates.take(&format!("{n}"), now).unwrap();
        }
        let known = || rates.debts.lock().unwrap().paid.len();
        assert_eq!(known(), KNOWN_MAX);
        assert_eq!(rates.take("owes much", now), Err(Duration::from_secs(1)), "others push out who owes less");
        rates.take("later", now + Duration::from_secs(60)).unwrap();
        assert_eq!(known(), 1, "who has no debt is forgotten");
    }
}
