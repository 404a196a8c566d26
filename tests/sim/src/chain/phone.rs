//! A phone that knows forks: several dialogs of one INVITE, Route sets, and a BYE for the answer it does not want.

use crate::chance::Chance;
use crate::compose::{Draft, Identity, Way, like_invite};
use crate::text;
use crate::transaction::{GivenUp, Wire};
use core::net::SocketAddr;
use core::time::Duration;
use model::Instant;
use std::collections::BTreeMap;

/// What it has in mind.
#[derive(Clone, Debug)]
enum Plan {
    Ring(String),
    Answer(String),
    Refuse(String, u16),
    Cancel(String),
    Bye(usize),
    /// Says something in a dialog, and goes on doing so.
    Speak(usize),
}

/// One dialog.
#[derive(Clone, Debug)]
struct Dialog {
    call_id: String,
    own: String,
    other: String,
    target: String,
    routes: Vec<String>,
    cseq: u32,
    over: bool,
    /// The INVITE, at the callee: no BYE before its ACK (RFC 3261 section 15).
    invite: String,
    /// Where it hears the other, and where the other wants to hear it.
    port: u16,
    media: Option<SocketAddr>,
    since: Instant,
}

/// An INVITE of ours.
#[derive(Clone, Debug)]
struct Calling {
    invite: String,
    rang: bool,
    cancel: bool,
    done: bool,
    port: u16,
}

/// One phone.
#[derive(Debug)]
pub(super) struct Phone {
    pub(super) address: SocketAddr,
    /// Where it sends what is not answered: its proxy.
    proxy: SocketAddr,
    identity: Identity,
    wire: Wire,
    chance: Chance,
    plans: BTreeMap<(Instant, u64), Plan>,
    /// INVITEs that ring here, by branch, with where they came from.
    ringing: BTreeMap<String, (String, SocketAddr)>,
    calling: BTreeMap<String, Calling>,
    dialogs: Vec<Dialog>,
    /// Where each dialog's requests go: the neighbour it came by.
    ways: Vec<SocketAddr>,
    pub(super) outbox: Vec<(SocketAddr, String)>,
    /// Call-IDs that became a dialog of a caller here.
    pub(super) talked: Vec<String>,
    serial: u64,
    home: bool,
    /// The port of each INVITE that rings or rang here, by branch.
    ports: BTreeMap<String, u16>,
    next_port: u16,
    /// RTP on its way: from which port, to whom.
    pub(super) said: Vec<(u16, SocketAddr, Vec<u8>)>,
    /// Who was heard at which port, and when last.
    heard: BTreeMap<(u16, u32), Instant>,
}

/// What a dialog looks like from outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Talk<'p> {
    pub(super) phone: usize,
    pub(super) call_id: &'p str,
    pub(super) tags: (&'p str, &'p str),
    pub(super) label: u32,
    pub(super) port: u16,
    pub(super) media: Option<SocketAddr>,
    pub(super) since: Instant,
}

/// How often a phone says something.
const BREATH: Duration = Duration::from_secs(2);

impl Phone {
    pub(super) fn new(n: usize, address: SocketAddr, proxy: SocketAddr, chance: Chance) -> Phone {
        let identity =
            Identity { user: format!("10{n:02}"), domain: "chain.test".to_owned(), local: address, tcp: false };
        Phone {
            address,
            proxy,
            identity,
            wire: Wire::new(false),
            chance,
            plans: BTreeMap::new(),
            ringing: BTreeMap::new(),
            calling: BTreeMap::new(),
            dialogs: Vec::new(),
            ways: Vec::new(),
            outbox: Vec::new(),
            talked: Vec::new(),
            serial: 0,
            home: false,
            ports: BTreeMap::new(),
            next_port: 10_000,
            said: Vec::new(),
            heard: BTreeMap::new(),
        }
    }

