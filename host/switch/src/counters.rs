//! The shard's figures, for metrics and for tests that want every table empty.

/// Totals since the start and gauges of now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// SIP messages received.
    pub sip_received: u64,
    /// SIP messages sent.
    pub sip_sent: u64,
    /// Messages that were not SIP, or could not be answered, and were dropped.
    pub sip_dropped: u64,
    /// Malformed requests that were answered.
    pub sip_rejected: u64,
    /// Calls opened, answered, ended, and what the chain missed.
    pub calls: call::Counters,
    /// Calls alive.
    pub calls_alive: usize,
    /// Transactions alive.
    pub transactions_alive: usize,
    /// Dialogs alive.
    pub dialogs_alive: usize,
    /// Proxied calls alive, those that only wait for the end of cancelled branches included.
    pub proxied_alive: usize,
    /// Bindings alive.
    pub bindings_alive: usize,
    /// Trunks: calls, registrations, servers.
    pub trunks: sip_trunk::Figures,
    /// Streams open.
    pub streams_open: usize,
    /// Lookups of next hops that wait for the shell.
    pub lookups_alive: usize,
    /// Lookups that were answered when nobody waited for them any more.
    pub lookups_stale: u64,
    /// Media ports free, those at rest not counted.
    pub ports_free: usize,
    /// Media ports in all.
    pub ports_total: usize,
    /// The guard's totals.
    pub guard: admission::GuardCounters,
    /// What was shed.
    pub overload: admission::ShedderCounters,
    /// Admission's totals.
    pub admission: admission::Counters,
    /// Subscriptions alive.
    pub subscriptions_alive: usize,
    /// Publications alive.
    pub publications_alive: usize,
    /// The notifier's totals.
    pub events: sip_events::Counters,
    /// Answers of registration hooks that came after their deadline.
    pub register_answers_stale: u64,
    /// REGISTERs answered 200.
    pub registered: u64,
    /// Packets sent to keep phones behind NATs reachable.
    pub nat_pings: u64,
}
