//! The run: the switch, everybody around it, and the clock that jumps from one event to the next.

use crate::audio;
use crate::carriers;
use crate::chance::Chance;
use crate::coverage::Coverage;
use crate::journal::Journal;
use crate::nat::Nat;
use crate::network::{Load, Network, Packet};
use crate::node::{Node, media_port};
use crate::phone::{Phone, Say};
use crate::plan::{Deed, NOWHERE, Plan, account_id};
use crate::recordings::Recordings;
use crate::rules::{self, Broken, Rules};
use crate::script::Script;
use crate::swarm;
use crate::text;
use crate::trace::{self, Tally, Trace};
use crate::truth;
use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;
use model::{CompanyId, ConnectionId, Flow, Instant, MediaPortId, RecordingEvent, Transmit, Transport};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use switch::{Input, Output, PacketKind};

const SWITCH: &str = "10.0.0.9:5060";
/// How long calls stand in calm weather before everybody hangs up.
const CALM: Duration = Duration::from_secs(75);
/// After this long in calm weather what was lost before has been said again.
const CLEARED: Duration = Duration::from_secs(20);
/// How long after that the last trace must be gone.
const BOUND: Duration = Duration::from_secs(250);
/// How long the switch is then watched for saying something after all.
const TAIL: Duration = Duration::from_secs(45);
/// What a receive buffer has beyond a packet: SRTP grows it in place.
const ROOM: usize = 32;

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The hash of everything that left the switch.
    pub hash: u64,
    /// The totals.
    pub tally: Tally,
    /// The rule that broke, if one did.
    pub broken: Option<Broken>,
    /// The ladder, if it was wanted.
    pub lines: Vec<String>,
}

/// Runs one seed; `keep` keeps the ladder.
#[must_use]
pub fn run(seed: u64, keep: bool) -> Outcome {
    run_shards(seed, 1, keep)
}

/// The same with a node of several shards, on each of which one of the companies' brands lives, or none.
#[must_use]
pub fn run_shards(seed: u64, shards: u8, keep: bool) -> Outcome {
    let mut world = World::new(Plan { shards, ..Plan::of(seed) }, seed, keep);
    // A panic of the switch is a broken rule like any other, and the seed that shows it is worth its name.
    let ended = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| world.live()));
    let broken = match ended {
        Ok(ended) => ended.err(),
        Err(_) => Some(Broken { rule: "panic", words: "the switch panicked; its words are above".to_owned() }),
    };
    world.tally.virtual_ms = world.now.since(world.start).as_millis() as u64;
    world.coverage.read(&world.journal);
    world.tally.features = world.coverage.features().map(|feature| (feature, 1)).collect();
    world.tally.causes = core::mem::take(&mut world.journal.causes);
    world.count_calls();
    Outcome { hash: world.trace.hash, tally: world.tally, broken, lines: world.trace.lines.unwrap_or_default() }
}

/// What the world does at a set time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Task {
    Deed(Deed),
    Calm,
    Close,
    Check,
}

struct World {
    plan: Plan,
    chance: Chance,
    start: Instant,
    now: Instant,
    core: Node,
    network: Network,
    phones: Vec<Phone>,
    /// The box before each phone, if there is one.
    nats: Vec<Option<Nat>>,
    script: Script,
    recordings: Recordings,
    journal: Journal,
    rules: Rules,
    trace: Trace,
    tally: Tally,
    coverage: Coverage,
    agenda: BTreeMap<(Instant, u64), Task>,
    tasks: u64,
    wakes: Vec<Option<Instant>>,
    /// Every connection: whose it is and what the switch sees of it.
    connections: BTreeMap<u64, (usize, SocketAddr)>,
    /// The connection each TCP phone uses.
    current: Vec<u64>,
    next_connection: u64,
    directory_version: u64,
    cores: u64,
    calm_since: Option<Instant>,
    closed_at: Option<Instant>,
}

