//! Counters of the host, read by the shell for `/metrics`.

use crate::{CodeFigures, Digest, Point, PoolUse, Tripped};
use model::BindingId;

/// How a binding does now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BindingState {
    /// Instances of it alive now, over all its versions.
    pub instances: u32,
    /// Instances of it that may be alive now.
    pub instances_max: u32,
    /// Its breaker is open: its plugin kept failing and is asked by its probes only.
    pub tripped: Option<Tripped>,
}

/// A snapshot of every counter.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct HostMetrics {
    /// Chains asked that had at least one binding.
    pub asks: u64,
    /// Chains asked that had none.
    pub asks_unbound: u64,
    /// Replies to apps that no longer waited for them.
    pub stale_replies: u64,
    /// Hook instances alive now.
    pub hooks_live: u64,
    /// Instances that wait warm for a question, of both engines; they are not among those alive.
    pub warm_idle: u64,
    /// How many may.
    pub warm_max: u64,
    /// Call apps alive now.
    pub apps_live: u64,
    /// The places for instances, by what they are for.
    pub pools: Vec<PoolUse>,
    /// Components kept compiled.
    pub artifacts: u64,
    /// What became of compiled code.
    pub code: CodeFigures,
    /// The generation of bindings in use.
    pub generation: u64,
    /// Per binding of the generation in use.
    pub bindings: Vec<BindingMetrics>,
}

/// Counters of one binding since it was bound in this version.
#[derive(Clone, PartialEq, Debug)]
pub struct BindingMetrics {
    /// The row.
    pub id: BindingId,
    /// The name.
    pub name: String,
    /// The point.
    pub point: Point,
    /// The plugin's id and version.
    pub plugin: String,
    /// The component.
    pub digest: Digest,
    /// Invocations that ran and ended, well or badly.
    pub calls: u64,
    /// Of those, how many trapped.
    pub traps: u64,
    /// How many ran out of CPU or wall time.
    pub timeouts: u64,
    /// How many gave an answer that breaks a rule.
    pub invalid: u64,
    /// Invocations that did not begin because the pool was full.
    pub saturated: u64,
    /// Invocations that did not begin because the breaker was open.
    pub tripped: u64,
    /// Log lines of guests that were over the budget.
    pub log_dropped: u64,
    /// Time of all hooks, instantiation and drop included.
    pub took_ns: u64,
    /// Hooks by time: the count at `i` took less than `2^i` microseconds and not less than half of it; the last has no bound.
    pub took_log2_us: [u64; 20],
    /// Instances of it alive now, over all its versions.
    pub live: u32,
    /// Instances of it that may be alive.
    pub live_max: u32,
    /// Whether the breaker is open now.
    pub open: bool,
    /// Of an event sink: what waits and what was told.
    pub events: EventFigures,
    /// What became of its instances, where they are kept warm.
    pub warm: WarmFigures,
    /// The version on trial, if there is one.
    pub trial: Option<TrialFigures>,
    /// What the guest itself counted (`host/metrics`).
    pub series: Vec<GuestSeries>,
}

/// The instances of one binding that are kept between questions; all zero where none are.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WarmFigures {
    /// Questions that an instance was asked which had answered before.
    pub hits: u64,
    /// Instances made.
    pub made: u64,
    /// Those that wait now.
    pub idle: u64,
    /// Their linear memory, in bytes; pages that nobody has written to are shared and cost nothing.
    pub idle_bytes: u64,
    /// Those that went, by reason.
    pub gone: Vec<(&'static str, u64)>,
}

/// How a version on trial does.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TrialFigures {
    /// The plugin's id and version.
    pub plugin: String,
    /// How many of a hundred calls it answers; 0 is a shadow.
    pub percent: u8,
    /// Whether it did worse and is asked no more.
    pub rolled_back: bool,
    /// Calls it was asked about.
    pub calls: u64,
    /// Of those, how many ended in a trap, a timeout or a broken rule.
    pub failures: u64,
    /// Of a shadow: answers that were the same.
    pub same: u64,
    /// Answers that were not.
    pub different: u64,
    /// The last of them, as `CALL: SERVED | SHADOW`.
    pub differences: Vec<String>,
}

/// The events of one event sink, over all its versions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EventFigures {
    /// Events that wait.
    pub waiting: u64,
    /// Events that it has taken.
    pub told: u64,
    /// Events that were put aside: after too many failures, or because too many waited.
    pub dead: u64,
}

/// One series of a guest.
#[derive(Clone, PartialEq, Debug)]
pub struct GuestSeries {
    /// The name.
    pub name: String,
    /// The labels.
    pub labels: Vec<(String, String)>,
    /// How many times it was counted or observed.
    pub count: u64,
    /// The sum of deltas or of observed values.
    pub sum: f64,
}
