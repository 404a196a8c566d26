//! Two proxies in a row: callers at the first shard, callees at the second, every plan handled as `proxy`.
//!
//! The phones are simpler than those of the other simulation and know forks and Route sets. Phase 1 has loss,
//! duplication, disorder, operators and new calls; in phase 2 everybody hangs up until nothing is left.

mod media;
mod phone;

use crate::chance::Chance;
use crate::coverage::Coverage;
use crate::network::{Load, Network, Packet, Weather};
use crate::rules::Broken;
use crate::text;
use crate::trace::{self, Tally, Trace};
use crate::world::Outcome;
use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;
use model::{
    Account, AccountId, Answer, Brand, BrandId, CallRecord, Company, CompanyId, Decision, DefaultVerdict, Directory,
    Endpoint, Extension, ExtensionId, Flow, Ha1, Handling, Instant, LegRole, MediaPath, Question, RingPlan, RingStep,
    RouteTarget, Target, Transport,
};
use phone::Phone;
use std::collections::BTreeMap;
use std::sync::Arc;
use switch::{Core, CoreConfig, Input, Listener, Output, Prompts};

const SHARDS: [&str; 2] = ["10.9.0.1:5060", "10.9.0.2:5060"];
const CALLERS: usize = 3;
const CALLEES: usize = 4;
/// After the storm everything must be over by then: Timer C and 64*T1 several times.
const CALM: Duration = Duration::from_secs(900);

/// What the records of a shard say.
#[derive(Debug, Default)]
struct Ledger {
    answered: BTreeMap<(u128, u16), String>,
    ended: BTreeMap<(u128, u16), String>,
}

struct World {
    now: Instant,
    cores: Vec<Core>,
    /// How each shard's company has its calls handled.
    handlings: [Handling; 2],
    ledgers: Vec<Ledger>,
    phones: Vec<Phone>,
    network: Network,
    chance: Chance,
    trace: Trace,
    tally: Tally,
    coverage: Coverage,
    /// Final responses to callers, by Call-ID and CSeq: the first one.
    finals: BTreeMap<(String, u32), u16>,
    /// The To-tag of the first 2xx among them.
    answers: BTreeMap<(String, u32), String>,
}

/// Runs a seed.
#[must_use]
pub fn run_chain(seed: u64, keep_lines: bool) -> Outcome {
    let mut world = World::new(seed, keep_lines);
    let broken = world.live().err();
    world.note_features();
    let World { trace, tally, .. } = world;
    Outcome { hash: trace.hash, broken, lines: trace.lines.unwrap_or_default(), tally }
}

fn broken(rule: &'static str, words: String) -> Result<(), Broken> {
    Err(Broken { rule, words })
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap_or_else(|_| unreachable!("a literal"))
}

impl World {
    fn new(seed: u64, keep: bool) -> World {
        let mut chance = Chance::new(seed.wrapping_mul(0x51ed_270b).wrapping_add(11));
        let now = Instant::from_unix_nanos(1_800_000_000_000_000_000);
        let decline_ends_all = chance.percent(30);
        let weather = if chance.percent(20) {
            Weather { loss: 0, duplication: 0, delay_ms: (1, 5) }
        } else {
            Weather { loss: chance.below(12), duplication: chance.below(6), delay_ms: (1, 5 + chance.below(300)) }
        };
        let handlings = media::handlings(seed);
        let phones: Vec<Phone> = (0..CALLERS + CALLEES)
            .map(|n| {
                Phone::new(
                    n,
                    address(&format!("10.9.1.{}:5060", n + 1)),
                    address(SHARDS[usize::from(n >= CALLERS)]),
                    chance.split(),
                )
            })
            .collect();
        let cores = (0..SHARDS.len()).map(|n| shard((n, handlings[n]), seed, &phones, decline_ends_all)).collect();
        World {
            now,
            cores,
            ledgers: (0..SHARDS.len()).map(|_| Ledger::default()).collect(),
            network: Network::new(chance.split(), weather),
            phones,
            trace: Trace::new(keep, now),
            tally: Tally::default(),
            coverage: Coverage::default(),
            handlings,
            chance,
            finals: BTreeMap::new(),
            answers: BTreeMap::new(),
        }
    }

