//! The layer: the table of usages, the maps that find one, the timers that wake one.

use crate::ack::{AckTable, repeated};
use crate::dialog::{Dialog, call_id};
use crate::request::failure_status;
use crate::usage::{Cx, Index, Phase, Purpose, Ringing, Said, Usage};
use crate::write::{Reply, stray_reply};
use crate::{Config, DialogError, DialogKey, Event, InDialog, InDialogAnswer, InviteSpec, Transactions};
use bytes::Bytes;
use model::{Edge, Flow, IdSource, Instant};
use sip_message::Message;
use sip_transaction::{ClientKey, Failure, ServerKey};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// All dialogs of a shard.
///
/// # Invariants
/// - `timers` holds `(usage.armed, usage.key)` for each usage with a deadline, and nothing else.
/// - Between acts no usage is `Over`, and `index` speaks only of usages in `usages`.
/// - After every act of the outside the events are drained before the next.
#[derive(Debug)]
pub struct Layer {
    config: Config,
    ids: IdSource,
    usages: BTreeMap<DialogKey, Box<Usage>>,
    index: Index,
    acks: AckTable,
    identities: crate::auth::Identities,
    timers: BTreeSet<(Instant, DialogKey)>,
    events: VecDeque<Event>,
    next_key: u64,
    next_request: u64,
}

impl Layer {
    /// An empty layer.
    #[must_use]
    pub fn new(config: Config, ids: IdSource) -> Layer {
        Layer {
            config,
            ids,
            usages: BTreeMap::new(),
            index: Index::default(),
            acks: AckTable::default(),
            identities: crate::auth::Identities::new(),
            timers: BTreeSet::new(),
            events: VecDeque::new(),
            next_key: 1,
            next_request: 0,
        }
    }

    /// UAS: an admitted INVITE without a To-tag becomes an early usage. [`Layer::progress`], [`Layer::accept`],
    /// [`Layer::reject`] or [`Layer::hangup`] must follow.
    pub fn incoming(&mut self, key: ServerKey, flow: Flow, request: Message, now: Instant) -> DialogKey {
        let _ = now;
        let dialog = Dialog::of_request(&request, flow, &self.config, &mut self.ids);
        let ringing = Ringing { server: key, request, flow, provisional: None, accept: None };
        let first_rseq = self.ids.u32();
        let mut usage = Usage::incoming(self.fresh_key(), dialog, ringing, first_rseq);
        usage.own(key, &mut self.index);
        self.insert(usage)
    }

    /// UAS: lets go of an INVITE that has no final response, for somebody else to answer it; the usage is gone.
    /// What was sent provisionally stands as one early dialog of a fork. `None`: it is gone or answered.
    pub fn release(&mut self, key: DialogKey) -> Option<(ServerKey, Flow, Message)> {
        let usage = self.usages.get_mut(&key)?;
        let Phase::Ringing(ringing) = &usage.phase else { return None };
        let released = (ringing.server, ringing.flow, ringing.request.clone());
        usage.phase = Phase::Over;
        self.settle(key);
        Some(released)
    }

    /// UAS: sends a provisional response, 101 to 199; reliably where the caller requires it, or supports it and there is
    /// a session description (RFC 3262). A caller who requires it and sent no offer gets none.
    ///
    /// # Errors
    /// The usage is gone or answered, or the status is not provisional.
    pub fn progress(
        &mut self,
        tx: &mut Transactions,
        key: DialogKey,
        status: u16,
        sdp: Option<Bytes>,
        headers: &[(String, String)],
        now: Instant,
    ) -> Result<(), DialogError> {
        let said = Said { status, sdp, headers: headers.to_vec() };
        self.act(tx, key, now, |usage, cx| usage.progress(cx, said))
    }

    /// UAS: sends 200 and repeats it until the ACK: [`Event::Confirmed`], or [`crate::Ended::AckTimeout`]. It waits for
    /// the PRACK of a provisional response with a session description, and for the answer to an offer of the caller.
    ///
    /// # Errors
    /// The usage is gone or answered.
    pub fn accept(
        &mut self,
        tx: &mut Transactions,
        key: DialogKey,
        sdp: Option<Bytes>,
        headers: &[(String, String)],
        now: Instant,
    ) -> Result<(), DialogError> {
        let said = Said { status: 200, sdp, headers: headers.to_vec() };
        self.act(tx, key, now, |usage, cx| usage.accept(cx, said))
    }

