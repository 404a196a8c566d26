//! The client side: requests of ours, their responses, ACKs for failures and CANCELs.

use crate::class::Class;
use crate::config::Timing;
use crate::invite_client::{Cancellable, InviteClient};
use crate::non_invite_client::NonInviteClient;
use crate::shared::{Shared, same_path};
use crate::step::ClientStep;
use crate::timers::{Due, Key};
use crate::{ClientKey, Event, Failure, Gone, Held, write};
use bytes::Bytes;
use model::{Edge, Flow, IdMap, Instant};
use sip_message::{Message, Method, RequestWriter};
use std::collections::HashMap;
use std::sync::Arc;

/// The client transactions.
///
/// # Invariants
/// `branches` holds exactly the branches of the transactions in `table`; an INVITE and its CANCEL share one.
#[derive(Default, Debug)]
pub(crate) struct Clients {
    table: IdMap<ClientKey, Client>,
    branches: HashMap<Arc<str>, Sharers>,
}

/// Who uses a branch.
#[derive(Clone, Copy, Default, Debug)]
struct Sharers {
    request: Option<ClientKey>,
    cancel: Option<ClientKey>,
}

#[derive(Debug)]
struct Client {
    machine: Machine,
    role: Role,
    flow: Flow,
    branch: Arc<str>,
    /// The request; empty once it has its final response.
    wire: Bytes,
    /// The ACK of a failure.
    ack: Option<Bytes>,
    /// A CANCEL that waits for a provisional response, with its extra header fields.
    cancel: Option<Vec<(String, String)>>,
    /// By UDP, should the stream that a large request took fail before any answer.
    fallback: Option<Box<(Flow, Bytes)>>,
    /// Whether the request is somebody else's that we pass on: its Via is not the only one.
    passed_on: bool,
    /// Where it leaves, if it is watched.
    edge: Option<Box<Edge>>,
    due: Due,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    Invite,
    Other,
    /// A CANCEL of ours: nothing of it is reported.
    Cancel,
}

#[derive(Debug)]
enum Machine {
    /// An INVITE that has not left yet: no timer runs, and nobody knows its branch.
    Held,
    Invite(InviteClient),
    NonInvite(NonInviteClient),
}

impl Machine {
    fn new(role: Role, timing: Timing, now: Instant) -> Machine {
        match role {
            Role::Invite => Machine::Invite(InviteClient::new(timing, now)),
            Role::Other | Role::Cancel => Machine::NonInvite(NonInviteClient::new(timing, now)),
        }
    }

    fn on_response(&mut self, class: Class, timing: Timing, now: Instant) -> ClientStep {
        match self {
            Machine::Held => ClientStep::Stray,
            Machine::Invite(machine) => machine.on_response(class, timing, now),
            Machine::NonInvite(machine) => machine.on_response(class, timing, now),
        }
    }

    fn on_timeout(&mut self, timing: Timing, now: Instant) -> ClientStep {
        match self {
            Machine::Held => ClientStep::Nothing,
            Machine::Invite(machine) => machine.on_timeout(timing, now),
            Machine::NonInvite(machine) => machine.on_timeout(timing, now),
        }
    }

    fn on_transport_error(&mut self, lost: bool) -> ClientStep {
        match self {
            // Should the way be closed, its own sending finds out.
            Machine::Held => ClientStep::Nothing,
            Machine::Invite(machine) => machine.on_transport_error(lost),
            Machine::NonInvite(machine) => machine.on_transport_error(),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Machine::Held => None,
            Machine::Invite(machine) => machine.poll_timeout(),
            Machine::NonInvite(machine) => machine.poll_timeout(),
        }
    }

    fn is_terminated(&self) -> bool {
        match self {
            Machine::Held => false,
            Machine::Invite(machine) => machine.is_terminated(),
            Machine::NonInvite(machine) => machine.is_terminated(),
        }
    }
}

impl Clients {
    /// Sends a request with a top Via of our own (section 17.1.1.2, 17.1.2.2).
    pub(crate) fn request(&mut self, cx: &mut Shared, flow: Flow, request: RequestWriter, now: Instant) -> ClientKey {
        let role = if request.method() == Method::Invite { Role::Invite } else { Role::Other };
        let branch = cx.branch();
        let wire = request.via(flow.transport, flow.local, &branch).finish();
        let key = self.enter(cx, flow, Arc::from(branch), role, Machine::Held);
        self.send_first(cx, key, wire, now);
        key
    }

