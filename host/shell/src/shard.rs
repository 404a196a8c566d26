//! One shard: a thread, its sockets, its clock, and the pure switch between them. Nothing here decides about a call.
//!
//! A turn: sleep; then what came from the sockets, from other threads and from the plugins, and the timers, each into
//! the core; then what the core wants of the world. Records of the turn are on the disk before anything of it is sent.

use crate::asks::Asks;
use crate::bridge::{self, Bridge, Crossing, Sent};
use crate::clock::Clock;
use crate::command::Command;
use crate::fax::FaxDesk;
use crate::hands::Hands;
use crate::hops::Hops;
use crate::proofs::Proofs;
use crate::published::{Alive, Figures, Published};
use crate::recorder::Recorder;
use crate::registrations::Keeper;
use crate::told::{self, Why};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use model::{
    Answer, AppId, CallEvent, CallRecord, Directory, Explained, FilterAnswer, FilterQuestion, Instant, LockThrow,
    NextHop, Question, RateAnswer, RateKind, RateQuestion, RegisterAnswer, RegisterQuestion, Resolved, Ticket,
    Transmit, TrunkChange,
};
use net::{Incoming, Net};
use plugin::AppMessage;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::task::Wake;
use store::outbox::Journal;
use switch::{Core, Input, Load, Output, PacketKind};
use tokio::sync::{mpsc, oneshot};

/// How often the figures are shown, and how late a drain may see that the last call is over.
const SHOW_EVERY: Duration = Duration::from_millis(200);
/// How often the journal hears that the process lives.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
/// Most outputs kept back before they are carried out within a turn.
const OUTPUTS_MAX: usize = 256;
/// After how many packets of one turn the core is told again how late it is.
const LOAD_EVERY: usize = 64;
/// How soon what had no room in another shard's queue is tried again.
const RETRY: Duration = Duration::from_millis(5);
/// Most commands and app messages of one kind taken in one turn.
const TAKE_MAX: usize = 256;

/// Wakes the shard for a channel that has something.
struct ChannelWaker(net::Waker);

impl Wake for ChannelWaker {
    fn wake(self: Arc<Self>) {
        self.0.wake();
    }
}

/// What a shard is made of.
pub(crate) struct Parts {
    pub(crate) core: Core,
    pub(crate) net: Net,
    pub(crate) clock: Clock,
    pub(crate) directory: Arc<Directory>,
    pub(crate) plugins: plugin::Host,
    pub(crate) resolver: resolver::Resolver,
    pub(crate) proofs: Proofs,
    pub(crate) hands: Hands,
    pub(crate) journal: Journal,
    pub(crate) keeper: Keeper,
    pub(crate) recorder: Recorder,
    pub(crate) faxes: FaxDesk,
    pub(crate) inbox: mpsc::Receiver<Command>,
    pub(crate) whys: mpsc::Sender<Why>,
    pub(crate) locks: mpsc::Sender<LockThrow>,
    pub(crate) published: Arc<Published>,
    pub(crate) bridge: Bridge,
}

/// # Invariants
/// After a turn the core has no output left, `outputs` and `records` are empty, and every channel that had nothing
/// holds the waker.
pub(crate) struct Shard {
    core: Core,
    net: Net,
    clock: Clock,
    directory: Arc<Directory>,
    plugins: plugin::Host,
    proofs: Proofs,
    hands: Hands,
    journal: Journal,
    keeper: Keeper,
    recorder: Recorder,
    faxes: FaxDesk,
    inbox: mpsc::Receiver<Command>,
    whys: mpsc::Sender<Why>,
    locks: mpsc::Sender<LockThrow>,
    apps: (mpsc::UnboundedSender<AppMessage>, mpsc::UnboundedReceiver<AppMessage>),
    published: Arc<Published>,
    bridge: Bridge,
    /// How long what came from other shards had waited when it was taken, in this turn.
    waited: Duration,
    asks: Asks<Answer>,
    registers: Asks<RegisterAnswer>,
    filters: Asks<FilterAnswer>,
    rates: Asks<RateAnswer>,
    hops: Hops,
    asked_at: BTreeMap<Ticket, Instant>,
    apps_alive: BTreeSet<AppId>,
    outputs: Vec<Output>,
    records: Vec<CallRecord>,
    figures: Figures,
    /// How long the last turn took: what came meanwhile has waited for so long.
    last_turn: Duration,
    show_at: Option<Instant>,
    heartbeat_at: Instant,
    channel_waker: Waker,
    stop: Option<oneshot::Sender<()>>,
}