    fn live(&mut self) -> Result<(), Broken> {
        let start = self.now;
        let storm = start + self.chance.millis(40_000, 120_000);
        let mut next_call = start;
        let mut next_deed = start + self.chance.millis(5_000, 40_000);
        while self.now < storm {
            if self.now >= next_call {
                next_call = self.now + self.chance.millis(500, 8_000);
                let caller = self.chance.below(CALLERS as u64) as usize;
                let callee = CALLERS + self.chance.below(CALLEES as u64) as usize;
                self.phones[caller].call(&format!("10{callee:02}"), self.now);
            }
            if self.now >= next_deed {
                next_deed = self.now + self.chance.millis(5_000, 40_000);
                self.operate();
            }
            self.settle()?;
            self.forward([next_call, next_deed, storm])?;
        }
        self.network.calm();
        let calm = self.now + media::CALM;
        while self.now < calm {
            self.settle()?;
            self.forward([calm])?;
        }
        self.check_media()?;
        let end = self.now + CALM;
        for phone in &mut self.phones {
            phone.go_home(self.now);
        }
        while self.now < end {
            self.settle()?;
            if self.is_quiet() {
                return self.at_rest();
            }
            self.forward([end])?;
        }
        let left: Vec<_> = self.cores.iter().map(Core::counters).collect();
        broken("liveness", format!("{left:?} {:?}", self.phones.iter().map(Phone::open).collect::<Vec<_>>()))
    }

    /// An operator ends some call at some shard.
    fn operate(&mut self) {
        let shard = self.chance.below(SHARDS.len() as u64) as usize;
        let calls: Vec<_> = self.cores[shard].calls().map(|call| call.call).collect();
        if let Some(call) = calls.get(self.chance.below(calls.len() as u64) as usize) {
            self.coverage.note("operators");
            self.cores[shard].handle(Input::Hangup { call: *call }, self.now);
        }
    }

    /// The next moment at which something happens.
    fn forward<const N: usize>(&mut self, others: [Instant; N]) -> Result<(), Broken> {
        let cores = self.cores.iter().filter_map(Core::poll_timeout);
        let phones = self.phones.iter().filter_map(Phone::next);
        let next =
            cores.chain(phones).chain(self.network.next_arrival()).chain(others).filter(|at| *at > self.now).min();
        let Some(next) = next else { return broken("liveness", "nothing is going to happen".to_owned()) };
        self.tally.virtual_ms += u64::try_from(next.since(self.now).as_millis()).unwrap_or(0);
        self.now = next;
        for core in &mut self.cores {
            if core.poll_timeout().is_some_and(|at| at <= next) {
                core.handle_timeout(next);
            }
        }
        Ok(())
    }

    /// Everything that happens now.
    fn settle(&mut self) -> Result<(), Broken> {
        loop {
            let mut acted = false;
            for at in 0..self.phones.len() {
                self.phones[at].act(self.now);
                for (to, text) in self.phones[at].outbox.drain(..).collect::<Vec<_>>() {
                    acted = true;
                    let from = self.phones[at].address;
                    self.trace.line(self.now, format_args!("phone {at}: {}", trace::sip(&text)));
                    let packet = Packet { from, to, connection: None, load: Load::Sip(text.into_bytes()) };
                    self.network.send(packet, false, self.now);
                }
            }
            acted |= self.speak();
            for shard in 0..self.cores.len() {
                acted |= self.drain(shard)?;
            }
            while let Some(packet) = self.network.arrive(self.now) {
                acted = true;
                self.deliver(packet)?;
            }
            if !acted {
                return Ok(());
            }
        }
    }

    fn drain(&mut self, shard: usize) -> Result<bool, Broken> {
        let mut acted = false;
        while let Some(output) = self.cores[shard].poll_output() {
            acted = true;
            match output {
                Output::Transmit(transmit) => {
                    self.trace.output(self.now, &transmit.bytes);
                    self.tally.sip += 1;
                    let text = String::from_utf8_lossy(&transmit.bytes).into_owned();
                    self.trace.line(
                        self.now,
                        format_args!("shard {shard} > {}: {}", transmit.flow.remote, trace::sip(&text)),
                    );
                    self.watch(shard, &text, transmit.flow.remote)?;
                    let (from, to) = (address(SHARDS[shard]), transmit.flow.remote);
                    let packet = Packet { from, to, connection: None, load: Load::Sip(transmit.bytes.to_vec()) };
                    self.network.send(packet, false, self.now);
                }
                Output::Ask(question) => self.decide(shard, &question),
                Output::Record(record) => self.note(shard, record)?,
                Output::Resolve(_)
                | Output::Prove(_)
                | Output::Rate(_)
                | Output::AskRegister(_)
                | Output::Filter(_)
                | Output::AppStart { .. }
                | Output::AppReply { .. }
                | Output::AppStop { .. }
                | Output::Recording(_)
                | Output::Fork { .. }
                | Output::Throw(_)
                | Output::HandOver { .. }
                | Output::Tell(_)
                | Output::Event(_) => {}
            }
        }
        Ok(acted)
    }

