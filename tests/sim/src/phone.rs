//! A phone: registration, and the switchboard of its calls. The caller's, the callee's and the in-dialog side are in
//! [`caller`], [`callee`] and [`standing`].

mod callee;
mod caller;
mod moves;
mod standing;
mod watching;

use crate::carriers::Desk;
use crate::chance::Chance;
use crate::compose::{Draft, Identity};
use crate::dialog::{Dialog, Stage, due};
use crate::plan::{DOMAINS, GRID, PhonePlan};
use crate::rules::Broken;
use crate::srtp::Unheard;
use crate::text;
use crate::transaction::Wire;
use core::net::SocketAddr;
use core::time::Duration;
use model::Instant;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
pub(crate) use watching::{Lamp, Watch};

/// Something a phone sends.
#[derive(Debug)]
pub(crate) enum Say {
    Sip(String),
    Rtp { port: u16, to: SocketAddr, bytes: Vec<u8> },
}

/// A final response to an INVITE, for the ACK that must fit it.
#[derive(Debug)]
struct Final {
    status: u16,
    branch: String,
    to_tag: String,
}

/// Where the registration stands.
#[derive(Debug, Default)]
struct Registration {
    at: Option<Instant>,
    cseq: u32,
    tries: u8,
}

/// One phone.
#[derive(Debug)]
pub(crate) struct Phone {
    pub(crate) index: usize,
    pub(crate) plan: PhonePlan,
    who: Identity,
    chance: Chance,
    pub(crate) wire: Wire,
    pub(crate) dialogs: BTreeMap<String, Dialog>,
    /// Which call each RTP port belongs to.
    pub(crate) ports: BTreeMap<u16, String>,
    pub(crate) out: VecDeque<Say>,
    pub(crate) broken: Option<Broken>,
    /// Labels heard: who spoke, and our own label of the call it was heard in; and when last.
    pub(crate) heard: BTreeMap<(u32, u32), Instant>,
    /// INVITEs sent, by branch, for the ACKs of their failures.
    invites: BTreeMap<String, String>,
    finals: BTreeMap<(String, u32), Final>,
    /// Calls that this phone pretends not to see.
    ignored: BTreeSet<String>,
    /// Branches of re-INVITEs that outlived their call without an answer: the switch must have sent one.
    pub(crate) orphans: Vec<String>,
    pub(crate) watches: Vec<Watch>,
    number: u32,
    next_call: Option<Instant>,
    registration: Registration,
    challenge: Vec<String>,
    nonce_count: u32,
    calm: bool,
    closing: bool,
    excused_at: Option<Instant>,
    /// The account may be refused: it is disabled now and then.
    pub(crate) may_be_disabled: bool,
    /// As a carrier's server it wants digest of what comes by the trunk.
    pub(crate) desk: Option<Desk>,
}

impl Phone {
    pub(crate) fn new(index: usize, plan: PhonePlan, mut chance: Chance, start: Instant) -> Phone {
        let who = Identity {
            user: plan.user.clone(),
            domain: DOMAINS[plan.company].to_owned(),
            local: plan.local,
            tcp: plan.tcp,
        };
        let at = (!plan.direct).then(|| start + chance.millis(0, 2_000));
        let watches = plan.watches.iter().map(|user| Watch::new(user, &mut chance, start)).collect();
        let next_call = Some(start + chance.millis(2_500, 8_000));
        Phone {
            index,
            who,
            wire: Wire::new(plan.tcp),
            plan,
            chance,
            dialogs: BTreeMap::new(),
            ports: BTreeMap::new(),
            out: VecDeque::new(),
            broken: None,
            heard: BTreeMap::new(),
            invites: BTreeMap::new(),
            finals: BTreeMap::new(),
            ignored: BTreeSet::new(),
            orphans: Vec::new(),
            watches,
            number: 0,
            next_call,
            registration: Registration { at, ..Registration::default() },
            challenge: Vec::new(),
            nonce_count: 0,
            calm: false,
            closing: false,
            excused_at: None,
            may_be_disabled: false,
            desk: None,
        }
    }

    /// No new calls, and standing calls go on until [`Phone::close`].
    pub(crate) fn calm(&mut self) {
        self.calm = true;
        self.next_call = None;
        for dialog in self.dialogs.values_mut() {
            dialog.hangup_at = None;
            dialog.refer_at = None;
        }
    }

