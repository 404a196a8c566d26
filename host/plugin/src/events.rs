//! What happened, told to event sinks: off the call's path, in order, again until it is taken or put aside.

use crate::EventFigures;
use crate::binding::Bound;
use crate::bindings::event_sink::exports::strowger::hooks::event_sink::Item;
use crate::chain::{Failure, settle};
use crate::hook::{Asked, Invocation, Said};
use crate::host::Shared;
use crate::tiers::Heavy;
use core::time::Duration;
use model::{CompanyId, Directory, Told};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

/// Most events of one delivery.
const BATCH_MAX: usize = 100;
/// The first pause after a failure; it doubles.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// So many failures put the first event aside.
const TRIES_MAX: u32 = 8;

struct Waiting {
    company: CompanyId,
    item: Item,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    next_id: u64,
    tries: u32,
    /// A task delivers.
    busy: bool,
    /// Who is told now: a new version goes on where the old one was.
    owner: Weak<Bound>,
    directory: Option<Arc<Directory>>,
}

/// The events of one binding; outlives its versions.
///
/// # Invariants
/// While something waits and the owner lives, exactly one task delivers (`busy`).
#[derive(Default)]
pub(crate) struct EventQueue {
    state: Mutex<State>,
    told: AtomicU64,
    dead: AtomicU64,
}

impl core::fmt::Debug for EventQueue {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("EventQueue").field("waiting", &self.waiting()).finish_non_exhaustive()
    }
}

/// What the next delivery brings, and to whom.
struct Batch {
    bound: Arc<Bound>,
    company: CompanyId,
    items: Vec<Item>,
    directory: Arc<Directory>,
}

impl EventQueue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whom to tell from now on.
    pub(crate) fn belongs_to(&self, bound: &Arc<Bound>) {
        self.lock().owner = Arc::downgrade(bound);
    }

    pub(crate) fn figures(&self) -> EventFigures {
        EventFigures {
            waiting: self.waiting(),
            told: self.told.load(Ordering::Relaxed),
            dead: self.dead.load(Ordering::Relaxed),
        }
    }

    fn waiting(&self) -> u64 {
        u64::try_from(self.lock().waiting.len()).unwrap_or(u64::MAX)
    }

    /// Adds an event; true when a task has to be started.
    pub(crate) fn push(&self, told: &Told, directory: &Arc<Directory>, max: usize) -> bool {
        let mut state = self.lock();
        state.next_id += 1;
        let name = |brand: Option<String>| brand.unwrap_or_default();
        let item = Item {
            id: state.next_id,
            kind: told.kind.to_owned(),
            at_ms: told.at.unix_millis(),
            call_id: told.call.map(|c| c.to_string()),
            brand: name(directory.brand(told.brand).map(|b| b.name.clone())),
            company: name(directory.company(told.company).map(|c| c.name.clone())),
            attrs: told.attrs.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect(),
        };
        if state.waiting.len() >= max.max(1) {
            state.waiting.pop_front();
            self.dead.fetch_add(1, Ordering::Relaxed);
        }
        state.waiting.push_back(Waiting { company: told.company, item });
        state.directory = Some(Arc::clone(directory));
        !core::mem::replace(&mut state.busy, true)
    }

    /// The front of the queue, of one company; `None` ends the task.
    fn batch(&self) -> Option<Batch> {
        let mut state = self.lock();
        let next = state.owner.upgrade().zip(state.waiting.front().map(|w| w.company)).zip(state.directory.clone());
        let Some(((bound, company), directory)) = next else {
            state.busy = false;
            // A quiet queue keeps no image of the platform from being forgotten.
            state.directory = None;
            return None;
        };
        let same = state.waiting.iter().take_while(|w| w.company == company).take(BATCH_MAX);
        let items = same.map(|w| w.item.clone()).collect();
        Some(Batch { bound, company, items, directory })
    }

    /// Notes how a delivery went; how long to wait before the next.
    fn settle(&self, first: u64, taken: Option<u32>) -> Duration {
        let mut state = self.lock();
        let done = taken.map_or(0, |n| usize::try_from(n).unwrap_or(usize::MAX));
        // Events may have been put aside at the front meanwhile, because the queue was full.
        let gone = state.waiting.front().map_or(0, |w| w.item.id.saturating_sub(first));
        let done_now = done.saturating_sub(usize::try_from(gone).unwrap_or(usize::MAX)).min(state.waiting.len());
        state.waiting.drain(..done_now);
        if done > 0 {
            self.told.fetch_add(u64::try_from(done).unwrap_or(u64::MAX), Ordering::Relaxed);
            state.tries = 0;
            return Duration::ZERO;
        }
        state.tries += 1;
        if state.tries >= TRIES_MAX {
            state.tries = 0;
            if gone == 0 && state.waiting.pop_front().is_some() {
                self.dead.fetch_add(1, Ordering::Relaxed);
            }
            return Duration::ZERO;
        }
        (PAUSE_FIRST * 2_u32.pow(state.tries - 1)).min(PAUSE_MAX)
    }
}

