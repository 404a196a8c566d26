//! The response context of one INVITE (section 16.7) and its branches.
//!
//! ```text
//!   targets by q     a group rings                       2xx: pass it on, cancel the others
//!  +---------+  16.6 +-----------+  1xx: pass it on     +----------+
//!  | waiting |------>| Searching |--------------------->| Accepted | further 2xx: pass on (16.7 step 5)
//!  +---------+<------|           |                      +----------+
//!         ^    all   +-----------+  the user says so    +----------+
//!         |   failed       |  |------------------------>| Refused  | a 2xx now: ACK and BYE from here
//!         +-- next group --+                            +----------+
//! ```
//!
//! A branch has its Timer C in the state in which it rings; without a provisional response its transaction's Timer B
//! is shorter. A hop that does not answer, cannot be reached or says 503 gives way to the next (RFC 3263 section 4.3).

use crate::best::{Verdict, Verdicts};
use crate::bodies::{Bodies, Carried, Passage, Says, describes};
use crate::event::{Event, Side, Withdrawn};
use crate::layer::{Timer, Use};
use crate::mark::Mark;
use crate::pass::Place;
use crate::peer::Peer;
use crate::splice::{self, Hop, Record, Routes};
use crate::target::{Target, Waiting};
use crate::{Config, ContextKey, loops};
use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;
use model::{Flow, IdMap, IdSource, Instant};
use sip_message::{Message, Name, ResponseWriter};
use sip_transaction::{ClientKey, Failure, Layer as Transactions, ServerKey};
use smallvec::SmallVec;
use std::collections::{BTreeSet, VecDeque};

/// What an act on a context works with.
pub(crate) struct Cx<'a> {
    pub(crate) bodies: &'a mut dyn Bodies,
    pub(crate) config: &'a Config,
    pub(crate) ids: &'a mut IdSource,
    pub(crate) tx: &'a mut Transactions,
    pub(crate) clients: &'a mut IdMap<ClientKey, Use>,
    pub(crate) timers: &'a mut BTreeSet<(Instant, Timer)>,
    pub(crate) events: &'a mut VecDeque<Event>,
    pub(crate) key: ContextKey,
    pub(crate) now: Instant,
}

/// Where a context stands; see the module's figure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// No final response has gone to the caller.
    Searching,
    /// A 2xx has.
    Accepted,
    /// Another final response has.
    Refused,
}

/// One INVITE that was sent to a target.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) target: Target,
    /// Which of the target's hops is tried.
    hop: usize,
    pub(crate) client: ClientKey,
    pub(crate) state: State,
    pub(crate) withdrawn: Option<Withdrawn>,
    breadth: u32,
    /// Its entry among the timers.
    armed: Instant,
}

/// Where a branch stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Timer C; whether a provisional response came.
    Pending {
        rang: bool,
        timer_c: Instant,
    },
    Accepted,
    Failed,
}

impl Branch {
    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.state, State::Pending { .. })
    }
}

/// One proxied call.
///
/// # Invariants
/// A branch is pending exactly as long as its client transaction owes its final response; then it has one entry among
/// the timers. `peers` has one entry for each To-tag that was heard.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) server: ServerKey,
    /// The way the INVITE came.
    pub(crate) flow: Flow,
    /// The way back to the caller.
    pub(crate) back: Flow,
    pub(crate) request: Message,
    pub(crate) mark: Mark,
    pub(crate) phase: Phase,
    pub(crate) cancelled: bool,
    /// The user of the layer knows it no more: it stays until its last branch is over.
    pub(crate) closed: bool,
    /// Why it was closed: for the BYEs that still wait for an ACK.
    pub(crate) reason: Option<Box<str>>,
    /// The session descriptions of what passes are somebody's to rewrite.
    pub(crate) anchored: bool,
    decline_ends_all: bool,
    realm: Box<str>,
    loop_hash: u64,
    breadth: u32,
    /// The q of those that ring: another target of the same may still join them.
    ringing_q: Option<u16>,
    pub(crate) waiting: Waiting,
    pub(crate) branches: SmallVec<[Branch; 1]>,
    pub(crate) peers: SmallVec<[Peer; 1]>,
    pub(crate) verdicts: Verdicts,
}

