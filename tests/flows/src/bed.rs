//! The test bed: one shard, a clock that only the ladder moves, four phones, a chain and an app played by the ladder.

use crate::carriers::{CARRIERS, Carriers};
use crate::events;
use crate::filtering::{self, Filtering};
use crate::outward::Outward;
use crate::party::Party;
use crate::rating::Rates;
use crate::registering::PASSWORD;
use crate::ruled::Ruled;
use crate::show;
use crate::verbs::{recourse_of, verb};
use bytes::Bytes;
use core::net::IpAddr;
use core::time::Duration;
use model::{
    Account, AccountId, Answer, AppId, AppOutcome, Brand, BrandId, CallId, Company, CompanyId, Ddi, Decision,
    DefaultVerdict, Directory, Endpoint, Extension, ExtensionId, Ha1, Handling, Hooks, Instant, Limits, Mailbox,
    MediaPath, MediaPortId, MediaSecurity, MessageCounts, NextHop, Refusal, RegisterAnswer, RegisterVerdict, RequestId,
    ResolveFailure, ResolveTicket, Resolved, ResourceList, RingPlan, RingStep, RouteTarget, Summons, TapeAct, Target,
    Ticket, Transport,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use switch::{Core, CoreConfig, Input, Listener, MediaPort, Output, Prompts};

const SWITCH: &str = "10.0.0.9:5060";
const PARTIES: [(&str, &str, &str); 4] = [
    ("alice", "1001", "10.0.0.1:5060"),
    ("bob", "1002", "10.0.0.2:5060"),
    ("carol", "1003", "10.0.0.3:5060"),
    ("dave", "1004", "10.0.0.4:5060"),
];

/// Has a password and no address of her own: she registers.
const ERIN: (&str, &str, &str) = ("erin", "1005", "10.0.0.5:5060");

/// Two more phones of hers.
const HERS: [(&str, &str, &str); 2] = [("desk", "1005", "10.0.0.6:5060"), ("mobile", "1005", "10.0.0.7:5060")];

/// One shard and everybody around it.
#[derive(Debug)]
pub struct Bed {
    pub(crate) core: Core,
    pub(crate) now: Instant,
    /// What a fax that is on has still to hear.
    pub(crate) kept: crate::faxing::Kept,
    parties: Vec<Party>,
    ticket: Ticket,
    /// The app that was started last, and the one that was started first.
    app: AppId,
    first: Option<AppId>,
    request: u64,
    /// Packets of sound that the switch has sent by itself, by where to.
    sounds: BTreeMap<IpAddr, u64>,
    lookup: ResolveTicket,
    /// Who heard what, as it was on the wire.
    heard: Vec<(&'static str, String)>,
    /// RTP packets of the parties so far.
    spoken: u16,
    carriers: Carriers,
    register: Ticket,
    /// The last question whether a token holds.
    proof: Ticket,
    ruled: Ruled,
    rates: Rates,
    filtering: Filtering,
    outward: Outward,
}

impl Default for Bed {
    fn default() -> Self {
        Bed::new()
    }
}

impl Bed {
    /// A shard with the demo company; every account has direct connectivity at its phone's address.
    #[must_use]
    pub fn new() -> Bed {
        let now = Instant::from_unix_nanos(1_800_000_000_000_000_000);
        let config = CoreConfig {
            listeners: vec![Listener { transport: Transport::Udp, local: address(SWITCH) }],
            default_domain: Some("demo.test".to_owned()),
            unsolicited_mwi: true,
            // What is granted is what is asked.
            limits: Limits { registration_spread_percent: 0, ..Limits::default() },
            ..CoreConfig::default()
        };
        let ports = (0..8).map(|n| MediaPort {
            id: MediaPortId(n),
            rtp: address(&format!("10.0.0.9:{}", 20_000 + 2 * n)),
            rtcp: address(&format!("10.0.0.9:{}", 20_001 + 2 * n)),
        });
        let prompts = Prompts::from_iter([("moh", vec![1_000_i16; 8_000])]);
        let core = Core::new(config, Arc::new(directory(None, None)), ports.collect(), prompts, [9; 32]);
        let everybody = PARTIES.iter().chain(&CARRIERS).chain([&ERIN]).chain(&HERS);
        let parties = everybody.map(|(name, number, at)| Party::new(name, number, at)).collect();
        Bed {
            core,
            now,
            kept: crate::faxing::Kept::default(),
            parties,
            ticket: Ticket(0),
            app: AppId(0),
            first: None,
            request: 0,
            sounds: BTreeMap::new(),
            lookup: ResolveTicket(0),
            heard: Vec::new(),
            spoken: 0,
            carriers: Carriers::default(),
            register: Ticket(0),
            proof: Ticket(0),
            ruled: Ruled::default(),
            rates: Rates::default(),
            filtering: Filtering::default(),
            outward: Outward::default(),
        }
    }

    /// Lets one line happen; gives what the switch did.
    ///
    /// # Panics
    /// On a line that is no command.
    pub fn act(&mut self, line: &str) -> Vec<String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["wait", time] => return self.wait(duration(time)),
            ["until", name, "hears"] => return self.until(name),
            ["chain", ">", rest @ ..] => {
                let answer = answer(rest);
                self.core.handle(Input::Answered { ticket: self.ticket, answer }, self.now);
            }
            ["hooks", ">", "registration"] => {
                let registration = BTreeSet::from([(BrandId(1), None)]);
                let hooks = Hooks { registration, ..Hooks::default() };
                self.core.handle(Input::Directory(Arc::new(directory(None, None).with_hooks(hooks))), self.now);
            }
            ["hook", ">", rest @ ..] => {
                let answer = RegisterAnswer { verdict: opinion(rest), hooks: Vec::new() };
                self.core.handle(Input::RegisterAnswered { ticket: self.register, answer }, self.now);
            }
            ["dns", ">", addresses @ ..] => {
                let resolved = Resolved { ticket: self.lookup, hops: hops(addresses) };
                self.core.handle(Input::Resolved(resolved), self.now);
            }
            ["proof", ">", word] => {
                let proof = crate::vouching::proof(word);
                self.core.handle(Input::Proved { ticket: self.proof, proof }, self.now);
            }
            ["filters", words @ ..] => {
                self.filtering.bind(words);
                self.tell_directory();
            }
            ["filters?"] => return vec![filtering::figures(&self.core.counters())],
            ["filter", ">", words @ ..] => {
                let (ticket, answer) = self.filtering.answer(words);
                self.core.handle(Input::Filtered { ticket, answer }, self.now);
            }
            ["rater", words @ ..] => {
                self.rates.bind(words);
                self.tell_directory();
            }
            ["rate", ">", words @ ..] => {
                let (ticket, answer) = self.rates.answer(words);
                self.core.handle(Input::Rated { ticket, answer }, self.now);
            }
            ["trunk", settings @ ..] => {
                self.carriers.set(settings);
                self.tell_directory();
            }
            ["outgoing", words @ ..] => {
                self.outward.set(words);
                self.tell_directory();
            }
            ["company", "music", name] => {
                let directory = directory_of((None, Some(name)), None, Vec::new(), &Ruled::default());
                self.core.handle(Input::Directory(Arc::new(directory)), self.now);
            }
            ["rule" | "account" | "company" | "countries" | "ddi" | "extension" | "brand", rest @ ..] => {
                self.ruled.set(words[0], rest);
                self.tell_directory();
            }
            [name, "calls", "its", "contact", "for", number] => self.calls_contact(name, number),
            [name, "sends", "back", "to", number] => self.sends_back(name, number),
            [name, "uses", "tcp"] => {
                let party = self.parties.iter_mut().find(|p| p.name == *name);
                party.unwrap_or_else(|| panic!("nobody is called {name}")).stream = true;
            }
            ["trunks?"] => return self.core.trunks().map(|trunk| show::trunk(&trunk)).collect(),
            [name, "saw", header] => {
                let party = self.parties.iter().find(|p| p.name == *name);
                return party.map(|p| p.saw(header)).into_iter().collect();
            }
            [name, "got", header] => {
                let party = self.parties.iter().find(|p| p.name == *name);
                return party.map(|p| p.got(header)).into_iter().collect();
            }
            [who @ ("app" | "first"), ">", "return"] => {
                let outcome = Ok(AppOutcome::Returned(None));
                let app = self.first.filter(|_| *who == "first").unwrap_or(self.app);
                self.core.handle(Input::AppEnded { app, outcome, recourse: None }, self.now);
            }
            ["app", ">", "trap", recourse @ ..] => {
                let outcome = Err(model::AppFailure::Trapped("unreachable".to_owned()));
                let recourse = recourse_of(recourse);
                self.core.handle(Input::AppEnded { app: self.app, outcome, recourse }, self.now);
            }
            [who @ ("app" | "first"), ">", rest @ ..] => {
                self.request += 1;
                let calls: Vec<_> = self.core.calls().collect();
                let app = self.first.filter(|_| *who == "first").unwrap_or(self.app);
                let request = RequestId(self.request);
                self.core.handle(Input::AppRequest { app, request, verb: verb(rest, &calls) }, self.now);
            }
            [name, "faxes", port] => return self.faxes(name, port.parse().unwrap_or_default()),
            [name, "speaks", port] => return self.speaks(name, port.parse().unwrap_or_default()),
            [name, "heard?"] => {
                let party = self.parties.iter().find(|p| p.name == *name);
                let count = party.and_then(|p| self.sounds.remove(&p.address.ip())).unwrap_or(0);
                return vec![format!("{count} packets of the switch's own")];
            }
            ["operator", ">", "hangup"] => {
                let calls: Vec<_> = self.core.calls().map(|c| c.call).collect();
                calls.into_iter().for_each(|call| self.core.handle(Input::Hangup { call }, self.now));
            }
            ["operator", ">", "tape", leg, act] => return self.tape(leg, act),
            ["operator", ">", "fax", from, to] => return self.sends_fax(from, to),
            ["operator", ">", "summon", account, number, words @ ..] => return self.summon(account, number, words),
            ["directory", ">", number, policy] => {
                let security = MediaSecurity::from_word(policy).unwrap_or_else(|| panic!("no policy: {policy}"));
                let directory = Arc::new(directory(Some((number, security)), None));
                self.core.handle(Input::Directory(directory), self.now);
            }
            ["operator", ">", "end"] => self.core.handle(Input::EndAll, self.now),
            ["mailbox", number, new, old] => {
                let count = |text: &str| text.parse().unwrap_or_else(|_| panic!("no number: {text}"));
                let voice = MessageCounts { new: count(new), old: count(old), ..MessageCounts::default() };
                let (company, account) = (CompanyId(1), (*number).to_owned());
                let mailbox = Mailbox { company, account, voice, fax: MessageCounts::default() };
                self.core.handle(Input::Mailbox(mailbox), self.now);
            }
            ["directory", "without", number] => {
                let directory = directory(None, Some(*number));
                self.core.handle(Input::Directory(Arc::new(directory)), self.now);
            }
            ["operator", ">", "drain"] => self.core.handle(Input::Drain, self.now),
            ["idle?"] => {
                return vec![if self.core.is_idle() {
                    "idle".to_owned()
                } else {
                    format!("busy: {:?}", self.core.counters())
                }];
            }
            [name, ">", rest @ ..] => self.party_says(name, rest),
            _ => panic!("no command: {line}"),
        }
        self.seen()
    }

    /// The switch hears of the trunks and rules that the ladder has named so far.
    fn tell_directory(&mut self) {
        let ruled = &self.ruled;
        let directory = self.carriers.join(|ddis| directory_of((None, None), None, ddis, ruled));
        let directory = self.outward.join(self.filtering.join(self.rates.join(directory)));
        self.core.handle(Input::Directory(Arc::new(directory)), self.now);
    }

    /// Every SIP message that a party was sent, as it was on the wire.
    pub fn heard<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'b str> {
        self.heard.iter().filter(move |(who, _)| *who == name).map(|(_, text)| text.as_str())
    }

    /// An operator wants something of the recordings of the call that is up.
    fn tape(&mut self, leg: &str, act: &str) -> Vec<String> {
        let act = match act {
            "start" => TapeAct::Start,
            "stop" => TapeAct::Stop,
            "pause" => TapeAct::Pause,
            "resume" => TapeAct::Resume,
            _ => panic!("no act: {act}"),
        };
        let calls: Vec<_> = self.core.calls().map(|c| c.call).collect();
        let call = calls.first().copied().unwrap_or(CallId(0));
        let done = self.core.tape(call, leg.parse().unwrap_or(0), act, self.now);
        let mut seen = vec![done.map_or_else(|why| format!("refused: {why}"), |()| "done".to_owned())];
        seen.extend(self.seen());
        seen
    }

    /// Somebody asks for a call of an account.
    fn summon(&mut self, account: &str, number: &str, words: &[&str]) -> Vec<String> {
        let word = |key: &str| words.iter().find_map(|w| w.strip_prefix(key));
        let id = account.parse::<i64>().map_or(0, |number| number - 1_000);
        let wanted = Summons {
            account: AccountId(id),
            number: number.to_owned(),
            display: word("name=").map(str::to_owned),
            auto_answer: words.contains(&"auto"),
            ring: word("ring=").map(duration),
        };
        let done = self.core.summon(&wanted, self.now);
        let refused = done.map_or(Some("nobody's".to_owned()), |done| Some(format!("refused: {}", done.err()?.code())));
        refused.into_iter().chain(self.seen()).collect()
    }

    /// A carrier calls the contact that was registered with it, for a number of ours.
    fn calls_contact(&mut self, name: &str, number: &str) {
        let now = self.now;
        let party =
            self.parties.iter_mut().find(|p| p.name == name).unwrap_or_else(|| panic!("nobody is called {name}"));
        let message = party.invite_contact(number);
        let flow = party.flow(address(SWITCH));
        self.core.handle(Input::Sip { flow, bytes: Bytes::from(message) }, now);
    }

    /// A phone that is a proxy sends the INVITE it got back to the switch, for a number of ours.
    fn sends_back(&mut self, name: &str, number: &str) {
        let now = self.now;
        let party =
            self.parties.iter_mut().find(|p| p.name == name).unwrap_or_else(|| panic!("nobody is called {name}"));
        let flow = party.flow(address(SWITCH));
        let message = party.pass_on(number);
        self.core.handle(Input::Sip { flow, bytes: Bytes::from(message) }, now);
    }

    fn party_says(&mut self, name: &str, words: &[&str]) {
        let now = self.now;
        let replaces = words.iter().find_map(|w| w.strip_prefix("takes=")).and_then(|of| {
            let named = match of {
                // The dialog that its lamp was told of last.
                "lamp" => events::lamp(self.heard(name).filter(|m| m.starts_with("NOTIFY ")).last()?)?,
                of => self.parties.iter().find(|p| p.name == of)?.named(),
            };
            Some(format!("+Replaces:{named}"))
        });
        let vouched = words.iter().find_map(|w| w.strip_prefix("vouched="));
        let vouched = vouched.map(|text| crate::vouching::identity(text, now));
        let more = [replaces, vouched];
        let words: Vec<&str> = words.iter().copied().chain(more.iter().flatten().map(String::as_str)).collect();
        let words = words.as_slice();
        let party =
            self.parties.iter_mut().find(|p| p.name == name).unwrap_or_else(|| panic!("nobody is called {name}"));
        let messages = match words {
            [status, "all"] => party.respond_all(status),
            ["INVITE", number, rest @ ..]
                if number.starts_with(|c: char| c.is_ascii_digit() || c == '*' || c == '+') =>
            {
                vec![party.invite(number, rest)]
            }
            ["MESSAGE", number, text @ ..] if number.starts_with(|c: char| c.is_ascii_digit()) => {
                vec![events::request(party, "MESSAGE", &[&[*number], text].concat())]
            }
            ["SUBSCRIBE" | "PUBLISH", rest @ ..] => vec![events::request(party, words[0], rest)],
            ["REGISTER", rest @ ..] => vec![party.register(rest)],
            [status, rest @ ..] if status.starts_with(|c: char| c.is_ascii_digit()) => {
                vec![party.respond(status, rest.contains(&"other"), rest)]
            }
            [method, rest @ ..] => vec![party.request(method, rest)],
            [] => panic!("{name} says nothing"),
        };
        let flow = party.flow(address(SWITCH));
        for message in messages {
            self.core.handle(Input::Sip { flow, bytes: Bytes::from(message) }, now);
        }
    }

    /// A party sends an RTP packet from where it described itself to one of our ports; shows where it went on to.
    fn speaks(&mut self, name: &str, port: u16) -> Vec<String> {
        let party = self.parties.iter().find(|p| p.name == name).unwrap_or_else(|| panic!("nobody is called {name}"));
        let from = core::net::SocketAddr::new(party.address.ip(), 4_000);
        self.spoken += 1;
        let mut packet = vec![0; 12 + 160 + 64];
        packet[0] = 0x80;
        packet[2..4].copy_from_slice(&self.spoken.to_be_bytes());
        packet[8..12].copy_from_slice(&u32::from(from.ip().to_canonical().is_ipv4()).to_be_bytes());
        let id = MediaPortId(u64::from(port.saturating_sub(20_000) / 2));
        let (kind, now) = (switch::PacketKind::Rtp, self.now);
        let sent = self.core.handle_media(id, kind, from, &mut packet, 172, now);
        let shown = sent.map_or("nobody hears it".to_owned(), |to| {
            let whole = if to.len == 172 { "" } else { ", changed" };
            format!("rtp > {} from {}{whole}", to.to, 20_000 + 2 * to.port.0)
        });
        let mut seen = vec![shown];
        seen.extend(self.seen());
        seen
    }

    /// A party sends a datagram of UDPTL from where it described its fax to one of our ports; shows where it went on to.
    fn faxes(&mut self, name: &str, port: u16) -> Vec<String> {
        let party = self.parties.iter().find(|p| p.name == name).unwrap_or_else(|| panic!("nobody is called {name}"));
        let from = core::net::SocketAddr::new(party.address.ip(), 4_002);
        self.spoken += 1;
        let mut datagram = [&self.spoken.to_be_bytes()[..], &[1, 0, 0, 0]].concat();
        let written = datagram.clone();
        let id = MediaPortId(u64::from(port.saturating_sub(20_000) / 2));
        let (kind, now) = (switch::PacketKind::Rtp, self.now);
        let sent = self.core.handle_media(id, kind, from, &mut datagram, written.len(), now);
        let shown = sent.map_or("nobody hears it".to_owned(), |to| {
            let whole = if datagram == written && to.len == written.len() { "" } else { ", changed" };
            format!("udptl > {} from {}{whole}", to.to, 20_000 + 2 * to.port.0)
        });
        let mut seen = vec![shown];
        seen.extend(self.seen());
        seen
    }

    /// Time passes; every timer on the way runs at its own time.
    pub(crate) fn wait(&mut self, how_long: Duration) -> Vec<String> {
        let end = self.now + how_long;
        let mut seen = Vec::new();
        while let Some(at) = self.core.poll_timeout().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.core.handle_timeout(self.now);
            let passed = how_long.saturating_sub(end.since(self.now));
            seen.extend(self.seen().into_iter().map(|line| format!("+{} ms {line}", passed.as_millis())));
        }
        self.now = end;
        seen
    }

    /// Time passes until somebody is told something, at most twenty minutes. What happens is shown without its time,
    /// which is the dice's.
    fn until(&mut self, name: &str) -> Vec<String> {
        let end = self.now + Duration::from_secs(1_200);
        let (mut seen, before) = (Vec::new(), self.heard(name).count());
        while self.heard(name).count() == before {
            let Some(at) = self.core.poll_timeout().filter(|at| *at <= end) else { break };
            self.now = at.max(self.now);
            self.core.handle_timeout(self.now);
            seen.extend(self.seen());
        }
        seen
    }

    pub(crate) fn seen(&mut self) -> Vec<String> {
        let mut seen = Vec::new();
        while let Some(output) = self.core.poll_output() {
            match &output {
                Output::Transmit(transmit) => {
                    let text = String::from_utf8_lossy(&transmit.bytes).into_owned();
                    let party = self.parties.iter_mut().find(|p| p.address == transmit.flow.remote);
                    let name = party.as_ref().map_or("nobody", |p| p.name);
                    seen.push(format!("{name} < {}", show::sip(&text)));
                    if let Some(party) = party {
                        party.hears(&text);
                        self.heard.push((party.name, text));
                    }
                }
                Output::Ask(question) => self.ticket = question.ticket,
                Output::AskRegister(question) => self.register = question.ticket,
                Output::AppStart { app, .. } => {
                    self.app = *app;
                    self.first.get_or_insert(*app);
                }
                Output::Resolve(question) => self.lookup = question.ticket,
                Output::Filter(question) => self.filtering.asked(question),
                Output::Prove(question) => self.proof = question.ticket,
                Output::Rate(question) => self.rates.asked(question),
                Output::Fork { told, .. } if self.kept.on => self.kept.told.push(told.clone()),
                Output::Record(_)
                | Output::HandOver { .. }
                | Output::Tell(_)
                | Output::Recording(_)
                | Output::Fork { .. }
                | Output::Throw(_)
                | Output::AppReply { .. }
                | Output::AppStop { .. }
                | Output::Event(_) => {}
            }
            let of_first = if let Output::AppReply { app, .. } | Output::AppStop { app } = &output {
                self.first == Some(*app) && self.app != *app
            } else {
                false
            };
            let line = show::output(&output);
            seen.extend(line.map(|line| if of_first { line.replacen("app <", "first <", 1) } else { line }));
        }
        while let Some(packet) = self.core.poll_media() {
            *self.sounds.entry(packet.to.ip()).or_default() += 1;
            if self.kept.on {
                self.kept.packets.push((packet.to, packet.bytes.to_vec()));
            }
        }
        seen
    }
}