    fn number(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn port(&mut self) -> u16 {
        self.next_port += 2;
        self.next_port
    }

    /// The dialogs that stand.
    pub(super) fn talks(&self, phone: usize) -> impl Iterator<Item = Talk<'_>> {
        self.dialogs.iter().filter(|dialog| !dialog.over).map(move |dialog| Talk {
            phone,
            call_id: &dialog.call_id,
            tags: (text::tag(&dialog.own).unwrap_or_default(), text::tag(&dialog.other).unwrap_or_default()),
            label: label(self.address, dialog.port),
            port: dialog.port,
            media: dialog.media,
            since: dialog.since,
        })
    }

    /// When this label was heard last at this port.
    pub(super) fn heard_at(&self, port: u16, label: u32) -> Option<Instant> {
        self.heard.get(&(port, label)).copied()
    }

    /// RTP came.
    pub(super) fn listen(&mut self, port: u16, bytes: &[u8], now: Instant) {
        let label = bytes.get(12..).and_then(|p| p.strip_prefix(b"SIM!")).and_then(|p| p.first_chunk());
        if let Some(label) = label {
            self.heard.insert((port, u32::from_be_bytes(*label)), now);
        }
    }

    /// Says something in a dialog that stands, and plans to do so again.
    fn speak(&mut self, at: usize, now: Instant) {
        let number = self.number();
        let Some(dialog) = self.dialogs.get(at).filter(|dialog| !dialog.over) else { return };
        let own = label(self.address, dialog.port);
        if let Some(to) = dialog.media {
            let mut packet = vec![0x80, 0];
            packet.extend((number as u16).to_be_bytes());
            packet.extend((now.unix_nanos() as u32).to_be_bytes());
            packet.extend(own.to_be_bytes());
            packet.extend(b"SIM!");
            packet.extend(own.to_be_bytes());
            self.said.push((dialog.port, to, packet));
        }
        self.plan(now + BREATH, Plan::Speak(at));
    }

    fn plan(&mut self, at: Instant, plan: Plan) {
        let number = self.number();
        self.plans.insert((at, number), plan);
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.plans.keys().next().map(|(at, _)| *at).into_iter().chain(self.wire.next()).min()
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.wire.is_quiet() && self.plans.is_empty() && self.ringing.is_empty() && self.open().is_empty()
    }

    /// The dialogs and INVITEs it still believes in.
    pub(super) fn open(&self) -> Vec<String> {
        let dialogs = self.dialogs.iter().filter(|dialog| !dialog.over).map(|dialog| dialog.call_id.clone());
        let calling = self.calling.iter().filter(|(_, calling)| !calling.done).map(|(id, _)| format!("calling {id}"));
        dialogs.chain(calling).collect()
    }

    /// The Call-IDs of its dialogs.
    pub(super) fn met(&self) -> impl Iterator<Item = &String> {
        self.dialogs.iter().map(|dialog| &dialog.call_id)
    }

    /// No more calls: hangs up what stands, gives up what rings.
    pub(super) fn go_home(&mut self, now: Instant) {
        self.home = true;
        for at in 0..self.dialogs.len() {
            let when = now + self.chance.millis(0, 20_000);
            self.plan(when, Plan::Bye(at));
        }
        let calling: Vec<String> = self.calling.keys().cloned().collect();
        for call_id in calling {
            let when = now + self.chance.millis(0, 20_000);
            self.plan(when, Plan::Cancel(call_id));
        }
    }

    pub(super) fn call(&mut self, user: &str, now: Instant) {
        let number = self.number();
        let call_id = format!("{}-{number}", self.identity.user);
        let port = self.port();
        let sdp = self.identity.sdp(port, 1, Way::Both);
        let (from, to) = (format!("{};tag=c{call_id}", self.identity.own()), format!("<sip:{user}@chain.test>"));
        let draft = Draft {
            method: "INVITE",
            uri: &format!("sip:{user}@chain.test"),
            from: &from,
            to: &to,
            call_id: &call_id,
            cseq: 1,
            extra: "",
            sdp: Some(&sdp),
        };
        let invite = self.identity.request(&draft, &format!("z9hG4bK{call_id}"));
        self.wire.request(&invite, now);
        self.outbox.push((self.proxy, invite.clone()));
        if self.chance.percent(25) {
            let at = now + self.chance.millis(0, 15_000);
            self.plan(at, Plan::Cancel(call_id.clone()));
        }
        self.calling.insert(call_id, Calling { invite, rang: false, cancel: false, done: false, port });
    }

