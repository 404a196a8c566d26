//! The switch of a run: one core, or several shards of a node that hand messages over to each other.
//!
//! To the world it is one. A message is read by the shard that its source's number falls on, as a kernel spreads sources
//! over sockets; media ports, tickets and recordings get numbers that say whose they are.

use crate::chance::Chance;
use crate::plan::{DOMAINS, Plan};
use core::net::SocketAddr;
use model::{
    CallId, CallSnapshot, Flow, Instant, MediaPortId, RecordingEvent, RecordingId, ResolveTicket, Shards, Ticket,
    Transport, TrunkStatus,
};
use std::collections::VecDeque;
use std::sync::Arc;
use switch::{Core, CoreConfig, Counters, Input, Listener, MediaPort, Output, PacketKind, Prompts, RegistrarSnapshot};

/// Bits of a number that a shard counts up; its own number stands above them.
const COUNTED: u32 = 56;

/// # Invariants
/// After each act no core has an output and nothing is on its way between them.
pub(crate) struct Node {
    cores: Vec<Core>,
    out: VecDeque<Output>,
}

impl Node {
    pub(crate) fn new(plan: &Plan, chance: &mut Chance, version: u64, at: SocketAddr) -> Node {
        let directory = Arc::new(plan.directory(version, chance));
        let mut cores: Vec<Core> = Vec::new();
        for shards in Shards::all(plan.shards) {
            let listener = |transport| Listener { transport, local: at };
            let config = CoreConfig {
                limits: plan.limits.clone(),
                listeners: vec![listener(Transport::Udp), listener(Transport::Tcp)],
                default_domain: Some(DOMAINS[0].to_owned()),
                shards,
                ..CoreConfig::default()
            };
            let mut seed = [0; 32];
            for chunk in seed.chunks_mut(8) {
                chunk.copy_from_slice(&chance.next().to_le_bytes());
            }
            let own = (0..plan.ports).filter(|port| port % u64::from(plan.shards) == u64::from(shards.own()));
            let ports = own.zip(0..).map(|(port, id)| MediaPort { id: MediaPortId(id), ..media_port(at, port) });
            cores.push(Core::new(config, Arc::clone(&directory), ports.collect(), Prompts::default(), seed));
        }
        Node { cores, out: VecDeque::new() }
    }

    fn count(&self) -> u64 {
        self.cores.len() as u64
    }

    /// The shard that reads what comes from there.
    fn reader(&self, flow: &Flow) -> usize {
        let number = u64::from(flow.remote.port()).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        (number % self.count()) as usize
    }

    pub(crate) fn handle(&mut self, input: Input, now: Instant) {
        let (shard, input) = match input {
            Input::Sip { flow, bytes } => (self.reader(&flow), Input::Sip { flow, bytes }),
            Input::Answered { ticket, answer } => {
                (of(ticket.0), Input::Answered { ticket: Ticket(counted(ticket.0)), answer })
            }
            Input::RegisterAnswered { ticket, answer } => {
                (of(ticket.0), Input::RegisterAnswered { ticket: Ticket(counted(ticket.0)), answer })
            }
            Input::Filtered { ticket, answer } => {
                (of(ticket.0), Input::Filtered { ticket: Ticket(counted(ticket.0)), answer })
            }
            Input::Proved { ticket, proof } => {
                (of(ticket.0), Input::Proved { ticket: Ticket(counted(ticket.0)), proof })
            }
            Input::Rated { ticket, answer } => {
                (of(ticket.0), Input::Rated { ticket: Ticket(counted(ticket.0)), answer })
            }
            Input::Resolved(mut resolved) => {
                let number = resolved.ticket.0;
                resolved.ticket = ResolveTicket(counted(number));
                (of(number), Input::Resolved(resolved))
            }
            Input::AppRequest { app, request, verb } => (of(app.0), Input::AppRequest { app, request, verb }),
            Input::AppEnded { app, outcome, recourse } => (of(app.0), Input::AppEnded { app, outcome, recourse }),
            Input::Hangup { call } => {
                let shard = self.cores.iter().position(|core| core.has_call(call)).unwrap_or(0);
                (shard, Input::Hangup { call })
            }
            all @ (Input::FlowFailed { .. }
            | Input::Fork { .. }
            | Input::Load(_)
            | Input::Directory(_)
            | Input::Mailbox(_)
            | Input::Drain
            | Input::EndAll
            | Input::Handed { .. }
            | Input::NotHanded { .. }
            | Input::Told(_)) => {
                for shard in 0..self.cores.len() {
                    self.tell(shard, all.clone(), now);
                }
                return;
            }
        };
        self.tell(shard, input, now);
    }

    /// One shard is told, and whoever is told something by that.
    fn tell(&mut self, shard: usize, input: Input, now: Instant) {
        let Some(core) = self.cores.get_mut(shard) else { return };
        core.handle(input, now);
        self.settle(now);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for core in &mut self.cores {
            if core.poll_timeout().is_some_and(|at| at <= now) {
                core.handle_timeout(now);
            }
        }
        self.settle(now);
    }