impl Context {
    pub(crate) fn new(opening: crate::Opening, mark: Mark, config: &Config) -> Context {
        let request = opening.request;
        Context {
            server: opening.server,
            flow: opening.flow,
            back: sip_message::respond_target(&request, &opening.flow),
            mark,
            phase: Phase::Searching,
            cancelled: false,
            closed: false,
            reason: None,
            anchored: false,
            decline_ends_all: opening.decline_ends_all,
            realm: opening.realm.into_boxed_str(),
            loop_hash: loops::hash(&request),
            breadth: loops::breadth(&request, config.breadth),
            ringing_q: None,
            waiting: Waiting::default(),
            branches: SmallVec::new(),
            peers: SmallVec::new(),
            verdicts: Verdicts::default(),
            request,
        }
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.branches.iter().any(Branch::is_pending)
    }

    /// Nothing is left to do for a context that was closed.
    pub(crate) fn is_over(&self) -> bool {
        self.closed && !self.is_pending() && !self.peers.iter().any(Peer::is_up)
    }

    /// Nothing rings and nothing waits.
    pub(crate) fn is_spent(&self) -> bool {
        !self.is_pending() && self.waiting.is_empty()
    }

    /// Nobody has answered, refused or given up.
    pub(crate) fn is_open(&self) -> bool {
        self.phase == Phase::Searching && !self.cancelled && !self.closed
    }

    /// Cancels what rings and gives the INVITE back, where it has no final response.
    pub(crate) fn give_back(&mut self, cx: &mut Cx<'_>, reason: Option<&str>) -> Option<(ServerKey, Flow, Message)> {
        if self.phase != Phase::Searching || self.closed {
            return None;
        }
        self.waiting.clear();
        self.withdraw_all(cx, Withdrawn::Ended, reason);
        self.closed = true;
        Some((self.server, self.flow, self.request.clone()))
    }

    /// Starts the next group, unless one rings: section 16.6 for each of its targets.
    pub(crate) fn next_group(&mut self, cx: &mut Cx<'_>) {
        if self.phase != Phase::Searching || self.cancelled {
            self.waiting.clear();
            return;
        }
        let ringing = self.branches.iter().filter(|b| b.is_pending() && b.withdrawn.is_none()).count();
        let joins = ringing == 0 || self.waiting.next_q() == self.ringing_q;
        if self.waiting.is_empty() || !joins {
            return;
        }
        self.ringing_q = self.waiting.next_q();
        // RFC 5393 section 5.3.3: those that ring together share the breadth. What was cancelled is as good as over.
        let group = self.waiting.next_group((self.breadth as usize).saturating_sub(ringing));
        let share = self.breadth / u32::try_from((group.len() + ringing).max(1)).unwrap_or(u32::MAX);
        if group.is_empty() && ringing == 0 {
            // Not even one may be asked.
            for target in self.waiting.take() {
                cx.events.push_back(Event::Started { context: cx.key, token: target.token });
                self.fell_through(cx, target.token, 440);
            }
        }
        for target in group {
            self.start(cx, target, share.max(1));
        }
    }

    fn start(&mut self, cx: &mut Cx<'_>, target: Target, breadth: u32) {
        let token = target.token;
        cx.events.push_back(Event::Started { context: cx.key, token });
        let sent = target.hops.first().and_then(|flow| self.send(cx, &target, *flow, breadth));
        let Some(client) = sent else {
            return self.fell_through(cx, token, 503);
        };
        let index = u16::try_from(self.branches.len()).unwrap_or(u16::MAX);
        let timer_c = cx.now + cx.config.timer_c;
        cx.clients.insert(client, Use::Branch(cx.key, index));
        cx.timers.insert((timer_c, Timer::C(cx.key, index)));
        let state = State::Pending { rang: false, timer_c };
        self.branches.push(Branch { target, hop: 0, client, state, withdrawn: None, breadth, armed: timer_c });
    }