/// Delivers until nothing waits.
pub(crate) async fn deliver(queue: Arc<EventQueue>, shared: Arc<Shared>, heavy: Heavy) {
    while let Some(batch) = queue.batch() {
        let Batch { bound, company, items, directory } = batch;
        let first = items.first().map_or(0, |i| i.id);
        let began = Instant::now();
        let invocation = Invocation {
            shared: &shared,
            bound: &bound,
            directory: &directory,
            brand: bound.spec.scope.brand,
            company,
            call: None,
            deadline: began + shared.config.event_deliver,
            cpu: shared.config.app_cpu,
            heavy: &heavy,
        };
        let said = invocation.ask(Asked::Deliver(&items), |said| taken(said, items.len())).await.said;
        settle(&bound, said.as_ref().err());
        bound.counters.took(began.elapsed());
        let pause = queue.settle(first, said.ok().flatten());
        // The binding may go while its task sleeps, and so may the facts.
        drop((bound, directory));
        tokio::time::sleep(pause).await;
    }
}

/// How many were taken; `None` for a business error.
fn taken(said: Result<Said, String>, of: usize) -> Result<Option<u32>, Failure> {
    let Ok(said) = said else { return Ok(None) };
    let Said::Taken(n) = said else { return Err(Failure::another_point()) };
    if usize::try_from(n).is_ok_and(|n| n <= of) {
        Ok(Some(n))
    } else {
        Err(Failure::Invalid("deliver: more taken than told".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{BrandId, Instant as At};

    fn push(queue: &EventQueue, max: usize) -> bool {
        let told = Told {
            kind: "call-ended",
            at: At::from_unix_nanos(5_000_000),
            call: None,
            brand: BrandId(1),
            company: CompanyId(1),
            attrs: vec![("cause", "busy".to_owned())],
        };
        queue.push(&told, &Arc::default(), max)
    }

    fn ids(queue: &EventQueue) -> Vec<u64> {
        queue.lock().waiting.iter().map(|w| w.item.id).collect()
    }

    #[test]
    fn one_task_is_asked_for_and_a_full_queue_puts_its_oldest_aside() {
        let queue = EventQueue::default();
        assert!(push(&queue, 2) && !push(&queue, 2) && !push(&queue, 2));
        assert_eq!((ids(&queue), queue.figures()), (vec![2, 3], EventFigures { waiting: 2, told: 0, dead: 1 }));
        assert!(queue.batch().is_none(), "nobody owns it: the task ends");
        assert!(queue.lock().directory.is_none(), "and holds no facts");
        assert!(push(&queue, 9), "and the next event asks for one again");
    }

    #[test]
    fn what_is_not_taken_is_told_again_later_and_at_last_put_aside() {
        let queue = EventQueue::default();
        for _ in 0..5 {
            push(&queue, 9);
        }
        assert_eq!(queue.settle(1, Some(2)), Duration::ZERO);
        assert_eq!(ids(&queue), [3, 4, 5]);
        let pauses: Vec<u64> = (0..7).map(|_| queue.settle(3, None).as_secs()).collect();
        assert_eq!((pauses, ids(&queue)), (vec![1, 2, 4, 8, 16, 32, 64], vec![3, 4, 5]));
        assert_eq!((queue.settle(3, Some(0)), ids(&queue)), (Duration::ZERO, vec![4, 5]));
        assert_eq!(queue.figures(), EventFigures { waiting: 2, told: 2, dead: 1 });
    }

    #[test]
    fn events_put_aside_during_a_delivery_are_not_counted_twice() {
        let queue = EventQueue::default();
        for _ in 0..3 {
            push(&queue, 3);
        }
        // The delivery of 1 to 3 is under way; 1 is put aside for 4.
        push(&queue, 3);
        queue.settle(1, Some(3));
        assert_eq!(ids(&queue), [4]);
    }
}
