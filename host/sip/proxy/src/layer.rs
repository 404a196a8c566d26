//! The layer: every proxied call of a shard, the requests within their dialogs, and the timers of both.

use crate::bodies::{AsTheyAre, Bodies, Carried, Passage, Says, describes};
use crate::claim;
use crate::context::{Context, Cx, Phase};
use crate::event::{ContextKey, Event, Side, Withdrawn};
use crate::mark::Mark;
use crate::pass::{Onward, Pass, Passing, Place, onward};
use crate::peer::Peer;
use crate::{Config, Target, splice};
use bytes::Bytes;
use model::{Flow, IdMap, IdSource, Instant};
use sip_message::{Message, Method, Name, ResponseWriter};
use sip_transaction::{ClientKey, Failure, Layer as Transactions, ServerKey};
use std::collections::{BTreeSet, HashMap, VecDeque};

/// What a client transaction is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Use {
    /// A branch of a context.
    Branch(ContextKey, u16),
    /// A request within a dialog.
    Pass(u64),
    /// A BYE of our own: nobody waits for its answer.
    Own,
}

/// Whose a server transaction is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Owner {
    Context(ContextKey),
    Pass(u64),
}

/// What a timer is of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Timer {
    /// Timer C of a branch.
    C(ContextKey, u16),
    /// A re-INVITE.
    Pass(u64),
    /// A closed context that waits for an ACK.
    End(ContextKey),
}

/// What lies below a message that passes.
pub struct Below<'a> {
    /// The transactions.
    pub transactions: &'a mut Transactions,
    /// Whoever rewrites the bodies of anchored calls.
    pub bodies: &'a mut dyn Bodies,
}

impl core::fmt::Debug for Below<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Below").finish_non_exhaustive()
    }
}

/// An INVITE to be proxied.
#[derive(Debug)]
pub struct Opening {
    /// Its transaction.
    pub server: ServerKey,
    /// The way it came.
    pub flow: Flow,
    /// It.
    pub request: Message,
    /// Whether a 6xx of one target ends the call for all of them (section 16.7 step 5), or is that target's word only.
    pub decline_ends_all: bool,
    /// The realm whose credentials were for us and stay here (section 22.3).
    pub realm: String,
}

/// Every proxied call of a shard.
///
/// After each `handle_*` and each command drain [`Layer::poll_event`], and call [`Layer::handle_timeout`] at
/// [`Layer::poll_timeout`].
///
/// # Invariants
/// `marks` has one entry for each context, `by_call_id` one for the newest of each Call-ID. `clients` holds the client transactions of pending branches and passes, of
/// answered branches as long as their context, and our own BYEs. A context that its user has closed is gone as soon as
/// no branch is pending.
#[derive(Debug)]
pub struct Layer {
    config: Config,
    ids: IdSource,
    contexts: IdMap<ContextKey, Box<Context>>,
    marks: IdMap<Mark, ContextKey>,
    by_call_id: HashMap<Box<str>, ContextKey>,
    passes: IdMap<u64, Pass>,
    clients: IdMap<ClientKey, Use>,
    servers: IdMap<ServerKey, Owner>,
    timers: BTreeSet<(Instant, Timer)>,
    events: VecDeque<Event>,
    last_key: u64,
}

impl Layer {
    /// A layer without calls.
    #[must_use]
    pub fn new(config: Config, ids: IdSource) -> Layer {
        Layer {
            config,
            ids,
            contexts: IdMap::default(),
            marks: IdMap::default(),
            by_call_id: HashMap::new(),
            passes: IdMap::default(),
            clients: IdMap::default(),
            servers: IdMap::default(),
            timers: BTreeSet::new(),
            events: VecDeque::new(),
            last_key: 0,
        }
    }

    /// Takes charge of an admitted INVITE. [`Layer::fork`] and in the end [`Layer::end`] or [`Layer::take_back`] must
    /// follow.
    pub fn open(&mut self, tx: &mut Transactions, opening: Opening) -> ContextKey {
        tx.pass_on(opening.server);
        let key = ContextKey(self.next_key());
        let mark = Mark::draw(&mut self.ids);
        self.marks.insert(mark, key);
        if let Ok(call_id) = opening.request.call_id() {
            self.by_call_id.insert(Box::from(call_id), key);
        }
        self.servers.insert(opening.server, Owner::Context(key));
        self.contexts.insert(key, Box::new(Context::new(opening, mark, &self.config)));
        key
    }

