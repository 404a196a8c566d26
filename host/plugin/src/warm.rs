//! Instances that stay between two questions, for guests that are slow to begin (`reuse = "warm"` in `plugin.toml`).
//!
//! An instance is one binding's, in one version with one configuration, and so one brand's. While it waits it knows
//! nobody: whose question it was asked, its directory and its tape are taken from it. It answers one question at a time,
//! and it goes with the first thing that went wrong in it (decision 0319).

use crate::binding::Bound;
use crate::guest::Guest;
use crate::hook::Instance;
use crate::metrics::WarmFigures;
use crate::shares::{Bounds, Places, Slot};
use core::time::Duration;
use model::Limits;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::time::Instant;
use wasmtime::Store;

/// How often a list that somebody else holds is looked at before one does without: some microseconds.
const LOOKS: u32 = 200;

/// Why an instance of a warm binding went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Gone {
    /// It trapped.
    Trap,
    /// It used up its CPU or the wall time.
    Timeout,
    /// Nobody waited for its answer any more.
    Cancelled,
    /// It asked for more memory or table than there is.
    Quota,
    /// Its answer broke a rule.
    Invalid,
    /// It has answered `warm_questions_max` times.
    Questions,
    /// Nobody asked it anything for `warm_idle_ms`.
    Idle,
    /// `warm_per_binding_max` wait already.
    Full,
    /// It would take its binding beyond `warm_bytes_per_binding_max`, or itself holds three quarters of what it may.
    Memory,
    /// It had waited longest of its brand's, or of all, and another took its place.
    Evicted,
    /// Somebody else held the list of those that wait.
    Contended,
    /// Its binding was replaced or taken away.
    Retired,
}

