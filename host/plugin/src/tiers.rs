//! Two tiers of threads for one lane's guests, so that a guest that computes is in nobody's way.
//!
//! Every guest begins on the *front* threads, at the priority of the rest of the switch: an honest hook is over within
//! microseconds. One that has used its first slice there moves to the *back* threads, which get only what CPU nobody
//! else wants (`SCHED_IDLE`: any other thread that wakes takes the core from them at once, where a nice value would
//! let them finish a scheduler's slice of some milliseconds). When it waits again, it comes back to the front.

use core::future::Future;
use core::pin::Pin;
use core::task::Poll;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

/// Whether a guest has used its first slice and not waited since. Shared by the guest's store and its task.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heavy(Arc<AtomicBool>);

impl Heavy {
    pub(crate) fn set(&self, heavy: bool) {
        self.0.store(heavy, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Both tiers of a lane.
#[derive(Debug)]
pub(crate) struct Tiers {
    front: Option<Runtime>,
    back: Option<Runtime>,
    handles: Handles,
}

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
        Ok(Tiers { front: Some(front), back: Some(back), handles })
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

/// Polls the guest as long as it belongs here: heavy ones at the back.
async fn stay<T>(guest: Guest<T>, heavy: &Heavy, at_back: bool) -> Stay<T> {
    let mut guest = Some(guest);
    poll_fn(move |context| {
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
fn take_spare_cpu_only() {
    use thread_priority::{
        NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
        thread_native_id,
    };
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle) {
        tracing::warn!(?error, "a plugin thread could not give way to the others: computing plugins may delay calls");
    }
}

#[cfg(not(target_os = "linux"))]
fn take_spare_cpu_only() {}

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