    /// Whether the session descriptions of a call are rewritten from here on: each target's in [`Target::body`], every
    /// other by [`Bodies`].
    pub fn anchor(&mut self, key: ContextKey, anchored: bool) {
        if let Some(context) = self.contexts.get_mut(&key) {
            context.anchored = anchored;
        }
    }

    /// Adds targets (section 16.5): the highest q rings first, the next when every one of it has failed. They wait
    /// while others ring. [`Event::Started`] tells of each that is tried, [`Event::Spent`] that none is left.
    pub fn fork(&mut self, tx: &mut Transactions, key: ContextKey, targets: Vec<Target>, now: Instant) {
        self.act(tx, key, now, |context, cx| {
            context.waiting.add(targets);
            context.next_group(cx);
            context.go_on(cx);
        });
    }

    /// Follows the 3xx of a target (section 16.7 step 4): it counts no more, and where it led is tried instead.
    pub fn follow(
        &mut self,
        tx: &mut Transactions,
        key: ContextKey,
        (token, targets): (u16, Vec<Target>),
        now: Instant,
    ) {
        if let Some(context) = self.contexts.get_mut(&key) {
            context.verdicts.followed(token);
        }
        self.fork(tx, key, targets, now);
    }

    /// What rings has rung long enough: it is cancelled, and the next group begins. `false` if none waits.
    pub fn give_up_group(&mut self, tx: &mut Transactions, key: ContextKey, now: Instant) -> bool {
        self.act(tx, key, now, |context, cx| {
            context.withdraw_all(cx, Withdrawn::Unanswered, None);
            let waits = !context.waiting.is_empty();
            context.next_group(cx);
            waits
        })
        .unwrap_or(false)
    }

    /// Whether nothing of a call rings or waits.
    #[must_use]
    pub fn is_spent(&self, key: ContextKey) -> bool {
        self.contexts.get(&key).is_none_or(|context| context.is_spent())
    }

    /// Sends the caller the best response of those that came (section 16.7 step 6), or `fallback`; gives its status.
    pub fn conclude(&mut self, tx: &mut Transactions, key: ContextKey, fallback: u16, now: Instant) -> u16 {
        self.act(tx, key, now, |context, cx| context.conclude(cx, fallback)).unwrap_or(fallback)
    }

    /// Sends the caller a final response from 300 up; an empty `reason` stands for the usual phrase. What rings still
    /// rings.
    pub fn refuse(
        &mut self,
        tx: &mut Transactions,
        key: ContextKey,
        (status, reason): (u16, &str),
        headers: &[(String, String)],
        now: Instant,
    ) {
        self.act(tx, key, now, |context, cx| context.refuse(cx, status, reason, headers));
    }

    /// Ends whatever is left of a call: `status` to a caller without a final response, CANCEL to what rings, BYE to
    /// both ends of what was answered, as soon as its ACK has passed, each with this Reason (RFC 3326). Nothing more is reported of it.
    pub fn end(&mut self, tx: &mut Transactions, key: ContextKey, status: u16, reason: Option<&str>, now: Instant) {
        self.act(tx, key, now, |context, cx| {
            let headers: Vec<(String, String)> =
                reason.iter().map(|reason| ("Reason".to_owned(), (*reason).to_owned())).collect();
            context.refuse(cx, status, "", &headers);
            context.withdraw_all(cx, Withdrawn::Ended, reason);
            context.closed = true;
            context.reason = reason.map(Box::from);
            context.hang_up(cx, false);
            if context.peers.iter().any(Peer::is_up) {
                cx.timers.insert((now + cx.config.repeats, Timer::End(key)));
            }
        });
    }

    /// Whether nobody has answered, refused or given up a call yet: it can be taken back although it rings.
    #[must_use]
    pub fn is_open(&self, key: ContextKey) -> bool {
        self.contexts.get(&key).is_some_and(|context| context.is_open())
    }

    /// Gives an INVITE back that has no final response; the call is not proxied any more, and nothing more is reported of
    /// it. What rings gets a CANCEL with this Reason (RFC 3326); who answers all the same gets an ACK and a BYE.
    pub fn take_back(
        &mut self,
        tx: &mut Transactions,
        key: ContextKey,
        reason: Option<&str>,
        now: Instant,
    ) -> Option<(ServerKey, Flow, Message)> {
        let back = self.act(tx, key, now, |context, cx| context.give_back(cx, reason))??;
        self.servers.remove(&back.0);
        Some(back)
    }

