//! The server side: requests of others, our responses, their ACKs and CANCELs.

use crate::class::{Class, status_of};
use crate::config::Timing;
use crate::gate::{Gate, Taken};
use crate::invite_server::InviteServer;
use crate::non_invite_server::NonInviteServer;
use crate::shared::{Shared, same_path};
use crate::step::{AckStep, ServerStep};
use crate::timers::{Due, Key};
use crate::{Event, Gone, Held, ServerKey, matching, write};
use bytes::Bytes;
use core::net::SocketAddr;
use model::{Edge, Flow, IdMap, Instant};
use sip_message::{Message, Method, respond_target};
use std::collections::HashMap;
use std::sync::Arc;

/// Where a stream peer listens that names no port in its Via (section 18.2.2).
const SIP_PORT: u16 = 5060;

/// The server transactions.
///
/// # Invariants
/// - `ids` holds exactly the identity of each transaction in `table`.
/// - `merges` holds INVITEs that began something and were not challenged.
#[derive(Default, Debug)]
pub(crate) struct Servers {
    table: IdMap<ServerKey, Server>,
    ids: HashMap<Arc<str>, ServerKey>,
    merges: HashMap<Arc<str>, ServerKey>,
    scratch: String,
}

#[derive(Debug)]
struct Server {
    machine: Machine,
    id: Arc<str>,
    merge: Option<Arc<str>>,
    /// The INVITE, until its final response: a 100 is made of it.
    request: Option<Message>,
    flow: Flow,
    /// Where responses go.
    target: Flow,
    /// Where to connect if the stream that the request came by is lost (section 18.2.2).
    reopen: Option<SocketAddr>,
    /// What waits to be let go, where it is watched.
    gate: Option<Box<Gate>>,
    due: Due,
}

#[derive(Debug)]
enum Machine {
    Invite(InviteServer),
    NonInvite(NonInviteServer),
}

impl Machine {
    fn on_repeat(&self) -> ServerStep {
        match self {
            Machine::Invite(machine) => machine.on_repeat(),
            Machine::NonInvite(machine) => machine.on_repeat(),
        }
    }

    fn on_response(&mut self, class: Class, bytes: Bytes, timing: Timing, now: Instant) -> Result<ServerStep, Gone> {
        match self {
            Machine::Invite(machine) => machine.on_response(class, bytes, timing, now),
            Machine::NonInvite(machine) => machine.on_response(class, bytes, timing, now),
        }
    }

    fn on_timeout(&mut self, timing: Timing, now: Instant) -> ServerStep {
        match self {
            Machine::Invite(machine) => machine.on_timeout(timing, now),
            Machine::NonInvite(machine) => machine.on_timeout(now),
        }
    }

    fn on_transport_error(&mut self, timing: Timing, now: Instant) -> ServerStep {
        match self {
            Machine::Invite(machine) => machine.on_transport_error(timing, now),
            Machine::NonInvite(machine) => machine.on_transport_error(),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Machine::Invite(machine) => machine.poll_timeout(),
            Machine::NonInvite(machine) => machine.poll_timeout(),
        }
    }

    fn is_terminated(&self) -> bool {
        match self {
            Machine::Invite(machine) => machine.is_terminated(),
            Machine::NonInvite(machine) => machine.is_terminated(),
        }
    }
}

/// What an INVITE that begins something has in common with its copy on another path (section 8.2.2.2).
fn merge_id(request: &Message) -> Option<String> {
    let mut id = String::new();
    matching::merge_id(&mut id, request).then_some(id)
}