impl World {
    fn new(plan: Plan, seed: u64, keep: bool) -> World {
        let mut chance = Chance::new(seed ^ 0x5357_4954_4348);
        let start = Instant::from_unix_nanos(1_800_000_000_000_000_000);
        let core = Node::new(&plan, &mut chance, 1, switch_address());
        let users = [0, 1].map(|company| {
            let mut users: Vec<String> =
                plan.phones.iter().filter(|p| p.company == company).map(|p| p.user.clone()).collect();
            users.dedup();
            if users.is_empty() { vec!["nobody".to_owned()] } else { users }
        });
        let mut phones: Vec<Phone> = (0..)
            .zip(&plan.phones)
            .map(|(index, phone)| Phone::new(index, phone.clone(), chance.split(), start))
            .collect();
        phones.iter_mut().for_each(|p| p.may_be_disabled = plan.disables);
        if plan.carrier.as_ref().is_some_and(|carrier| carrier.asks) {
            phones.iter_mut().for_each(|p| p.desk = Some(carriers::Desk::new()));
        }
        let mut world = World {
            network: Network::new(chance.split(), plan.weather),
            recordings: Recordings::default(),
            nats: plan.phones.iter().map(|p| Some(Nat::new(p.nat?, p.nat_timeout))).collect(),
            script: Script::new(chance.split(), plan.taste.clone(), users, plan.carrier.clone()),
            journal: Journal::default(),
            rules: Rules::default(),
            trace: Trace::new(keep, start),
            tally: Tally::default(),
            coverage: Coverage::default(),
            agenda: BTreeMap::new(),
            tasks: 0,
            wakes: vec![Some(start); phones.len()],
            connections: BTreeMap::new(),
            current: vec![0; phones.len()],
            next_connection: 1,
            directory_version: 1,
            cores: 1,
            calm_since: None,
            closed_at: None,
            now: start,
            start,
            chance,
            core,
            phones,
            plan,
        };
        world.prepare();
        world
    }

    fn prepare(&mut self) {
        for (index, phone) in self.plan.phones.iter().enumerate() {
            self.journal.accounts.entry(account_id(index)).or_insert(CompanyId(phone.company as i64 + 1));
        }
        for index in 0..self.phones.len() {
            self.connect(index);
        }
        let deeds = self.plan.deeds.clone();
        for (at, deed) in deeds {
            self.plan_task(self.start + at, Task::Deed(deed));
        }
        let calm = self.start + self.plan.storm;
        self.plan_task(calm, Task::Calm);
        self.plan_task(calm + CALM, Task::Close);
        self.plan_task(self.start + Duration::from_secs(5), Task::Check);
        self.trace.line(self.now, format_args!("plan {}", swarm::features(&self.phones)));
        let words = format!("{:?} {:?} {:?}", self.plan.weather, self.plan.deeds, self.plan.taste);
        self.trace.line(self.now, format_args!("plan {words}"));
        for phone in &self.plan.phones {
            self.trace.line(self.now, format_args!("plan {phone:?}"));
        }
    }

    fn plan_task(&mut self, at: Instant, task: Task) {
        self.tasks += 1;
        self.agenda.insert((at, self.tasks), task);
    }

    /// Everything, until nothing is left.
    fn live(&mut self) -> Result<(), Broken> {
        let mut at_once = 0_u32;
        while let Some(next) = self.next_event() {
            at_once = if next <= self.now { at_once + 1 } else { 0 };
            if at_once > 20_000 {
                let words = format!("the clock stands at {next:?}: {:?}", self.core.counters());
                return Err(Broken { rule: "busy-loop", words });
            }
            self.now = next.max(self.now);
            self.step()?;
            if self.is_at_rest() {
                break;
            }
            self.check_bound()?;
        }
        self.watch_tail()?;
        rules::check_rest(&self.core.counters(), self.core.is_idle() && self.core.calls().next().is_none())?;
        self.recordings.check_rest()?;
        carriers::check(&self.core, self.plan.carrier.as_ref(), true)?;
        self.journal.check_rest()?;
        rules::check_heard(&self.phones, &self.journal, self.cores > 1)?;
        truth::check_durations(&self.plan, &self.phones, &self.journal)?;
        if self.cores == 1 {
            truth::check_rate(self.plan.carrier.as_ref(), &self.journal)?;
        }
        self.check_mute()
    }

    fn next_event(&self) -> Option<Instant> {
        let wake = self.wakes.iter().flatten().min().copied();
        let task = self.agenda.first_key_value().map(|((at, _), _)| *at);
        [self.core.poll_timeout(), self.network.next_arrival(), wake, self.script.next(), task]
            .into_iter()
            .flatten()
            .min()
    }

    fn is_at_rest(&self) -> bool {
        self.closed_at.is_some_and(|at| self.now > at + Duration::from_secs(5))
            && self.core.is_idle()
            && self.core.counters().subscriptions_alive == 0
            && self.network.is_empty()
            && self.script.next().is_none()
            && self.phones.iter().all(Phone::is_quiet)
    }