    /// Whether a dialog that passes is named so, as Replaces names one (RFC 3891 section 3): the tags of its ends in
    /// either order. Who takes its place is for the party to judge, not for a proxy.
    #[must_use]
    pub fn has_dialog(&self, call_id: &str, tags: (&str, &str)) -> bool {
        let context = self.by_call_id.get(call_id).and_then(|key| self.contexts.get(key));
        context.is_some_and(|context| context.is_between(tags.0, tags.1) || context.is_between(tags.1, tags.0))
    }

    /// A request with a To-tag, other than ACK and CANCEL. `false`: it has no mark of ours that lives.
    pub fn handle_request(
        &mut self,
        below: &mut Below<'_>,
        server: ServerKey,
        flow: Flow,
        request: &Message,
        now: Instant,
    ) -> bool {
        let Some((claim, key)) = self.claimed(request) else { return false };
        if let Err((status, headers)) = self.pass(below, (claim, key), (server, flow), request, now) {
            let tag = self.ids.token(12);
            let mut writer = ResponseWriter::to(request, status, "", flow.remote).to_tag(&tag);
            for (name, value) in headers {
                writer = writer.header(name, value);
            }
            // The transaction was made just now.
            let _ = below.transactions.respond(server, writer.finish(), now);
        }
        true
    }

    /// An ACK for a 2xx (section 16.11). `false`: it has no mark of ours that lives.
    pub fn handle_ack(&mut self, below: &mut Below<'_>, flow: Flow, request: &Message, now: Instant) -> bool {
        let Some((claim, key)) = self.claimed(request) else { return false };
        let Some(context) = self.contexts.get(&key) else { return true };
        let Some(place) = context.place(request) else { return true };
        let way = context.flow_to(place.peer, place.from.other());
        let tx = &mut *below.transactions;
        let branch = tx.stateless_branch();
        // There is no way to refuse an ACK.
        let body = context.carried_within(below.bodies, key, place, request).unwrap_or_default();
        let body = body.as_deref();
        let recorded = context.recorded(place, request, claim);
        let passing = Passing { request, claim, source: flow.remote, way, branch: &branch, body, recorded };
        if let Some(Onward { flow, wire }) = onward(&passing, &self.config) {
            tx.send(flow, wire);
        }
        self.acked(tx, key, place, now);
        true
    }

    /// The caller has its 2xx: what waited for that can end.
    fn acked(&mut self, tx: &mut Transactions, key: ContextKey, place: Place, now: Instant) {
        let Some(context) = self.contexts.get_mut(&key) else { return };
        let closed = context.closed;
        if let Some(peer) = context.peers.get_mut(place.peer).filter(|_| place.from == Side::Caller) {
            peer.acked = true;
        }
        if closed {
            self.act(tx, key, now, |context, cx| context.hang_up(cx, false));
        }
    }

    /// A CANCEL that the layer below has matched to `invite` and answered. `false`: it is not ours.
    pub fn handle_cancel(&mut self, tx: &mut Transactions, invite: ServerKey, cancel: &Message, now: Instant) -> bool {
        let Some(owner) = self.servers.get(&invite).copied() else { return false };
        let reason = cancel.header(Name::Reason).map(|value| value.text().into_owned());
        match owner {
            Owner::Context(key) => {
                self.act(tx, key, now, |context, cx| {
                    context.cancelled = true;
                    context.waiting.clear();
                    context.withdraw_all(cx, Withdrawn::Caller, reason.as_deref());
                    context.go_on(cx);
                });
            }
            Owner::Pass(id) => {
                let field = reason.as_deref().map(|value| [("Reason", value)]);
                if let Some(pass) = self.passes.get(&id) {
                    tx.cancel(pass.client, field.as_ref().map_or(&[], |field| &field[..]), now);
                }
            }
        }
        true
    }