impl Shard {
    pub(crate) fn new(parts: Parts) -> Shard {
        let waker = parts.net.waker();
        Shard {
            heartbeat_at: parts.clock.now(),
            core: parts.core,
            net: parts.net,
            clock: parts.clock,
            directory: parts.directory,
            plugins: parts.plugins,
            proofs: parts.proofs,
            hands: parts.hands,
            journal: parts.journal,
            keeper: parts.keeper,
            recorder: parts.recorder,
            faxes: parts.faxes,
            inbox: parts.inbox,
            whys: parts.whys,
            locks: parts.locks,
            apps: mpsc::unbounded_channel(),
            published: parts.published,
            bridge: parts.bridge,
            waited: Duration::ZERO,
            asks: Asks::new(waker.clone()),
            registers: Asks::new(waker.clone()),
            filters: Asks::new(waker.clone()),
            rates: Asks::new(waker.clone()),
            hops: Hops::new(parts.resolver, waker.clone()),
            asked_at: BTreeMap::new(),
            apps_alive: BTreeSet::new(),
            outputs: Vec::new(),
            records: Vec::new(),
            figures: Figures::default(),
            last_turn: Duration::ZERO,
            show_at: None,
            channel_waker: Waker::from(Arc::new(ChannelWaker(waker))),
            stop: None,
        }
    }

    /// Lives until [`Command::Stop`] or until every handle is gone.
    pub(crate) fn run(mut self) {
        // The first turn must not sleep: only a channel that was looked into wakes the shard.
        self.net.waker().wake();
        let mut live = true;
        while live {
            let wait = self.net.wait(self.sleep());
            if let Err(error) = wait {
                tracing::error!(%error, "the shard cannot wait for its sockets and ends");
                break;
            }
            let now = self.clock.now();
            self.tell_load(now);
            self.take_packets(now);
            self.take_crossings(now);
            live = self.take_commands(now);
            self.take_app_messages(now);
            self.take_answers(now);
            self.take_hops(now);
            self.take_timers(now);
            self.settle(now);
            self.look_after(now);
            self.last_turn = self.clock.now().since(now);
        }
        self.end();
    }

    /// How late the shard is: what waits has waited since the turn before, and since this one began, or longer where a
    /// socket has more than a turn takes.
    fn tell_load(&mut self, turn: Instant) {
        let now = self.clock.now();
        let waited = core::mem::take(&mut self.waited).max(self.net.waited());
        let lag = (self.last_turn + now.since(turn)).max(waited);
        let load = Load { lag, queued: self.asks.len() };
        self.core.handle(Input::Load(load), now);
    }

    /// How long nothing is due.
    fn sleep(&self) -> Option<Duration> {
        // Without open legs the journal's heartbeat writes nothing, but what waits for the disk is tried again.
        let heartbeat = (!self.core.is_idle() || self.journal.unwritten() > 0).then_some(self.heartbeat_at);
        let kept = self.bridge.has_kept().then(|| self.clock.now() + RETRY);
        let due = [
            kept,
            self.core.poll_timeout(),
            self.net.poll_timeout(),
            self.show_at,
            self.keeper.poll_timeout(),
            heartbeat,
        ];
        let now = self.clock.now();
        due.into_iter().flatten().min().map(|at| at.since(now))
    }

    fn take_packets(&mut self, now: Instant) {
        let mut taken = 0_usize;
        while let Some(incoming) = self.net.next(now) {
            taken += 1;
            match incoming {
                Incoming::Message { flow, bytes } => self.core.handle(Input::Sip { flow, bytes }, now),
                Incoming::FlowFailed { flow } => {
                    // Whose calls and registrations were on a connection, any shard may be.
                    if let Some(connection) = flow.connection {
                        self.bridge.tell_ended(connection, flow);
                    }
                    self.core.handle(Input::FlowFailed { flow }, now);
                }
                Incoming::Media { port, kind, from, packet, len } => {
                    let kind = core_kind(kind);
                    if let Some(forward) = self.core.handle_media(port, kind, from, packet, len, now) {
                        self.net.forward(forward.port, net_kind(forward.kind), forward.to, forward.len);
                    }
                }
            }
            self.collect();
            if self.outputs.len() >= OUTPUTS_MAX {
                self.settle(now);
            }
            if taken.is_multiple_of(LOAD_EVERY) {
                self.tell_load(now);
            }
        }
    }

