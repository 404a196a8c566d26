//! Two tiers of threads for one lane's guests, so that a guest that computes is in nobody's way.
//!
//! Every guest begins on the *front* threads, at the priority of the rest of the switch: an honest hook is over within
//! microseconds. One that has used its first slice there moves to the *back* threads, which get only what CPU nobody
//! else wants (`SCHED_IDLE`: any other thread that wakes takes the core from them at once, where a nice value would
//! let them finish a scheduler's slice of some milliseconds). When it waits again, it comes back to the front.
//!
//! At the back brands take turns: of one brand's guests no more compute at once than there are threads, so that a guest
//! that has to compute a little waits for some guest of each other brand, not for all of them.

use core::future::Future;
use core::pin::Pin;
use core::task::Poll;
use model::BrandId;
use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

/// Whether a guest has used its first slice and not waited since. Shared by the guest's store and its task.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heavy {
    heavy: Arc<AtomicBool>,
    /// Its brand's turns at the back; without, it is polled whenever it is ready.
    turns: Option<Arc<Semaphore>>,
}

impl Heavy {
    pub(crate) fn set(&self, heavy: bool) {
        self.heavy.store(heavy, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> bool {
        self.heavy.load(Ordering::Relaxed)
    }
}

/// Both tiers of a lane.
#[derive(Debug)]
pub(crate) struct Tiers {
    front: Option<Runtime>,
    back: Option<Runtime>,
    handles: Handles,
    /// Of the brands that have a guest now. Each brand has as many as there are threads at the back.
    turns: Mutex<HashMap<BrandId, Weak<Semaphore>>>,
    turns_each: usize,
}

/// Brands whose turns are kept before those without a guest are forgotten.
const TURNS_KEPT: usize = 1_024;

/// The way to both tiers, without holding their threads.
#[derive(Clone, Debug)]
struct Handles {
    front: Handle,
    back: Handle,
}

impl Tiers {
    /// Starts so many threads for the front and the back; those of the back run on spare CPU only if `spare`.
    pub(crate) fn start(lane: &'static str, threads: (usize, usize), spare: bool) -> std::io::Result<Tiers> {
        let tier = |name: &str, threads| {
            let mut builder = Builder::new_multi_thread();
            builder
                .worker_threads(threads)
                .thread_name(format!("{lane}-{name}"))
                // A guest that computes yields every epoch: new work and timers must not wait for dozens of such turns.
                .global_queue_interval(3)
                .event_interval(3)
                .enable_time();
            builder
        };
        let front = tier("front", threads.0).build()?;
        let back = tier("back", threads.1)
            .on_thread_start(move || {
                if spare {
                    take_spare_cpu_only();
                }
            })
            .build()?;
        let handles = Handles { front: front.handle().clone(), back: back.handle().clone() };
        let (turns, turns_each) = (Mutex::default(), threads.1.max(1));
        Ok(Tiers { front: Some(front), back: Some(back), handles, turns, turns_each })
    }

    /// The mark of a new guest, which takes turns with the others of its brand.
    pub(crate) fn heavy(&self, brand: BrandId) -> Heavy {
        let mut kept = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = kept.get(&brand).and_then(Weak::upgrade) {
            return Heavy { heavy: Arc::default(), turns: Some(turns) };
        }
        if kept.len() >= TURNS_KEPT {
            kept.retain(|_, turns| turns.strong_count() > 0);
        }
        let turns = Arc::new(Semaphore::new(self.turns_each));
        kept.insert(brand, Arc::downgrade(&turns));
        Heavy { heavy: Arc::default(), turns: Some(turns) }
    }

    /// Runs a guest's future, wherever it belongs at the moment. Aborting the task drops the future.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        heavy: Heavy,
        guest: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let back = self.handles.back.clone();
        self.handles.front.spawn(wander(back, heavy, Box::pin(guest)))
    }
}

impl Drop for Tiers {
    fn drop(&mut self) {
        // A runtime must not block a thread that may itself belong to a runtime.
        for runtime in [self.front.take(), self.back.take()].into_iter().flatten() {
            runtime.shutdown_background();
        }
    }
}

type Guest<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// How a stay on one tier ended.
enum Stay<T> {
    Over(T),
    Moves(Guest<T>),
}

async fn wander<T: Send + 'static>(back: Handle, heavy: Heavy, mut guest: Guest<T>) -> T {
    loop {
        match stay(guest, &heavy, false).await {
            Stay::Over(value) => return value,
            Stay::Moves(moves) => guest = moves,
        }
        let own = heavy.clone();
        let there = AbortOnDrop(back.spawn(async move { stay(guest, &own, true).await }));
        match there.ended().await {
            Some(Stay::Over(value)) => return value,
            Some(Stay::Moves(moves)) => guest = moves,
            // The back is being shut down, and with it the lane: this task is about to be dropped as well.
            None => return core::future::pending().await,
        }
    }
}