    /// A response to a request that went through here. `false`: it is not ours.
    pub fn handle_response(
        &mut self,
        below: &mut Below<'_>,
        client: ClientKey,
        (response, flow): (Message, Flow),
        now: Instant,
    ) -> bool {
        let Some(what) = self.clients.get(&client).copied() else { return false };
        let status = response.status().unwrap_or_default();
        match what {
            Use::Branch(key, index) => {
                if status >= 300 {
                    self.clients.remove(&client);
                }
                self.act_with(below, key, now, |context, cx| context.response(cx, index, response, flow));
            }
            Use::Pass(id) => self.pass_response(below, id, &response, now),
            Use::Own if status >= 200 => {
                self.clients.remove(&client);
            }
            Use::Own => {}
        }
        true
    }

    /// A request that went through here got no final response. `false`: it is not ours.
    pub fn handle_client_failed(
        &mut self,
        tx: &mut Transactions,
        client: ClientKey,
        why: Failure,
        now: Instant,
    ) -> bool {
        match self.clients.remove(&client) {
            Some(Use::Branch(key, index)) => {
                self.act(tx, key, now, |context, cx| context.client_failed(cx, index, why));
            }
            Some(Use::Pass(id)) => self.pass_failed(tx, id, why, now),
            Some(Use::Own) => {}
            None => return false,
        }
        true
    }

    /// A response could not be sent, or was not acknowledged. `false`: it is not ours.
    pub fn handle_server_failed(
        &mut self,
        tx: &mut Transactions,
        server: ServerKey,
        why: Failure,
        now: Instant,
    ) -> bool {
        let Some(owner) = self.servers.get(&server).copied() else { return false };
        match (owner, why) {
            (Owner::Context(key), Failure::Transport | Failure::Withheld) => {
                self.act(tx, key, now, |context, cx| {
                    if context.phase == Phase::Searching && !context.closed {
                        cx.events.push_back(Event::CallerLost { context: cx.key });
                    }
                });
            }
            // The ACK of a failure: the call is over anyway.
            (Owner::Context(_), Failure::Timeout) => {}
            // Its final response will find nobody; the transaction below says so then.
            (Owner::Pass(_), Failure::Transport | Failure::Timeout | Failure::Withheld) => {}
        }
        true
    }

    /// Acts on every deadline up to `now`.
    pub fn handle_timeout(&mut self, tx: &mut Transactions, now: Instant) {
        while let Some((at, timer)) = self.timers.first().copied()
            && at <= now
        {
            self.timers.pop_first();
            match timer {
                Timer::C(key, index) => {
                    self.act(tx, key, now, |context, cx| context.timer_c(cx, index));
                }
                Timer::Pass(id) => self.pass_timeout(tx, id, now),
                Timer::End(key) => {
                    self.act(tx, key, now, |context, cx| context.hang_up(cx, true));
                }
            }
        }
    }