    /// At most one final response to a caller's INVITE, but for several 2xx of a fork (RFC 3261 section 16.7).
    fn watch(&mut self, shard: usize, text: &str, to: SocketAddr) -> Result<(), Broken> {
        let Some(status) = text::status(text).filter(|status| *status >= 200) else { return Ok(()) };
        let caller = self.phones.iter().any(|phone| phone.address == to);
        if shard != 0 || !caller || text::method(text) != "INVITE" {
            return Ok(());
        }
        *self.tally.statuses.entry(status).or_default() += 1;
        let key = (text::field(text, "call-id").unwrap_or_default().to_owned(), text::cseq(text));
        let first = *self.finals.entry(key.clone()).or_insert(status);
        let both = first < 300 && status < 300;
        let tag = text::field(text, "to").and_then(text::tag).unwrap_or_default();
        if both && self.answers.entry(key.clone()).or_insert_with(|| tag.to_owned()) != tag {
            self.coverage.note("several-answers");
        }
        if first != status && !both {
            return broken("one-final", format!("{status} after {first}: {key:?}"));
        }
        Ok(())
    }

    fn decide(&mut self, shard: usize, question: &Question) {
        let chance = &mut self.chance;
        let user = &question.call.callee.user;
        // Nobody rings twice in a call: these phones know a call by its Call-ID alone.
        let mut free: Vec<Endpoint> = match shard {
            0 => vec![Endpoint::Uri(format!("sip:{user}@{}", SHARDS[1]))],
            _ => (CALLERS..CALLERS + CALLEES).map(|n| Endpoint::Account(format!("10{n:02}"))).collect(),
        };
        let exhausted = !matches!(question.kind, model::QuestionKind::Route);
        let decision = if exhausted || chance.percent(5) {
            None
        } else {
            let mut steps = Vec::new();
            for _ in 0..1 + chance.below(2) {
                let mut targets = Vec::new();
                for _ in 0..1 + chance.below(3) {
                    if !free.is_empty() {
                        let to = free.swap_remove(chance.below(free.len() as u64) as usize);
                        targets.push(Target { to, caller_id: None, header_ops: Vec::new() });
                    }
                }
                if !targets.is_empty() {
                    steps.push(RingStep {
                        targets,
                        ring_timeout: chance.millis(4_000, 40_000),
                        advance_on: Vec::new(),
                    });
                }
            }
            Some(Decision::Connect(RingPlan {
                steps,
                handling: Handling::TenantDefault,
                media: MediaPath::TenantDefault,
                header_ops: Vec::new(),
                max_duration: chance.percent(20).then(|| chance.millis(2_000, 30_000)),
                attrs: Vec::new(),
            }))
        };
        let answer = Answer { decision, failed: false, attrs: Vec::new(), hooks: Vec::new() };
        self.cores[shard].handle(Input::Answered { ticket: question.ticket, answer }, self.now);
    }

    /// One record of an answer at most and one of an end for each leg, the answer first.
    fn note(&mut self, shard: usize, record: CallRecord) -> Result<(), Broken> {
        let ledger = &mut self.ledgers[shard];
        match record {
            CallRecord::Answered(cdr) => {
                let key = (cdr.call.0, cdr.leg);
                self.tally.answered += u64::from(cdr.role == LegRole::Callee);
                if ledger.ended.contains_key(&key) || ledger.answered.insert(key, cdr.sip_call_id).is_some() {
                    return broken("records", format!("leg {} of {} is answered too late or twice", cdr.leg, cdr.call));
                }
            }
            CallRecord::Ended(cdr) => {
                let key = (cdr.call.0, cdr.leg);
                *self.tally.causes.entry(cdr.cause.code()).or_default() += 1;
                self.tally.calls += u64::from(cdr.leg == 0);
                if cdr.answered_at.is_some() != ledger.answered.contains_key(&key)
                    || ledger.ended.insert(key, cdr.sip_call_id).is_some()
                {
                    return broken("records", format!("leg {} of {} ended wrongly or twice", cdr.leg, cdr.call));
                }
            }
        }
        Ok(())
    }