    /// UAS: sends a final response from 300 up; an empty `reason` stands for the usual phrase. The usage is gone.
    ///
    /// # Errors
    /// The usage is gone or answered, or the status is not from 300 up.
    pub fn reject(
        &mut self,
        tx: &mut Transactions,
        key: DialogKey,
        status: u16,
        reason: &str,
        headers: &[(String, String)],
        now: Instant,
    ) -> Result<(), DialogError> {
        let reply = Reply { reason, headers, ..Reply::bare(status) };
        self.act(tx, key, now, |usage, cx| usage.reject(cx, &reply))
    }

    /// UAC: sends an INVITE. [`Event::Answered`] or [`Event::Failed`] follows.
    pub fn invite(&mut self, tx: &mut Transactions, spec: InviteSpec, now: Instant) -> DialogKey {
        let key = self.fresh_key();
        let mut cx = Cx {
            config: &self.config,
            ids: &mut self.ids,
            events: &mut self.events,
            index: &mut self.index,
            acks: &mut self.acks,
            identities: &mut self.identities,
            tx,
            now,
        };
        let usage = Usage::invite(key, spec, &mut cx);
        self.insert(usage)
    }

    /// UAC: acknowledges the 2xx to an INVITE that carried no offer, with our answer.
    ///
    /// # Errors
    /// The usage is gone, or no such 2xx waits.
    pub fn ack(
        &mut self,
        tx: &mut Transactions,
        key: DialogKey,
        answer: Bytes,
        now: Instant,
    ) -> Result<(), DialogError> {
        self.act(tx, key, now, |usage, cx| usage.ack(cx, answer))
    }

    /// Ends whatever it is. UAC without an answer: CANCEL, and [`Event::Failed`] follows. UAS without an answer:
    /// `status`. Confirmed: BYE, which the callee holds back until the ACK or its timeout (RFC 3261 section 15.1.1);
    /// no event follows. `reason_header` is the value of a Reason header (RFC 3326).
    pub fn hangup(
        &mut self,
        tx: &mut Transactions,
        key: DialogKey,
        status: u16,
        reason_header: Option<&str>,
        now: Instant,
    ) {
        let _ = self.act(tx, key, now, |usage, cx| {
            usage.hangup(cx, status, reason_header);
            Ok(())
        });
    }

    /// Offers anew in a confirmed dialog. [`Event::ReinviteAnswered`] or [`Event::ReinviteFailed`] follows, or the end.
    /// Glare is settled here; while an INVITE of the remote waits for its ACK, the offer waits too.
    ///
    /// # Errors
    /// The usage is gone or not confirmed, or another offer, either way, is under way.
    pub fn reinvite(
        &mut self,
        tx: &mut Transactions,
        key: DialogKey,
        offer: Bytes,
        now: Instant,
    ) -> Result<(), DialogError> {
        self.act(tx, key, now, |usage, cx| usage.reinvite(cx, offer))
    }

    /// Offers anew by UPDATE (RFC 3311), in a confirmed dialog or an early one whose first offer was answered reliably.
    /// The events are those of [`Layer::reinvite`].
    ///
    /// # Errors
    /// The usage is gone, the remote takes no UPDATE now ([`Layer::can_update`]), or another offer is under way.
    pub fn update(
        &mut self,
        tx: &mut Transactions,
        key: DialogKey,
        offer: Bytes,
        now: Instant,
    ) -> Result<(), DialogError> {
        self.act(tx, key, now, |usage, cx| usage.update(cx, offer))
    }

    /// Answers a request that [`Event::Request`] handed up, 200 to 699.
    ///
    /// # Errors
    /// The usage is gone, or nothing of that key waits, or the status is none of a final response.
    pub fn respond(
        &mut self,
        tx: &mut Transactions,
        key: DialogKey,
        server: ServerKey,
        answer: &InDialogAnswer,
        now: Instant,
    ) -> Result<(), DialogError> {
        let reply = Reply { headers: &answer.headers, ..Reply::bare(answer.status) };
        let body = answer.body.clone();
        self.act(tx, key, now, |usage, cx| usage.respond(cx, server, &reply, body))
    }