    /// When [`Layer::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The next event, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Contexts alive, those that only wait for the end of cancelled branches included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.contexts.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.contexts.is_empty()
            && self.marks.is_empty()
            && self.passes.is_empty()
            && self.clients.is_empty()
            && self.servers.is_empty()
            && self.timers.is_empty()
            && self.events.is_empty()
    }

    /// Whether a request shows the mark of a live call.
    #[must_use]
    pub fn knows(&self, request: &Message) -> bool {
        self.claimed(request).is_some()
    }

    /// The live call that a request shows the mark of.
    fn claimed(&self, request: &Message) -> Option<(claim::Claim, ContextKey)> {
        // What begins something has to be admitted, whatever it shows.
        request.to().ok()?.tag()?;
        let claim = claim::read(request)?;
        Some((claim, *self.marks.get(&claim.mark)?))
    }

    /// Sends a request within a dialog on, or says with what it is refused.
    fn pass(
        &mut self,
        below: &mut Below<'_>,
        (claim, key): (claim::Claim, ContextKey),
        (server, flow): (ServerKey, Flow),
        request: &Message,
        now: Instant,
    ) -> Result<(), Refusal> {
        let context = self.contexts.get_mut(&key).ok_or_else(|| refused(481))?;
        // A mark alone opens nothing: it is of one dialog, and the tags must name it.
        let place = context.place(request).ok_or_else(|| refused(481))?;
        crate::pass::screen(request)?;
        if self.passes.len() >= self.config.passes_max {
            return Err((503, vec![("Retry-After", "5".to_owned())]));
        }
        let tx = &mut *below.transactions;
        let body = context.carried_within(below.bodies, key, place, request).map_err(refused)?;
        let offers =
            context.peers.get(place.peer).is_some_and(|peer| matches!(peer.says(place.from, request), Says::Offer));
        if place.from == Side::Caller {
            context.back = sip_message::respond_target(request, &flow);
        } else if let Some(peer) = context.peers.get_mut(place.peer) {
            peer.flow = sip_message::respond_target(request, &flow);
        }
        let way = context.flow_to(place.peer, place.from.other());
        let branch = tx.stateless_branch();
        let body = body.as_deref();
        let recorded = context.recorded(place, request, claim);
        let passing = Passing { request, claim, source: flow.remote, way, branch: &branch, body, recorded };
        let Some(onward) = onward(&passing, &self.config) else { return Err(refused(481)) };
        let invite = request.is_method(Method::Invite);
        if let Some(peer) = context.peers.get_mut(place.peer) {
            peer.passes(place.from, request, offers);
        }
        let client = tx.forward(onward.flow, &branch, (invite, onward.wire), now);
        let id = self.next_key();
        let until = invite.then(|| now + self.config.timer_c);
        let request_kept = request.clone();
        let pass = Pass {
            server,
            client,
            flow,
            request: request_kept,
            context: key,
            peer: place.peer,
            from: place.from,
            until,
            armed: until,
            answered: false,
            offers,
            said: None,
        };
        if let Some(at) = until {
            self.timers.insert((at, Timer::Pass(id)));
        }
        self.clients.insert(client, Use::Pass(id));
        self.servers.insert(server, Owner::Pass(id));
        self.passes.insert(id, pass);
        if request.is_method(Method::Bye) {
            // Who sends BYE has left, whatever becomes of it (section 15.1.1).
            self.act(tx, key, now, |context, cx| context.hung(cx, place.peer, place.from));
        }
        Ok(())
    }

    fn pass_response(&mut self, below: &mut Below<'_>, id: u64, response: &Message, now: Instant) {
        let body = self.passed_body(below.bodies, id, response);
        let tx = &mut *below.transactions;
        let Some(pass) = self.passes.get_mut(&id) else { return };
        if let Some(bytes) = splice::response_with(response, body.as_deref()) {
            // Whoever asked may be gone.
            let _ = tx.respond(pass.server, bytes, now);
        }
        let invite = pass.is_invite();
        match response.status().unwrap_or_default() {
            ..200 => pass.until = pass.until.map(|_| now + self.config.timer_c),
            200..=299 if invite => {
                if !pass.answered {
                    pass.answered = true;
                    pass.until = Some(now + self.config.repeats);
                    self.rearm(id);
                }
                self.refresh(id, response);
            }
            200..=299 => {
                self.refresh(id, response);
                self.drop_pass(id);
            }
            _ => self.drop_pass(id),
        }
    }

    /// What goes on instead of the body of a response within a dialog: the same each time a 2xx is repeated.
    fn passed_body(&mut self, bodies: &mut dyn Bodies, id: u64, response: &Message) -> Option<Bytes> {
        let pass = self.passes.get_mut(&id).filter(|_| describes(response))?;
        if pass.said.is_some() {
            return pass.said.clone();
        }
        let context = self.contexts.get_mut(&pass.context).filter(|context| context.anchored)?;
        let peer = context.peers.get_mut(pass.peer)?;
        let token = context.branches.get(usize::from(peer.branch))?.target.token;
        let from = pass.from.other();
        let says = if pass.offers {
            Says::Answer(&pass.request)
        } else {
            peer.offer = Some((from, response.clone()));
            Says::Offer
        };
        let (context, tag) = (pass.context, &*peer.tag);
        let passage = Passage { context, token, tag, from, message: response, says, accepts: false };
        let Carried::Instead(session) = bodies.carry(&passage) else { return None };
        let body = response.with_session(&session);
        if response.status().is_some_and(|status| status >= 200) {
            pass.said = Some(body.clone());
        }
        Some(body)
    }

    /// The Contact of a 2xx to a target refresh (section 12.2.1.2).
    fn refresh(&mut self, id: u64, response: &Message) {
        let Some(pass) = self.passes.get(&id) else { return };
        if !pass.is_invite() && !pass.request.is_method(Method::Update) {
            return;
        }
        if let Some(peer) = self.contexts.get_mut(&pass.context).and_then(|context| context.peers.get_mut(pass.peer)) {
            peer.moved(pass.from.other(), response);
        }
    }

    fn pass_failed(&mut self, tx: &mut Transactions, id: u64, why: Failure, now: Instant) {
        let Some(pass) = self.passes.get(&id) else { return };
        let status = match why {
            // RFC 4320 section 4.1: too late for anything but silence.
            Failure::Timeout if !pass.is_invite() => None,
            Failure::Timeout => Some(408),
            Failure::Transport | Failure::Withheld => Some(500),
        };
        if let Some(status) = status {
            let bytes = self.reply(id, status);
            if let (Some(bytes), Some(pass)) = (bytes, self.passes.get(&id)) {
                let _ = tx.respond(pass.server, bytes, now);
            }
        }
        self.drop_pass(id);
    }

    fn reply(&mut self, id: u64, status: u16) -> Option<Bytes> {
        let pass = self.passes.get(&id)?;
        Some(ResponseWriter::to(&pass.request, status, "", pass.flow.remote).to_tag(&self.ids.token(12)).finish())
    }

    fn pass_timeout(&mut self, tx: &mut Transactions, id: u64, now: Instant) {
        let Some(pass) = self.passes.get_mut(&id) else { return };
        pass.armed = None;
        if pass.until.is_some_and(|until| until > now) {
            return self.rearm(id);
        }
        if pass.answered {
            return self.drop_pass(id);
        }
        // Timer C: the transaction keeps watch from here on.
        pass.until = None;
        tx.cancel(pass.client, &[], now);
    }

    /// Moves the timer of a re-INVITE to where it belongs.
    fn rearm(&mut self, id: u64) {
        let Some(pass) = self.passes.get_mut(&id) else { return };
        if let Some(at) = pass.armed.take() {
            self.timers.remove(&(at, Timer::Pass(id)));
        }
        if let Some(at) = pass.until {
            self.timers.insert((at, Timer::Pass(id)));
            pass.armed = Some(at);
        }
    }

    fn drop_pass(&mut self, id: u64) {
        let Some(pass) = self.passes.remove(&id) else { return };
        if let Some(at) = pass.armed {
            self.timers.remove(&(at, Timer::Pass(id)));
        }
        self.clients.remove(&pass.client);
        self.servers.remove(&pass.server);
    }

    /// One act on one context; a closed one goes when nothing of it is pending.
    fn act<T>(
        &mut self,
        tx: &mut Transactions,
        key: ContextKey,
        now: Instant,
        act: impl FnOnce(&mut Context, &mut Cx<'_>) -> T,
    ) -> Option<T> {
        self.act_with(&mut Below { transactions: tx, bodies: &mut AsTheyAre }, key, now, act)
    }

    /// The same for an act by which bodies may pass.
    fn act_with<T>(
        &mut self,
        below: &mut Below<'_>,
        key: ContextKey,
        now: Instant,
        act: impl FnOnce(&mut Context, &mut Cx<'_>) -> T,
    ) -> Option<T> {
        let Layer { config, ids, contexts, clients, timers, events, .. } = self;
        let context = contexts.get_mut(&key)?;
        let (tx, bodies) = (&mut *below.transactions, &mut *below.bodies);
        let done = act(context, &mut Cx { bodies, config, ids, tx, clients, timers, events, key, now });
        self.settle(key);
        Some(done)
    }

    fn settle(&mut self, key: ContextKey) {
        if !self.contexts.get(&key).is_some_and(|context| context.is_over()) {
            return;
        }
        let Some(context) = self.contexts.remove(&key) else { return };
        self.marks.remove(&context.mark);
        self.forget_call_id(key, &context);
        self.servers.remove(&context.server);
        for branch in &context.branches {
            self.clients.remove(&branch.client);
        }
    }

    /// A context of the same Call-ID that came later keeps the name.
    fn forget_call_id(&mut self, key: ContextKey, context: &Context) {
        if let Ok(call_id) = context.request.call_id()
            && self.by_call_id.get(call_id) == Some(&key)
        {
            self.by_call_id.remove(call_id);
        }
    }

    fn next_key(&mut self) -> u64 {
        self.last_key += 1;
        self.last_key
    }
}

/// A refusal: status and header fields.
pub(crate) type Refusal = (u16, Vec<(&'static str, String)>);

fn refused(status: u16) -> Refusal {
    (status, Vec::new())
}