impl Gone {
    const ALL: [(Gone, &'static str); 12] = [
        (Gone::Trap, "trap"),
        (Gone::Timeout, "timeout"),
        (Gone::Cancelled, "cancelled"),
        (Gone::Quota, "quota"),
        (Gone::Invalid, "invalid"),
        (Gone::Questions, "questions"),
        (Gone::Idle, "idle"),
        (Gone::Full, "full"),
        (Gone::Memory, "memory"),
        (Gone::Evicted, "evicted"),
        (Gone::Contended, "contended"),
        (Gone::Retired, "retired"),
    ];
}

/// What became of one binding's instances.
#[derive(Debug, Default)]
pub(crate) struct WarmCounters {
    hits: AtomicU64,
    made: AtomicU64,
    gone: [AtomicU64; Gone::ALL.len()],
}

impl WarmCounters {
    pub(crate) fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn made(&self) {
        self.made.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn gone(&self, why: Gone) {
        self.gone[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn figures(&self, (idle, idle_bytes): (u64, u64)) -> WarmFigures {
        let get = |n: &AtomicU64| n.load(Ordering::Relaxed);
        let gone = Gone::ALL.into_iter().map(|(why, name)| (name, get(&self.gone[why as usize]))).collect();
        WarmFigures { hits: get(&self.hits), made: get(&self.made), idle, idle_bytes, gone }
    }
}

/// An instance with its store, between two questions or in one.
pub(crate) struct Kept {
    /// None until the first question has made it.
    pub(crate) instance: Option<Instance>,
    pub(crate) store: Store<Guest>,
    /// How many it was asked.
    pub(crate) questions: u32,
}

/// One that waits.
///
/// # Invariants
/// The place outlives the store: fields are dropped in order.
struct Idle {
    kept: Box<Kept>,
    bound: Arc<Bound>,
    bytes: usize,
    since: Instant,
    _place: Slot,
}

/// # Invariants
/// In the order in which they came: the first has waited longest. While one waits, a task looks after them (`watched`).
#[derive(Default)]
struct State {
    idle: Vec<Idle>,
    watched: bool,
}

/// What an instance that wants to wait finds.
enum Room {
    Here,
    /// In place of this one.
    Of(usize),
    None(Gone),
}

impl State {
    fn room(&self, bound: &Arc<Bound>, bytes: usize, limits: &Limits) -> Room {
        if bound.retired.load(Ordering::SeqCst) {
            return Room::None(Gone::Retired);
        }
        let own = || self.idle.iter().filter(|idle| Arc::ptr_eq(&idle.bound, bound));
        if own().count() >= limits.warm_per_binding_max || limits.warm_per_brand_max == 0 {
            return Room::None(Gone::Full);
        }
        if own().map(|idle| idle.bytes).sum::<usize>().saturating_add(bytes) > limits.warm_bytes_per_binding_max {
            return Room::None(Gone::Memory);
        }
        let brand = bound.spec.scope.brand;
        let of_brand = |idle: &Idle| idle.bound.spec.scope.brand == brand;
        if self.idle.iter().filter(|idle| of_brand(idle)).count() >= limits.warm_per_brand_max {
            return self.idle.iter().position(of_brand).map_or(Room::Here, Room::Of);
        }
        if self.idle.iter().map(|idle| idle.bytes).sum::<usize>().saturating_add(bytes) > limits.warm_bytes_max {
            return if self.idle.is_empty() { Room::None(Gone::Memory) } else { Room::Of(0) };
        }
        Room::Here
    }
}

/// Every instance that waits, of every binding.
pub(crate) struct Warm {
    state: Mutex<State>,
    /// They are beside the lanes' own: those that wait never take the place of those that answer.
    places: Places,
    limits: Arc<Limits>,
}

impl core::fmt::Debug for Warm {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Warm").field("idle", &self.lock().idle.len()).finish_non_exhaustive()
    }
}

impl Warm {
    pub(crate) fn new(limits: &Arc<Limits>) -> Warm {
        // A brand's and a binding's shares of these are numbers of their own.
        let all = u32::try_from(limits.warm_max).unwrap_or(u32::MAX);
        let places = Places::new(Bounds { all, brand: all, binding: all });
        Warm { state: Mutex::default(), places, limits: Arc::clone(limits) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The list, unless somebody keeps it longer than a look takes. A thread that only gets spare CPU may have been stopped
    /// with the list in its hands; no question waits for that one.
    fn try_lock(&self) -> Option<MutexGuard<'_, State>> {
        for _ in 0..LOOKS {
            match self.state.try_lock() {
                Ok(state) => return Some(state),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => core::hint::spin_loop(),
            }
        }
        None
    }

    /// The one of this binding that came last: its memory is in the caches.
    pub(crate) fn take(&self, bound: &Arc<Bound>) -> Option<Box<Kept>> {
        let mut state = self.try_lock()?;
        let at = state.idle.iter().rposition(|idle| Arc::ptr_eq(&idle.bound, bound))?;
        Some(state.idle.remove(at).kept)
    }

    /// Lets one wait, in place of another where there is no room, or drops it. It has been put to rest.
    pub(crate) fn keep(self: &Arc<Self>, bound: &Arc<Bound>, kept: Box<Kept>) {
        let bytes = kept.store.data().bytes();
        // As many as it takes have to go first.
        for _ in 0..=self.limits.warm_max {
            let Some(mut state) = self.try_lock() else { return bound.warm.gone(Gone::Contended) };
            let evicted = match state.room(bound, bytes, &self.limits) {
                Room::None(why) => {
                    drop(state);
                    return bound.warm.gone(why);
                }
                Room::Of(at) => state.idle.remove(at),
                Room::Here => match self.places.take(bound.spec.scope.brand, bound.spec.id) {
                    Ok(place) => {
                        let bound = Arc::clone(bound);
                        state.idle.push(Idle { kept, bound, bytes, since: Instant::now(), _place: place });
                        return self.watch(state);
                    }
                    Err(_) if state.idle.is_empty() => break,
                    Err(_) => state.idle.remove(0),
                },
            };
            drop(state);
            evicted.bound.warm.gone(Gone::Evicted);
        }
        bound.warm.gone(Gone::Full);
    }

    /// Begins to look after those that wait, unless somebody does. Every question is asked on a runtime.
    fn watch(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if !core::mem::replace(&mut state.watched, true) {
            drop(state);
            runtime.spawn(look_after(Arc::downgrade(self)));
        }
    }

    /// Drops those that have waited too long; gives when the next one has.
    fn sweep(&self) -> Option<Instant> {
        let idle_for = Duration::from_millis(u64::from(self.limits.warm_idle_ms));
        let now = Instant::now();
        let mut state = self.lock();
        let late = state.idle.iter().take_while(|idle| idle.since + idle_for <= now).count();
        let late: Vec<Idle> = state.idle.drain(..late).collect();
        let next = state.idle.first().map(|idle| idle.since + idle_for);
        state.watched = next.is_some();
        drop(state);
        late.iter().for_each(|idle| idle.bound.warm.gone(Gone::Idle));
        next
    }

    /// Drops what waits of a binding, and takes none of it any more.
    pub(crate) fn retire(&self, bound: &Arc<Bound>) {
        bound.retired.store(true, Ordering::SeqCst);
        let gone: Vec<Idle> = self.lock().idle.extract_if(.., |idle| Arc::ptr_eq(&idle.bound, bound)).collect();
        gone.iter().for_each(|idle| idle.bound.warm.gone(Gone::Retired));
    }

    /// How many wait.
    pub(crate) fn idle(&self) -> u64 {
        u64::from(self.places.live())
    }

    /// One binding's figures.
    pub(crate) fn figures(&self, bound: &Bound) -> WarmFigures {
        let state = self.lock();
        let own = state.idle.iter().filter(|idle| core::ptr::eq(Arc::as_ptr(&idle.bound), bound));
        let idle = own.fold((0, 0), |(n, bytes), idle| (n + 1, bytes + idle.bytes as u64));
        drop(state);
        bound.warm.figures(idle)
    }
}

/// Looks after those that wait, until none does.
async fn look_after(warm: Weak<Warm>) {
    loop {
        let Some(next) = warm.upgrade().and_then(|warm| warm.sweep()) else { return };
        tokio::time::sleep_until(next.into()).await;
    }
}