fn address(text: &str) -> core::net::SocketAddr {
    text.parse().unwrap_or_else(|_| panic!("no address: {text}"))
}

pub(crate) fn duration(text: &str) -> Duration {
    let number = |unit: &str| text.strip_suffix(unit).and_then(|n| n.parse().ok());
    number("ms")
        .map(Duration::from_millis)
        .or_else(|| number("s").map(Duration::from_secs))
        .unwrap_or_else(|| panic!("no time: {text}"))
}

/// `10.0.0.2:5060 10.0.0.3:5060`, all by UDP, in the order to try them; nothing = no such name.
fn hops(addresses: &[&str]) -> Result<Vec<NextHop>, ResolveFailure> {
    let hop = |at: &&str| NextHop { transport: Transport::Udp, address: address(at), tls_name: None };
    if addresses.is_empty() { Err(ResolveFailure::NoAddress) } else { Ok(addresses.iter().map(hop).collect()) }
}

fn opinion(words: &[&str]) -> RegisterVerdict {
    match words {
        ["pass"] => RegisterVerdict::Pass,
        ["at-most", seconds] => RegisterVerdict::AtMost(seconds.parse().unwrap_or(60)),
        ["refuse", sip] => RegisterVerdict::Refuse(sip.parse().unwrap_or(403), "Not Here".to_owned()),
        _ => panic!("no opinion: {words:?}"),
    }
}