    /// Sends a request of your own in the dialog; [`Event::Response`] with the id given back follows, unless the usage
    /// ends before.
    ///
    /// # Errors
    /// The usage is gone or hung up, or has no dialog yet.
    pub fn send(
        &mut self,
        tx: &mut Transactions,
        key: DialogKey,
        request: &InDialog,
        now: Instant,
    ) -> Result<u64, DialogError> {
        self.next_request += 1;
        let id = self.next_request;
        self.act(tx, key, now, |usage, cx| usage.send(cx, id, request)).map(|()| id)
    }

    /// Accepts the remote's offer with an answer, or with our offer where it had none.
    ///
    /// # Errors
    /// The usage is gone, or no offer waits: it was cancelled.
    pub fn answer_reinvite(
        &mut self,
        tx: &mut Transactions,
        key: DialogKey,
        sdp: Bytes,
        now: Instant,
    ) -> Result<(), DialogError> {
        self.act(tx, key, now, |usage, cx| usage.answer_reinvite(cx, sdp))
    }

    /// Refuses the remote's re-INVITE; the dialog goes on as it was.
    ///
    /// # Errors
    /// The usage is gone, no re-INVITE waits, or the status is not from 300 up.
    pub fn reject_reinvite(
        &mut self,
        tx: &mut Transactions,
        key: DialogKey,
        status: u16,
        now: Instant,
    ) -> Result<(), DialogError> {
        self.act(tx, key, now, |usage, cx| usage.reject_reinvite(cx, status))
    }

    /// A request with a To-tag, other than ACK and CANCEL. It is answered here: 481 where no dialog knows it.
    pub fn handle_request(
        &mut self,
        tx: &mut Transactions,
        key: ServerKey,
        flow: Flow,
        request: Message,
        now: Instant,
    ) {
        let Some(dialog) = self.find(&request) else {
            // Should the transaction be gone, nobody waits for the answer.
            let _ = tx.respond(key, stray_reply(&self.config, &request, flow, 481), now);
            return;
        };
        let _ = self.act(tx, dialog, now, |usage, cx| {
            usage.request_received(cx, key, flow, request);
            Ok(())
        });
    }

    /// Takes note of a request that is not handled yet, as somebody looks at it first: what comes after it may be handled
    /// before it. `false`: it comes out of order, and handling it refuses it (RFC 3261 section 12.2.2).
    pub fn number(&mut self, key: DialogKey, request: &Message) -> bool {
        self.usages.get_mut(&key).is_some_and(|usage| usage.accept_cseq(&self.config, request))
    }

    /// The same as [`Layer::handle_request`] for one that [`Layer::number`] has found in order.
    pub fn handle_numbered(
        &mut self,
        tx: &mut Transactions,
        key: ServerKey,
        flow: Flow,
        request: Message,
        now: Instant,
    ) {
        let Some(dialog) = self.find(&request) else {
            return self.handle_request(tx, key, flow, request, now);
        };
        let _ = self.act(tx, dialog, now, |usage, cx| {
            usage.numbered_received(cx, key, flow, request);
            Ok(())
        });
    }

    /// The number for a re-INVITE of ours that leaves only now, where the dialog has sent something newer meanwhile
    /// (section 12.2.1.1: each request is numbered above the one before it). `None`: its own is right.
    pub fn renumber(&mut self, key: ClientKey, request: &Message) -> Option<u32> {
        let Some(Purpose::Reinvite(dialog)) = self.index.clients.get(&key).copied() else { return None };
        let dialog = self.usages.get_mut(&dialog)?.early_or_own();
        let overtaken = crate::dialog::cseq(request).is_some_and(|cseq| cseq < dialog.local_cseq);
        overtaken.then(|| dialog.next_cseq())
    }

    /// An ACK of a 2xx. One that fits no dialog is dropped (RFC 3261 section 17.2.3 leaves nobody to answer).
    pub fn handle_ack(&mut self, tx: &mut Transactions, flow: Flow, request: &Message, now: Instant) {
        let Some(dialog) = self.find(request) else { return };
        let _ = self.act(tx, dialog, now, |usage, cx| {
            usage.acked(cx, request, flow);
            Ok(())
        });
    }

