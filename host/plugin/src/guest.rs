//! One instance's side of the host: its CPU budget, its limits, and what its imports work on.

use crate::binding::Bound;
use crate::capability::{Ledger, LineBudget, Purse};
use crate::control::Script;
use crate::engine::{FUEL, fuel, instance_limits};
use crate::tape::Tape;
use crate::ticker::{Running, TICK, Ticker};
use crate::tiers::Heavy;
use crate::{Artifact, GuestClock, HostConfig};
use core::future::Future;
use core::time::Duration;
use model::{BrandId, CallId, CompanyId, Directory};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use wasmtime::{Engine, ResourceLimiter, Store, StoreLimits, UpdateDeadline};

/// The data of a store.
///
/// # Invariants
/// `running` is held exactly while the guest may execute: a parked guest does not keep the epoch going.
pub(crate) struct Guest {
    pub(crate) bound: Arc<Bound>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) brand: BrandId,
    pub(crate) company: CompanyId,
    pub(crate) call: Option<CallId>,
    pub(crate) began: Instant,
    pub(crate) clock: GuestClock,
    pub(crate) began_ms: u64,
    pub(crate) lines: LineBudget,
    /// How many lines, and bytes of them, its binding keeps.
    pub(crate) log_kept: (usize, usize),
    pub(crate) series_max: usize,
    /// Only a call app has one; without it call control is denied.
    pub(crate) script: Option<Script>,
    /// What it may do with the company's money, and who keeps the books.
    pub(crate) purse: Purse,
    pub(crate) ledger: Option<Arc<dyn Ledger>>,
    /// Whether it is recorded, or replayed.
    pub(crate) tape: Tape,
    cpu: Cpu,
    held: Held,
    ticker: Arc<Ticker>,
    running: Option<Running>,
    _live: LiveInstance,
}

/// What it holds of memory and tables, and how much it may.
struct Held {
    limits: StoreLimits,
    bytes: usize,
    refused: bool,
}

impl ResourceLimiter for Held {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let granted = self.limits.memory_growing(current, desired, maximum)?;
        self.refused |= !granted;
        if granted {
            self.bytes = self.bytes.saturating_add(desired.saturating_sub(current));
        }
        Ok(granted)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.refused = true;
        self.limits.memory_grow_failed(error)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let granted = self.limits.table_growing(current, desired, maximum)?;
        self.refused |= !granted;
        Ok(granted)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.refused = true;
        self.limits.table_grow_failed(error)
    }

    fn instances(&self) -> usize {
        self.limits.instances()
    }

    fn tables(&self) -> usize {
        self.limits.tables()
    }

    fn memories(&self) -> usize {
        self.limits.memories()
    }
}

/// CPU time, counted in epochs during which the guest ran.
#[derive(Debug)]
struct Cpu {
    budget: u64,
    left: u64,
    /// The guest has just come back from a wait: the epochs that passed were not its own.
    resumed: bool,
    spent: bool,
    /// When it began, or came back from its last wait.
    since: Instant,
    heavy: Heavy,
}

/// Who is asked, for whom; what every fresh instance needs to know.
pub(crate) struct Seat<'a> {
    pub(crate) bound: &'a Arc<Bound>,
    pub(crate) directory: &'a Arc<Directory>,
    pub(crate) brand: BrandId,
    pub(crate) company: CompanyId,
    /// None outside a call.
    pub(crate) call: Option<CallId>,
    pub(crate) script: Option<Script>,
    pub(crate) purse: Purse,
    pub(crate) cpu: Duration,
    pub(crate) heavy: &'a Heavy,
    pub(crate) tape: Tape,
}

/// What a guest may compute at the front; a hook of a script engine takes less.
const FIRST_SLICE: Duration = Duration::from_micros(500);

/// Makes the store of a fresh instance. Its epoch budget begins with it.
pub(crate) fn store(engine: &Engine, seat: Seat<'_>, config: &HostConfig, ticker: &Arc<Ticker>) -> Store<Guest> {
    let began = Instant::now();
    let guest = Guest {
        bound: Arc::clone(seat.bound),
        directory: Arc::clone(seat.directory),
        brand: seat.brand,
        company: seat.company,
        call: seat.call,
        began,
        clock: config.clock.clone(),
        began_ms: config.clock.now_ms(),
        lines: LineBudget::new(config.log_lines_max),
        log_kept: (config.log_kept_lines_max, config.log_kept_bytes_max),
        series_max: config.metric_series_max,
        script: seat.script,
        purse: seat.purse,
        ledger: config.ledger.clone(),
        tape: seat.tape,
        cpu: Cpu::new(seat.cpu, seat.heavy, began),
        held: Held { limits: instance_limits(config), bytes: 0, refused: false },
        ticker: Arc::clone(ticker),
        running: Some(ticker.run()),
        _live: LiveInstance::new(Arc::clone(&seat.bound.spec.artifact)),
    };
    let mut store = Store::new(engine, guest);
    store.limiter(|g| &mut g.held);
    // Of each host call, not of all.
    store.set_hostcall_fuel(config.hostcall_bytes_max);
    arm(&mut store, config);
    store.epoch_deadline_callback(|mut context| Ok(context.data_mut().cpu.tick(Instant::now())));
    store
}