    /// Ends everything in its own time.
    pub(crate) fn close(&mut self, now: Instant) {
        self.closing = true;
        self.registration.at = None;
        self.close_watches(now);
        for dialog in self.dialogs.values_mut() {
            let at = now + self.chance.millis(0, 3_000);
            match dialog.stage {
                Stage::Calling { cancelled: false, .. } => dialog.cancel_at = Some(at),
                Stage::Ringing => dialog.act = Some((at, crate::dialog::Act::Refuse(480))),
                Stage::Up => dialog.hangup_at = Some(at),
                Stage::Calling { .. } | Stage::Leaving | Stage::Over => {}
            }
            dialog.reinvite_at = None;
            dialog.refer_at = None;
        }
    }

    /// The switch or the connection went away: what was under way may end in any way.
    pub(crate) fn excuse(&mut self, now: Instant) {
        self.excused_at = Some(now);
        self.excuse_watches(now);
        self.dialogs.values_mut().for_each(|d| d.excused = true);
    }

    /// The NAT gave one of our ports a new one outside: whoever sends to the old one is not heard.
    pub(crate) fn moved(&mut self, port: u16, now: Instant) {
        match self.ports.get(&port).and_then(|call_id| self.dialogs.get_mut(call_id)) {
            Some(dialog) => dialog.excused = true,
            None if port == self.plan.local.port() => self.excuse(now),
            None => {}
        }
    }

    /// The connection broke and stands again: what waits goes out on the new one.
    pub(crate) fn reconnected(&mut self, now: Instant) {
        self.excuse(now);
        self.refresh_watches(now);
        for bytes in self.wire.again() {
            self.out.push_back(Say::Sip(bytes));
        }
        if !self.closing && !self.plan.direct {
            self.registration.at = Some(now + self.chance.millis(0, 200));
        }
    }

    fn is_excused(&self, message: &str, now: Instant) -> bool {
        let call_id = text::field(message, "call-id").unwrap_or_default();
        self.excused_at.is_some_and(|at| now.since(at) < Duration::from_secs(40))
            || self.dialogs.get(call_id).is_some_and(|d| d.excused)
    }

    fn has_ended(&self, message: &str) -> bool {
        let dialog = text::field(message, "call-id").and_then(|id| self.dialogs.get(id));
        dialog.is_some_and(|d| matches!(d.stage, Stage::Leaving | Stage::Over) && !d.excused)
    }

    fn breaks(&mut self, rule: &'static str, words: String) {
        let words = format!("phone {}: {words}", self.index);
        self.broken.get_or_insert(Broken { rule, words });
    }

    /// A time later than `at` at which other phones act too.
    fn on_grid(&mut self, at: Instant) -> Instant {
        let grid = GRID.as_nanos() as u64;
        let rounded = (at.unix_nanos() / grid + 1) * grid;
        Instant::from_unix_nanos(rounded) + self.chance.millis(0, 60)
    }

    fn token(&mut self, what: &str) -> String {
        self.number += 1;
        format!("{what}{}x{}", self.index, self.number)
    }

    fn branch(&mut self) -> String {
        format!("z9hG4bK{}", self.token("b"))
    }

    /// Whether nothing is under way.
    pub(crate) fn is_quiet(&self) -> bool {
        self.wire.is_quiet() && self.watches_are_off() && self.dialogs.values().all(|d| d.stage == Stage::Over)
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        let calls = self.dialogs.values().filter_map(Dialog::next).min();
        [self.wire.next(), self.registration.at, self.next_call, self.next_watch(), calls].into_iter().flatten().min()
    }

    /// A SIP message came.
    pub(crate) fn hears(&mut self, message: &str, now: Instant) {
        if text::status(message).is_some() {
            return self.hears_response(message, now);
        }
        if text::method(message) == "ACK" {
            return self.hears_ack(message, now);
        }
        if let Some(before) = self.wire.answered_before(message) {
            let before = before.clone();
            // A 2xx that was acknowledged is not given again (RFC 6026 section 7.1).
            let settled = text::method(message) == "INVITE"
                && text::status(&before).is_some_and(|s| s >= 200)
                && !self.wire.waits_for_ack(message);
            if !settled {
                self.out.push_back(Say::Sip(before));
            }
            return;
        }
        self.hears_request(message, now);
    }