    /// Does what it has in mind, and repeats what was not answered.
    pub(super) fn act(&mut self, now: Instant) {
        while let Some((&(at, number), _)) = self.plans.first_key_value()
            && at <= now
        {
            if let Some(plan) = self.plans.remove(&(at, number)) {
                self.carry_out(plan, now);
            }
        }
        let (again, given_up) = self.wire.due(now);
        for bytes in again {
            let way = self.way_of(&bytes);
            self.outbox.push((way, bytes));
        }
        for GivenUp(bytes) in given_up {
            self.give_up(&bytes, now);
        }
    }

    /// Where a repeated message goes: with its dialog or its INVITE, else to the proxy.
    fn way_of(&self, bytes: &str) -> SocketAddr {
        let call_id = text::field(bytes, "call-id").unwrap_or_default();
        let ringing = self.ringing.get(text::branch(bytes)).map(|(_, way)| *way);
        let dialog = self.dialogs.iter().position(|dialog| dialog.call_id == call_id).map(|at| self.ways[at]);
        ringing.or(dialog).unwrap_or(self.proxy)
    }

    fn give_up(&mut self, bytes: &str, now: Instant) {
        let call_id = text::field(bytes, "call-id").unwrap_or_default().to_owned();
        match (text::status(bytes), text::method(bytes)) {
            // No ACK for a 2xx: section 13.3.1.4.
            (Some(200..=299), "INVITE") => {
                if let Some(at) = self.dialogs.iter().position(|d| d.call_id == call_id && !d.over) {
                    self.carry_out(Plan::Bye(at), now);
                }
            }
            (None, "INVITE") => {
                if let Some(calling) = self.calling.get_mut(&call_id) {
                    calling.done = true;
                }
            }
            _ => {}
        }
    }

    fn carry_out(&mut self, plan: Plan, now: Instant) {
        match plan {
            // Every other one lets hear how it rings.
            Plan::Ring(branch) if self.ports.get(&branch).is_some_and(|port| port % 4 == 0) => {
                self.respond(&branch, 183, now);
            }
            Plan::Ring(branch) => self.respond(&branch, 180, now),
            Plan::Answer(branch) => self.respond(&branch, 200, now),
            Plan::Refuse(branch, status) => self.respond(&branch, status, now),
            Plan::Cancel(call_id) => self.cancel(&call_id, now),
            Plan::Bye(at) => self.bye(at, now),
            Plan::Speak(at) => self.speak(at, now),
        }
    }

    fn cancel(&mut self, call_id: &str, now: Instant) {
        let Some(calling) = self.calling.get_mut(call_id).filter(|calling| !calling.done) else { return };
        calling.cancel = true;
        if calling.rang {
            let cancel = like_invite("CANCEL", &calling.invite, None);
            self.wire.request(&cancel, now);
            self.outbox.push((self.proxy, cancel));
        }
    }

    fn bye(&mut self, at: usize, now: Instant) {
        let number = self.number();
        let Some(dialog) = self.dialogs.get_mut(at).filter(|dialog| !dialog.over) else { return };
        if self.wire.waits_for_ack(&dialog.invite) {
            return self.plan(now + Duration::from_millis(500), Plan::Bye(at));
        }
        dialog.over = true;
        dialog.cseq += 1;
        let dialog = dialog.clone();
        let bye = self.within("BYE", &dialog, number);
        self.wire.request(&bye, now);
        self.outbox.push((self.ways[at], bye));
    }

    fn within(&self, method: &str, dialog: &Dialog, number: u64) -> String {
        let routes: String = dialog.routes.iter().map(|route| format!("Route: {route}\r\n")).collect();
        let draft = Draft {
            method,
            uri: &dialog.target,
            from: &dialog.own,
            to: &dialog.other,
            call_id: &dialog.call_id,
            cseq: dialog.cseq,
            extra: &routes,
            sdp: None,
        };
        self.identity.request(&draft, &format!("z9hG4bK{}w{number}", self.identity.user))
    }