/// Gives an instance that has rested another question's seat: every budget begins anew, and nothing of the last one's is
/// left. Only its own clock (`monotonic-ns`) goes on: it counts from when the instance began.
pub(crate) fn seat_again(store: &mut Store<Guest>, seat: Seat<'_>, config: &HostConfig) {
    let cpu = Cpu::new(seat.cpu, seat.heavy, Instant::now());
    let guest = store.data_mut();
    guest.directory = Arc::clone(seat.directory);
    (guest.brand, guest.company, guest.call) = (seat.brand, seat.company, seat.call);
    (guest.script, guest.purse, guest.tape) = (seat.script, seat.purse, seat.tape);
    guest.lines = LineBudget::new(config.log_lines_max);
    guest.cpu = cpu;
    guest.running = Some(guest.ticker.run());
    arm(store, config);
}

/// Gives a store its first epoch.
fn arm(store: &mut Store<Guest>, config: &HostConfig) {
    // A store starts with deadline 0 and would trap at its first instruction; one that has rested may be long past its own.
    store.set_epoch_deadline(1);
    fuel(store, config);
}

/// Adds what an instance has used to the count, where somebody counts.
pub(crate) fn count_fuel(store: &Store<Guest>, config: &HostConfig) {
    if let Some(meter) = &config.fuel {
        meter.fetch_add(FUEL - store.get_fuel().unwrap_or(FUEL), Ordering::Relaxed);
    }
}

impl Cpu {
    /// A whole budget, from now.
    fn new(time: Duration, heavy: &Heavy, since: Instant) -> Cpu {
        let budget = u64::try_from(time.as_nanos() / TICK.as_nanos()).unwrap_or(u64::MAX).max(1);
        Cpu { budget, left: budget, resumed: false, spent: false, since, heavy: heavy.clone() }
    }

    /// An epoch has passed while the guest ran.
    fn tick(&mut self, now: Instant) -> UpdateDeadline {
        if core::mem::take(&mut self.resumed) {
            return UpdateDeadline::Continue(1);
        }
        if self.left == 0 {
            self.spent = true;
            return UpdateDeadline::Interrupt;
        }
        self.left -= 1;
        if now.duration_since(self.since) < FIRST_SLICE {
            // The epoch began long before the guest did.
            return UpdateDeadline::Continue(1);
        }
        self.heavy.set(true);
        UpdateDeadline::Yield(1)
    }

    fn resume(&mut self, now: Instant) {
        self.left = self.budget;
        self.resumed = true;
        self.since = now;
        self.heavy.set(false);
    }
}

impl Guest {
    /// Waits in an import: the guest is parked, the epoch may sleep, and its CPU budget begins anew afterwards.
    pub(crate) async fn park<T>(&mut self, wait: impl Future<Output = T>) -> T {
        self.running = None;
        self.cpu.heavy.set(false);
        let value = wait.await;
        self.running = Some(self.ticker.run());
        self.cpu.resume(Instant::now());
        value
    }

    /// Takes from it whom it was asked about, and lets the epoch sleep. What a question opened goes with it.
    pub(crate) fn rest(&mut self, nothing_known: &Arc<Directory>) {
        self.directory = Arc::clone(nothing_known);
        (self.company, self.call) = (CompanyId(0), None);
        (self.script, self.purse, self.tape) = (None, Purse::None, Tape::Off);
        self.running = None;
    }

    /// Its linear memory, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.held.bytes
    }

    /// Whether it ever asked for more memory or table than there is.
    pub(crate) fn over_quota(&self) -> bool {
        self.held.refused
    }

    /// Whether the guest was stopped for using up its CPU.
    pub(crate) fn cpu_spent(&self) -> bool {
        self.cpu.spent
    }

    /// Whether it used at least half of its CPU: a guest that ran into a wall deadline without is a victim, not a cause.
    pub(crate) fn cpu_half_spent(&self) -> bool {
        self.cpu.left <= self.cpu.budget / 2
    }
}

/// Counts an artifact's living instances.
struct LiveInstance(Arc<Artifact>);

impl LiveInstance {
    fn new(artifact: Arc<Artifact>) -> LiveInstance {
        artifact.live.fetch_add(1, Ordering::Relaxed);
        LiveInstance(artifact)
    }
}

impl Drop for LiveInstance {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_budget_ends_and_a_wait_is_not_counted() {
        let heavy = Heavy::default();
        let began = Instant::now();
        let mut cpu = Cpu { budget: 3, left: 3, resumed: false, spent: false, since: began, heavy: heavy.clone() };
        assert!(matches!(cpu.tick(began + FIRST_SLICE / 2), UpdateDeadline::Continue(1)));
        assert!(!heavy.get());
        assert!(matches!(cpu.tick(began + FIRST_SLICE), UpdateDeadline::Yield(1)));
        assert!(heavy.get());
        let resumed = began + 10 * TICK;
        cpu.resume(resumed);
        assert!(!heavy.get());
        assert!(matches!(cpu.tick(resumed), UpdateDeadline::Continue(1)));
        for epoch in 1..=3 {
            assert!(matches!(cpu.tick(resumed + epoch * TICK), UpdateDeadline::Yield(1)));
        }
        assert!(matches!(cpu.tick(resumed + 4 * TICK), UpdateDeadline::Interrupt));
        assert!(cpu.spent);
    }
}