    /// The same for an INVITE that waits to be let go.
    pub(crate) fn request_held(
        &mut self,
        cx: &mut Shared,
        flow: Flow,
        request: RequestWriter,
        (edge, within): (Edge, bool),
        now: Instant,
    ) -> ClientKey {
        if request.method() != Method::Invite {
            return self.request(cx, flow, request, now);
        }
        let branch = cx.branch();
        let wire = request.via(flow.transport, flow.local, &branch).finish();
        let key = self.enter(cx, flow, Arc::from(branch), Role::Invite, Machine::Held);
        if let Some(client) = self.table.get_mut(&key) {
            client.edge = Some(Box::new(edge));
        }
        cx.events.push_back(Event::Leaving { held: Held::Request(key), edge, within, wire });
        key
    }

    /// A held INVITE leaves.
    pub(crate) fn let_go(&mut self, cx: &mut Shared, key: ClientKey, wire: Bytes, now: Instant) -> Result<(), Gone> {
        self.is_held(key)?;
        self.send_first(cx, key, wire, now);
        Ok(())
    }

    /// A held INVITE does not leave: its transaction is over.
    pub(crate) fn withhold(&mut self, cx: &mut Shared, key: ClientKey) -> Result<(), Gone> {
        self.is_held(key)?;
        cx.events.push_back(Event::ClientFailed { key, why: Failure::Withheld });
        self.forget(cx, key);
        Ok(())
    }

    fn is_held(&self, key: ClientKey) -> Result<(), Gone> {
        let held = self.table.get(&key).is_some_and(|client| matches!(client.machine, Machine::Held));
        if held { Ok(()) } else { Err(Gone) }
    }

    /// A request leaves for the first time: by a stream if it is too large for a datagram (section 18.1.1).
    fn send_first(&mut self, cx: &mut Shared, key: ClientKey, mut wire: Bytes, now: Instant) {
        let Some(client) = self.table.get_mut(&key) else { return };
        if let Some(stream) = cx.large.instead(&client.flow, wire.len(), now) {
            cx.counters.large_by_tcp += 1;
            cx.move_flow(Key::Client(key), &client.flow, &stream);
            let by_stream = write::revia(&wire, &stream, &client.branch);
            client.fallback = Some(Box::new((client.flow, core::mem::replace(&mut wire, by_stream))));
            client.flow = stream;
        }
        client.machine = Machine::new(client.role, Timing::new(&cx.config, client.flow.transport), now);
        cx.send(client.flow, wire.clone());
        client.wire = wire;
        self.settle(cx, key);
    }

    /// Passes on a request of somebody else, whose top Via, with `branch`, is ours already (section 16.6 step 10).
    pub(crate) fn forward(
        &mut self,
        cx: &mut Shared,
        flow: Flow,
        branch: &str,
        (is_invite, wire): (bool, Bytes),
        now: Instant,
    ) -> ClientKey {
        let role = if is_invite { Role::Invite } else { Role::Other };
        let key = self.start(cx, flow, Arc::from(branch), (role, wire), now);
        if let Some(client) = self.table.get_mut(&key) {
            client.passed_on = true;
        }
        key
    }

    /// A response came.
    pub(crate) fn handle_response(&mut self, cx: &mut Shared, flow: Flow, response: Message, now: Instant) {
        let (Some(key), Some(status)) = (self.find(&response), response.status()) else {
            cx.counters.responses_stray += 1;
            return;
        };
        let Some(client) = self.table.get_mut(&key) else { return };
        let class = Class::of(status);
        let step = client.machine.on_response(class, Timing::new(&cx.config, client.flow.transport), now);
        client.pin(&flow);
        client.fallback = None;
        let deliver = match step {
            ClientStep::Deliver => true,
            ClientStep::DeliverAndAcknowledge => {
                client.make_ack(&response);
                client.send_ack(cx);
                true
            }
            ClientStep::Acknowledge => {
                client.send_ack(cx);
                false
            }
            ClientStep::Stray => {
                cx.counters.responses_stray += 1;
                false
            }
            ClientStep::Nothing | ClientStep::Resend | ClientStep::Fail(_) => false,
        };
        // A 100 says no more than that the request arrived.
        if deliver && client.role != Role::Cancel && status != 100 {
            let edge = client.edge.as_deref().copied();
            cx.events.push_back(Event::Response { key, response, flow, edge });
        }
        let mut wanted = None;
        if deliver && class.is_final() {
            client.wire = Bytes::new();
            client.cancel = None;
        } else if deliver {
            wanted = client.cancel.take();
        }
        self.settle(cx, key);
        if let Some(extra_headers) = wanted {
            self.send_cancel(cx, key, &extra_headers, now);
        }
    }

