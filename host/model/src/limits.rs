//! Every limit of the switch: a name and a number. Nothing waits for ever and nothing grows without bound.

use core::time::Duration;
use serde::{Deserialize, Serialize};

/// Limits of one shard. The defaults are what `serve` runs with; the configuration may change each.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Largest SIP message accepted, in bytes; a larger one is answered 513 where it can be.
    pub message_bytes_max: usize,
    /// Most header fields in one message.
    pub message_headers_max: usize,
    /// Most SIP transactions alive in a shard; past it new requests get 503.
    pub transactions_max: usize,
    /// Most calls alive in a shard; past it an INVITE gets 503.
    pub calls_max: usize,
    /// Most calls alive of one company; past it an INVITE gets 503 with the company's cause.
    pub calls_per_company_max: usize,
    /// Most legs one call may have had.
    pub legs_per_call_max: usize,
    /// Most steps in a ring plan.
    pub plan_steps_max: usize,
    /// Most targets over all steps of a ring plan.
    pub plan_targets_max: usize,
    /// Most times a call may be rerouted before it is refused with 482.
    pub reroutes_max: usize,
    /// Most bindings of one AOR.
    pub bindings_per_aor_max: usize,
    /// Most bindings alive in a shard.
    pub bindings_max: usize,
    /// Longest call, in seconds, whatever the plan says.
    pub call_duration_max_s: u32,
    /// Longest time a call may ring, in seconds.
    pub ring_timeout_max_s: u32,
    /// Most addresses remembered that failed lately; past it those whose rest is over first are forgotten.
    pub hops_failed_max: usize,
    /// An address that did not answer, could not be reached or said 503 is tried last for so long, in seconds.
    pub hop_rest_s: u32,
    /// The longest that its Retry-After may ask for, in seconds.
    pub hop_rest_max_s: u32,
    /// Deadline of a whole routing chain, in milliseconds; then the default verdict stands.
    pub route_deadline_ms: u32,
    /// Deadline of a routing chain in which a router may wait (`routing/router-io`), in milliseconds.
    pub route_io_deadline_ms: u32,
    /// Deadline of a registration chain, in milliseconds; then the registrar decides alone.
    pub register_deadline_ms: u32,
    /// Deadline of the filters of one message, in milliseconds; then it passes as it is, or not at all where one of them is
    /// mandatory.
    pub filter_deadline_ms: u32,
    /// Most messages that wait for filters at once; past it none is asked about another.
    pub filters_waiting_max: usize,
    /// Most messages of one transaction that wait for filters, one behind the other; past it a provisional response is lost
    /// as it may be on any network.
    pub filter_queue_max: usize,
    /// Most changes to one message by all of its filters together.
    pub filter_ops_max: usize,
    /// Longest header field that a filter may write, name and value, in bytes.
    pub filter_header_bytes_max: usize,
    /// Deadline of a rater's answer, in milliseconds; then its binding's policy of failure stands.
    pub rate_deadline_ms: u32,
    /// Most REGISTERs that wait for a plugin at once; past it the registrar decides alone.
    pub registers_waiting_max: usize,
    /// A leg whose media was never heard or went silent for this long is ended, in seconds; held legs are exempt.
    pub media_timeout_s: u32,
    /// How often a call is sent on by the contacts of a 3xx; 0 = a 3xx is a failure like any other.
    pub redirects_max: usize,
    /// How long the phones of an account ring that a call is made for by the API, in seconds.
    pub summons_ring_s: u32,
    /// Most calls of one company that the API may begin in a second.
    pub summons_per_second_max: u32,
    /// How long whoever asked for such a call hears that it failed, in milliseconds.
    pub failure_tone_ms: u32,
    /// How long a caller hears the announcement of a number's call filter, in milliseconds; a longer prompt is cut.
    pub announcement_max_ms: u32,
    /// How long a caller hears the apology for a call app that failed, in milliseconds; a longer prompt is cut.
    pub apology_max_ms: u32,
    /// How long a party waits in a slot before its parker is called back, in seconds.
    pub park_timeout_s: u32,
    /// Session interval that each leg is asked for, in seconds (RFC 4028); 0 asks for none.
    pub session_interval_s: u32,
    /// Shortest session interval taken, in seconds; a shorter one is answered 422. Never under 90.
    pub session_min_se_s: u32,
    /// Most prompts in one play.
    pub prompts_max: usize,
    /// Longest recording, in seconds.
    pub recording_max_s: u32,
    /// Most recordings going on in a shard; past it a script is told.
    pub recordings_max: usize,
    /// Most lines of legs to WebSockets (`call/voice`) open in a shard; past it a script is told.
    pub forks_max: usize,
    /// Most conference rooms open in a shard.
    pub rooms_max: usize,
    /// Most members of one room.
    pub room_members_max: usize,
    /// How hard Opus encoders try, 0 to 10: what each leg costs while the switch speaks Opus to it.
    pub opus_complexity: u8,
    /// Most handshakes with browsers kept at once in a shard; past it a call of a browser ends with `handshake-lost`.
    pub handshakes_max: usize,
    /// Most of their records that wait to be read in a shard; past it records are lost, as they may be on any network.
    pub handshake_queue_max: usize,
    /// Most digits collected at once.
    pub collect_digits_max: usize,
    /// Longest time an app may keep a leg after the leg ended, in milliseconds; then its instance is dropped.
    pub app_drain_ms: u32,
    /// Shortest registration granted, in seconds; a shorter one is answered 423 (RFC 3261 section 10.3).
    pub registration_min_s: u32,
    /// Longest registration granted, in seconds.
    pub registration_max_s: u32,
    /// How much a granted registration may be shortened at random, in percent, so that phones that began together do
    /// not come back together; never below the shortest.
    pub registration_spread_percent: u8,
    /// Most bytes kept of one binding's contact, path, instance and Call-ID together; past it 400.
    pub binding_bytes_max: usize,
    /// How often a phone behind a NAT is pinged over UDP, in seconds; most NATs forget after 30.
    pub nat_ping_s: u32,
    /// Most pings a second; past it they are sent later.
    pub nat_pings_per_second_max: u32,
    /// Most digest nonces whose nonce-count is remembered.
    pub nonces_max: usize,
    /// Most stream connections open at once; past it a new one is closed at once.
    pub connections_max: usize,
    /// Most bytes waiting to be written on one connection; past it the peer does not read, and the connection is closed.
    pub connection_write_bytes_max: usize,
    /// A connection over which nothing came or went for so long is closed, in seconds; longer than a registration,
    /// because a phone behind NAT is reached over the connection it registered on.
    pub connection_idle_s: u32,
    /// Time for a connection's first message, for the rest of a message that began, and for a peer to take what waits
    /// for it, in seconds.
    pub connection_stall_s: u32,
    /// Time to open a connection, in milliseconds; shorter than RFC 3261 Timer B.
    pub connect_timeout_ms: u32,
    /// Longest wait for the addresses of a next hop, in milliseconds; then the hop has failed with 503.
    pub resolve_deadline_ms: u32,
    /// Longest wait for the proof of a caller's Identity, in milliseconds; then its certificate could not be had.
    pub proof_deadline_ms: u32,
    /// Most next hops of a shard being looked up at once; past it a lookup fails at once.
    pub lookups_max: usize,
    /// Most connections that one source may have open (an IPv6 source is a /64); past it a new one is closed at once.
    pub connections_per_source_max: usize,
    /// Time for the TLS and WebSocket handshakes of a connection, in milliseconds.
    pub handshake_timeout_ms: u32,
    /// Most answers, app verbs and commands waiting for a shard; past it their senders wait.
    pub inbox_max: usize,
    /// Most messages that wait from one shard of a node to another; past it they are lost as in a full socket buffer.
    pub hand_overs_max: usize,
    /// Most subscriptions to events alive in a shard; past it a SUBSCRIBE gets 503.
    pub subscriptions_max: usize,
    /// Most subscriptions of one account.
    pub subscriptions_per_account_max: usize,
    /// Most subscriptions to one resource: so many NOTIFYs leave when it changes.
    pub subscriptions_per_resource_max: usize,
    /// Shortest subscription or publication granted, in seconds; a shorter one is answered 423.
    pub subscription_min_s: u32,
    /// Longest subscription or publication granted, in seconds.
    pub subscription_max_s: u32,
    /// Least time between two NOTIFYs of one subscription about changes, in milliseconds.
    pub notify_gap_ms: u32,
    /// Most bytes in the NOTIFY of a list; what does not fit follows in the next.
    pub notify_list_bytes_max: usize,
    /// Most resources in one list.
    pub list_members_max: usize,
    /// Most publications alive in a shard; past it a PUBLISH gets 503.
    pub publications_max: usize,
    /// Most publications of one account.
    pub publications_per_account_max: usize,
    /// Most bytes in the body of a PUBLISH; a larger one gets 413.
    pub publication_bytes_max: usize,
    /// Most bytes in the body of a MESSAGE; a larger one gets 413 (RFC 3428 section 8 names 1,300 for the whole).
    pub page_bytes_max: usize,
    /// Most idle instances kept warm for one plugin binding; 0 keeps none.
    pub warm_per_binding_max: usize,
    /// Most idle instances of one brand, 0 for none; past it the one that has waited longest goes.
    pub warm_per_brand_max: usize,
    /// Most idle instances of a process, 0 for none; past it the one that has waited longest goes.
    pub warm_max: usize,
    /// Most bytes of linear memory that one binding's idle instances hold; an instance beyond goes.
    pub warm_bytes_per_binding_max: usize,
    /// Most bytes of linear memory that all idle instances of a process hold; past it the one that has waited longest goes.
    pub warm_bytes_max: usize,
    /// An instance that was asked nothing for so long goes, in milliseconds.
    pub warm_idle_ms: u32,
    /// Most questions of one instance; then it goes.
    pub warm_questions_max: u32,
    /// Most mailboxes whose waiting messages are known in a shard.
    pub mailboxes_max: usize,
    /// Most mails that one company's plugins and mailboxes send in an hour.
    pub mails_per_hour_max: u32,
    /// Most mails that one binding sends in an hour.
    pub mails_per_binding_hour_max: u32,
    /// Most mails of one company that wait to be sent.
    pub mails_waiting_max: u32,
    /// Most mails of all companies that wait to be sent; counted every few seconds, so a little more may be there.
    pub mails_waiting_of_all_max: u32,
    /// Most recipients of one request; each gets a mail of its own.
    pub mail_recipients_max: usize,
    /// Most bytes of the sounds that go with one mail; past it the mail goes without and says so.
    pub mail_bytes_max: u64,
    /// Most mails on their way at once.
    pub mails_at_once_max: usize,
    /// Most mails of one brand on their way at once.
    pub mails_of_brand_at_once_max: u32,
    /// Time for one mail from the connection to the host's last word, in seconds; then it is tried again.
    pub mail_deadline_s: u32,
    /// The pause after a mail's first failure, in seconds; it doubles.
    pub mail_retry_first_s: u32,
    /// The longest pause between two tries, in seconds.
    pub mail_retry_max_s: u32,
    /// A mail that could not be sent for so long is dead, in seconds.
    pub mail_give_up_s: u32,
    /// Mails that were sent or are dead are forgotten after so many days.
    pub mail_keep_days: u32,
    /// Most mails for trial by one mail host in an hour.
    pub mail_trials_per_hour_max: u32,
    /// Most faxes on their way at once through a node, those that come and those that are sent.
    pub faxes_at_once_max: usize,
    /// Most faxes of one company that are sent at once.
    pub faxes_sending_max: u32,
    /// Most faxes of one company that wait to be sent; past it one more is refused.
    pub faxes_waiting_max: u32,
    /// Most pages of a fax.
    pub fax_pages_max: u32,
    /// The longest fax, in seconds.
    pub fax_max_s: u32,
    /// How often a fax is tried before it has failed.
    pub fax_tries_max: u32,
    /// The pause after a fax's first failure, in seconds; it doubles.
    pub fax_retry_s: u32,
    /// How long a machine that is called may ring, in seconds.
    pub fax_ring_s: u32,
    /// Most call records kept while the journal cannot be written; past it the oldest are lost and counted.
    pub records_unwritten_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            message_bytes_max: 65_535,
            message_headers_max: 256,
            transactions_max: 200_000,
            calls_max: 50_000,
            calls_per_company_max: 10_000,
            legs_per_call_max: 64,
            plan_steps_max: 10,
            plan_targets_max: 20,
            reroutes_max: 8,
            bindings_per_aor_max: 10,
            bindings_max: 200_000,
            call_duration_max_s: 10_800,
            ring_timeout_max_s: 180,
            hops_failed_max: 10_000,
            hop_rest_s: 30,
            hop_rest_max_s: 3_600,
            route_deadline_ms: 100,
            route_io_deadline_ms: 400,
            register_deadline_ms: 100,
            filter_deadline_ms: 100,
            filters_waiting_max: 10_000,
            filter_queue_max: 8,
            filter_ops_max: 32,
            filter_header_bytes_max: 1_024,
            rate_deadline_ms: 2_000,
            registers_waiting_max: 10_000,
            media_timeout_s: 60,
            redirects_max: 5,
            summons_ring_s: 30,
            summons_per_second_max: 10,
            failure_tone_ms: 3_000,
            announcement_max_ms: 60_000,
            apology_max_ms: 20_000,
            park_timeout_s: 120,
            session_interval_s: 1_800,
            session_min_se_s: 90,
            prompts_max: 32,
            recording_max_s: 10_800,
            recordings_max: 5_000,
            forks_max: 1_000,
            rooms_max: 5_000,
            room_members_max: 500,
            opus_complexity: 5,
            handshakes_max: 20_000,
            handshake_queue_max: 4_096,
            collect_digits_max: 64,
            app_drain_ms: 2_000,
            registration_min_s: 60,
            registration_max_s: 7_200,
            registration_spread_percent: 10,
            binding_bytes_max: 1_024,
            nat_ping_s: 25,
            nat_pings_per_second_max: 5_000,
            nonces_max: 100_000,
            connections_max: 10_000,
            connection_write_bytes_max: 1 << 20,
            connection_idle_s: 7_500,
            connection_stall_s: 32,
            connect_timeout_ms: 4_000,
            resolve_deadline_ms: 2_000,
            proof_deadline_ms: 2_000,
            lookups_max: 10_000,
            connections_per_source_max: 1_000,
            handshake_timeout_ms: 5_000,
            inbox_max: 16_384,
            hand_overs_max: 8_192,
            subscriptions_max: 200_000,
            subscriptions_per_account_max: 200,
            subscriptions_per_resource_max: 1_000,
            subscription_min_s: 60,
            subscription_max_s: 7_200,
            notify_gap_ms: 1_000,
            notify_list_bytes_max: 48_000,
            list_members_max: 256,
            publications_max: 100_000,
            publications_per_account_max: 8,
            publication_bytes_max: 8_192,
            page_bytes_max: 1_300,
            warm_per_binding_max: 4,
            warm_per_brand_max: 16,
            warm_max: 64,
            warm_bytes_per_binding_max: 64 << 20,
            warm_bytes_max: 1 << 30,
            warm_idle_ms: 60_000,
            warm_questions_max: 10_000,
            mailboxes_max: 200_000,
            mails_per_hour_max: 1_000,
            mails_per_binding_hour_max: 200,
            mails_waiting_max: 5_000,
            mails_waiting_of_all_max: 200_000,
            mail_recipients_max: 10,
            mail_bytes_max: 10 << 20,
            mails_at_once_max: 8,
            mails_of_brand_at_once_max: 2,
            mail_deadline_s: 90,
            mail_retry_first_s: 30,
            mail_retry_max_s: 3_600,
            mail_give_up_s: 172_800,
            mail_keep_days: 30,
            mail_trials_per_hour_max: 20,
            faxes_at_once_max: 64,
            faxes_sending_max: 4,
            faxes_waiting_max: 1_000,
            fax_pages_max: 500,
            fax_max_s: 3_600,
            fax_tries_max: 3,
            fax_retry_s: 180,
            fax_ring_s: 90,
            records_unwritten_max: 100_000,
        }
    }
}

