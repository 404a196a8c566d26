//! The whole walk: up by events, one decision, down by commands.
//!
//! `receive` frames a message and hands it to the transactions. [`Core::rise`] lets events climb until there are none:
//! transactions -> dialogs, registrar or admission -> calls; media -> calls. [`Core::sink`] takes what the calls want
//! of the world and the bytes to send. No layer calls up; none skips one.

use crate::config::{CoreConfig, streams};
use crate::counters::Counters;
use crate::events::EventDesk;
use crate::filtering::Filtering;
use crate::io::{Input, Output};
use crate::others::Others;
use crate::registering::Registering;
use crate::trunks::Trunks;
use admission::{Domains, Doorkeeper, Shedder};
use bytes::Bytes;
use call::{Engine, Floors, Setup};
use model::{
    AccountId, CallId, CallSnapshot, Cause, Directory, FaxCall, Flow, IdSource, Instant, Lookups, MediaPortId,
    RecordingEvent, RecordingId, Summons, TapeAct, TapeRefusal,
};
use registrar::Registrar;
use sip_message::{Message, ParseLimits};
use std::collections::VecDeque;
use std::sync::Arc;

/// One shard.
///
/// # Invariants
/// After each `handle*` call no event waits between layers: everything that can be decided now is in the outputs.
/// Records come out before the transmits of the same step. The same inputs at the same times with the same seed give
/// the same outputs.
#[derive(Debug)]
pub struct Core {
    pub(crate) setup: Setup,
    pub(crate) server_name: String,
    pub(crate) parse_limits: ParseLimits,
    pub(crate) directory: Arc<Directory>,
    pub(crate) transactions: sip_transaction::Layer,
    pub(crate) dialogs: sip_dialog::Layer,
    pub(crate) proxies: sip_proxy::Layer,
    pub(crate) hops: call::Hops,
    pub(crate) registrar: Registrar,
    pub(crate) doorkeeper: Doorkeeper,
    pub(crate) events: EventDesk,
    pub(crate) shedder: Shedder,
    /// Whether some neighbour speaks RFC 7339: only then are answers looked at.
    pub(crate) overload_told: bool,
    pub(crate) media: media::Engine,
    pub(crate) calls: Engine,
    pub(crate) lookups: Lookups,
    pub(crate) trunks: Trunks,
    pub(crate) registering: Registering,
    pub(crate) filtering: Filtering,
    pub(crate) others: Others,
    pub(crate) ids: IdSource,
    pub(crate) counters: Counters,
    pub(crate) out: VecDeque<Output>,
    /// What follows the transmits of a step; empty between steps, and kept for its room.
    later: VecDeque<call::Output>,
}

impl Core {
    /// A shard with nothing going on. `ports` are bound already; `seed` makes every id.
    #[must_use]
    pub fn new(
        config: CoreConfig,
        directory: Arc<Directory>,
        ports: Vec<media::MediaPort>,
        prompts: media::Prompts,
        seed: [u8; 32],
    ) -> Core {
        let mut ids = IdSource::of_shard(seed, config.shards);
        let mut secret = [0; 32];
        ids.fill(&mut secret);
        let limits = config.limits.clone();
        let inside = config.inside.iter().map(|i| i.inside.ip());
        let own = config.listeners.iter().map(|l| l.local.ip()).chain(inside).collect();
        let mut transactions = sip_transaction::Layer::new(config.transactions(), ids.split());
        transactions.set_streams(streams(&config));
        let trunks = Trunks::new(sip_trunk::Layer::new(config.trunks(), ids.split()), &directory);
        let others = Others::new(config.shards, &directory);
        Core {
            parse_limits: config.parse_limits(),
            directory,
            transactions,
            dialogs: sip_dialog::Layer::new(config.dialogs(), ids.split()),
            proxies: sip_proxy::Layer::new(crate::proxying::config(&config), ids.split()),
            hops: call::Hops::new(&limits),
            events: EventDesk::new(&config, &mut ids),
            registrar: Registrar::new(&limits, ids.split()),
            doorkeeper: Doorkeeper::new(
                sip_auth::Authenticator::new(secret, limits.nonces_max, config.nonce_ttl).offering(&config.digest),
                Domains::new(own, config.default_domain.clone()),
                config.guard(),
            ),
            shedder: Shedder::new(config.overload),
            overload_told: false,
            media: media::Engine::new(config.media(prompts), ports, ids.split()),
            calls: Engine::new(ids.split()),
            trunks,
            registering: Registering::default(),
            filtering: Filtering::default(),
            lookups: Lookups::new(&limits),
            others,
            setup: Setup {
                limits,
                listeners: config.listeners,
                inside: config.inside,
                inside_media: config.inside_media,
                certificate: config.certificate.map(Arc::new),
                default_domain: config.default_domain,
            },
            server_name: config.server_name,
            ids,
            counters: Counters::default(),
            out: VecDeque::new(),
            later: VecDeque::new(),
        }
    }

