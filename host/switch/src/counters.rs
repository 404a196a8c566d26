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
    /// Requests that were within no dialog we know and were answered 481 without state.
    pub sip_strays: u64,
    /// Messages that were read here and are another shard's.
    pub handed_over: u64,
    /// Messages that another shard has read.
    pub handed_in: u64,
    /// Calls, registrations and subscriptions that were admitted for a brand that lives on another shard: 0 unless a
    /// tenant was changed while the message was on its way.
    pub astray: u64,
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
    /// Messages that filters were asked about.
    pub filters_asked: u64,
    /// Messages that filters have changed.
    pub filters_changed: u64,
    /// INVITEs that filters have refused.
    pub filters_refused: u64,
    /// Messages that a mandatory filter failed to judge, or that could not be written as filters wanted.
    pub filters_failed: u64,
    /// Messages about which no filter answered in time.
    pub filters_late: u64,
    /// Answers of filters that came after their deadline.
    pub filter_answers_stale: u64,
    /// Messages that no filter was asked about because too many waited.
    pub filters_skipped: u64,
    /// REGISTERs answered 200.
    pub registered: u64,
    /// Packets sent to keep phones behind NATs reachable.
    pub nat_pings: u64,
}

/// Adds every field of one to another's, and does not compile when one is forgotten.
macro_rules! add {
    ($to:expr, $from:expr, $kind:path { $($field:ident),* $(; $($kept:ident),*)? }) => {
        let $kind { $($field),* $(, $($kept),*)? } = $from;
        $($to.$field += $field;)*
    };
}

impl Counters {
    /// The figures of a node's shards together. What is a level of each, as the share of new work that is taken, is that
    /// of the shard that is worst off; a ban is told to all and counted once.
    #[must_use]
    pub fn of_all(shards: impl IntoIterator<Item = Counters>) -> Counters {
        shards.into_iter().reduce(Counters::plus).unwrap_or_default()
    }

    fn plus(mut self, other: Counters) -> Counters {
        let mine = (self.guard.bans_now, self.overload.share);
        add!(self, other, Counters {
            sip_received, sip_sent, sip_dropped, sip_rejected, sip_strays, handed_over, handed_in, astray, calls_alive,
            transactions_alive, dialogs_alive, proxied_alive, bindings_alive, streams_open, lookups_alive,
            lookups_stale, ports_free, ports_total, subscriptions_alive, publications_alive, register_answers_stale,
            filters_asked, filters_changed, filters_refused, filters_failed, filters_late, filter_answers_stale,
            filters_skipped, registered, nat_pings;
            calls, trunks, guard, overload, admission, events
        });
        add!(
            self.calls,
            calls,
            call::Counters {
                opened,
                answered,
                ended,
                verdicts_late,
                answers_stale,
                app_messages_stale,
                refused_by_limit
            }
        );
        add!(
            self.trunks,
            trunks,
            sip_trunk::Figures { calls, registered, unregistered, servers_up, servers_down, shed }
        );
        add!(
            self.admission,
            admission,
            admission::Counters {
                admitted,
                challenged,
                wrong_credentials,
                replayed,
                unknown_domains,
                uris_changed,
                unknown_numbers,
                foreign_nonces,
                sources_refused
            }
        );
        add!(self.events, events, sip_events::Counters { opened, refused_by_limit, notified, coalesced, failed });
        add!(
            self.guard,
            guard,
            admission::GuardCounters {
                banned,
                source_rate,
                account_rate,
                scanners,
                unknown_domains,
                banned_accounts,
                bans,
                bans_now,
                sources
            }
        );
        add!(self.overload, overload, admission::ShedderCounters { shed, began, share });
        self.guard.bans_now = mine.0.max(guard.bans_now);
        self.overload.share = mine.1.min(overload.share);
        self
    }
}