    fn hears_response(&mut self, message: &str, now: Instant) {
        let waited_for = self.wire.response(message);
        match text::method(message) {
            "INVITE" => self.invite_response(message, waited_for, now),
            "REGISTER" if waited_for => self.register_response(message, now),
            "SUBSCRIBE" if waited_for => self.watch_response(message, now),
            "BYE" if waited_for && text::status(message).is_some_and(|s| s >= 200) => {
                let call_id = text::field(message, "call-id").unwrap_or_default();
                if let Some(dialog) = self.dialogs.get_mut(call_id) {
                    dialog.enter(Stage::Over, now);
                    dialog.forget_at = Some(now + Duration::from_secs(36));
                }
            }
            _ => {}
        }
    }

    /// The ACK of one of our final responses (RFC 3261 sections 17.1.1.3 and 13.2.2.4).
    fn hears_ack(&mut self, message: &str, now: Instant) {
        let call_id = text::field(message, "call-id").unwrap_or_default().to_owned();
        let to_tag = text::field(message, "to").and_then(text::tag).unwrap_or_default();
        let Some(sent) = self.finals.get(&(call_id.clone(), text::cseq(message))) else { return };
        let (same_branch, failure) = (sent.branch == text::branch(message), sent.status >= 300);
        if sent.to_tag != to_tag {
            let words = format!("the ACK of {} has To-tag {to_tag:?}, not {:?}: {call_id}", sent.status, sent.to_tag);
            return self.breaks("ack-to-tag", words);
        }
        if same_branch != failure {
            let words = format!("the ACK of {} has branch {}: {call_id}", sent.status, text::branch(message));
            return self.breaks("ack-branch", words);
        }
        self.wire.acknowledged(message);
        if !failure {
            self.confirmed(&call_id, message, now);
        }
    }

    fn respond(&mut self, request: &str, status: u16, to: &str, sdp: Option<&str>, now: Instant) {
        self.respond_with(request, (status, ""), to, sdp, now);
    }

    /// A response with more header lines.
    fn respond_with(&mut self, request: &str, what: (u16, &str), to: &str, sdp: Option<&str>, now: Instant) {
        let (status, more) = what;
        let bytes =
            self.who.response(request, status, to, sdp).replacen("\r\nContact:", &format!("\r\n{more}Contact:"), 1);
        if text::method(request) == "INVITE" && status >= 200 {
            let call_id = text::field(request, "call-id").unwrap_or_default().to_owned();
            let (branch, to_tag) = (text::branch(request).to_owned(), text::tag(to).unwrap_or_default().to_owned());
            self.finals.insert((call_id, text::cseq(request)), Final { status, branch, to_tag });
        }
        self.wire.respond(&bytes, now);
        self.out.push_back(Say::Sip(bytes));
    }

    fn send(&mut self, bytes: String, now: Instant) {
        if text::method(&bytes) == "INVITE" {
            self.invites.insert(text::branch(&bytes).to_owned(), bytes.clone());
        }
        self.wire.request(&bytes, now);
        self.out.push_back(Say::Sip(bytes));
    }

    /// Its time has come.
    pub(crate) fn wake(&mut self, now: Instant) {
        let (again, given_up) = self.wire.due(now);
        self.out.extend(again.into_iter().map(Say::Sip));
        for given_up in given_up {
            self.gave_up(&given_up.0, now);
        }
        if due(&mut self.registration.at, now) {
            self.register(now);
        }
        self.wake_watches(now);
        if due(&mut self.next_call, now) {
            self.place_call(now);
            let (least, most) = self.plan.temper.gap_ms;
            self.next_call = Some(now + self.chance.millis(least, most));
        }
        let due_now: Vec<String> =
            self.dialogs.values().filter(|d| d.next().is_some_and(|at| at <= now)).map(|d| d.call_id.clone()).collect();
        for call_id in due_now {
            self.wake_call(&call_id, now);
        }
    }

    /// Something of ours was repeated for 64*T1 and never answered or acknowledged.
    fn gave_up(&mut self, bytes: &str, now: Instant) {
        let of_ended = text::method(bytes) == "INVITE" && text::status(bytes).is_none() && self.has_ended(bytes);
        if of_ended {
            return self.orphans.push(text::branch(bytes).to_owned());
        }
        if !self.is_excused(bytes, now) {
            let first = bytes.lines().next().unwrap_or_default();
            let call_id = text::field(bytes, "call-id").unwrap_or_default();
            self.breaks("unanswered", format!("{first} ({}) of {call_id} met silence", text::cseq(bytes)));
        }
        let call_id = text::field(bytes, "call-id").unwrap_or_default().to_owned();
        let Some(dialog) = self.dialogs.get_mut(&call_id) else {
            if text::method(bytes) == "SUBSCRIBE" {
                self.watch_gave_up(bytes, now);
            } else if text::method(bytes) == "REGISTER" {
                self.registration.at = Some(now + Duration::from_secs(1)).filter(|_| !self.closing);
            }
            return;
        };
        match (text::status(bytes), text::method(bytes)) {
            // RFC 3261 section 13.3.1.4.
            (Some(status), _) if status < 300 => {
                dialog.unacked = false;
                self.send_bye(&call_id, now);
            }
            (Some(_), _) => {}
            (None, "INVITE") if dialog.offering.take().is_some() => self.send_bye(&call_id, now),
            (None, _) => dialog.enter(Stage::Over, now),
        }
    }