    /// What the other shards have handed over, and what is to leave by connections of this one.
    fn take_crossings(&mut self, now: Instant) {
        if self.bridge.is_alone() {
            return;
        }
        let Shard { bridge, core, net, waited, .. } = self;
        let mut first = true;
        let more = bridge.take(TAKE_MAX, |crossing| {
            if core::mem::take(&mut first) {
                *waited = bridge::age(&crossing, now);
            }
            match crossing {
                Crossing::Input(input, _) => core.handle(input, now),
                Crossing::Transmit(transmit) => net.send(transmit, now),
            }
        });
        if more {
            self.net.waker().wake();
        }
        self.collect();
    }

    fn take_commands(&mut self, now: Instant) -> bool {
        for _ in 0..TAKE_MAX {
            match self.inbox.poll_recv(&mut Context::from_waker(&self.channel_waker)) {
                Poll::Ready(Some(command)) => {
                    if let Some(stop) = self.command(command, now) {
                        self.stop = Some(stop);
                        return false;
                    }
                }
                Poll::Ready(None) => return false,
                Poll::Pending => return true,
            }
        }
        // More is waiting and the channel has not kept the waker.
        self.net.waker().wake();
        true
    }

    fn command(&mut self, command: Command, now: Instant) -> Option<oneshot::Sender<()>> {
        match command {
            Command::Directory(directory, done) => {
                self.directory = Arc::clone(&directory);
                self.core.handle(Input::Directory(directory), now);
                let _gone = done.send(());
            }
            Command::Calls(answer) => {
                let _gone = answer.send(self.core.calls().collect());
            }
            Command::Hangup(call, answer) => {
                let known = self.core.has_call(call);
                self.core.handle(Input::Hangup { call }, now);
                let _gone = answer.send(known);
            }
            Command::Summon(wanted, answer) => {
                let _gone = answer.send(self.core.summon(&wanted, now));
            }
            Command::Fax(wanted, answer) => drop(answer.send(self.faxes.call(&mut self.core, &wanted, now))),
            Command::Tape(call, leg, act, answer) => {
                let _gone = answer.send(self.core.tape(call, leg, act, now));
            }
            Command::Mailbox(mailbox, done) => {
                self.core.handle(Input::Mailbox(mailbox), now);
                let _gone = done.send(());
            }
            Command::Registrations(answer) => {
                let _gone = answer.send((self.core.registrations(), Arc::clone(&self.directory)));
            }
            Command::Secure(tls, done) => {
                self.net.secure(tls);
                let _gone = done.send(());
            }
            Command::Trunks(answer) => {
                let _gone = answer.send(self.core.trunks().collect());
            }
            Command::Bans(answer) => {
                let _gone = answer.send(self.core.bans(now));
            }
            Command::Unban(source, answer) => {
                let _gone = answer.send(self.core.unban(source, now));
            }
            Command::Drain(done) => {
                self.core.handle(Input::Drain, now);
                self.show();
                let _gone = done.send(());
            }
            Command::EndAll(done) => {
                let calls = self.core.counters().calls_alive;
                self.core.handle(Input::EndAll, now);
                self.show();
                let _gone = done.send(calls);
            }
            Command::Stop(done) => return Some(done),
        }
        self.collect();
        None
    }

    fn take_app_messages(&mut self, now: Instant) {
        for _ in 0..TAKE_MAX {
            match self.apps.1.poll_recv(&mut Context::from_waker(&self.channel_waker)) {
                Poll::Ready(Some(AppMessage::Request { app, request, verb })) => {
                    self.core.handle(Input::AppRequest { app, request, verb }, now);
                }
                Poll::Ready(Some(AppMessage::Fork { fork, said })) => {
                    self.core.handle(Input::Fork { fork, said }, now);
                }
                Poll::Ready(Some(AppMessage::Ended { app, outcome, recourse })) => {
                    self.apps_alive.remove(&app);
                    self.core.handle(Input::AppEnded { app, outcome, recourse }, now);
                }
                Poll::Ready(None) | Poll::Pending => return,
            }
            self.collect();
        }
        self.net.waker().wake();
    }