    /// A CANCEL that the layer below has matched to `invite` and answered.
    pub fn handle_cancel(&mut self, tx: &mut Transactions, invite: ServerKey, request: &Message, now: Instant) {
        let _ = request;
        let Some(dialog) = self.index.servers.get(&invite).copied() else { return };
        let _ = self.act(tx, dialog, now, |usage, cx| {
            usage.cancelled(cx, invite);
            Ok(())
        });
    }

    /// A response to a request of ours.
    pub fn handle_response(
        &mut self,
        tx: &mut Transactions,
        key: ClientKey,
        response: Message,
        flow: Flow,
        now: Instant,
    ) {
        let status = response.status().unwrap_or_default();
        if self.acks.knows(key) {
            if (200..300).contains(&status) {
                let Layer { config, ids, events, index, acks, identities, .. } = self;
                repeated(&mut Cx { config, ids, events, index, acks, identities, tx, now }, key, &response, flow);
            }
            return;
        }
        let Some(purpose) = self.index.clients.get(&key).copied() else { return };
        let _ = match purpose {
            Purpose::Invite(dialog) => self.act(tx, dialog, now, |usage, cx| {
                usage.invite_response(cx, key, response, flow);
                Ok(())
            }),
            Purpose::Reinvite(dialog) => self.act(tx, dialog, now, |usage, cx| {
                usage.reinvite_response(cx, key, &response);
                Ok(())
            }),
            Purpose::Prack(_) | Purpose::Asked(..) if status < 200 => Ok(()),
            Purpose::Prack(_) => {
                self.index.clients.remove(&key);
                Ok(())
            }
            Purpose::Asked(dialog, id) => {
                self.index.clients.remove(&key);
                self.act(tx, dialog, now, |usage, cx| {
                    usage.responded(cx, id, status, Some(response));
                    Ok(())
                })
            }
            Purpose::Bye(_) if status < 200 => Ok(()),
            Purpose::Bye(dialog) => {
                self.index.clients.remove(&key);
                self.act(tx, dialog, now, |usage, cx| {
                    if !usage.byes_again(cx, &response) {
                        usage.bye_done();
                    }
                    Ok(())
                })
            }
        };
    }

    /// A request of ours got no final response.
    pub fn handle_client_failed(&mut self, tx: &mut Transactions, key: ClientKey, why: Failure, now: Instant) {
        let Some(purpose) = self.index.clients.get(&key).copied() else { return };
        let _ = match purpose {
            Purpose::Invite(dialog) => self.act(tx, dialog, now, |usage, cx| {
                usage.invite_failed(cx, key, why);
                Ok(())
            }),
            Purpose::Reinvite(dialog) => self.act(tx, dialog, now, |usage, cx| {
                usage.reinvite_failed(cx, key, why);
                Ok(())
            }),
            Purpose::Prack(_) => {
                self.index.clients.remove(&key);
                Ok(())
            }
            Purpose::Asked(dialog, id) => {
                self.index.clients.remove(&key);
                self.act(tx, dialog, now, |usage, cx| {
                    usage.responded(cx, id, failure_status(why), None);
                    Ok(())
                })
            }
            Purpose::Bye(dialog) => self.bye_done(tx, key, dialog, now),
        };
    }

    /// A response of ours could not be sent, or was not acknowledged.
    pub fn handle_server_failed(&mut self, tx: &mut Transactions, key: ServerKey, why: Failure, now: Instant) {
        let Some(dialog) = self.index.servers.get(&key).copied() else { return };
        let _ = self.act(tx, dialog, now, |usage, cx| {
            usage.server_failed(cx, key, why);
            Ok(())
        });
    }

    /// Says how an identity answers challenges; `None` forgets it. One that goes on as it was keeps what it has learned.
    pub fn set_identity(&mut self, key: crate::IdentityKey, who: Option<(&str, &model::TrunkSecret)>) {
        let Some((username, secret)) = who else {
            self.identities.remove(&key);
            return;
        };
        if self.identities.get(&key).is_none_or(|known| !known.is_of(username, secret)) {
            self.identities.insert(key, sip_auth::Answers::new(username.to_owned(), secret.clone()));
        }
    }