    fn register(&mut self, now: Instant) {
        self.registration.cseq += 1;
        let uri = format!("sip:{}", self.who.domain);
        let credentials = self.authorize("REGISTER", &uri);
        let extra = format!("Expires: {}\r\n{credentials}", self.plan.expires_s);
        let (own, call_id) = (self.who.own(), format!("reg{}@phone", self.index));
        let from = format!("{own};tag=reg{}", self.index);
        let draft = Draft {
            method: "REGISTER",
            uri: &uri,
            from: &from,
            to: &own,
            call_id: &call_id,
            cseq: self.registration.cseq,
            extra: &extra,
            sdp: None,
        };
        let branch = self.branch();
        let bytes = self.who.request(&draft, &branch);
        self.send(bytes, now);
    }

    fn register_response(&mut self, message: &str, now: Instant) {
        match text::status(message) {
            Some(401) if self.registration.tries < 3 => {
                self.registration.tries += 1;
                self.challenged(message);
                self.register(now);
            }
            Some(200) => {
                self.registration.tries = 0;
                let contacts = text::lines(message, "contact").any(|l| l.contains(&self.who.local.to_string()));
                if !contacts {
                    self.breaks("registration", "the 200 does not list our contact".to_owned());
                }
                let half = Duration::from_millis(self.plan.expires_s * 500);
                self.registration.at = Some(now + half).filter(|_| !self.closing);
            }
            Some(status) if status >= 300 => {
                if !self.may_be_disabled {
                    self.breaks("registration", format!("refused with {status}"));
                }
                self.registration.tries = 0;
                self.registration.at = Some(now + Duration::from_secs(5)).filter(|_| !self.closing);
            }
            Some(_) | None => {}
        }
    }

    fn challenged(&mut self, message: &str) {
        let values = text::lines(message, "www-authenticate").filter_map(|l| l.split_once(':'));
        self.challenge = values.map(|(_, v)| v.trim().to_owned()).collect();
        self.nonce_count = 0;
    }

    /// An Authorization line for the last challenge, if there was one.
    fn authorize(&mut self, method: &str, uri: &str) -> String {
        if self.challenge.is_empty() {
            return String::new();
        }
        self.nonce_count += 1;
        let challenges: Vec<&str> = self.challenge.iter().map(String::as_str).collect();
        let who = sip_auth::Credentials { username: &self.plan.user, password: &self.plan.password };
        match sip_auth::answer(&challenges, &who, (method, uri), "cafe", self.nonce_count) {
            Ok(value) => format!("Authorization: {value}\r\n"),
            Err(_) => String::new(),
        }
    }

    /// An RTP packet came to one of our ports.
    pub(crate) fn hears_rtp(&mut self, port: u16, bytes: &[u8], from_switch: bool, now: Instant) {
        let Some(dialog) = self.ports.get(&port).and_then(|id| self.dialogs.get_mut(id)) else { return };
        let (excused, opened) = (dialog.excused, dialog.lock.open(bytes, now));
        let bytes = match opened {
            Ok(bytes) => bytes,
            Err(unheard) => {
                let wrong = from_switch && !excused && unheard != Unheard::Passing;
                if wrong && dialog.stage == Stage::Up {
                    self.breaks("srtp", format!("{unheard:?} RTP from the switch on port {port}"));
                }
                return;
            }
        };
        // Whoever goes on after the switch was replaced may be taken for the new party of its old port (see `speak`).
        if excused {
            return;
        }
        let Some(label) = bytes.get(12..).and_then(|p| p.strip_prefix(b"SIM!")).and_then(|p| p.first_chunk()) else {
            return;
        };
        self.heard.insert((u32::from_be_bytes(*label), label_of(self.index, port)), now);
    }
}

/// What a phone writes into its audio: who, and in which call.
pub(crate) fn label_of(phone: usize, port: u16) -> u32 {
    (phone as u32) << 16 | u32::from(port)
}