    /// Something happened; then drain [`Core::poll_output`] and [`Core::poll_media`].
    pub fn handle(&mut self, input: Input, now: Instant) {
        match input {
            Input::Sip { flow, bytes } => self.receive(flow, bytes, now),
            Input::Handed { flow, message } => self.handed(flow, message, now),
            Input::NotHanded { flow, message } => self.not_handed(&flow, &message),
            Input::Told(word) => self.told(word, now),
            Input::FlowFailed { flow } => {
                self.transactions.handle_flow_failed(&flow, now);
                self.registrar.remove_flow(&flow);
            }
            Input::Answered { ticket, answer } => {
                self.with_calls(now, |calls, f| calls.handle_answer(f, ticket, answer))
            }
            Input::Rated { ticket, answer } => self.with_calls(now, |calls, f| calls.handle_rate(f, ticket, answer)),
            Input::Proved { ticket, proof } => self.with_calls(now, |calls, f| calls.handle_proof(f, ticket, proof)),
            Input::Resolved(resolved) => self.handle_resolved(resolved),
            Input::RegisterAnswered { ticket, answer } => self.register_answered(ticket, &answer, now),
            Input::Filtered { ticket, answer } => self.filter_answered(ticket, answer, now),
            Input::AppRequest { app, request, verb } => {
                self.with_calls(now, |calls, f| calls.handle_app_request(f, app, request, verb));
            }
            Input::AppEnded { app, outcome, recourse } => {
                self.with_calls(now, |calls, f| calls.handle_app_ended(f, app, outcome, recourse));
            }
            Input::Fork { fork, said } => self.media.handle_fork(fork, said, now),
            Input::Directory(directory) => {
                let before = core::mem::replace(&mut self.directory, directory);
                self.follow_trunks(&before, now);
                self.directory_changed(now);
            }
            Input::Mailbox(mailbox) => self.mailbox(&mailbox, now),
            Input::Load(load) => self.shedder.observe(load, now),
            Input::Hangup { call } => self.with_calls(now, |calls, f| calls.hangup(f, call)),
            Input::Drain => {
                self.calls.drain();
                self.trunks.layer.drain(&mut self.transactions, now);
            }
            Input::EndAll => self.with_calls(now, Engine::end_all),
        }
        self.rise(now);
        self.sink();
        self.tell_others();
    }