    /// Cancels an INVITE: at once if it had a provisional response, else as soon as one comes (section 9.1).
    pub(crate) fn cancel(&mut self, cx: &mut Shared, key: ClientKey, extra_headers: &[(&str, &str)], now: Instant) {
        let Some(client) = self.table.get_mut(&key) else { return };
        let cancellable = match &client.machine {
            Machine::Held => {
                // Nobody has heard of it, and nobody need.
                let _ = self.withhold(cx, key);
                return;
            }
            Machine::Invite(machine) => machine.cancellable(),
            Machine::NonInvite(_) => Cancellable::No,
        };
        let owned: Vec<(String, String)> =
            extra_headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        match cancellable {
            Cancellable::Now => self.send_cancel(cx, key, &owned, now),
            Cancellable::Later => client.cancel = Some(owned),
            Cancellable::No => {}
        }
    }

    /// Whether any response to an INVITE has come, a 100 included, or it is over.
    pub(crate) fn was_answered(&self, key: ClientKey) -> bool {
        self.table.get(&key).is_none_or(|client| match &client.machine {
            Machine::Held => false,
            Machine::Invite(machine) => machine.cancellable() != Cancellable::Later,
            Machine::NonInvite(_) => true,
        })
    }

    pub(crate) fn handle_timeout(&mut self, cx: &mut Shared, key: ClientKey, now: Instant) {
        let Some(client) = self.table.get_mut(&key) else { return };
        let step = client.machine.on_timeout(Timing::new(&cx.config, client.flow.transport), now);
        self.act(cx, key, step);
    }

    pub(crate) fn handle_flow_failed(&mut self, cx: &mut Shared, key: ClientKey, failed: &Flow, now: Instant) {
        let Some(client) = self.table.get_mut(&key) else { return };
        if !same_path(&client.flow, failed) {
            return;
        }
        if let Some(datagram) = client.fallback.take() {
            client.fall_back(cx, key, *datagram, now);
            return self.settle(cx, key);
        }
        let step = client.machine.on_transport_error(client.flow.transport.is_reliable());
        self.act(cx, key, step);
    }

    fn act(&mut self, cx: &mut Shared, key: ClientKey, step: ClientStep) {
        let Some(client) = self.table.get_mut(&key) else { return };
        match step {
            ClientStep::Resend => {
                cx.counters.resent += 1;
                cx.send(client.flow, client.wire.clone());
            }
            ClientStep::Fail(why) => {
                cx.count_failure(why);
                if client.role != Role::Cancel {
                    cx.events.push_back(Event::ClientFailed { key, why });
                }
            }
            ClientStep::Nothing
            | ClientStep::Stray
            | ClientStep::Deliver
            | ClientStep::DeliverAndAcknowledge
            | ClientStep::Acknowledge => {}
        }
        self.settle(cx, key);
    }

    fn start(
        &mut self,
        cx: &mut Shared,
        flow: Flow,
        branch: Arc<str>,
        (role, wire): (Role, Bytes),
        now: Instant,
    ) -> ClientKey {
        let machine = Machine::new(role, Timing::new(&cx.config, flow.transport), now);
        cx.send(flow, wire.clone());
        let key = self.enter(cx, flow, branch, role, machine);
        if let Some(client) = self.table.get_mut(&key) {
            client.wire = wire;
        }
        self.settle(cx, key);
        key
    }