fn answer(words: &[&str]) -> Answer {
    let decision = match words {
        ["nothing"] | ["failed"] => None,
        ["refuse", sip] => Some(Decision::Refuse(Refusal {
            sip: sip.parse().unwrap_or(403),
            reason: "Not Today".to_owned(),
            header_ops: Vec::new(),
        })),
        ["redirect", uri] => Some(Decision::Redirect(vec![(*uri).to_owned()])),
        ["app", name] => Some(Decision::App { name: (*name).to_owned(), args: Vec::new() }),
        ["reroute", callee] => Some(Decision::Reroute { callee: (*callee).to_owned(), attrs: Vec::new() }),
        ["connect", steps @ ..] => Some(Decision::Connect(plan(steps))),
        _ => panic!("no decision: {words:?}"),
    };
    Answer { decision, failed: words == ["failed"], attrs: Vec::new(), hooks: Vec::new() }
}

/// `1002+1003 1004 direct max=60s ring=20s shown=+49`: two steps, the first rings two, who see another number.
fn plan(words: &[&str]) -> RingPlan {
    let value = |key: &str| words.iter().find_map(|w| w.strip_prefix(key)).map(duration);
    let shown = words.iter().find_map(|w| w.strip_prefix("shown="));
    let ring_timeout = value("ring=").unwrap_or(Duration::from_secs(30));
    let is_step = |w: &&&str| w.starts_with("sip:") || w.starts_with(|c: char| c.is_ascii_digit()) || w.contains('/');
    let steps = words.iter().filter(is_step).map(|step| RingStep {
        targets: step
            .split('+')
            .map(|name| Target { to: endpoint(name), caller_id: shown.map(str::to_owned), header_ops: Vec::new() })
            .collect(),
        ring_timeout,
        advance_on: Vec::new(),
    });
    RingPlan {
        steps: steps.collect(),
        handling: match words.iter().find(|w| ["proxy", "relay"].contains(*w)) {
            Some(&"proxy") => Handling::Proxy,
            Some(_) => Handling::Relay,
            None => Handling::TenantDefault,
        },
        media: if words.contains(&"direct") { MediaPath::Direct } else { MediaPath::Anchor },
        header_ops: Vec::new(),
        max_duration: value("max="),
        attrs: words.iter().filter_map(|w| Some(("r.rate-as".to_owned(), w.strip_prefix("as=")?.to_owned()))).collect(),
    }
}