impl Servers {
    /// A request came.
    pub(crate) fn handle_request(&mut self, cx: &mut Shared, flow: Flow, request: Message, now: Instant) {
        let Some(method) = request.method() else { return };
        if !matching::server_id(&mut self.scratch, flow.remote.ip(), &request, method) {
            cx.counters.unusable += 1;
            return;
        }
        let known = self.ids.get(self.scratch.as_str()).copied();
        if method == Method::Ack {
            self.ack(cx, known, flow, request, now);
        } else if let Some(key) = known {
            self.repeat(cx, key);
        } else if method == Method::Cancel {
            self.cancel(cx, flow, request, now);
        } else if !self.refuse(cx, &flow, &request) {
            let merge = if method == Method::Invite { merge_id(&request) } else { None };
            let merged = merge.as_deref().is_some_and(|id| self.merges.contains_key(id));
            let key = self.create(cx, flow, &request, merge.filter(|_| !merged), now);
            if merged {
                self.refuse_merged(cx, key, flow, &request, now);
            } else {
                cx.events.push_back(Event::Request { key, flow, request });
            }
        }
    }

    /// Whether a request repeats one that a transaction has, or is the CANCEL or ACK of one.
    pub(crate) fn knows(&self, flow: &Flow, request: &Message) -> bool {
        let Some(method) = request.method() else { return false };
        let mut id = String::new();
        let mut has = |method| {
            matching::server_id(&mut id, flow.remote.ip(), request, method) && self.ids.contains_key(id.as_str())
        };
        has(method) || (method == Method::Cancel && has(Method::Invite))
    }

    /// The transaction user answers.
    pub(crate) fn respond(
        &mut self,
        cx: &mut Shared,
        key: ServerKey,
        response: Bytes,
        now: Instant,
    ) -> Result<(), Gone> {
        let server = self.table.get_mut(&key).ok_or(Gone)?;
        let status = status_of(&response).ok_or(Gone)?;
        let Some(gate) = server.gate.as_mut().filter(|_| status > 100) else {
            return self.answer(cx, key, response, now);
        };
        match gate.take(status, response, cx.config.held_max)? {
            Taken::Waits => {}
            Taken::First => self.announce(cx, key),
            Taken::Again(wire) => return self.answer(cx, key, wire, now),
        }
        Ok(())
    }

    /// Responses of this INVITE wait to be let go.
    pub(crate) fn watch(&mut self, key: ServerKey, at: (Edge, bool)) {
        if let Some(server) = self.table.get_mut(&key).filter(|server| server.gate.is_none()) {
            server.gate = Some(Box::new(Gate::new(at)));
        }
    }

    /// The response that waited longest leaves.
    pub(crate) fn let_go(
        &mut self,
        cx: &mut Shared,
        key: ServerKey,
        number: u32,
        wire: Bytes,
        now: Instant,
    ) -> Result<(), Gone> {
        let gate = self.table.get_mut(&key).and_then(|server| server.gate.as_mut()).ok_or(Gone)?;
        gate.pass(number, wire.clone())?;
        let done = self.answer(cx, key, wire, now);
        self.announce(cx, key);
        done
    }

    /// Tells of the response that is to leave next, if one waits.
    fn announce(&mut self, cx: &mut Shared, key: ServerKey) {
        let gate = self.table.get(&key).and_then(|server| server.gate.as_ref());
        if let Some((number, (edge, within), wire)) = gate.and_then(|gate| gate.front()) {
            cx.events.push_back(Event::Leaving { held: Held::Response(key, number), edge, within, wire });
        }
    }

    /// A response leaves.
    fn answer(&mut self, cx: &mut Shared, key: ServerKey, response: Bytes, now: Instant) -> Result<(), Gone> {
        let server = self.table.get_mut(&key).ok_or(Gone)?;
        let status = status_of(&response).ok_or(Gone)?;
        let class = Class::of(status);
        let step = server.machine.on_response(class, response, Timing::new(&cx.config, server.flow.transport), now)?;
        if class.is_final() {
            server.request = None;
        }
        // A challenged INVITE comes again; old phones give it the same CSeq, and it is no loop.
        if matches!(status, 401 | 407)
            && let Some(merge) = server.merge.take()
        {
            self.merges.remove(&merge);
        }
        self.act(cx, key, step);
        Ok(())
    }

    /// The INVITE may come again by another path without being refused: see [`crate::Layer::pass_on`].
    pub(crate) fn pass_on(&mut self, key: ServerKey) {
        if let Some(merge) = self.table.get_mut(&key).and_then(|server| server.merge.take()) {
            self.merges.remove(&merge);
        }
    }

