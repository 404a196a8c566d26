//! The clock that interrupts guests: one thread that advances the engines' epoch once a millisecond while any guest
//! runs, and sleeps while all are parked, so that 10,000 waiting scripts cost no CPU.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::time::Duration;
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use wasmtime::Engine;

/// One epoch.
pub(crate) const TICK: Duration = Duration::from_millis(1);
/// So many epochs without a running guest put the thread to sleep. Waking it costs a guest's start a system call; ticking
/// on for nobody costs as much each millisecond.
const IDLE_TICKS: u32 = 4;

/// Advances epochs while somebody holds a [`Running`].
///
/// # Invariants
/// Whenever `running` is above zero the thread is awake or has an unpark token: both sides write their flag before
/// they read the other's, sequentially consistent.
#[derive(Debug, Default)]
pub(crate) struct Ticker {
    running: AtomicUsize,
    asleep: AtomicBool,
    stopped: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Ticker {
    /// Starts the thread; it ends with [`Ticker::stop`].
    pub(crate) fn start(engines: Vec<Engine>) -> Result<Arc<Ticker>, std::io::Error> {
        let ticker = Arc::new(Ticker::default());
        let own = Arc::clone(&ticker);
        let thread = std::thread::Builder::new().name("plugin-ticker".to_owned()).spawn(move || own.tick(&engines))?;
        let _ = ticker.thread.set(thread.thread().clone());
        Ok(ticker)
    }

    fn tick(&self, engines: &[Engine]) {
        let mut idle = 0;
        while !self.stopped.load(Ordering::SeqCst) {
            if idle >= IDLE_TICKS {
                self.asleep.store(true, Ordering::SeqCst);
                while self.running.load(Ordering::SeqCst) == 0 && !self.stopped.load(Ordering::SeqCst) {
                    std::thread::park();
                }
                self.asleep.store(false, Ordering::SeqCst);
                idle = 0;
            }
            std::thread::sleep(TICK);
            for engine in engines {
                engine.increment_epoch();
            }
            idle = if self.running.load(Ordering::SeqCst) == 0 { idle + 1 } else { 0 };
        }
    }

    /// Keeps the epoch going until the guard is dropped.
    pub(crate) fn run(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) {
            self.wake();
        }
        Running(Arc::clone(self))
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.wake();
    }

    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

/// A guest runs.
#[derive(Debug)]
pub(crate) struct Running(Arc<Ticker>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}