    /// Answers an INVITE that rings here.
    fn respond(&mut self, branch: &str, status: u16, now: Instant) {
        let Some((invite, way)) = self.ringing.get(branch).cloned() else { return };
        let to = format!("{};tag=d{branch}", text::field(&invite, "to").unwrap_or_default());
        let port = self.ports.get(branch).copied().unwrap_or_default();
        let sdp = matches!(status, 183 | 200).then(|| self.identity.sdp(port, 1, Way::Both));
        let recorded: String = text::lines(&invite, "record-route").map(|line| format!("{line}\r\n")).collect();
        let response = self.identity.response(&invite, status, &to, sdp.as_deref());
        let response = response.replacen("From: ", &format!("{recorded}From: "), 1);
        self.wire.respond(&response, now);
        self.outbox.push((way, response));
        if status == 200 {
            let of = |name| text::field(&invite, name).unwrap_or_default();
            self.ways.push(way);
            self.dialogs.push(Dialog {
                call_id: of("call-id").to_owned(),
                own: to,
                other: of("from").to_owned(),
                target: text::uri(of("contact")).to_owned(),
                routes: routes(&invite),
                cseq: 100,
                over: false,
                invite: invite.clone(),
                port,
                media: text::sdp(&invite).map(|(at, _)| at),
                since: now,
            });
            self.talk(self.dialogs.len() - 1, now);
            self.speak(self.dialogs.len() - 1, now);
        }
        if status >= 200 {
            self.ringing.remove(branch);
        }
    }

    /// Somebody hangs up some time.
    fn talk(&mut self, at: usize, now: Instant) {
        let longest = if self.home { 5_000 } else { 60_000 };
        let until = now + self.chance.millis(200, longest);
        self.plan(until, Plan::Bye(at));
    }

    pub(super) fn hear(&mut self, message: &str, from: SocketAddr, now: Instant) {
        if text::status(message).is_some() {
            return self.hear_response(message, from, now);
        }
        match text::method(message) {
            "ACK" => self.wire.acknowledged(message),
            _ if self.wire.answered_before(message).is_some() => {
                let again = self.wire.answered_before(message).cloned().unwrap_or_default();
                self.outbox.push((from, again));
            }
            "INVITE" => self.invited(message, from, now),
            "CANCEL" => self.cancelled(message, from, now),
            "BYE" => self.hung_up(message, from, now),
            _ => {}
        }
    }

    fn invited(&mut self, invite: &str, from: SocketAddr, now: Instant) {
        let branch = text::branch(invite).to_owned();
        if self.ringing.contains_key(&branch) {
            return;
        }
        let fate = self.chance.below(100);
        // One that says nothing at all: the INVITE is lost on it.
        if fate < 5 {
            return;
        }
        self.ringing.insert(branch.clone(), (invite.to_owned(), from));
        let port = self.port();
        self.ports.insert(branch.clone(), port);
        let soon = now + self.chance.millis(0, 300);
        self.plan(soon, Plan::Ring(branch.clone()));
        let later = now + self.chance.millis(0, 25_000);
        match fate {
            // Several of a fork at once: their 2xx and our CANCELs cross.
            5..=24 => self.plan(on_grid(later), Plan::Answer(branch)),
            25..=54 => self.plan(later, Plan::Answer(branch)),
            55..=64 => self.plan(soon, Plan::Refuse(branch, 486)),
            65..=74 => self.plan(later, Plan::Refuse(branch, 603)),
            75..=79 => self.plan(soon, Plan::Refuse(branch, 503)),
            // It rings until somebody else ends it.
            _ => {}
        }
    }

    fn cancelled(&mut self, cancel: &str, from: SocketAddr, now: Instant) {
        let branch = text::branch(cancel).to_owned();
        let tag = format!(";tag=d{branch}");
        let to = text::field(cancel, "to").unwrap_or_default();
        let status = if self.ringing.contains_key(&branch) { 200 } else { 481 };
        let ok = self.identity.response(cancel, status, &format!("{to}{tag}"), None);
        self.wire.respond(&ok, now);
        self.outbox.push((from, ok));
        self.respond(&branch, 487, now);
    }