    /// Makes a transaction that has sent nothing.
    fn enter(&mut self, cx: &mut Shared, flow: Flow, branch: Arc<str>, role: Role, machine: Machine) -> ClientKey {
        let key = cx.open_client(&flow);
        let sharers = self.branches.entry(Arc::clone(&branch)).or_default();
        match role {
            Role::Invite | Role::Other => sharers.request = Some(key),
            Role::Cancel => sharers.cancel = Some(key),
        }
        let client = Client {
            machine,
            role,
            flow,
            branch,
            wire: Bytes::new(),
            ack: None,
            cancel: None,
            fallback: None,
            passed_on: false,
            edge: None,
            due: None,
        };
        self.table.insert(key, client);
        key
    }

    fn send_cancel(&mut self, cx: &mut Shared, invite: ClientKey, extra: &[(String, String)], now: Instant) {
        let Some(client) = self.table.get_mut(&invite) else { return };
        let Machine::Invite(machine) = &mut client.machine else { return };
        machine.cancelled(Timing::new(&cx.config, client.flow.transport), now);
        let (flow, branch) = (client.flow, Arc::clone(&client.branch));
        let wire = write::reread(&client.wire).and_then(|sent| write::cancel(&sent, &flow, &branch, extra));
        self.settle(cx, invite);
        if let Some(wire) = wire {
            self.start(cx, flow, branch, (Role::Cancel, wire), now);
        }
    }

    /// Section 17.1.3: the branch of the top Via, and the method of CSeq.
    fn find(&self, response: &Message) -> Option<ClientKey> {
        let sharers = self.branches.get(response.top_via().ok()?.branch()?)?;
        let method = response.cseq().ok()?.method;
        let (key, role) = if method == Method::Cancel {
            (sharers.cancel?, Role::Cancel)
        } else {
            (sharers.request?, if method == Method::Invite { Role::Invite } else { Role::Other })
        };
        let client = self.table.get(&key)?;
        // 8.1.3.3: another Via below ours means that the response is for somebody further back. For what we passed on
        // it is; for a request of our own it is a mistake.
        let fits = client.passed_on == response.has_more_vias();
        (fits && client.role == role).then_some(key)
    }

    /// Arms the machine's next timer, or forgets a transaction that is over.
    fn settle(&mut self, cx: &mut Shared, key: ClientKey) {
        let Some(client) = self.table.get_mut(&key) else { return };
        if !client.machine.is_terminated() {
            cx.timers.set(Key::Client(key), &mut client.due, client.machine.poll_timeout());
            return;
        }
        self.forget(cx, key);
    }

    fn forget(&mut self, cx: &mut Shared, key: ClientKey) {
        let Some(mut client) = self.table.remove(&key) else { return };
        cx.close(Key::Client(key), &client.flow, &mut client.due);
        let Some(sharers) = self.branches.get_mut(&client.branch) else { return };
        match client.role {
            Role::Invite | Role::Other => sharers.request = None,
            Role::Cancel => sharers.cancel = None,
        }
        if sharers.request.is_none() && sharers.cancel.is_none() {
            self.branches.remove(&client.branch);
        }
    }

    #[cfg(test)]
    pub(crate) fn is_clean(&self) -> bool {
        self.table.is_empty() && self.branches.is_empty()
    }
}

impl Client {
    /// Section 17.1.1.3: the ACK goes where the INVITE went, so on the connection that its response came by.
    fn pin(&mut self, flow: &Flow) {
        if self.flow.connection.is_none() && self.flow.transport == flow.transport && self.flow.remote == flow.remote {
            self.flow.connection = flow.connection;
        }
    }

    /// The stream cannot be had: the request begins anew as a datagram (section 18.1.1).
    fn fall_back(&mut self, cx: &mut Shared, key: ClientKey, (flow, wire): (Flow, Bytes), now: Instant) {
        cx.large.refuse(flow.remote, now);
        cx.counters.large_back_to_udp += 1;
        cx.move_flow(Key::Client(key), &self.flow, &flow);
        cx.send(flow, wire.clone());
        self.machine = Machine::new(self.role, Timing::new(&cx.config, flow.transport), now);
        self.flow = flow;
        self.wire = wire;
    }

    fn make_ack(&mut self, response: &Message) {
        self.ack = write::reread(&self.wire).and_then(|invite| write::ack(&invite, response, &self.flow, &self.branch));
    }

    fn send_ack(&self, cx: &mut Shared) {
        if let Some(ack) = &self.ack {
            cx.send(self.flow, ack.clone());
        }
    }
}