    fn deliver(&mut self, packet: Packet) -> Result<(), Broken> {
        let packet = match packet.load {
            Load::Rtp(bytes) => {
                self.hear(packet.from, packet.to, bytes);
                return Ok(());
            }
            Load::Sip(_) => packet,
        };
        let Load::Sip(bytes) = packet.load else { return Ok(()) };
        if let Some(shard) = SHARDS.iter().position(|at| address(at) == packet.to) {
            self.tally.sip += 1;
            let flow = Flow::new(Transport::Udp, packet.to, packet.from);
            self.cores[shard].handle(Input::Sip { flow, bytes: Bytes::from(bytes) }, self.now);
            return Ok(());
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match self.phones.iter_mut().find(|phone| phone.address == packet.to) {
            Some(phone) => {
                phone.hear(&text, packet.from, self.now);
                Ok(())
            }
            None => broken("nowhere", format!("{} is nobody: {}", packet.to, trace::sip(&text))),
        }
    }

    /// What occurred, by the records of both shards.
    fn note_features(&mut self) {
        let ended_as = |code| self.tally.causes.contains_key(code);
        for (feature, code) in [("forks", "answered-elsewhere"), ("cancelled", "cancelled"), ("declined", "declined")] {
            if ended_as(code) {
                self.coverage.note(feature);
            }
        }
        let callees = || self.phones[CALLERS..].iter().flat_map(Phone::met);
        if self.phones.iter().flat_map(|phone| &phone.talked).any(|call_id| callees().any(|met| met == call_id)) {
            self.coverage.note("in-a-row");
        }
        self.tally.features = self.coverage.features().map(|feature| (feature, 1)).collect();
    }

    fn is_quiet(&self) -> bool {
        self.network.is_empty() && self.cores.iter().all(Core::is_idle) && self.phones.iter().all(Phone::is_quiet)
    }

    /// Every leg that was opened has ended, and every dialog a caller had is an answered leg at both shards.
    fn at_rest(&mut self) -> Result<(), Broken> {
        for (shard, ledger) in self.ledgers.iter().enumerate() {
            if let Some((key, _)) = ledger.answered.iter().find(|(key, _)| !ledger.ended.contains_key(key)) {
                return broken("records", format!("shard {shard}: the answered leg {key:?} has no end"));
            }
            for call_id in self.phones.iter().flat_map(|phone| &phone.talked) {
                if !ledger.answered.values().any(|of| of == call_id) {
                    return broken("records", format!("shard {shard}: {call_id} was a call and has no record"));
                }
            }
        }
        for core in &self.cores {
            crate::rules::check_rest(&core.counters(), core.is_idle() && core.calls().next().is_none())?;
        }
        let alive = self.phones.iter().flat_map(Phone::open).next();
        match alive {
            Some(dialog) => broken("agreement", format!("a phone still believes in {dialog}")),
            None => Ok(()),
        }
    }
}

fn shard((n, handling): (usize, Handling), seed: u64, phones: &[Phone], decline_ends_all: bool) -> Core {
    let local = address(SHARDS[n]);
    let config = CoreConfig {
        listeners: vec![Listener { transport: Transport::Udp, local }],
        default_domain: Some("chain.test".to_owned()),
        ..CoreConfig::default()
    };
    let brand = Brand { id: BrandId(1), name: "b".to_owned(), default_verdict: DefaultVerdict::Refuse };
    let company = Company {
        id: CompanyId(1),
        brand: BrandId(1),
        name: "c".to_owned(),
        domain: "chain.test".to_owned(),
        media: MediaPath::Direct,
        handling,
        decline_ends_all,
        calls_max: None,
        media_security: model::MediaSecurity::Allow,
        codecs: Vec::new(),
        hold_music: None,
        kind: Default::default(),
        rules: Default::default(),
    };
    let account = |id: usize, username: String, at: SocketAddr| Account {
        id: AccountId(id as i64 + 1),
        company: CompanyId(1),
        username,
        display_name: String::new(),
        ha1: Ha1 { md5: String::new(), sha256: String::new() },
        direct: Some(at),
        media_security: None,
        enabled: true,
        rules: Default::default(),
    };
    let mine = phones.iter().enumerate().filter(|(at, _)| (*at < CALLERS) == (n == 0));
    let mut accounts: Vec<Account> = mine.map(|(at, phone)| account(at, format!("10{at:02}"), phone.address)).collect();
    if n == 1 {
        accounts.push(account(99, "gate".to_owned(), address(SHARDS[0])));
    }
    // The first shard speaks for its phones: their numbers are the gate's.
    let of_gate = |at: usize| Extension {
        id: ExtensionId(at as i64 + 1),
        company: CompanyId(1),
        number: format!("10{at:02}"),
        target: RouteTarget::Account("gate".to_owned()),
    };
    let extensions = if n == 1 { (0..CALLERS).map(of_gate).collect() } else { Vec::new() };
    let built = Directory::build(1, vec![brand], vec![company], accounts, extensions, Vec::new());
    let directory = Arc::new(built.unwrap_or_else(|error| unreachable!("the simulator's own rows: {error}")));
    let mut secret = [n as u8 + 1; 32];
    secret[..8].copy_from_slice(&seed.to_le_bytes());
    Core::new(config, directory, media::ports(local.ip()), Prompts::default(), secret)
}