    /// A target failed before anything was sent to it.
    fn fell_through(&mut self, cx: &mut Cx<'_>, token: u16, status: u16) {
        self.verdicts.add(Verdict { status, response: None }, self.decline_ends_all);
        let (by_remote, withdrawn, redirect) = (false, None, None);
        cx.events.push_back(Event::Failed { context: cx.key, token, status, by_remote, withdrawn, redirect });
    }

    /// Sections 16.6 steps 1 to 10.
    fn send(&self, cx: &mut Cx<'_>, target: &Target, flow: Flow, breadth: u32) -> Option<ClientKey> {
        let branch = loops::branch(cx.tx.stateless_branch(), self.loop_hash);
        let body = target.body.as_ref().map(|session| self.request.with_session(session));
        let hop = Hop {
            uri: Some(&target.request_uri),
            source: self.flow.remote,
            flow: &flow,
            branch: &branch,
            record: Some(Record { mark: self.mark, inward: (self.flow.transport, self.flow.local) }),
            // The plan alone says by which way: the caller's own Routes led to us, or lead past us.
            routes: Routes::Replace(&target.routes),
            max_forwards: self.request.next_max_forwards().ok()?,
            max_breadth: Some(breadth),
            realm: Some(&self.realm),
            ops: &target.header_ops,
            body: body.as_deref(),
        };
        let wire = splice::request(&self.request, &hop)?;
        Some(cx.tx.forward(flow, &branch, (true, wire), cx.now))
    }

    /// A response of a branch, 101 to 699.
    pub(crate) fn response(&mut self, cx: &mut Cx<'_>, index: u16, response: Message, flow: Flow) {
        match response.status().unwrap_or_default() {
            status @ 101..=199 => self.provisional(cx, index, status, &response, flow),
            200..=299 => self.success(cx, index, response, flow),
            status @ 300..=699 => {
                let retry_after = response.header(Name::RetryAfter).map(|value| value.as_bytes());
                let retry_after = retry_after.and_then(leading_seconds);
                self.failure(cx, index, Verdict { status, response: Some(response) }, retry_after);
            }
            _ => {}
        }
    }

    /// Section 16.7 steps 2 and 5.
    fn provisional(&mut self, cx: &mut Cx<'_>, index: u16, status: u16, response: &Message, flow: Flow) {
        let Some(branch) = self.branches.get_mut(usize::from(index)) else { return };
        if let State::Pending { rang, timer_c } = &mut branch.state {
            *rang = true;
            *timer_c = cx.now + cx.config.timer_c;
        }
        let (token, withdrawn) = (branch.target.token, branch.withdrawn.is_some());
        let at = self.hear(cx.config.forks_max, index, (response, flow), false);
        if self.phase != Phase::Searching || withdrawn {
            return;
        }
        let body = at.and_then(|at| self.carried(cx, at, response, false));
        if let Some(bytes) = splice::response_with(response, body.as_deref()) {
            // A caller that is gone is told of by the transaction.
            let _ = cx.tx.respond(self.server, bytes, cx.now);
        }
        cx.events.push_back(Event::Ringing { context: cx.key, token, status });
    }

    /// Section 16.7 step 5: every 2xx goes to the caller, at once, and the others are cancelled (step 10).
    fn success(&mut self, cx: &mut Cx<'_>, index: u16, response: Message, flow: Flow) {
        let Some(branch) = self.branches.get_mut(usize::from(index)) else { return };
        let first = branch.is_pending();
        let (token, armed) = (branch.target.token, branch.armed);
        branch.state = State::Accepted;
        if first {
            cx.timers.remove(&(armed, Timer::C(cx.key, index)));
        }
        let Some(at) = self.hear(cx.config.forks_max, index, (&response, flow), true) else { return };
        if self.phase == Phase::Refused || (self.closed && first) {
            return self.too_late(cx, at);
        }
        if self.closed && !self.peers.get(at).is_some_and(Peer::is_up) {
            // A repetition after the end of the call, which its BYE has settled.
            return;
        }
        let body = self.accepted_body(cx, at, &response);
        if let Some(bytes) = splice::response_with(&response, body.as_deref()) {
            let _ = cx.tx.respond(self.server, bytes, cx.now);
        }
        if first {
            cx.events.push_back(Event::Answered { context: cx.key, token });
        }
        if self.phase == Phase::Searching {
            self.phase = Phase::Accepted;
            self.waiting.clear();
            self.withdraw_all(cx, Withdrawn::Elsewhere, None);
        }
    }