    pub(crate) fn flow(&self, key: ServerKey) -> Option<Flow> {
        self.table.get(&key).map(|server| server.flow)
    }

    pub(crate) fn handle_timeout(&mut self, cx: &mut Shared, key: ServerKey, now: Instant) {
        let Some(server) = self.table.get_mut(&key) else { return };
        let step = server.machine.on_timeout(Timing::new(&cx.config, server.flow.transport), now);
        if matches!(step, ServerStep::Send(_)) {
            cx.counters.resent += 1;
        }
        self.act(cx, key, step);
    }

    /// A lost stream is opened anew once, to where the peer said it listens, with what was sent last (18.2.2).
    pub(crate) fn handle_flow_failed(&mut self, cx: &mut Shared, key: ServerKey, failed: &Flow, now: Instant) {
        let Some(server) = self.table.get_mut(&key) else { return };
        if !same_path(&server.target, failed) {
            return;
        }
        let step = match server.reopen.take() {
            Some(remote) => {
                let anew = Flow { remote, connection: None, ..server.target };
                cx.move_flow(Key::Server(key), &server.target, &anew);
                server.target = anew;
                server.machine.on_repeat()
            }
            None => server.machine.on_transport_error(Timing::new(&cx.config, server.flow.transport), now),
        };
        self.act(cx, key, step);
    }

    fn repeat(&mut self, cx: &mut Shared, key: ServerKey) {
        cx.counters.requests_repeated += 1;
        if let Some(server) = self.table.get(&key) {
            let step = server.machine.on_repeat();
            self.act(cx, key, step);
        }
    }

    fn ack(&mut self, cx: &mut Shared, known: Option<ServerKey>, flow: Flow, request: Message, now: Instant) {
        let step = match known.and_then(|key| self.table.get_mut(&key)) {
            Some(Server { machine: Machine::Invite(machine), flow, .. }) => {
                machine.on_ack(Timing::new(&cx.config, flow.transport), now)
            }
            // The ACK of a stateless refusal; any other is for a 2xx (section 17.2.3) or nobody's, as above may find.
            Some(Server { machine: Machine::NonInvite(_), .. }) | None => {
                let refused = matching::to_tag(&request) == Some(cx.stray_tag.as_str());
                if refused { AckStep::Stray } else { AckStep::PassUp }
            }
        };
        match step {
            AckStep::Absorb => {}
            AckStep::PassUp => cx.events.push_back(Event::Ack { flow, request }),
            AckStep::Stray => cx.counters.acks_dropped += 1,
        }
        if let Some(key) = known {
            self.settle(cx, key);
        }
    }

    /// Section 9.2: a CANCEL is answered here; above learns of it while the INVITE has no final response.
    fn cancel(&mut self, cx: &mut Shared, flow: Flow, request: Message, now: Instant) {
        let own_id = core::mem::take(&mut self.scratch);
        let has_id = matching::server_id(&mut self.scratch, flow.remote.ip(), &request, Method::Invite);
        let invite = self.ids.get(self.scratch.as_str()).copied().filter(|_| has_id);
        self.scratch = own_id;
        let found = invite.and_then(|key| Some((key, self.table.get(&key)?)));
        let Some((invite, Server { machine: Machine::Invite(machine), .. })) = found else {
            cx.counters.cancels_unmatched += 1;
            let refusal = write::refusal(&request, &flow, 481, &cx.stray_tag).finish();
            cx.send(respond_target(&request, &flow), refusal);
            return;
        };
        let open = machine.is_proceeding();
        // 9.2: the To-tag should be the one of the responses to the INVITE.
        let answered = machine.last_response().and_then(write::reread);
        let tag = match answered.as_ref().and_then(matching::to_tag) {
            Some(tag) => tag.to_owned(),
            None => cx.ids.token(16),
        };
        let ok = write::refusal(&request, &flow, 200, &tag).finish();
        let key = self.create(cx, flow, &request, None, now);
        // The transaction was made just now, so it can be answered.
        let _ = self.respond(cx, key, ok, now);
        if open {
            cx.events.push_back(Event::Cancelled { invite, request });
        }
    }