    /// The next event, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Layer::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let usage = self.timers.first().map(|(at, _)| *at);
        usage.into_iter().chain(self.acks.poll_timeout()).min()
    }

    /// Acts on every deadline up to `now`.
    pub fn handle_timeout(&mut self, tx: &mut Transactions, now: Instant) {
        self.acks.handle_timeout(now);
        while let Some((at, key)) = self.timers.first().copied()
            && at <= now
        {
            let _ = self.act(tx, key, now, |usage, cx| {
                usage.handle_timeout(cx);
                Ok(())
            });
            debug_assert!(self.timers.first() != Some(&(at, key)), "a deadline that passed was acted on");
        }
    }

    /// How many usages are alive, those that only wait for the answer to their BYE or CANCEL included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.usages.len()
    }

    /// Whether nothing is remembered: no usage, no ACK that may be wanted again.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.usages.is_empty() && self.acks.len() == 0 && self.index.is_empty() && self.events.is_empty()
    }

    /// Whether a 2xx was sent or received, and neither side has hung up.
    #[must_use]
    pub fn is_confirmed(&self, key: DialogKey) -> bool {
        self.usages.get(&key).is_some_and(|usage| match &usage.phase {
            Phase::Confirmed(confirmed) => confirmed.leaving.is_none(),
            Phase::Calling(_) | Phase::Ringing(_) | Phase::Leaving(_) | Phase::Over => false,
        })
    }

    /// Whether an UPDATE with an offer can be sent, were no other offer under way (RFC 3311 section 5.1).
    #[must_use]
    pub fn can_update(&self, key: DialogKey) -> bool {
        self.usages.get(&key).is_some_and(|usage| usage.can_update())
    }

    /// Whether [`Layer::reinvite`] or [`Layer::update`] with an offer would be taken now: none is under way, theirs or ours.
    #[must_use]
    pub fn can_offer(&self, key: DialogKey) -> bool {
        self.usages.get(&key).is_some_and(|usage| usage.can_offer())
    }

    /// UAS: whether a description of ours went out in a reliable provisional response, so that the 2xx has none.
    #[must_use]
    pub fn has_described(&self, key: DialogKey) -> bool {
        self.usages.get(&key).and_then(|usage| usage.reliable.as_ref()).is_some_and(|r| r.has_described())
    }

    /// Whether [`Layer::accept`] would keep its 2xx back now; [`Event::Accepted`] says then when it has left.
    #[must_use]
    pub fn holds_2xx(&self, key: DialogKey) -> bool {
        self.usages.get(&key).is_some_and(|usage| usage.holds_2xx())
    }

    /// The Min-SE with which an INVITE outside a dialog is to be answered 422 (RFC 4028 section 5), if it is.
    #[must_use]
    pub fn session_too_short(&self, request: &Message) -> Option<u32> {
        crate::session_timer::too_short(&self.config, request)
    }

    /// Where this usage's messages enter and leave, if filters are to be asked about its INVITEs from now on.
    pub fn set_edge(&mut self, key: DialogKey, edge: Option<Edge>) {
        if let Some(usage) = self.usages.get_mut(&key) {
            usage.dialog.edge = edge;
        }
    }

    /// The same, as it was said.
    #[must_use]
    pub fn edge(&self, key: DialogKey) -> Option<Edge> {
        self.usages.get(&key).and_then(|usage| usage.dialog.edge)
    }

    /// Whether a 2xx to this INVITE of ours was taken: what comes now repeats it, or is of another branch.
    #[must_use]
    pub fn has_taken_2xx(&self, key: ClientKey) -> bool {
        self.acks.knows(key)
    }

    /// Whether this is a re-INVITE or an UPDATE of ours.
    #[must_use]
    pub fn is_reinvite(&self, key: ClientKey) -> bool {
        matches!(self.index.clients.get(&key), Some(Purpose::Reinvite(_)))
    }

    /// The dialog's Call-ID.
    #[must_use]
    pub fn call_id(&self, key: DialogKey) -> Option<&str> {
        self.usages.get(&key).map(|usage| usage.dialog.call_id.as_str())
    }

    /// Our own tag.
    #[must_use]
    pub fn local_tag(&self, key: DialogKey) -> Option<&str> {
        self.usages.get(&key).map(|usage| usage.dialog.local_tag.as_str())
    }

    /// The remote's tag: of an INVITE of ours without a final answer, that of its newest early dialog; empty before.
    #[must_use]
    pub fn remote_tag(&self, key: DialogKey) -> Option<&str> {
        self.usages.get(&key).map(|usage| match &usage.phase {
            Phase::Calling(calling) => calling.early.last().map_or("", |early| early.remote_tag.as_str()),
            Phase::Ringing(_) | Phase::Confirmed(_) | Phase::Leaving(_) | Phase::Over => {
                usage.dialog.remote_tag.as_str()
            }
        })
    }

    /// The URI of the remote target: the peer's Contact.
    #[must_use]
    pub fn remote_target(&self, key: DialogKey) -> Option<&str> {
        self.usages.get(&key).map(|usage| usage.dialog.path.target())
    }

    /// The flow of the peer.
    #[must_use]
    pub fn flow(&self, key: DialogKey) -> Option<Flow> {
        self.usages.get(&key).map(|usage| usage.dialog.path.flow())
    }

    /// The option tags that a request requires and this layer lacks, as the value of Unsupported in a 420
    /// (RFC 3261 section 8.2.2.3). For requests outside a dialog; inside one the layer sees to it.
    #[must_use]
    pub fn unsupported(&self, request: &Message) -> Option<String> {
        crate::request::unsupported(&self.config, request)
    }

    /// The usage a request of the remote is in (section 12.2.2).
    #[must_use]
    pub fn find(&self, request: &Message) -> Option<DialogKey> {
        let (to, from) = (request.to().ok()?, request.from().ok()?);
        let key = *self.index.tags.get(to.tag().unwrap_or_default())?;
        let usage = self.usages.get(&key)?;
        usage.matches(call_id(request), from.tag().unwrap_or_default()).then_some(key)
    }

    /// The usage that has this tag of ours.
    pub(crate) fn by_tag(&self, local_tag: &str) -> Option<(DialogKey, &Usage)> {
        let key = *self.index.tags.get(local_tag)?;
        self.usages.get(&key).map(|usage| (key, &**usage))
    }

    fn bye_done(
        &mut self,
        tx: &mut Transactions,
        client: ClientKey,
        dialog: DialogKey,
        now: Instant,
    ) -> Result<(), DialogError> {
        self.index.clients.remove(&client);
        self.act(tx, dialog, now, |usage, _| {
            usage.bye_done();
            Ok(())
        })
    }

    fn fresh_key(&mut self) -> DialogKey {
        let key = DialogKey(self.next_key);
        self.next_key += 1;
        key
    }

    fn insert(&mut self, usage: Usage) -> DialogKey {
        let key = usage.key;
        self.index.tags.insert(usage.dialog.local_tag.clone(), key);
        self.usages.insert(key, Box::new(usage));
        self.settle(key);
        key
    }

    /// One act on one usage, and then its timer or its end.
    fn act(
        &mut self,
        tx: &mut Transactions,
        key: DialogKey,
        now: Instant,
        act: impl FnOnce(&mut Usage, &mut Cx<'_>) -> Result<(), DialogError>,
    ) -> Result<(), DialogError> {
        let Layer { config, ids, usages, index, acks, identities, events, .. } = self;
        let usage = usages.get_mut(&key).ok_or(DialogError::Gone)?;
        let done = act(usage, &mut Cx { config, ids, events, index, acks, identities, tx, now });
        self.settle(key);
        done
    }

    fn settle(&mut self, key: DialogKey) {
        let Some(usage) = self.usages.get_mut(&key) else { return };
        let wanted = usage.deadline();
        if usage.armed != wanted {
            if let Some(at) = core::mem::replace(&mut usage.armed, wanted) {
                self.timers.remove(&(at, key));
            }
            if let Some(at) = wanted {
                self.timers.insert((at, key));
            }
        }
        if matches!(usage.phase, Phase::Over)
            && let Some(usage) = self.usages.remove(&key)
        {
            self.index.tags.remove(&usage.dialog.local_tag);
            for server in &usage.servers {
                self.index.servers.remove(server);
            }
        }
    }
}
