//! The breaker of one binding: a plugin that keeps failing rests, so that it costs its tenant the default verdict and
//! nobody else any CPU.

use core::time::Duration;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// So many failures in a row open it.
const STREAK: u32 = 5;
/// Or this share of at least [`WINDOW_MIN`] invocations within [`WINDOW_S`].
const SHARE_PERCENT: u32 = 20;
const WINDOW_MIN: u32 = 20;
const WINDOW_S: usize = 30;
/// The first rest; it doubles with every failed probe.
const REST_MIN: Duration = Duration::from_secs(5);
const REST_MAX: Duration = Duration::from_secs(300);
/// A probe that never reported is forgotten after this.
const PROBE_MAX: Duration = Duration::from_secs(5);

/// A binding that rests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tripped {
    /// How long ago it began to, over all probes that failed.
    pub since: Duration,
    /// When its next question is a probe; zero = the next one is, or is under way.
    pub probe_in: Duration,
}

/// Closed, open, or open with one probe on its way.
///
/// # Invariants
/// `window[i]` counts the second whose number is `i` modulo the window's length and not older than `second`.
#[derive(Debug)]
struct State {
    streak: u32,
    window: [(u32, u32); WINDOW_S],
    second: u64,
    rest: Duration,
    open_until: Option<Instant>,
    /// Over all rests until it closes.
    open_since: Option<Instant>,
    probe_since: Option<Instant>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Breaker {
    origin: Instant,
    state: Mutex<State>,
}

impl Breaker {
    pub(crate) fn new(now: Instant) -> Breaker {
        let state = State {
            streak: 0,
            window: [(0, 0); WINDOW_S],
            second: 0,
            rest: REST_MIN,
            open_until: None,
            open_since: None,
            probe_since: None,
        };
        Breaker { origin: now, state: Mutex::new(state) }
    }

    /// Whether the binding may be asked now. After the rest one probe at a time may.
    pub(crate) fn admits(&self, now: Instant) -> bool {
        let mut s = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(until) = s.open_until else { return true };
        let probing = s.probe_since.is_some_and(|since| now.saturating_duration_since(since) < PROBE_MAX);
        if now < until || probing {
            return false;
        }
        s.probe_since = Some(now);
        true
    }

    /// Takes note of an invocation. True when this one opened the breaker. While it is open only a probe counts: what was
    /// asked before it opened says nothing of how the plugin is after its rest.
    pub(crate) fn report(&self, failed: bool, now: Instant) -> bool {
        let second = now.saturating_duration_since(self.origin).as_secs();
        let mut s = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if s.open_until.is_some() {
            if s.probe_since.take().is_none() {
                return false;
            }
            if failed {
                s.rest = (s.rest * 2).min(REST_MAX);
                s.open_until = Some(now + s.rest);
            } else {
                s.close();
            }
            return false;
        }
        s.advance(second);
        let slot = &mut s.window[(second % WINDOW_S as u64) as usize];
        slot.0 += 1;
        slot.1 += u32::from(failed);
        s.streak = if failed { s.streak + 1 } else { 0 };
        let (all, bad) = s.window.iter().fold((0, 0), |(a, b), w| (a + w.0, b + w.1));
        let open = failed && (s.streak >= STREAK || (all >= WINDOW_MIN && bad * 100 >= all * SHARE_PERCENT));
        if open {
            s.open_until = Some(now + s.rest);
            s.open_since = Some(now);
        }
        open
    }

    /// How it rests at this moment; `None` while it is closed.
    pub(crate) fn rests(&self, now: Instant) -> Option<Tripped> {
        let s = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, until) = s.open_since.zip(s.open_until)?;
        Some(Tripped { since: now.saturating_duration_since(since), probe_in: until.saturating_duration_since(now) })
    }

    /// Whether it is open.
    pub(crate) fn is_open(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).open_until.is_some()
    }
}

impl State {
    fn close(&mut self) {
        self.open_until = None;
        self.open_since = None;
        self.rest = REST_MIN;
        self.streak = 0;
        self.window = [(0, 0); WINDOW_S];
    }

    fn advance(&mut self, second: u64) {
        let gone = second.saturating_sub(self.second).min(WINDOW_S as u64);
        for back in 0..gone {
            self.window[((second - back) % WINDOW_S as u64) as usize] = (0, 0);
        }
        self.second = self.second.max(second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn five_failures_in_a_row_open_it_and_a_good_probe_closes_it() {
        let t = Instant::now();
        let b = Breaker::new(t);
        for i in 0..5 {
            assert!(b.admits(t));
            assert_eq!(b.report(true, t), i == 4);
        }
        assert!(b.is_open() && !b.admits(t + REST_MIN - MS));
        assert!(b.admits(t + REST_MIN), "the rest is over: one probe");
        assert!(!b.admits(t + REST_MIN), "one probe at a time");
        b.report(false, t + REST_MIN);
        assert!(!b.is_open() && b.admits(t + REST_MIN));
    }

    #[test]
    fn a_failed_probe_doubles_the_rest_up_to_a_bound() {
        let mut t = Instant::now();
        let b = Breaker::new(t);
        assert_eq!(b.rests(t), None);
        assert_eq!((0..5).filter(|_| b.report(true, t)).count(), 1);
        let (opened, mut rest) = (t, REST_MIN);
        for _ in 0..10 {
            assert_eq!(b.rests(t + MS), Some(Tripped { since: t + MS - opened, probe_in: rest - MS }));
            t += rest;
            assert!(!b.admits(t - MS) && b.admits(t));
            assert_eq!(b.rests(t + MS).map(|seen| seen.probe_in), Some(Duration::ZERO), "the probe is under way");
            b.report(true, t);
            rest = (rest * 2).min(REST_MAX);
        }
        assert_eq!(rest, REST_MAX);
        assert!(b.admits(t + rest));
        b.report(false, t + rest);
        assert_eq!(b.rests(t + rest), None, "it is well again");
    }

    #[test]
    fn one_in_five_opens_it_once_there_are_twenty_and_old_seconds_are_forgotten() {
        let t = Instant::now();
        let b = Breaker::new(t);
        let opened = (0..20).filter(|i| b.report(i % 5 == 4, t + MS * 10 * *i)).count();
        assert_eq!(opened, 1);
        let b = Breaker::new(t);
        for i in 0..200 {
            // One in five for one second in every 40: never twenty within the window.
            assert!(!b.report(i % 5 == 4, t + Duration::from_secs(40) * (i / 10)), "{i}");
        }
    }

    #[test]
    fn what_was_under_way_when_it_opened_neither_prolongs_the_rest_nor_ends_it() {
        let t = Instant::now();
        let b = Breaker::new(t);
        assert_eq!((0..12).filter(|_| b.report(true, t)).count(), 1);
        b.report(false, t + MS);
        assert!(b.is_open() && !b.admits(t + REST_MIN - MS) && b.admits(t + REST_MIN));
    }

    #[test]
    fn a_lost_probe_does_not_keep_it_open_for_ever() {
        let t = Instant::now();
        let b = Breaker::new(t);
        assert_eq!((0..5).filter(|_| b.report(true, t)).count(), 1);
        assert!(b.admits(t + REST_MIN));
        assert!(b.admits(t + REST_MIN + PROBE_MAX));
    }
}