    fn take_answers(&mut self, now: Instant) {
        let Shard { asks, registers, filters, rates, core, asked_at, figures, clock, .. } = self;
        asks.answered(|ticket, answer| {
            observe(figures, asked_at.remove(&ticket), &answer, clock.now());
            core.handle(Input::Answered { ticket, answer }, now);
        });
        registers.answered(|ticket, answer| {
            core.handle(Input::RegisterAnswered { ticket, answer }, clock.now());
        });
        filters.answered(|ticket, answer| core.handle(Input::Filtered { ticket, answer }, clock.now()));
        rates.answered(|ticket, answer| core.handle(Input::Rated { ticket, answer }, clock.now()));
        self.collect();
    }

    fn take_hops(&mut self, now: Instant) {
        for (handshake, done) in self.hands.done() {
            self.core.handle_dtls(handshake, done, now);
            self.collect();
        }
        for (ticket, proof) in self.proofs.answered() {
            self.core.handle(Input::Proved { ticket, proof }, now);
            self.collect();
        }
        for (ticket, found) in self.hops.answered() {
            let hops = found.map(|found| found.into_iter().map(|f| next_hop(&mut self.net, f)).collect());
            self.core.handle(Input::Resolved(Resolved { ticket, hops }), now);
            self.collect();
        }
    }

    fn take_timers(&mut self, now: Instant) {
        if self.core.poll_timeout().is_some_and(|at| at <= now) {
            self.core.handle_timeout(now);
            self.collect();
        }
        if self.net.poll_timeout().is_some_and(|at| at <= now) {
            self.net.handle_timeout(now);
        }
    }

    /// Takes what the core wants; packets of our own leave at once.
    fn collect(&mut self) {
        while let Some(packet) = self.core.poll_media() {
            self.net.send_media(packet.port, net_kind(packet.kind), packet.to, &packet.bytes);
        }
        while let Some(work) = self.core.poll_dtls() {
            self.hands.ask(work);
        }
        while let Some(output) = self.core.poll_output() {
            if let Output::Record(record) = output {
                self.records.push(record);
            } else {
                self.outputs.push(output);
            }
        }
    }

    /// Carries out what the core wanted, until it wants nothing more.
    fn settle(&mut self, now: Instant) {
        while !self.outputs.is_empty() || !self.records.is_empty() {
            self.write_records();
            let mut outputs = std::mem::take(&mut self.outputs);
            for output in outputs.drain(..) {
                self.carry_out(output, now);
            }
            if self.outputs.is_empty() {
                self.outputs = outputs;
            }
        }
        self.bridge.wake();
    }

    /// Sends, where need be by a connection of another shard.
    fn transmit(&mut self, transmit: Transmit, now: Instant) {
        if !self.bridge.is_foreign(&transmit.flow) {
            return self.net.send(transmit, now);
        }
        let flow = transmit.flow;
        if self.bridge.transmit(transmit) == Sent::Gone {
            self.core.handle(Input::FlowFailed { flow }, now);
            self.collect();
        }
    }

    fn write_records(&mut self) {
        if self.records.is_empty() {
            return;
        }
        for record in &self.records {
            if let CallRecord::Ended(cdr) = record {
                self.figures.scores.observe(cdr);
            }
        }
        if let Err(error) = self.journal.append(&self.records) {
            let waiting = self.journal.unwritten();
            tracing::warn!(%error, waiting, "the call journal cannot be written: records wait in memory");
        }
        self.records.clear();
    }