/// `1002`, or `gw/0044123`: +44123 by a trunk, as a plus parts targets.
fn endpoint(text: &str) -> Endpoint {
    if text.starts_with("sip:") {
        return Endpoint::Uri(text.to_owned());
    }
    match text.split_once('/') {
        Some((name, number)) => {
            Endpoint::Trunk { name: name.to_owned(), number: number.replacen("00", "+", 1), prefix: String::new() }
        }
        None => Endpoint::Account(text.to_owned()),
    }
}

/// The demo company; one account may have a word of its own about SRTP; `gone` is an account that was disabled, and then
/// no member of the list.
fn directory(security: Option<(&str, MediaSecurity)>, gone: Option<&str>) -> Directory {
    directory_of((security, None), gone, Vec::new(), &Ruled::default())
}

fn directory_of(
    (security, music): (Option<(&str, MediaSecurity)>, Option<&str>),
    gone: Option<&str>,
    ddis: Vec<Ddi>,
    ruled: &Ruled,
) -> Directory {
    let brand = Brand { id: BrandId(1), name: "demo".to_owned(), default_verdict: DefaultVerdict::Refuse };
    let rival = Brand { id: BrandId(2), name: "rival".to_owned(), ..brand.clone() };
    let company = Company {
        id: CompanyId(1),
        brand: BrandId(1),
        name: "demo".to_owned(),
        domain: "demo.test".to_owned(),
        media: MediaPath::Anchor,
        handling: Handling::B2bua,
        decline_ends_all: ruled.decline_ends_all,
        calls_max: ruled.calls_max,
        media_security: model::MediaSecurity::Allow,
        codecs: ruled.codecs.clone(),
        hold_music: music.map(str::to_owned),
        kind: ruled.kind,
        rules: ruled.company.clone(),
    };
    let accounts = (1_i64..).zip(PARTIES).map(|(id, (name, number, at))| Account {
        id: AccountId(id),
        company: CompanyId(1),
        username: number.to_owned(),
        display_name: name.to_owned(),
        ha1: Ha1 { md5: String::new(), sha256: String::new() },
        direct: Some(address(at)),
        media_security: security.filter(|(of, _)| *of == number).map(|(_, security)| security),
        enabled: gone != Some(number),
        rules: ruled.account(number),
    });
    let extension = Extension {
        id: ExtensionId(1),
        company: CompanyId(1),
        number: "202".to_owned(),
        target: RouteTarget::Account("1002".to_owned()),
    };
    let members = ["1002", "1003", "nobody"].iter().filter(|m| gone != Some(**m)).map(|m| (*m).to_owned());
    let list = ResourceList { company: CompanyId(1), name: "desk".to_owned(), members: members.collect() };
    let erin = Account {
        id: AccountId(5),
        company: CompanyId(1),
        username: ERIN.1.to_owned(),
        display_name: ERIN.0.to_owned(),
        ha1: sip_auth::ha1(ERIN.1, "demo.test", PASSWORD),
        direct: None,
        media_security: None,
        enabled: true,
        rules: Default::default(),
    };
    let south = Company { id: CompanyId(2), brand: BrandId(2), domain: "rival.test".to_owned(), ..company.clone() };
    let theirs = ruled.rival.iter().map(|e164| Ddi::to(9, south.id, e164, RouteTarget::App("menu".to_owned())));
    let ddis = ddis.into_iter().map(|ddi| said(ddi, ruled)).chain(theirs).collect();
    let companies = if ruled.rival.is_some() { vec![company, south] } else { vec![company] };
    let extensions = ruled.extensions.iter().cloned().chain([extension]).collect();
    Directory::build(1, vec![brand, rival], companies, accounts.chain([erin]).collect(), extensions, ddis)
        .and_then(|directory| directory.with_lists(vec![list]))
        .and_then(|directory| directory.with_rules(ruled.rules.clone()))
        .map(|directory| directory.with_brand_rules([(BrandId(1), ruled.brand.clone())]))
        .map(|directory| directory.with_policies([(CompanyId(1), ruled.policy.clone())]))
        .map(|directory| directory.with_countries(Arc::clone(&ruled.countries)))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// A public number with what the ladder says of all, and of the first.
fn said(ddi: Ddi, ruled: &Ruled) -> Ddi {
    let ddi = Ddi { call_filter: ruled.call_filter.clone(), record: ruled.record, ..ddi };
    if ddi.e164 != "+4930123456" {
        return ddi;
    }
    Ddi {
        target: ruled.ddi.clone().unwrap_or(ddi.target),
        trunk: ruled.bound,
        tag: ruled.tag,
        display_name: ruled.display.clone(),
        ..ddi
    }
}
