//! What happens now, for those who watch: a bounded ring of the events that event sinks are told, beside the sinks.
//!
//! A reader keeps nothing here but the number of the last event it saw, so one that is slow costs nothing: when the ring
//! has gone on without it, it is told so. Nobody who watches is on the path of a call; while nobody does, nothing is kept.

use model::Told;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Events that are kept.
const KEPT_MAX: usize = 4_096;
/// How long events are kept after somebody watched, in seconds: the time to come back.
const WATCHED_S: u64 = 600;

/// The events of a switch.
#[derive(Debug)]
pub struct LiveEvents {
    begun: Instant,
    /// Until when somebody may come back, in seconds since `begun`; 0 = nobody ever watched.
    watched_until: AtomicU64,
    kept: Mutex<VecDeque<(u64, Arc<Told>)>>,
    last: watch::Sender<u64>,
}

/// What a reader is given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Since {
    /// The events after the one it named, with their numbers; none = it has them all.
    Events(Vec<(u64, Arc<Told>)>),
    /// The ring has gone on without it; the newest event has this number.
    Lost(u64),
}

impl Default for LiveEvents {
    fn default() -> Self {
        LiveEvents {
            begun: Instant::now(),
            watched_until: AtomicU64::new(0),
            kept: Mutex::default(),
            last: watch::Sender::new(0),
        }
    }
}

impl LiveEvents {
    fn kept(&self) -> MutexGuard<'_, VecDeque<(u64, Arc<Told>)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether events are kept now.
    #[must_use]
    pub fn watched(&self) -> bool {
        let until = self.watched_until.load(Ordering::Relaxed);
        until > 0 && self.begun.elapsed().as_secs() < until
    }

    /// Keeps an event, if anybody watches.
    pub fn tell(&self, told: &Told) {
        if !self.watched() {
            return;
        }
        let mut kept = self.kept();
        let number = *self.last.borrow() + 1;
        if kept.len() >= KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back((number, Arc::new(told.clone())));
        self.last.send_replace(number);
    }

    /// The number of the newest event; from now on events are kept for a while.
    #[must_use]
    pub fn newest(&self) -> u64 {
        if !self.watched() {
            // What happened meanwhile was not kept: whoever comes back must be told so.
            self.kept().clear();
            self.last.send_modify(|last| *last += 1);
        }
        self.watched_until.store(self.begun.elapsed().as_secs() + WATCHED_S, Ordering::Relaxed);
        *self.last.borrow()
    }

    /// At most `max` events after number `after`.
    #[must_use]
    pub fn since(&self, after: u64, max: usize) -> Since {
        let newest = self.newest();
        let kept = self.kept();
        let first = kept.front().map_or(newest + 1, |(number, _)| *number);
        if after + 1 < first || after > newest {
            return Since::Lost(newest);
        }
        Since::Events(kept.iter().filter(|(number, _)| *number > after).take(max).cloned().collect())
    }

    /// Waits until there is an event after number `after`, at most so long.
    pub async fn comes(&self, after: u64, longest: Duration) {
        let mut last = self.last.subscribe();
        let _ = tokio::time::timeout(longest, last.wait_for(|last| *last > after)).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use super::*;
    use model::{BrandId, CompanyId};

    fn told(n: u64) -> Told {
        let at = model::Instant::from_unix_nanos(n);
        Told { kind: "call-started", at, call: None, brand: BrandId(1), company: CompanyId(1), attrs: Vec::new() }
    }

    fn numbers(since: Since) -> Vec<u64> {
        let Since::Events(events) = since else { panic!("lost") };
        events.iter().map(|(_, told)| told.at.unix_nanos()).collect()
    }

    #[tokio::test]
    async fn events_are_kept_from_the_first_reader_on_and_a_slow_one_is_told() {
        let live = LiveEvents::default();
        live.tell(&told(1));
        let begin = live.newest();
        assert_eq!(numbers(live.since(begin, 10)), Vec::<u64>::new());
        for n in 2..=4 {
            live.tell(&told(n));
        }
        live.comes(begin, Duration::from_secs(60)).await;
        assert_eq!(numbers(live.since(begin, 10)), [2, 3, 4]);
        assert_eq!(numbers(live.since(begin, 2)), [2, 3]);
        assert_eq!(numbers(live.since(begin + 2, 10)), [4], "a reader goes on after the last it saw");
        for n in 5..5 + KEPT_MAX as u64 {
            live.tell(&told(n));
        }
        assert_eq!(live.since(begin, 10), Since::Lost(live.newest()));
        assert_eq!(live.since(live.newest() + 1, 10), Since::Lost(live.newest()), "a number of another process");
    }
}