    /// Notes the dialog a response is of; gives its place. Past `most` of a branch an early dialog is not noted, and one
    /// that answers takes the place of the oldest that is early.
    fn hear(&mut self, most: usize, branch: u16, (response, flow): (&Message, Flow), answered: bool) -> Option<usize> {
        let tag = response.to().ok()?.tag()?;
        let at = match self.peers.iter().position(|peer| &*peer.tag == tag && peer.branch == branch) {
            Some(at) => at,
            None => {
                let caller_cseq = self.request.cseq().map_or(1, |cseq| cseq.number);
                let fresh = Peer {
                    tag: Box::from(tag),
                    branch,
                    flow,
                    answer: None,
                    over: false,
                    acked: false,
                    caller_cseq,
                    callee_cseq: 0,
                    caller_moved: None,
                    callee_moved: None,
                    said: None,
                    offer: None,
                };
                if self.peers.iter().filter(|peer| peer.branch == branch).count() < most {
                    self.peers.push(fresh);
                    self.peers.len() - 1
                } else {
                    let early = |peer: &Peer| peer.branch == branch && peer.answer.is_none();
                    let at = self.peers.iter().position(early).filter(|_| answered)?;
                    *self.peers.get_mut(at)? = fresh;
                    at
                }
            }
        };
        let peer = self.peers.get_mut(at)?;
        if answered && peer.answer.is_none() {
            peer.flow = flow;
            peer.answer = Some(response.clone());
        }
        Some(at)
    }

    /// The body of a 2xx as it goes on: the same each time it is repeated.
    fn accepted_body(&mut self, cx: &mut Cx<'_>, at: usize, response: &Message) -> Option<Bytes> {
        if let Some(said) = self.peers.get(at).and_then(|peer| peer.said.clone()) {
            return Some(said);
        }
        let body = self.carried(cx, at, response, true);
        self.peers.get_mut(at)?.said.clone_from(&body);
        body
    }

    /// What goes on instead of the body of a response to the INVITE.
    fn carried(&mut self, cx: &mut Cx<'_>, at: usize, response: &Message, accepts: bool) -> Option<Bytes> {
        let described = describes(response);
        if !self.anchored || !(described || accepts) {
            return None;
        }
        let peer = self.peers.get_mut(at)?;
        let token = self.branches.get(usize::from(peer.branch))?.target.token;
        let says = match (described, describes(&self.request)) {
            (false, _) => Says::Nothing,
            (true, true) => Says::Answer(&self.request),
            (true, false) => {
                peer.offer = Some((Side::Callee, response.clone()));
                Says::Offer
            }
        };
        let from = Side::Callee;
        let passage = Passage { context: cx.key, token, tag: &peer.tag, from, message: response, says, accepts };
        match cx.bodies.carry(&passage) {
            Carried::Instead(session) => Some(response.with_session(&session)),
            Carried::AsItIs | Carried::Refused(_) => None,
        }
    }

    /// What goes on instead of the body of a request within a dialog.
    ///
    /// # Errors
    /// The status with which it is refused.
    pub(crate) fn carried_within(
        &self,
        bodies: &mut dyn Bodies,
        key: ContextKey,
        place: Place,
        request: &Message,
    ) -> Result<Option<Bytes>, u16> {
        let Some(peer) = self.peers.get(place.peer).filter(|_| self.anchored) else { return Ok(None) };
        let says = peer.says(place.from, request);
        if matches!(says, Says::Nothing) {
            return Ok(None);
        }
        let token = self.branches.get(usize::from(peer.branch)).map_or(0, |branch| branch.target.token);
        let (from, accepts) = (place.from, false);
        match bodies.carry(&Passage { context: key, token, tag: &peer.tag, from, message: request, says, accepts }) {
            Carried::Instead(session) => Ok(Some(request.with_session(&session))),
            Carried::AsItIs => Ok(None),
            Carried::Refused(status) => Err(status),
        }
    }