    fn check_bound(&self) -> Result<(), Broken> {
        if self.closed_at.is_none_or(|at| self.now < at + BOUND) {
            return Ok(());
        }
        let noisy: Vec<String> = self
            .phones
            .iter()
            .filter(|p| !p.is_quiet())
            .map(|p| {
                let alive = p.dialogs.values().filter(|d| d.stage != crate::dialog::Stage::Over);
                let alive: Vec<_> = alive.map(|d| (&d.call_id, d.stage)).collect();
                format!("phone {}: {alive:?} {:?}", p.index, p.wire)
            })
            .collect();
        let words = format!("not at rest: {:?} {noisy:?} apps {}", self.core.counters(), self.script.apps_alive());
        Err(Broken { rule: "liveness", words })
    }

    /// At rest: the switch has nothing more to say but to phones behind NATs, and registrations run out without a word.
    fn watch_tail(&mut self) -> Result<(), Broken> {
        let end = self.now + TAIL;
        while let Some(at) = self.core.poll_timeout().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.core.handle_timeout(self.now);
            while let Some(output) = self.core.poll_output() {
                if matches!(output, Output::Event(_)) {
                    continue;
                }
                // Phones behind a NAT are kept reachable, and nobody else.
                if let Output::Transmit(ping) = &output
                    && ping.bytes.starts_with(b"OPTIONS ")
                    && self.phones.iter().any(|p| p.plan.nat == Some(ping.flow.remote.ip()))
                {
                    continue;
                }
                return Err(Broken { rule: "silence", words: format!("at rest, and then {output:?}") });
            }
            if self.core.poll_media().is_some() {
                return Err(Broken { rule: "silence", words: "at rest, and then media".to_owned() });
            }
        }
        if self.script.apps_alive() > 0 {
            return Err(Broken { rule: "app-left", words: "an app was neither ended nor stopped".to_owned() });
        }
        self.now = end;
        Ok(())
    }

    /// Nobody who speaks all the time is ended for silence.
    fn check_mute(&self) -> Result<(), Broken> {
        let mute = self.plan.phones.iter().any(|p| p.temper.mute > 0);
        let ended = self.journal.causes.get(model::Cause::MediaTimeout.code()).copied().unwrap_or(0);
        if ended > 0
            && !mute
            && self.cores == 1
            && !self.plan.deeds.iter().any(|(_, d)| matches!(d, Deed::Cut(_) | Deed::Reset(_)))
        {
            return Err(Broken { rule: "media-timeout", words: format!("{ended} legs, and nobody is mute") });
        }
        Ok(())
    }

    /// Whatever is due now, one after another.
    fn step(&mut self) -> Result<(), Broken> {
        let now = self.now;
        if let Some(entry) = self.agenda.first_entry().filter(|e| e.key().0 <= now) {
            let task = entry.remove();
            self.carry_out(task)?;
        } else if let Some(packet) = self.network.arrive(now) {
            self.arrived(packet)?;
        } else if let Some(index) = self.wakes.iter().position(|w| w.is_some_and(|at| at <= now)) {
            self.phones[index].wake(now);
            self.phone_spoke(index)?;
        } else if let Some(input) = self.script.take(now) {
            self.trace.line(now, format_args!("script {input:?}"));
            self.core.handle(input, now);
            self.drain()?;
        } else if self.core.poll_timeout().is_some_and(|at| at <= now) {
            self.core.handle_timeout(now);
            self.drain()?;
        }
        self.rules.step(&self.core.counters(), (&self.plan.limits, self.plan.shards), now)
    }

    fn carry_out(&mut self, task: Task) -> Result<(), Broken> {
        let now = self.now;
        if task != Task::Check {
            self.trace.line(now, format_args!("world {task:?}"));
        }
        if let Task::Deed(deed) = task {
            self.coverage.note(deed.name());
        }
        match task {
            Task::Deed(Deed::Directory) => {
                self.directory_version += 1;
                let directory = self.plan.directory(self.directory_version, &mut self.chance);
                self.core.handle(Input::Directory(Arc::new(directory)), now);
            }
            Task::Deed(Deed::Operator) => {
                let calls = self.core.call_ids();
                if let Some(call) = calls.get(self.chance.below(calls.len() as u64) as usize) {
                    self.core.handle(Input::Hangup { call: *call }, now);
                }
            }
            Task::Deed(Deed::Restart) => self.restart(),
            Task::Deed(Deed::Cut(phone)) => self.cut(phone, true),
            Task::Deed(Deed::Reset(phone)) => self.cut(phone, false),
            Task::Deed(Deed::Drain) => self.core.handle(Input::Drain, now),
            Task::Calm => {
                self.calm_since = Some(now);
                self.network.calm();
                self.phones.iter_mut().for_each(Phone::calm);
            }
            Task::Close => {
                self.closed_at = Some(now);
                self.agenda.clear();
                self.phones.iter_mut().for_each(|p| p.close(now));
                if self.plan.end_all {
                    self.core.handle(Input::Drain, now);
                    self.core.handle(Input::EndAll, now);
                }
            }
            Task::Check => {
                self.plan_task(now + Duration::from_secs(5), Task::Check);
                rules::check_calls(&self.core, &self.plan.limits)?;
                carriers::check(&self.core, self.plan.carrier.as_ref(), false)?;
                rules::check_agreement(&self.phones, &self.journal, now)?;
                rules::check_lamps(&self.phones, &self.journal, now)?;
                if self.calm_since.is_some_and(|at| now.since(at) > CLEARED) {
                    audio::check(&self.core, &self.phones, &self.journal, (switch_address().ip(), now))?;
                }
            }
        }
        for index in 0..self.phones.len() {
            self.phone_spoke(index)?;
        }
        self.drain()
    }

    /// The process dies and comes back at once with what it keeps: the registrations and the journal.
    fn restart(&mut self) {
        self.count_calls();
        let kept = self.core.registrations();
        self.cores += 1;
        self.plan.restart_shards();
        self.core = Node::new(&self.plan, &mut self.chance, self.directory_version, switch_address());
        self.core.restore_registrations(&kept, self.now);
        self.journal.restart(self.now);
        self.rules.restart();
        self.script.restart();
        self.recordings.restart();
        self.connections.clear();
        for index in 0..self.phones.len() {
            self.phones[index].excuse(self.now);
            self.connect(index);
            if self.phones[index].plan.tcp {
                self.phones[index].reconnected(self.now);
            }
        }
    }

    /// The connections of a phone break; it opens a new one. The switch is told at once, or finds out when it writes.
    fn cut(&mut self, index: usize, told: bool) {
        let lost: Vec<(u64, SocketAddr)> =
            self.connections.iter().filter(|(_, (p, _))| *p == index).map(|(id, (_, remote))| (*id, *remote)).collect();
        self.rules.cut(&self.phones[index]);
        for (id, remote) in lost {
            self.connections.remove(&id);
            if !told {
                continue;
            }
            let flow =
                Flow { connection: Some(ConnectionId(id)), ..Flow::new(Transport::Tcp, switch_address(), remote) };
            self.core.handle(Input::FlowFailed { flow }, self.now);
        }
        self.connect(index);
        self.phones[index].reconnected(self.now);
    }

    fn connect(&mut self, index: usize) {
        if !self.phones[index].plan.tcp {
            return;
        }
        let plan = &self.phones[index].plan;
        let ip = plan.nat.unwrap_or(plan.local.ip());
        let remote = SocketAddr::new(ip, 40_000 + self.next_connection as u16);
        self.current[index] = self.open(index, remote);
    }

    fn open(&mut self, index: usize, remote: SocketAddr) -> u64 {
        let id = self.next_connection;
        self.next_connection += 1;
        self.connections.insert(id, (index, remote));
        id
    }

    fn count_calls(&mut self) {
        let figures = self.core.counters().calls;
        self.tally.calls += figures.opened;
        self.tally.answered += figures.answered;
    }

    /// How the world sees an address of a phone that sends something.
    fn outside(&mut self, index: usize, local: SocketAddr, to: SocketAddr) -> SocketAddr {
        let now = self.now;
        let Some(nat) = &mut self.nats[index] else { return local };
        let (seen, moved) = nat.leave(local.port(), to.ip(), now);
        self.coverage.note("nats");
        if moved {
            self.coverage.note("nats-forget");
            self.trace.line(now, format_args!("nat of phone {index} moves {} to {seen}", local.port()));
            self.phones[index].moved(local.port(), now);
        }
        seen
    }

    /// Whose address this is.
    fn owner(&self, address: SocketAddr) -> Option<usize> {
        let ip = |phone: &Phone| phone.plan.nat.unwrap_or(phone.plan.local.ip());
        self.phones.iter().position(|phone| ip(phone) == address.ip())
    }

    /// Who hears what comes to this address, and at which of its own ports.
    fn inside(&self, packet: &Packet) -> Option<(usize, u16)> {
        let index = self.owner(packet.to)?;
        match &self.nats[index] {
            Some(_) if packet.connection.is_some() => Some((index, packet.to.port())),
            Some(nat) => Some((index, nat.enter(packet.to.port(), packet.from.ip(), self.now)?)),
            None => Some((index, packet.to.port())),
        }
    }

    /// Sends what a phone has said, and notes when it wants to be woken.
    fn phone_spoke(&mut self, index: usize) -> Result<(), Broken> {
        let local = self.phones[index].plan.local;
        while let Some(say) = self.phones[index].out.pop_front() {
            match say {
                Say::Sip(message) => {
                    self.trace.line(self.now, format_args!("phone {index} > {}", trace::sip(&message)));
                    let tcp = self.phones[index].plan.tcp;
                    let connection = tcp.then(|| self.current[index]);
                    let from = match connection.and_then(|id| self.connections.get(&id)) {
                        Some((_, remote)) => *remote,
                        None => self.outside(index, local, switch_address()),
                    };
                    let packet =
                        Packet { from, to: switch_address(), connection, load: Load::Sip(message.into_bytes()) };
                    self.network.send(packet, tcp, self.now);
                }
                Say::Rtp { port, to, bytes } => {
                    let from = self.outside(index, SocketAddr::new(local.ip(), port), to);
                    self.network.send(Packet { from, to, connection: None, load: Load::Rtp(bytes) }, false, self.now);
                }
            }
        }
        self.wakes[index] = self.phones[index].next();
        for branch in core::mem::take(&mut self.phones[index].orphans) {
            self.rules.check_orphan(&branch)?;
        }
        match self.phones[index].broken.take() {
            Some(broken) => Err(broken),
            None => Ok(()),
        }
    }

    /// A packet has arrived.
    fn arrived(&mut self, packet: Packet) -> Result<(), Broken> {
        if packet.connection.is_some_and(|id| !self.connections.contains_key(&id)) {
            return Ok(());
        }
        let at_switch = packet.to.ip() == switch_address().ip();
        let inside = if at_switch { None } else { self.inside(&packet) };
        match packet.load {
            Load::Sip(bytes) if at_switch => self.sip_to_switch(packet.from, packet.connection, bytes),
            Load::Rtp(mut bytes) if at_switch => {
                self.tally.rtp += 1;
                let port = MediaPortId(u64::from(packet.to.port().saturating_sub(20_000) / 2));
                let len = bytes.len();
                bytes.resize(len + ROOM, 0);
                let forward = self.core.handle_media(port, packet.from, (&mut bytes, len), self.now);
                if let Some((port, kind, to, len)) = forward {
                    bytes.truncate(len);
                    self.send_media(port, kind, to, bytes);
                }
                self.drain()
            }
            Load::Sip(bytes) => {
                let Some((index, _)) = inside else { return Ok(()) };
                if let Some(connection) = packet.connection {
                    self.current[index] = connection;
                }
                self.phones[index].hears(&String::from_utf8_lossy(&bytes), self.now);
                self.phone_spoke(index)
            }
            Load::Rtp(bytes) => {
                self.tally.rtp += 1;
                let Some((index, port)) = inside else { return Ok(()) };
                let from_switch = packet.from.ip() == switch_address().ip();
                self.phones[index].hears_rtp(port, &bytes, from_switch, self.now);
                match self.phones[index].broken.take() {
                    Some(broken) => Err(broken),
                    None => Ok(()),
                }
            }
        }
    }

    fn sip_to_switch(&mut self, from: SocketAddr, connection: Option<u64>, bytes: Vec<u8>) -> Result<(), Broken> {
        self.tally.sip += 1;
        let message = String::from_utf8_lossy(&bytes);
        self.trace.line(self.now, format_args!("switch < {}", trace::sip(&message)));
        self.rules.delivered(&message);
        self.coverage.delivered(&message);
        if connection.is_some() {
            self.coverage.note("streams");
        }
        let transport = if connection.is_some() { Transport::Tcp } else { Transport::Udp };
        let flow = Flow { connection: connection.map(ConnectionId), ..Flow::new(transport, switch_address(), from) };
        self.core.handle(Input::Sip { flow, bytes: Bytes::from(bytes) }, self.now);
        self.drain()
    }

    /// Carries out everything that the switch wants, in order.
    fn drain(&mut self) -> Result<(), Broken> {
        let mut failed: VecDeque<Flow> = VecDeque::new();
        loop {
            while let Some(output) = self.core.poll_output() {
                self.carry(output, &mut failed)?;
            }
            while let Some(transmit) = self.core.poll_media() {
                self.send_media(transmit.port, transmit.kind, transmit.to, transmit.bytes.to_vec());
            }
            let Some(flow) = failed.pop_front() else { return Ok(()) };
            self.trace.line(self.now, format_args!("flow failed {flow}"));
            self.core.handle(Input::FlowFailed { flow }, self.now);
        }
    }

    fn carry(&mut self, output: Output, failed: &mut VecDeque<Flow>) -> Result<(), Broken> {
        if let Output::Transmit(transmit) = &output {
            self.trace.output(self.now, format!("{}", transmit.flow).as_bytes());
            self.trace.output(self.now, &transmit.bytes);
            return self.transmit(transmit, failed);
        }
        if let Output::AppStart { .. } = &output {
            self.coverage.note("apps");
        }
        if let Output::Recording(event) = &output {
            self.recordings.note(event)?;
        }
        if let Output::Recording(RecordingEvent::Sound(_, samples)) = &output {
            let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
            self.trace.output(self.now, &bytes);
            return Ok(());
        }
        let shown = format!("{output:?}");
        self.trace.output(self.now, shown.as_bytes());
        self.trace.line(self.now, format_args!("switch {shown}"));
        self.script.output(&output, self.now);
        if let Output::Record(record) = &output {
            let (model::CallRecord::Answered(cdr) | model::CallRecord::Ended(cdr)) = record;
            let ring = self.script.rings.get(&cdr.call).copied();
            self.journal.record(record, ring)?;
        }
        Ok(())
    }

    fn transmit(&mut self, transmit: &Transmit, failed: &mut VecDeque<Flow>) -> Result<(), Broken> {
        self.tally.sip += 1;
        let message = String::from_utf8_lossy(&transmit.bytes);
        self.trace.line(self.now, format_args!("switch > {} {}", transmit.flow.remote, trace::sip(&message)));
        if let Some(status) = text::status(&message) {
            *self.tally.statuses.entry(status).or_default() += 1;
        }
        self.coverage.sent(&message);
        self.rules.sent(&message, &self.journal, self.now)?;
        let (remote, load) = (transmit.flow.remote, Load::Sip(transmit.bytes.to_vec()));
        let mut packet = Packet { from: switch_address(), to: remote, connection: None, load };
        match transmit.flow.transport {
            Transport::Udp => {
                if self.owner(remote).is_none() && remote.to_string() != NOWHERE {
                    let words = format!("nobody is at {remote}: {}", trace::sip(&message));
                    return Err(Broken { rule: "sip-to-nowhere", words });
                }
                self.network.send(packet, false, self.now);
            }
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
                match self.connection_for(&transmit.flow) {
                    Some(id) => {
                        packet.connection = Some(id);
                        self.network.send(packet, true, self.now);
                    }
                    None => {
                        self.rules.unsendable(&message);
                        failed.push_back(transmit.flow);
                    }
                }
            }
        }
        Ok(())
    }

    /// The connection that a flow names, or one to its remote, opened where a phone listens there.
    fn connection_for(&mut self, flow: &Flow) -> Option<u64> {
        if let Some(ConnectionId(id)) = flow.connection {
            return self.connections.contains_key(&id).then_some(id);
        }
        let known = self.connections.iter().find(|(_, (_, remote))| *remote == flow.remote).map(|(id, _)| *id);
        let listens = |p: &&Phone| p.plan.tcp && p.plan.nat.is_none() && p.plan.local == flow.remote;
        let phone = self.phones.iter().find(listens).map(|p| p.index);
        known.or_else(|| phone.map(|index| self.open(index, flow.remote)))
    }

    fn send_media(&mut self, port: MediaPortId, kind: PacketKind, to: SocketAddr, bytes: Vec<u8>) {
        self.trace.output(self.now, &bytes);
        if kind == PacketKind::Rtcp {
            return;
        }
        let from = media_port(switch_address(), port.0).rtp;
        let packet = Packet { from, to, connection: None, load: Load::Rtp(bytes) };
        self.network.send(packet, false, self.now);
    }
}

fn switch_address() -> SocketAddr {
    match SWITCH.parse() {
        Ok(address) => address,
        Err(_) => unreachable!("a literal"),
    }
}