    /// The time of [`Core::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.transactions.handle_timeout(now);
        self.dialogs.handle_timeout(&mut self.transactions, now);
        self.proxies.handle_timeout(&mut self.transactions, now);
        self.registrar.handle_timeout(now);
        self.events.notifier.handle_timeout(&mut self.transactions, now);
        self.events.publications.handle_timeout(now);
        self.sweep_events(now);
        self.registers_due(now);
        self.filters_due(now);
        self.ping_phones(now);
        self.media.handle_timeout(now);
        self.lookups.handle_timeout(now);
        self.time_trunks(now);
        self.with_calls(now, Engine::handle_timeout);
        self.rise(now);
        self.sink();
        self.tell_others();
    }

    /// When the shard wants to be woken.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        [
            self.transactions.poll_timeout(),
            self.dialogs.poll_timeout(),
            self.proxies.poll_timeout(),
            self.registrar.poll_timeout(),
            self.events.poll_timeout(),
            self.registering.poll_timeout(),
            self.filtering.poll_timeout(),
            self.media.poll_timeout(),
            self.calls.poll_timeout(),
            self.lookups.poll_timeout(),
            self.trunks.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The next output, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// The next packet that the switch itself has made.
    pub fn poll_media(&mut self) -> Option<media::MediaTransmit> {
        self.media.poll_transmit()
    }

    /// What whoever shakes hands with browsers is to do next.
    pub fn poll_dtls(&mut self) -> Option<media::ToDtls> {
        self.media.poll_dtls()
    }

    /// What came of it.
    pub fn handle_dtls(&mut self, handshake: media::Handshake, done: media::FromDtls, now: Instant) {
        self.media.handle_dtls(handshake, done, now);
        self.rise(now);
        self.sink();
    }

    /// A packet of `len` bytes came in on a media port. A relayed one is edited in place, may grow into what the buffer
    /// has beyond it, and is to be sent as the result says.
    pub fn handle_media(
        &mut self,
        port: MediaPortId,
        kind: media::PacketKind,
        from: core::net::SocketAddr,
        packet: &mut [u8],
        len: usize,
        now: Instant,
    ) -> Option<media::Forward> {
        let forward = self.media.handle_packet(port, kind, from, packet, len, now);
        if self.media.has_events() {
            self.rise(now);
            self.sink();
        }
        forward
    }

    /// Bytes to a message to a transaction; what is no SIP is dropped, what can be answered is.
    fn receive(&mut self, flow: Flow, bytes: Bytes, now: Instant) {
        self.counters.sip_received += 1;
        if self.is_banned(&flow, now) {
            return;
        }
        let message = match Message::parse(bytes, &self.parse_limits) {
            Ok(message) => message,
            Err(rejected) => return self.reject(&flow, rejected.answerable.as_ref(), &rejected.error, now),
        };
        match message.validate() {
            Ok(()) if self.begins_too_much(&flow, &message, now) => {}
            Ok(()) => self.settle_owner(flow, message, now),
            Err(error) => self.reject(&flow, Some(&message), &error, now),
        }
    }

    /// Events climb until there are none.
    fn rise(&mut self, now: Instant) {
        loop {
            if let Some(event) = self.transactions.poll_event() {
                self.climb(event, now);
            } else if let Some(event) = self.dialogs.poll_event() {
                self.with_calls(now, |calls, f| calls.handle_dialog_event(f, event));
            } else if let Some(event) = self.proxies.poll_event() {
                self.proxy_event(event, now);
            } else if let Some(event) = self.media.poll_event() {
                self.with_calls(now, |calls, f| calls.handle_media_event(f, &event));
            } else if let Some(event) = self.registrar.poll_event() {
                self.bindings_changed(&event, now);
                self.out.push_back(Output::Event(event));
            } else if let Some(resolved) = self.lookups.poll_answer() {
                self.climb_resolved(resolved, now);
            } else if !self.rise_trunks(now) && !self.rise_events(now) {
                return;
            }
        }
    }

    /// One transaction event climbs a floor.
    fn climb(&mut self, event: sip_transaction::Event, now: Instant) {
        use sip_transaction::Event;
        if let Event::Response { response, flow, .. } = &event
            && let Some(report) = response.top_via().ok().and_then(|via| via.overload())
        {
            self.trunks.layer.handle_overload(flow.remote, report, now);
        }
        let Some(event) = self.pass_through(event, now).and_then(|event| self.filter(event, now)) else { return };
        let (dialogs, below) = (&mut self.dialogs, &mut self.transactions);
        let trunks = &mut self.trunks.layer;
        match event {
            Event::Request { key, flow, request } => {
                if request.to().is_ok_and(|to| to.tag().is_none()) {
                    self.front_desk(key, flow, &request, now);
                } else if !self.resubscribe(key, flow, &request, now) {
                    self.dialogs.handle_request(&mut self.transactions, key, flow, request, now);
                }
            }
            Event::Ack { flow, request } => dialogs.handle_ack(below, flow, &request, now),
            Event::Cancelled { invite, request } => dialogs.handle_cancel(below, invite, &request, now),
            Event::Response { key, response, flow, .. } if trunks.owns(key) => {
                trunks.handle_response(below, key, &response, flow, now);
            }
            Event::Response { key, response, .. } if self.events.owns(key) => {
                self.events_response(key, &response, now);
            }
            Event::ClientFailed { key, .. } if self.events.owns(key) => self.events_client_failed(key, now),
            Event::Response { key, response, flow, .. } => dialogs.handle_response(below, key, response, flow, now),
            Event::ClientFailed { key, why } if trunks.owns(key) => trunks.handle_client_failed(below, key, why, now),
            Event::ClientFailed { key, why } => dialogs.handle_client_failed(below, key, why, now),
            Event::ServerFailed { key, why } => dialogs.handle_server_failed(below, key, why, now),
            // It waits at the filters.
            Event::Leaving { .. } => {}
        }
    }

    /// Records first, so that they are durable before anything is sent; then the bytes, so that 100 leaves before a
    /// plugin is asked; then what else the calls want of the world.
    fn sink(&mut self) {
        // Sound of recordings that began earlier, and the rest of those that end now.
        while let Some(piece) = self.media.poll_recorded() {
            let recording = RecordingId(piece.recording.number());
            self.out.push_back(Output::Recording(RecordingEvent::Sound(recording, piece.samples)));
        }
        while let Some((fork, told)) = self.media.poll_forked() {
            self.out.push_back(Output::Fork { fork, told });
        }
        while let Some(output) = self.calls.poll_output() {
            match output {
                call::Output::Record(record) => self.out.push_back(Output::Record(record)),
                call::Output::Ask(_)
                | call::Output::Prove(_)
                | call::Output::Rate(_)
                | call::Output::AppStart { .. }
                | call::Output::AppReply { .. }
                | call::Output::AppStop { .. }
                | call::Output::Recording(_)
                | call::Output::Throw(_)
                | call::Output::Event(_) => self.later.push_back(output),
            }
        }
        while let Some(mut transmit) = self.transactions.poll_transmit() {
            self.counters.sip_sent += 1;
            if self.overload_told && transmit.bytes.starts_with(b"SIP/2.0 ") {
                let told = sip_message::with_overload(&transmit.bytes, &self.shedder.report());
                transmit.bytes = told.unwrap_or(transmit.bytes);
            }
            self.out.push_back(Output::Transmit(transmit));
        }
        self.ask_for_hops();
        while let Some(output) = self.later.pop_front() {
            self.out.push_back(Output::from(output));
        }
    }

    /// Lends the floors to the call engine.
    pub(crate) fn with_calls(&mut self, now: Instant, act: impl FnOnce(&mut Engine, &mut Floors<'_>)) {
        let mut floors = Floors {
            transactions: &mut self.transactions,
            dialogs: &mut self.dialogs,
            proxies: &mut self.proxies,
            media: &mut self.media,
            registrar: &mut self.registrar,
            trunks: &mut self.trunks.layer,
            lookups: &mut self.lookups,
            hops: &self.hops,
            carriers: self.others.carriers(),
            directory: &self.directory,
            setup: &self.setup,
            now,
        };
        act(&mut self.calls, &mut floors);
    }

    /// An operator wants something of a call's recordings.
    ///
    /// # Errors
    /// [`TapeRefusal`].
    pub fn tape(&mut self, call: CallId, leg: u16, act: TapeAct, now: Instant) -> Result<(), TapeRefusal> {
        let mut done = Err(TapeRefusal::Nothing);
        self.with_calls(now, |calls, f| done = calls.tape(f, call, leg, act));
        self.rise(now);
        self.sink();
        done
    }

    /// Makes a call for an account: its phones ring first. Its id, or why nothing rings; `None` where the account's brand
    /// lives on another shard.
    pub fn summon(&mut self, wanted: &Summons, now: Instant) -> Option<Result<CallId, Cause>> {
        let account = self.directory.account_by_id(wanted.account);
        let company = account.and_then(|account| self.directory.company(account.company));
        if company.is_none_or(|company| !self.others.shards().owns(company.brand)) {
            return None;
        }
        let mut done = Err(Cause::InternalError);
        self.with_calls(now, |calls, f| done = calls.summon(f, wanted));
        self.rise(now);
        self.sink();
        Some(done)
    }

    /// Calls a number to send a fax there. The call's id, or why nobody is called; `None` where the company's brand lives on
    /// another shard.
    pub fn send_fax(&mut self, wanted: &FaxCall, now: Instant) -> Option<Result<CallId, Cause>> {
        let company = self.directory.company(wanted.company);
        if company.is_none_or(|company| !self.others.shards().owns(company.brand)) {
            return None;
        }
        let mut done = Err(Cause::InternalError);
        self.with_calls(now, |calls, f| done = calls.send_fax(f, wanted));
        self.rise(now);
        self.sink();
        Some(done)
    }

    /// Whether such a call is alive.
    #[must_use]
    pub fn has_call(&self, call: CallId) -> bool {
        self.calls.has(call)
    }

    /// An output that no layer below keeps.
    pub(crate) fn emit(&mut self, output: Output) {
        self.out.push_back(output);
    }

    /// Every live call.
    pub fn calls(&self) -> impl Iterator<Item = CallSnapshot> {
        self.calls.snapshots()
    }

    /// The bindings, to be kept over a restart.
    #[must_use]
    pub fn registrations(&self) -> registrar::Snapshot {
        registrar::Snapshot { nonce_secret: Some(self.doorkeeper.nonce_secret()), ..self.registrar.snapshot() }
    }

    /// The bindings of one account, to be kept over a restart.
    #[must_use]
    pub fn registrations_of(&self, account: AccountId) -> Vec<registrar::Binding> {
        self.registrar.kept(account)
    }

    /// Puts kept bindings back; those that ran out meanwhile, or whose brand lives on another shard, are left out.
    pub fn restore_registrations(&mut self, mut snapshot: registrar::Snapshot, now: Instant) {
        let (setup, shards, directory) = (&self.setup, self.others.shards(), &self.directory);
        let is_ours = |account: AccountId| {
            let account = directory.account_by_id(account);
            let company = account.and_then(|account| directory.company(account.company));
            // Whoever is nobody's any more waits on the first shard for somebody to ask.
            company.map_or(shards.own() == 0, |company| shards.owns(company.brand))
        };
        snapshot.bindings.retain(|(account, _)| is_ours(*account));
        snapshot.bindings.retain_mut(|(_, binding)| {
            let flow = setup.rehomed(binding.flow);
            binding.flow = flow.unwrap_or(binding.flow);
            flow.is_some()
        });
        if let Some(secret) = snapshot.nonce_secret {
            self.doorkeeper.resume(secret, now);
        }
        self.registrar.restore(snapshot, now);
    }

    /// The figures of now.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters {
            calls: self.calls.counters(),
            calls_alive: self.calls.len(),
            transactions_alive: self.transactions.len(),
            dialogs_alive: self.dialogs.len(),
            proxied_alive: self.proxies.len(),
            bindings_alive: self.registrar.len(),
            subscriptions_alive: self.events.notifier.len(),
            publications_alive: self.events.publications.len(),
            events: self.events.notifier.counters(),
            streams_open: self.media.streams(),
            lookups_alive: self.lookups.len(),
            ports_free: self.media.ports_free(),
            ports_total: self.media.ports_total(),
            admission: self.doorkeeper.counters(),
            trunks: self.trunks.layer.figures(),
            guard: self.doorkeeper.guard_counters(),
            overload: self.shedder.counters(),
            ..self.counters
        }
    }

    /// Whether nothing is going on: no call, no transaction, no dialog, no stream.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.calls.is_empty()
            && self.registering.is_empty()
            && self.filtering.is_empty()
            && self.transactions.is_empty()
            && self.dialogs.is_empty()
            && self.proxies.is_empty()
            && self.media.streams() == 0
    }
}
