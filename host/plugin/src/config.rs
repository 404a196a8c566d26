//! Every limit of the plugin host: a name and a number.

use crate::{CodeCache, Compiler, GuestClock, HttpClients, InProcess, Ledger, MailDoor, Notices, PrefixTables};
use core::time::Duration;
use model::Limits;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tables::Kv;

/// How the host runs and what a guest may use.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// The switch's limits: plans are checked against them, the routing deadline is theirs.
    pub limits: Limits,
    /// Threads of each tier that run hooks; 0 means as many as cores, at least two and at most four, at the front, and one
    /// less than the cores at the back.
    pub hook_threads: usize,
    /// Threads of each tier that run call apps; 0 means one for every four cores, at least one.
    pub app_threads: usize,
    /// A guest that computes beyond its first slice gets only CPU that nobody else wants. Off only in tests, which share
    /// their machine.
    pub spare_cpu_only: bool,
    /// Hook instances alive at once; one more fails at once with `saturated`.
    pub hooks_max: u32,
    /// Parked call apps alive at once; cut down at start to what `vm.max_map_count` can carry.
    pub apps_max: u32,
    /// Hooks alive at once that may wait: `routing/router-io` and event sinks. They have places of their own.
    pub waits_max: u32,
    /// Raters alive at once. Their places are their own: no parked app keeps them from one.
    pub raters_max: u32,
    /// How much of each kind of place one brand may have where another is bound as well, in percent, a place at least.
    pub brand_share_percent: u8,
    /// How much of each kind of place one binding may have where there is another, in percent, a place at least.
    pub binding_share_percent: u8,
    /// CPU time of one hook.
    pub hook_cpu: Duration,
    /// CPU time of a call app between two waits.
    pub app_cpu: Duration,
    /// Time of one question about a configuration (`host/lifecycle`).
    pub lifecycle_cpu: Duration,
    /// A configuration that a plugin is asked about or gives, in bytes.
    pub config_bytes_max: usize,
    /// Wall time of a call app, over all.
    pub app_life: Duration,
    /// Verbs one call app may use.
    pub app_verbs_max: u32,
    /// Linear memory of one guest, in bytes.
    pub memory_bytes_max: usize,
    /// Elements of one guest's tables.
    pub table_elements_max: usize,
    /// Strings and lists one host call may bring, in bytes.
    pub hostcall_bytes_max: usize,
    /// Log lines of one instance at once; ten more each second.
    pub log_lines_max: u32,
    /// Log lines of one binding that are kept to be looked at.
    pub log_kept_lines_max: usize,
    /// Bytes of text of one binding's log lines that are kept.
    pub log_kept_bytes_max: usize,
    /// Metric series of one binding.
    pub metric_series_max: usize,
    /// Size of a component file, in bytes.
    pub artifact_bytes_max: usize,
    /// What turns components into machine code.
    pub compiler: Arc<dyn Compiler>,
    /// Where compiled code is kept; without one each start compiles everything.
    pub code_cache: Option<Arc<CodeCache>>,
    /// Requests to the outside that one binding may have under way.
    pub http_per_binding_max: usize,
    /// Events that wait for one `hooks/event-sink` binding.
    pub events_waiting_max: usize,
    /// Wall time of one delivery to an event sink.
    pub event_deliver: Duration,
    /// What plugins keep; whoever makes the host writes its changes to a disk.
    pub kv: Kv,
    /// Prefix tables, by brand.
    pub prefix_tables: PrefixTables,
    /// Who sends requests to the outside.
    pub http: HttpClients,
    /// Who takes mail; empty until somebody does.
    pub mail: MailDoor,
    /// Where the host says what it did to a binding by itself.
    pub notices: Notices,
    /// Who keeps the companies' books; without one a rater has none.
    pub ledger: Option<Arc<dyn Ledger>>,
    /// What guests take for the time.
    pub clock: GuestClock,
    /// Counts the instructions of every instance that has ended; makes guests slower. For tests of plugins.
    pub fuel: Option<Arc<AtomicU64>>,
}

impl Default for HostConfig {
    fn default() -> Self {
        HostConfig {
            limits: Limits::default(),
            hook_threads: 0,
            app_threads: 0,
            spare_cpu_only: true,
            hooks_max: 256,
            apps_max: 10_000,
            waits_max: 512,
            raters_max: 512,
            brand_share_percent: 60,
            binding_share_percent: 50,
            hook_cpu: Duration::from_millis(20),
            app_cpu: Duration::from_millis(200),
            lifecycle_cpu: Duration::from_secs(1),
            config_bytes_max: 256 << 10,
            app_life: Duration::from_secs(4 * 3600),
            app_verbs_max: 100_000,
            memory_bytes_max: 32 << 20,
            table_elements_max: 20_000,
            hostcall_bytes_max: 1 << 20,
            log_lines_max: 50,
            log_kept_lines_max: 500,
            log_kept_bytes_max: 64 << 10,
            metric_series_max: 64,
            artifact_bytes_max: 64 << 20,
            compiler: Arc::new(InProcess),
            code_cache: None,
            http_per_binding_max: 32,
            events_waiting_max: 10_000,
            event_deliver: Duration::from_secs(10),
            kv: Kv::default(),
            prefix_tables: PrefixTables::default(),
            http: HttpClients::new(256),
            mail: MailDoor::default(),
            notices: Notices::default(),
            ledger: None,
            clock: GuestClock::default(),
            fuel: None,
        }
    }
}