    /// The client transaction of a branch came to nothing (section 16.9 for a transport error).
    pub(crate) fn client_failed(&mut self, cx: &mut Cx<'_>, index: u16, why: Failure) {
        let status = match why {
            Failure::Timeout => 408,
            Failure::Transport | Failure::Withheld => 503,
        };
        self.failure(cx, index, Verdict { status, response: None }, None);
    }

    fn failure(&mut self, cx: &mut Cx<'_>, index: u16, verdict: Verdict, retry_after: Option<Duration>) {
        let Some(branch) = self.branches.get_mut(usize::from(index)) else { return };
        let State::Pending { rang, .. } = branch.state else { return };
        let (status, by_remote) = (verdict.status, verdict.response.is_some());
        let hop_failed = status == 503 || (!by_remote && !rang);
        if hop_failed && let Some(flow) = branch.target.hops.get(branch.hop) {
            cx.events.push_back(Event::HopFailed { flow: *flow, retry_after });
        }
        if hop_failed && branch.withdrawn.is_none() && self.phase == Phase::Searching && self.next_hop(cx, index) {
            return;
        }
        let Some(branch) = self.branches.get_mut(usize::from(index)) else { return };
        branch.state = State::Failed;
        let (token, withdrawn, armed) = (branch.target.token, branch.withdrawn, branch.armed);
        cx.timers.remove(&(armed, Timer::C(cx.key, index)));
        let redirect = verdict.response.clone().filter(|_| (300..400).contains(&status));
        if redirect.is_some() {
            self.verdicts.add_redirect(token, verdict);
        } else {
            self.verdicts.add(verdict, self.decline_ends_all);
        }
        if !self.closed {
            cx.events.push_back(Event::Failed { context: cx.key, token, status, by_remote, withdrawn, redirect });
        }
        // Section 16.7 step 5: a 6xx ends the search; by the tenant's leave it does not.
        if status >= 600 && self.decline_ends_all && self.phase == Phase::Searching {
            self.waiting.clear();
            self.withdraw_all(cx, Withdrawn::Declined, None);
        }
        self.go_on(cx);
    }

    /// The next way to the same target, if there is one.
    fn next_hop(&mut self, cx: &mut Cx<'_>, index: u16) -> bool {
        let Some(branch) = self.branches.get(usize::from(index)) else { return false };
        let hop = branch.hop + 1;
        let Some(flow) = branch.target.hops.get(hop).copied() else { return false };
        let Some(client) = self.send(cx, &branch.target, flow, branch.breadth) else { return false };
        cx.clients.insert(client, Use::Branch(cx.key, index));
        if let Some(branch) = self.branches.get_mut(usize::from(index)) {
            (branch.hop, branch.client) = (hop, client);
            branch.state = State::Pending { rang: false, timer_c: cx.now + cx.config.timer_c };
        }
        true
    }

    /// The next group, or word that there is none.
    pub(crate) fn go_on(&mut self, cx: &mut Cx<'_>) {
        // A group whose every target failed at once leads to the next.
        while self.phase == Phase::Searching && !self.is_pending() && !self.waiting.is_empty() {
            self.next_group(cx);
        }
        if self.phase == Phase::Searching && self.is_spent() && !self.closed {
            cx.events.push_back(Event::Spent { context: cx.key, cancelled: self.cancelled });
        }
    }

    /// Section 16.10: CANCELs every branch that rings.
    pub(crate) fn withdraw_all(&mut self, cx: &mut Cx<'_>, why: Withdrawn, reason: Option<&str>) {
        let reason = match why {
            // RFC 3326: phones leave such a call out of the list of missed ones.
            Withdrawn::Elsewhere => Some("SIP;cause=200;text=\"answered-elsewhere\""),
            Withdrawn::Declined | Withdrawn::Unanswered | Withdrawn::Caller | Withdrawn::TimerC | Withdrawn::Ended => {
                reason
            }
        };
        let field = reason.map(|value| [("Reason", value)]);
        let headers = field.as_ref().map_or(&[][..], |field| &field[..]);
        for branch in self.branches.iter_mut().filter(|b| b.is_pending() && b.withdrawn.is_none()) {
            branch.withdrawn = Some(why);
            cx.tx.cancel(branch.client, headers, cx.now);
        }
    }