    fn carry_out(&mut self, output: Output, now: Instant) {
        match output {
            Output::Transmit(transmit) => self.transmit(transmit, now),
            Output::HandOver { shard, flow, message } => {
                if let Some((flow, message)) = self.bridge.hand_over(shard, flow, message) {
                    self.core.handle(Input::NotHanded { flow, message }, now);
                    self.collect();
                }
            }
            Output::Tell(word) => self.bridge.tell_all(&Input::Told(word)),
            Output::Ask(question) => self.ask(question, now),
            Output::AskRegister(question) => self.ask_register(question, now),
            Output::Filter(question) => self.ask_filter(*question, now),
            Output::Rate(question) => self.rate(*question, now),
            Output::Resolve(question) => self.hops.ask(question),
            Output::Prove(question) => self.proofs.ask(*question),
            Output::AppStart { app, start } => {
                self.apps_alive.insert(app);
                if let Some(start) = self.faxes.start(app, start, &self.apps.0) {
                    self.plugins.start_app(app, start, Arc::clone(&self.directory), self.apps.0.clone());
                }
            }
            Output::AppReply { app, request, result } => {
                let theirs = self.faxes.reply(app, request, result);
                theirs.into_iter().for_each(|result| self.plugins.app_reply(app, request, result));
            }
            Output::AppStop { app } => {
                self.apps_alive.remove(&app);
                self.faxes.stop(app).into_iter().for_each(|app| self.plugins.app_stop(app));
            }
            Output::Event(event) => self.tell(&event, now),
            Output::Recording(event) => self.recorder.take(event),
            Output::Fork { fork, told } => {
                self.faxes.tell(fork, told).into_iter().for_each(|told| self.plugins.fork_told(fork, told));
            }
            Output::Throw(throw) => {
                if let Err(error) = self.locks.try_send(throw) {
                    tracing::warn!(%error, "a route lock that was thrown by phone is not kept");
                }
            }
            // Taken apart from the others by `collect`; here only if that changes.
            Output::Record(record) => self.records.push(record),
        }
    }

    fn ask(&mut self, question: Question, now: Instant) {
        self.figures.asked += 1;
        let (ticket, at) = (question.ticket, self.clock.now());
        let (plugins, directory) = (self.plugins.clone(), Arc::clone(&self.directory));
        let ask = async move { plugins.ask(question, directory).await };
        match self.asks.begin(ticket, ask) {
            Some(answer) => {
                observe(&mut self.figures, Some(at), &answer, self.clock.now());
                self.core.handle(Input::Answered { ticket, answer }, now);
                self.collect();
            }
            None => {
                self.asked_at.insert(ticket, at);
            }
        }
    }

    fn rate(&mut self, question: RateQuestion, now: Instant) {
        let ticket = question.ticket;
        let (plugins, directory) = (self.plugins.clone(), Arc::clone(&self.directory));
        if question.kind == RateKind::Release {
            // Nobody waits for it, and what is kept ends by its time in any case.
            tokio::spawn(async move { plugins.ask_rate(question, directory).await });
            return;
        }
        let ask = async move { plugins.ask_rate(question, directory).await };
        if let Some(answer) = self.rates.begin(ticket, ask) {
            self.core.handle(Input::Rated { ticket, answer }, now);
            self.collect();
        }
    }

    fn ask_register(&mut self, question: RegisterQuestion, now: Instant) {
        let ticket = question.ticket;
        let (plugins, directory) = (self.plugins.clone(), Arc::clone(&self.directory));
        let ask = async move { plugins.ask_register(question.attempt, directory).await };
        if let Some(answer) = self.registers.begin(ticket, ask) {
            self.core.handle(Input::RegisterAnswered { ticket, answer }, now);
            self.collect();
        }
    }

    fn ask_filter(&mut self, question: FilterQuestion, now: Instant) {
        let ticket = question.ticket;
        let (plugins, directory) = (self.plugins.clone(), Arc::clone(&self.directory));
        let ask = async move { plugins.ask_filter(question.message, directory).await };
        if let Some(answer) = self.filters.begin(ticket, ask) {
            self.core.handle(Input::Filtered { ticket, answer }, now);
            self.collect();
        }
    }