    fn hung_up(&mut self, bye: &str, from: SocketAddr, now: Instant) {
        let of = |name| text::field(bye, name).unwrap_or_default();
        let tags = (text::tag(of("to")), text::tag(of("from")));
        let mut known = 481;
        for dialog in &mut self.dialogs {
            if dialog.call_id == of("call-id") && (text::tag(&dialog.own), text::tag(&dialog.other)) == tags {
                (dialog.over, known) = (true, 200);
            }
        }
        if known == 200 {
            self.wire.forget_finals(of("call-id"));
        }
        let response = self.identity.response(bye, known, of("to"), None);
        self.wire.respond(&response, now);
        self.outbox.push((from, response));
    }

    fn hear_response(&mut self, response: &str, from: SocketAddr, now: Instant) {
        let waited = self.wire.response(response);
        if text::method(response) != "INVITE" {
            return;
        }
        let call_id = text::field(response, "call-id").unwrap_or_default().to_owned();
        let status = text::status(response).unwrap_or_default();
        let Some(calling) = self.calling.get_mut(&call_id) else { return };
        match status {
            100..=199 => {
                let first = !calling.rang;
                calling.rang = true;
                if first && calling.cancel {
                    self.cancel(&call_id, now);
                }
            }
            200..=299 => {
                calling.done = true;
                self.accepted(response, from, now);
            }
            _ => {
                let ack = like_invite("ACK", &calling.invite, text::field(response, "to"));
                calling.done |= waited;
                self.outbox.push((from, ack));
            }
        }
    }

    /// A 2xx: the first makes the call, another one of the fork gets its ACK and a BYE (section 13.2.2.4).
    fn accepted(&mut self, response: &str, from: SocketAddr, now: Instant) {
        if let Some(ack) = self.wire.ack_of(response).cloned() {
            return self.outbox.push((from, ack));
        }
        let of = |name| text::field(response, name).unwrap_or_default();
        let mut route_set = routes(response);
        route_set.reverse();
        let dialog = Dialog {
            call_id: of("call-id").to_owned(),
            own: of("from").to_owned(),
            other: of("to").to_owned(),
            target: text::uri(of("contact")).to_owned(),
            routes: route_set,
            cseq: 1,
            over: false,
            invite: String::new(),
            port: self.calling.get(of("call-id")).map_or(0, |calling| calling.port),
            media: text::sdp(response).map(|(at, _)| at),
            since: now,
        };
        let number = self.number();
        let ack = self.within("ACK", &dialog, number);
        self.wire.keep_ack(response, &ack);
        self.outbox.push((from, ack));
        let wanted = !self.talked.contains(&dialog.call_id);
        self.talked.push(dialog.call_id.clone());
        self.dialogs.push(dialog);
        self.ways.push(from);
        let at = self.dialogs.len() - 1;
        self.speak(at, now);
        if wanted {
            self.talk(at, now);
        } else {
            self.plan(now + Duration::from_millis(1), Plan::Bye(at));
        }
    }
}

/// What a phone writes into its audio: who, and at which port it hears.
fn label(address: SocketAddr, port: u16) -> u32 {
    let host = match address {
        SocketAddr::V4(address) => address.ip().octets()[3],
        SocketAddr::V6(_) => 0,
    };
    u32::from(host) << 16 | u32::from(port)
}

/// The next time at which phones act together.
fn on_grid(at: Instant) -> Instant {
    let grid = crate::plan::GRID.as_nanos() as u64;
    Instant::from_unix_nanos(at.unix_nanos().div_ceil(grid) * grid)
}

/// The values of Record-Route, from the top.
fn routes(message: &str) -> Vec<String> {
    let lines = text::lines(message, "record-route").filter_map(|line| line.split_once(':'));
    lines.map(|(_, value)| value.trim().to_owned()).collect()
}
