//! The circuit breaker of one server: a dead one costs a few calls their time, not all.

use crate::{Config, Outcome};
use core::time::Duration;
use model::Instant;

/// # Invariants
/// `times` counts how often it opened since the server last answered.
#[derive(Clone, Debug)]
pub(crate) struct Breaker {
    state: State,
    times: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Calls go; so many have failed in a row.
    Closed { failures: u32 },
    /// No call goes before then.
    Open { until: Instant },
    /// One call or OPTIONS tries it; another may when that one was never heard of again.
    Trying { until: Instant },
}

/// What a report changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    Opened,
    Closed,
}

impl Breaker {
    pub(crate) const fn new() -> Breaker {
        Breaker { state: State::Closed { failures: 0 }, times: 0 }
    }

    /// Whether a call may go now. Where nothing asks the server by OPTIONS, the first after the pause tries it.
    pub(crate) fn admits(&mut self, pinged: bool, patience: Duration, now: Instant) -> bool {
        match self.state {
            State::Closed { .. } => true,
            State::Open { until } | State::Trying { until } if until <= now && !pinged => {
                self.state = State::Trying { until: now + patience };
                true
            }
            State::Open { .. } | State::Trying { .. } => false,
        }
    }

    /// Whether calls go.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// The word for the operator, the failures in a row, and until when it rests.
    pub(crate) fn shown(&self) -> (&'static str, u32, Option<Instant>) {
        match self.state {
            State::Closed { failures } => ("closed", failures, None),
            State::Open { until } => ("open", 0, Some(until)),
            State::Trying { until } => ("half-open", 0, Some(until)),
        }
    }

    /// How a call went.
    pub(crate) fn report(&mut self, config: &Config, outcome: Outcome, now: Instant) -> Option<Change> {
        match (outcome, self.state) {
            (Outcome::Alive, _) => self.answered(),
            (Outcome::Unavailable(Some(seconds)), _) if seconds > 0 => {
                let wait = Duration::from_secs(u64::from(seconds)).min(config.open_max);
                self.open_for(wait, now)
            }
            (Outcome::Dead | Outcome::Unavailable(_), State::Closed { failures }) => {
                if failures + 1 >= config.failures_max {
                    return self.open(config, now);
                }
                self.state = State::Closed { failures: failures + 1 };
                None
            }
            (Outcome::Dead | Outcome::Unavailable(_), State::Trying { .. }) => self.open(config, now),
            // A call from before it opened.
            (Outcome::Dead | Outcome::Unavailable(_), State::Open { .. }) => None,
        }
    }

    /// An OPTIONS was answered, or not: one that fails is enough.
    pub(crate) fn pinged(&mut self, config: &Config, alive: bool, now: Instant) -> Option<Change> {
        if alive { self.answered() } else { self.open(config, now) }
    }

    fn answered(&mut self) -> Option<Change> {
        let was = core::mem::replace(self, Breaker::new());
        (!was.is_closed()).then_some(Change::Closed)
    }

    fn open(&mut self, config: &Config, now: Instant) -> Option<Change> {
        let wait = config.open_min.saturating_mul(1 << self.times.min(16)).min(config.open_max);
        self.open_for(wait, now)
    }

    fn open_for(&mut self, wait: Duration, now: Instant) -> Option<Change> {
        let was_closed = self.is_closed();
        self.times = self.times.saturating_add(1);
        self.state = State::Open { until: now + wait };
        was_closed.then_some(Change::Opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn at(s: u64) -> Instant {
        Instant::from_unix_nanos(s * 1_000_000_000)
    }

    #[test]
    fn failures_in_a_row_open_it_and_one_call_tries_it() {
        let config = Config::default();
        let mut b = Breaker::new();
        for outcome in [Outcome::Dead, Outcome::Unavailable(None), Outcome::Alive, Outcome::Dead, Outcome::Dead] {
            assert_eq!(b.report(&config, outcome, at(0)), None);
            assert!(b.admits(false, PATIENCE, at(0)));
        }
        assert_eq!(b.report(&config, Outcome::Dead, at(0)), Some(Change::Opened));
        assert!(!b.admits(false, PATIENCE, at(29)));
        assert_eq!(b.report(&config, Outcome::Dead, at(29)), None, "a call from before");
        assert!(b.admits(false, PATIENCE, at(30)));
        assert!(!b.admits(false, PATIENCE, at(31)), "one at a time");
        assert!(b.admits(false, PATIENCE, at(35)), "the one that tried was never heard of");
        assert_eq!(b.report(&config, Outcome::Dead, at(36)), None);
        assert!(!b.admits(false, PATIENCE, at(95)), "it doubles");
        assert!(b.admits(false, PATIENCE, at(96)));
        assert_eq!(b.report(&config, Outcome::Alive, at(97)), Some(Change::Closed));
        assert_eq!(b.shown(), ("closed", 0, None));
        assert_eq!(b.report(&config, Outcome::Unavailable(Some(9_999)), at(100)), Some(Change::Opened));
        assert_eq!(b.shown(), ("open", 0, Some(at(400))), "a Retry-After is heeded up to a limit");
    }

    #[test]
    fn where_options_are_sent_only_they_close_it() {
        let config = Config::default();
        let mut b = Breaker::new();
        assert_eq!(b.pinged(&config, false, at(0)), Some(Change::Opened));
        assert_eq!(b.pinged(&config, false, at(10)), None);
        assert!(!b.admits(true, PATIENCE, at(10_000)));
        assert_eq!(b.pinged(&config, true, at(10_001)), Some(Change::Closed));
        assert_eq!(b.pinged(&config, true, at(10_002)), None);
        assert!(b.admits(true, PATIENCE, at(10_002)));
    }
}