    /// What each call and phone does is there for whoever looks for it (`RUST_LOG=debug`): at hundreds of calls a
    /// second nobody reads it, and the CDRs tell the same.
    fn tell(&mut self, event: &CallEvent, now: Instant) {
        let company = told::tenant(event, &self.directory).and_then(|company| self.directory.company(company));
        if company.is_some_and(|c| self.plugins.listens(c.brand, c.id))
            && let Some(told) = told::told(event, &self.directory, now)
        {
            self.plugins.tell(&told, &self.directory);
        }
        match event {
            CallEvent::CallStarted { call, company, .. } => tracing::debug!(%call, %company, "call started"),
            CallEvent::CallAnswered { call, .. } => tracing::debug!(%call, "call answered"),
            CallEvent::CallEnded { call, cause, .. } => {
                tracing::debug!(%call, cause = cause.code(), "call ended");
                self.faxes.call_ended(*call, *cause);
            }
            CallEvent::Explained(why) => {
                tracing::debug!(call = %why.call, asked = why.asked, decision = why.decision, "plugins were asked");
                if let Some(company) = self.directory.company(why.company)
                    && self.whys.try_send((company.brand, Explained::clone(why))).is_err()
                {
                    tracing::warn!(call = %why.call, "an explanation was dropped: the database does not follow");
                }
            }
            CallEvent::Registered { account, expires_s, refreshed, .. } => {
                if *refreshed {
                    tracing::debug!(%account, expires_s, "registered again");
                } else {
                    tracing::debug!(%account, expires_s, "registered");
                }
                self.keeper.changed(*account, now);
            }
            CallEvent::Trunk { trunk, change } => match change {
                TrunkChange::Registered { until } => tracing::info!(%trunk, ?until, "registered with the carrier"),
                TrunkChange::Unregistered => tracing::info!(%trunk, "no longer registered with the carrier"),
                TrunkChange::RegistrationFailed { status } => {
                    tracing::warn!(%trunk, status, "the registration with the carrier failed");
                }
                TrunkChange::ServerDown { address } => tracing::warn!(%trunk, %address, "the carrier's server is down"),
                TrunkChange::ServerUp { address } => tracing::info!(%trunk, %address, "the carrier's server is up"),
            },
            CallEvent::Unregistered { account, why, .. } => {
                tracing::debug!(%account, why = why.token(), "registration ended");
                self.keeper.changed(*account, now);
            }
        }
    }

    /// Shows the figures, keeps the registrations, tells the journal that the process lives.
    fn look_after(&mut self, now: Instant) {
        self.keeper.look(now);
        if self.keeper.poll_timeout().is_some_and(|at| at <= now) {
            self.keeper.keep(&self.core, now);
        }
        if now >= self.heartbeat_at {
            self.heartbeat_at = now + HEARTBEAT_EVERY;
            if let Err(error) = self.journal.heartbeat(now) {
                tracing::warn!(%error, waiting = self.journal.unwritten(), "the call journal cannot be written");
            }
        }
        match self.show_at {
            Some(at) if at > now => {}
            Some(_) => {
                self.show();
                self.show_at = None;
            }
            None => self.show_at = Some(now + SHOW_EVERY),
        }
    }

    fn show(&self) {
        let core = self.core.counters();
        let figures = Figures {
            core,
            net: self.net.counters(),
            hands: self.hands.counters(),
            asks_pending: self.asks.len(),
            apps_alive: self.apps_alive.len(),
            records_unwritten: self.journal.unwritten(),
            hand_overs_dropped: self.bridge.dropped(),
            ..self.figures
        };
        let alive = match core.calls_alive {
            0 if self.core.is_idle() => Alive::Idle,
            0 => Alive::Ending,
            calls => Alive::Calls(calls),
        };
        self.published.show(figures, alive);
    }

    /// The last turn: everything known goes to the disk.
    fn end(&mut self) {
        let now = self.clock.now();
        self.collect();
        self.settle(now);
        if let Err(error) = self.journal.heartbeat(now) {
            tracing::error!(%error, lost = self.journal.unwritten(), "the call journal could not be written at the end");
        }
        self.keeper.keep_at_end(&self.core);
        self.show();
        if let Some(done) = self.stop.take() {
            let _gone = done.send(());
        }
    }
}

/// Tells others that the shard is gone, however it went.
impl Drop for Shard {
    fn drop(&mut self) {
        for app in &self.apps_alive {
            self.plugins.app_stop(*app);
        }
        self.published.gone();
    }
}

fn observe(figures: &mut Figures, asked_at: Option<Instant>, answer: &Answer, now: Instant) {
    if answer.failed {
        figures.ask_failed += 1;
    }
    if let Some(at) = asked_at {
        figures.ask_latency.observe(now.since(at));
    }
}

fn next_hop(net: &mut Net, found: resolver::Found) -> NextHop {
    let tls_name = found.tls_name.map(|name| net.tls_name(&name));
    NextHop { transport: found.transport, address: found.address, tls_name }
}

fn core_kind(kind: net::PacketKind) -> PacketKind {
    match kind {
        net::PacketKind::Rtp => PacketKind::Rtp,
        net::PacketKind::Rtcp => PacketKind::Rtcp,
    }
}

fn net_kind(kind: PacketKind) -> net::PacketKind {
    match kind {
        PacketKind::Rtp => net::PacketKind::Rtp,
        PacketKind::Rtcp => net::PacketKind::Rtcp,
    }
}