    /// Section 16.8: Timer C of a branch.
    pub(crate) fn timer_c(&mut self, cx: &mut Cx<'_>, index: u16) {
        let Some(branch) = self.branches.get_mut(usize::from(index)) else { return };
        let State::Pending { timer_c, .. } = branch.state else { return };
        // Provisional responses moved it; or it was cancelled, and the transaction keeps watch: 64*T1.
        if timer_c > cx.now {
            branch.armed = timer_c;
        } else {
            branch.armed = cx.now + cx.config.timer_c;
            if branch.withdrawn.is_none() {
                branch.withdrawn = Some(Withdrawn::TimerC);
                cx.tx.cancel(branch.client, &[], cx.now);
            }
        }
        cx.timers.insert((branch.armed, Timer::C(cx.key, index)));
    }

    /// Sends the caller the best response, or `fallback` where there is none; gives the status.
    pub(crate) fn conclude(&mut self, cx: &mut Cx<'_>, fallback: u16) -> u16 {
        if self.phase != Phase::Searching {
            return fallback;
        }
        let status = match self.verdicts.best().map(|best| best.status) {
            // Who gave up needs no other word than that.
            _ if self.cancelled => 487,
            Some(503) => 500,
            Some(status) => status,
            None => fallback,
        };
        match self.verdicts.response() {
            Some((sent, bytes)) if sent == status => {
                self.phase = Phase::Refused;
                let _ = cx.tx.respond(self.server, bytes, cx.now);
            }
            Some(_) | None => self.refuse(cx, status, "", &[]),
        }
        status
    }

    /// Sends the caller a final response of ours.
    pub(crate) fn refuse(&mut self, cx: &mut Cx<'_>, status: u16, reason: &str, headers: &[(String, String)]) {
        if self.phase != Phase::Searching {
            return;
        }
        self.phase = Phase::Refused;
        self.waiting.clear();
        let tag = cx.ids.token(16);
        let mut writer = ResponseWriter::to(&self.request, status, reason, self.flow.remote).to_tag(&tag);
        for (name, value) in headers {
            writer = writer.header(name, value);
        }
        // A caller that is gone needs no answer.
        let _ = cx.tx.respond(self.server, writer.finish(), cx.now);
    }

    /// The way to a side by an address that a Route names.
    pub(crate) fn redirect(flow: Flow, address: SocketAddr) -> Flow {
        if flow.remote == address { flow } else { Flow { remote: address, connection: None, name: None, ..flow } }
    }

    /// Marks a dialog as over after a BYE of `by`; tells when its branch has no other.
    pub(crate) fn hung(&mut self, cx: &mut Cx<'_>, at: usize, by: Side) {
        let Some(peer) = self.peers.get_mut(at).filter(|peer| peer.is_up()) else { return };
        peer.over = true;
        let (branch, tag) = (peer.branch, peer.tag.clone());
        let left = self.peers.iter().any(|peer| peer.branch == branch && peer.is_up());
        let Some(branch) = self.branches.get(usize::from(branch)) else { return };
        let (context, token) = (cx.key, branch.target.token);
        cx.events.push_back(if left {
            Event::Left { context, token, tag }
        } else {
            Event::Hung { context, token, by }
        });
    }
}

/// The delta-seconds that Retry-After begins with (section 20.33), a day at most.
fn leading_seconds(value: &[u8]) -> Option<Duration> {
    let digits = value.iter().take_while(|b| b.is_ascii_digit()).count();
    let text = core::str::from_utf8(value.get(..digits)?).ok()?;
    Some(Duration::from_secs(text.parse::<u64>().ok()?.min(86_400)))
}