    /// Refuses statelessly when too many transactions are alive (section 21.5.4).
    fn refuse(&mut self, cx: &mut Shared, flow: &Flow, request: &Message) -> bool {
        let max = cx.config.transactions_max;
        let max = if matching::has_to_tag(request) { max.saturating_add(max / 4) } else { max };
        if cx.alive < max {
            return false;
        }
        cx.counters.overloaded += 1;
        // Spread, so that the refused do not come back together.
        let retry_after_s = 5 + cx.ids.u32() % 11;
        let refusal =
            write::refusal(request, flow, 503, &cx.stray_tag).header("Retry-After", retry_after_s.to_string());
        cx.send(respond_target(request, flow), refusal.finish());
        true
    }

    fn refuse_merged(&mut self, cx: &mut Shared, key: ServerKey, flow: Flow, request: &Message, now: Instant) {
        cx.counters.merged += 1;
        let tag = cx.ids.token(16);
        let refusal = write::refusal(request, &flow, 482, &tag).finish();
        // The transaction was made just now, so it can be answered.
        let _ = self.respond(cx, key, refusal, now);
    }

    /// Makes the transaction whose identity is in `scratch`.
    fn create(
        &mut self,
        cx: &mut Shared,
        flow: Flow,
        request: &Message,
        merge: Option<String>,
        now: Instant,
    ) -> ServerKey {
        let timing = Timing::new(&cx.config, flow.transport);
        let target = respond_target(request, &flow);
        let key = cx.open_server(&target);
        let id: Arc<str> = Arc::from(self.scratch.as_str());
        self.ids.insert(Arc::clone(&id), key);
        let is_invite = request.is_method(Method::Invite);
        let machine = if is_invite {
            Machine::Invite(InviteServer::new(timing, now))
        } else {
            Machine::NonInvite(NonInviteServer::new(timing, now))
        };
        let reopen = flow.transport.is_reliable().then(|| {
            let port = request.top_via().ok().and_then(|via| via.port()).filter(|port| *port != 0);
            SocketAddr::new(flow.remote.ip(), port.unwrap_or(SIP_PORT))
        });
        let merge: Option<Arc<str>> = merge.map(Arc::from);
        if let Some(id) = &merge {
            self.merges.insert(Arc::clone(id), key);
        }
        let request = is_invite.then(|| request.clone());
        self.table.insert(key, Server { machine, id, merge, request, flow, target, reopen, gate: None, due: None });
        self.settle(cx, key);
        key
    }

    fn act(&mut self, cx: &mut Shared, key: ServerKey, step: ServerStep) {
        let Some(server) = self.table.get_mut(&key) else { return };
        match step {
            ServerStep::Nothing => {}
            ServerStep::Send(response) => cx.send(server.target, response),
            ServerStep::Trying => {
                if let (Machine::Invite(machine), Some(request)) = (&mut server.machine, &server.request) {
                    let response = write::trying(request, &server.flow);
                    machine.tried(response.clone());
                    cx.send(server.target, response);
                }
            }
            ServerStep::Fail(why) => {
                cx.count_failure(why);
                cx.events.push_back(Event::ServerFailed { key, why });
            }
        }
        self.settle(cx, key);
    }

    /// Arms the machine's next timer, or forgets a transaction that is over.
    fn settle(&mut self, cx: &mut Shared, key: ServerKey) {
        let Some(server) = self.table.get_mut(&key) else { return };
        if !server.machine.is_terminated() {
            cx.timers.set(Key::Server(key), &mut server.due, server.machine.poll_timeout());
            return;
        }
        cx.close(Key::Server(key), &server.target, &mut server.due);
        let Some(server) = self.table.remove(&key) else { return };
        self.ids.remove(&server.id);
        if let Some(merge) = server.merge {
            self.merges.remove(&merge);
        }
    }

    #[cfg(test)]
    pub(crate) fn is_clean(&self) -> bool {
        self.table.is_empty() && self.ids.is_empty() && self.merges.is_empty()
    }
}