impl Limits {
    /// [`Limits::route_deadline_ms`] as a duration.
    #[must_use]
    pub fn route_deadline(&self) -> Duration {
        Duration::from_millis(u64::from(self.route_deadline_ms))
    }

    /// [`Limits::resolve_deadline_ms`] as a duration.
    #[must_use]
    pub fn resolve_deadline(&self) -> Duration {
        Duration::from_millis(u64::from(self.resolve_deadline_ms))
    }

    /// [`Limits::proof_deadline_ms`] as a duration.
    #[must_use]
    pub fn proof_deadline(&self) -> Duration {
        Duration::from_millis(u64::from(self.proof_deadline_ms))
    }

    /// [`Limits::route_io_deadline_ms`] as a duration.
    #[must_use]
    pub fn route_io_deadline(&self) -> Duration {
        Duration::from_millis(u64::from(self.route_io_deadline_ms))
    }

    /// [`Limits::rate_deadline_ms`] as a duration.
    #[must_use]
    pub fn rate_deadline(&self) -> Duration {
        Duration::from_millis(u64::from(self.rate_deadline_ms))
    }

    /// [`Limits::register_deadline_ms`] as a duration.
    #[must_use]
    pub fn register_deadline(&self) -> Duration {
        Duration::from_millis(u64::from(self.register_deadline_ms))
    }

    /// [`Limits::filter_deadline_ms`] as a duration.
    #[must_use]
    pub fn filter_deadline(&self) -> Duration {
        Duration::from_millis(u64::from(self.filter_deadline_ms))
    }

    /// [`Limits::media_timeout_s`] as a duration.
    #[must_use]
    pub fn media_timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.media_timeout_s))
    }
}