    /// Carries over what the shards have for each other, until they have nothing more.
    fn settle(&mut self, now: Instant) {
        let mut over: VecDeque<(usize, Input)> = VecDeque::new();
        loop {
            for shard in 0..self.cores.len() {
                while let Some(output) = self.cores[shard].poll_output() {
                    if let Output::HandOver { shard, flow, message } = output {
                        over.push_back((usize::from(shard), Input::Handed { flow, message }));
                    } else if let Output::Tell(word) = output {
                        let others = (0..self.cores.len()).filter(|other| *other != shard);
                        over.extend(others.map(|other| (other, Input::Told(word.clone()))));
                    } else {
                        self.out.push_back(numbered(output, shard));
                    }
                }
            }
            let Some((shard, input)) = over.pop_front() else { return };
            self.cores[shard].handle(input, now);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.cores.iter().filter_map(Core::poll_timeout).min()
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    pub(crate) fn poll_media(&mut self) -> Option<switch::MediaTransmit> {
        let count = self.count();
        let (shard, packet) = (0..).zip(&mut self.cores).find_map(|(shard, core)| Some((shard, core.poll_media()?)))?;
        Some(switch::MediaTransmit { port: MediaPortId(packet.port.0 * count + shard), ..packet })
    }

    /// As [`Core::handle_media`]; where the packet goes on, by which port and how long.
    pub(crate) fn handle_media(
        &mut self,
        port: MediaPortId,
        from: SocketAddr,
        (packet, len): (&mut [u8], usize),
        now: Instant,
    ) -> Option<(MediaPortId, PacketKind, SocketAddr, usize)> {
        let (count, shard) = (self.count(), port.0 % self.count());
        let core = self.cores.get_mut(shard as usize)?;
        let own = MediaPortId(port.0 / count);
        let forward = core.handle_media(own, PacketKind::Rtp, from, packet, len, now);
        self.settle(now);
        let forward = forward?;
        Some((MediaPortId(forward.port.0 * count + shard), forward.kind, forward.to, forward.len))
    }

    pub(crate) fn counters(&self) -> Counters {
        Counters::of_all(self.cores.iter().map(Core::counters))
    }

    pub(crate) fn calls(&self) -> impl Iterator<Item = CallSnapshot> {
        self.cores.iter().flat_map(Core::calls)
    }

    pub(crate) fn trunks(&self) -> impl Iterator<Item = TrunkStatus> {
        self.cores.iter().flat_map(Core::trunks)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.cores.iter().all(Core::is_idle)
    }

    /// What all shards keep, as one: a restart may have another number of them.
    pub(crate) fn registrations(&self) -> RegistrarSnapshot {
        let mut all = self.cores.iter().map(Core::registrations);
        let mut kept = all.next().unwrap_or_default();
        kept.bindings.extend(all.flat_map(|snapshot| snapshot.bindings));
        kept
    }

    pub(crate) fn restore_registrations(&mut self, kept: &RegistrarSnapshot, now: Instant) {
        for core in &mut self.cores {
            core.restore_registrations(kept.clone(), now);
        }
        self.settle(now);
    }

    /// The calls an operator sees, by id.
    pub(crate) fn call_ids(&self) -> Vec<CallId> {
        self.calls().map(|call| call.call).collect()
    }
}

/// The media port `n` of the node.
pub(crate) fn media_port(at: SocketAddr, n: u64) -> MediaPort {
    let base = 20_000 + 2 * n as u16;
    let address = |port| SocketAddr::new(at.ip(), port);
    MediaPort { id: MediaPortId(n), rtp: address(base), rtcp: address(base + 1) }
}

fn of(number: u64) -> usize {
    (number >> COUNTED) as usize
}

fn counted(number: u64) -> u64 {
    number & ((1 << COUNTED) - 1)
}

/// An output whose numbers say which shard's they are.
fn numbered(mut output: Output, shard: usize) -> Output {
    let own = |number: u64| number | (shard as u64) << COUNTED;
    match &mut output {
        Output::Ask(question) => question.ticket = Ticket(own(question.ticket.0)),
        Output::AskRegister(question) => question.ticket = Ticket(own(question.ticket.0)),
        Output::Filter(question) => question.ticket = Ticket(own(question.ticket.0)),
        Output::Prove(question) => question.ticket = Ticket(own(question.ticket.0)),
        Output::Rate(question) => question.ticket = Ticket(own(question.ticket.0)),
        Output::Resolve(question) => question.ticket = ResolveTicket(own(question.ticket.0)),
        Output::Recording(RecordingEvent::Started(start)) => start.recording = RecordingId(own(start.recording.0)),
        Output::Recording(RecordingEvent::Sound(recording, _) | RecordingEvent::Ended(recording, _)) => {
            *recording = RecordingId(own(recording.0));
        }
        Output::Record(_)
        | Output::Transmit(_)
        | Output::HandOver { .. }
        | Output::Tell(_)
        | Output::AppStart { .. }
        | Output::AppReply { .. }
        | Output::AppStop { .. }
        | Output::Fork { .. }
        | Output::Throw(_)
        | Output::Event(_) => {}
    }
    output
}