/// Polls the guest as long as it belongs here: heavy ones at the back, where each poll is a turn.
async fn stay<T>(guest: Guest<T>, heavy: &Heavy, at_back: bool) -> Stay<T> {
    let mut guest = Some(guest);
    let turns = heavy.turns.as_ref().filter(|_| at_back);
    let mut waiting: Option<Turn> = None;
    poll_fn(move |context| {
        let _turn = match turns {
            Some(turns) => {
                let next = waiting.get_or_insert_with(|| turn(turns));
                let Poll::Ready(turn) = next.as_mut().poll(context) else { return Poll::Pending };
                waiting = None;
                turn
            }
            None => None,
        };
        let Some(mut here) = guest.take() else { return Poll::Pending };
        match here.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Stay::Over(value)),
            // Whoever polls it next registers its own waker.
            Poll::Pending if heavy.get() != at_back => Poll::Ready(Stay::Moves(here)),
            Poll::Pending => {
                guest = Some(here);
                Poll::Pending
            }
        }
    })
    .await
}

type Turn = Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>;

/// A turn, when it comes: those who wait are served in order.
fn turn(turns: &Arc<Semaphore>) -> Turn {
    // Nobody closes it; a guest would be polled all the same.
    let next = Arc::clone(turns).acquire_owned();
    Box::pin(async move { next.await.ok() })
}

/// A task that does not outlive who waits for it.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> AbortOnDrop<T> {
    /// Its value; `None` when it was dropped or has panicked.
    async fn ended(mut self) -> Option<T> {
        (&mut self.0).await.ok()
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The calling thread runs only while no other thread wants the core.
#[cfg(target_os = "linux")]
pub fn take_spare_cpu_only() {
    use thread_priority::{
        NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
        thread_native_id,
    };
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle) {
        tracing::warn!(?error, "a thread could not give way to the others: what it computes may delay calls");
    }
}

#[cfg(not(target_os = "linux"))]
/// Elsewhere threads have no such class.
pub fn take_spare_cpu_only() {}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    fn thread() -> String {
        std::thread::current().name().unwrap_or_default().to_owned()
    }

    /// A guest that notes on which tier it runs: light, then heavy, then after a wait light again.
    #[test]
    fn a_guest_moves_to_the_back_when_it_computes_and_returns_when_it_waits() {
        let tiers = Tiers::start("test", (1, 1), true).unwrap();
        let heavy = Heavy::default();
        let own = heavy.clone();
        let task = tiers.spawn(heavy, async move {
            let mut seen = vec![thread()];
            own.set(true);
            tokio::task::yield_now().await;
            seen.push(thread());
            own.set(false);
            tokio::task::yield_now().await;
            seen.push(thread());
            seen
        });
        let seen = tiers.handles.front.block_on(task).unwrap();
        assert_eq!(seen, ["test-front", "test-back", "test-front"]);
    }

    /// Guests of one brand compute for ever; another brand's is polled within a few of their turns, not after all.
    #[test]
    fn brands_take_turns_at_the_back() {
        let tiers = Tiers::start("test", (1, 1), false).unwrap();
        let spins = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let spinners: Vec<_> = (0..200)
            .map(|_| {
                let heavy = tiers.heavy(BrandId(1));
                heavy.set(true);
                let spins = Arc::clone(&spins);
                AbortOnDrop(tiers.spawn(heavy, async move {
                    loop {
                        spins.fetch_add(1, Ordering::Relaxed);
                        tokio::task::yield_now().await;
                    }
                }))
            })
            .collect();
        while spins.load(Ordering::Relaxed) < 10_000 {
            std::thread::yield_now();
        }
        let heavy = tiers.heavy(BrandId(2));
        heavy.set(true);
        let seen = Arc::clone(&spins);
        let other = tiers.spawn(heavy, async move {
            // On its way to the back it is no matter of turns.
            while thread() != "test-back" {
                tokio::task::yield_now().await;
            }
            let before = seen.load(Ordering::Relaxed);
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            seen.load(Ordering::Relaxed) - before
        });
        let meanwhile = tiers.handles.front.block_on(other).unwrap();
        // Without turns it would be two hundred for each of its own.
        assert!(meanwhile <= 100 * 20, "{meanwhile} turns of the others for 100 of its own");
        drop(spinners);
    }

    #[test]
    fn an_aborted_guest_is_dropped_at_the_back_too() {
        struct Tell(Option<oneshot::Sender<()>>);
        impl Drop for Tell {
            fn drop(&mut self) {
                let _ = self.0.take().unwrap().send(());
            }
        }
        let tiers = Tiers::start("test", (1, 1), true).unwrap();
        let heavy = Heavy::default();
        heavy.set(true);
        let (dropped, is_dropped) = oneshot::channel();
        let (begun, has_begun) = oneshot::channel();
        let tell = Tell(Some(dropped));
        let task = tiers.spawn(heavy, async move {
            let _tell = tell;
            let mut begun = Some(begun);
            loop {
                tokio::task::yield_now().await;
                if thread() == "test-back" {
                    begun.take().map(|b| b.send(()));
                }
            }
        });
        tiers.handles.front.block_on(async {
            has_begun.await.unwrap();
            task.abort();
            is_dropped.await.unwrap();
        });
    }
}
