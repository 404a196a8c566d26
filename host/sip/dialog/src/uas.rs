//! The UAS's INVITE: provisional responses, the 2xx until its ACK, refusal, CANCEL (RFC 3261 sections 9.2, 13.3, 15.1.1).
//!
//! The 2xx is repeated here and not by the transaction, on every transport: T1, doubling up to T2, until the ACK comes
//! or 64*T1 have passed (section 13.3.1.4). One that answered a re-INVITE is repeated even after a BYE, as the other
//! side's INVITE transaction has no other end.

use crate::dialog::{Dialog, body};
use crate::usage::{Cx, Phase, Ringing, Role, Said, Unacked, Usage};
use crate::write::{Reply, answer, invite_reply};
use crate::{Config, DialogError, DialogKey, Ended, Event};
use bytes::Bytes;
use model::{Flow, Instant};
use sip_message::Message;
use sip_transaction::{Failure, ServerKey};

impl Usage {
    /// An admitted INVITE becomes an early usage.
    pub(crate) fn incoming(key: DialogKey, dialog: Dialog, ringing: Ringing, first_rseq: u32) -> Usage {
        let reliable = crate::prack::Reliable::of(&ringing.request, first_rseq);
        let mut peer = crate::request::Peer::default();
        peer.learn(&ringing.request);
        let mut usage = Usage::new(key, Role::Uas, dialog, Phase::Ringing(ringing));
        usage.reliable = reliable;
        usage.peer = peer;
        usage
    }

    /// Sends a provisional response.
    pub(crate) fn progress(&mut self, cx: &mut Cx<'_>, said: Said) -> Result<(), DialogError> {
        let Phase::Ringing(ringing) = &self.phase else { return Err(DialogError::WrongState) };
        if !(101..=199).contains(&said.status) {
            return Err(DialogError::Status(said.status));
        }
        if ringing.accept.is_some() || self.progress_reliably(cx, &said)? {
            return Ok(());
        }
        let Phase::Ringing(ringing) = &mut self.phase else { return Err(DialogError::WrongState) };
        let reply = Reply { sdp: said.sdp.clone(), headers: &said.headers, ..Reply::bare(said.status) };
        let bytes = invite_reply(cx.config, &self.dialog, &ringing.request, ringing.flow, &reply);
        if said.sdp.is_some() {
            self.described.clone_from(&said.sdp);
        }
        ringing.provisional = Some((said, cx.now + cx.config.provisional_refresh));
        let server = ringing.server;
        cx.tx.respond(server, bytes, cx.now).map_err(|_| DialogError::Gone)
    }

    /// Repeats the newest provisional response, so that no proxy's Timer C ends the call (section 13.3.1.1).
    pub(crate) fn refresh_provisional(&mut self, cx: &mut Cx<'_>) {
        let Phase::Ringing(ringing) = &mut self.phase else { return };
        let Some((said, _)) = ringing.provisional.take_if(|(_, at)| *at <= cx.now) else { return };
        // A transaction that is gone reports so by itself.
        let _ = self.progress(cx, said);
    }

    /// Sends the 200 and repeats it until its ACK. Where a reliable provisional response with a description waits for
    /// its PRACK, or an offer of the caller for its answer, the 200 waits too (RFC 3262 section 3).
    pub(crate) fn accept(&mut self, cx: &mut Cx<'_>, said: Said) -> Result<(), DialogError> {
        let Phase::Ringing(ringing) = &mut self.phase else { return Err(DialogError::WrongState) };
        if ringing.accept.is_some() {
            return Err(DialogError::WrongState);
        }
        ringing.accept = Some(said);
        self.send_accept(cx);
        Ok(())
    }

    /// Whether a 200 would have to wait now.
    pub(crate) fn holds_2xx(&self) -> bool {
        self.asked.is_some() || self.reliable.as_ref().is_some_and(|reliable| reliable.holds_2xx())
    }

    /// Sends the 200 that waits, if nothing keeps it back any more, and says so.
    pub(crate) fn accept_if_free(&mut self, cx: &mut Cx<'_>) {
        let waits = matches!(&self.phase, Phase::Ringing(ringing) if ringing.accept.is_some());
        if waits && !self.holds_2xx() {
            self.send_accept(cx);
            cx.events.push_back(Event::Accepted { key: self.key });
        }
    }

    fn send_accept(&mut self, cx: &mut Cx<'_>) {
        let held = self.holds_2xx();
        let Phase::Ringing(ringing) = &mut self.phase else { return };
        let Some(said) = ringing.accept.take_if(|_| !held) else { return };
        let Phase::Ringing(ringing) = core::mem::replace(&mut self.phase, Phase::Confirmed(Box::default())) else {
            return;
        };
        let settled = self.reliable.as_ref().is_some_and(|reliable| reliable.answered);
        if let Some(reliable) = &mut self.reliable {
            reliable.settle();
        }
        if said.sdp.is_some() {
            self.described.clone_from(&said.sdp);
        }
        let mut headers = said.headers;
        headers.extend(self.session.answer(&ringing.request, cx.config, cx.now));
        let reply = Reply { sdp: said.sdp, headers: &headers, ..Reply::bare(200) };
        let bytes = invite_reply(cx.config, &self.dialog, &ringing.request, ringing.flow, &reply);
        let offered = body(&ringing.request).is_none() && !settled;
        let cseq = crate::dialog::cseq(&ringing.request).unwrap_or_default();
        let unacked = Unacked::new(cx.config, cx.now, ringing.server, cseq, bytes);
        self.send_2xx(cx, Unacked { initial: true, offered, ..unacked });
    }

    /// Sends a final response from 300 up; the usage is over.
    pub(crate) fn reject(&mut self, cx: &mut Cx<'_>, reply: &Reply<'_>) -> Result<(), DialogError> {
        let Phase::Ringing(ringing) = &self.phase else { return Err(DialogError::WrongState) };
        if !(300..=699).contains(&reply.status) {
            return Err(DialogError::Status(reply.status));
        }
        let bytes = invite_reply(cx.config, &self.dialog, &ringing.request, ringing.flow, reply);
        let server = ringing.server;
        self.quiesce(cx);
        self.phase = Phase::Over;
        cx.tx.respond(server, bytes, cx.now).map_err(|_| DialogError::Gone)
    }

    /// Sends a 2xx for the first time.
    pub(crate) fn send_2xx(&mut self, cx: &mut Cx<'_>, unacked: Unacked) {
        // Should the transaction be gone, the ACK will not come, and 64*T1 end the dialog.
        let _ = cx.tx.respond(unacked.server, unacked.response.clone(), cx.now);
        self.unacked.push(unacked);
    }

    /// Repeats each 2xx that is due; ends the dialog where the ACK did not come in time.
    pub(crate) fn repeat_2xx(&mut self, cx: &mut Cx<'_>) {
        if self.unacked.iter().any(|unacked| unacked.give_up_at <= cx.now) {
            self.unacked.retain(|unacked| unacked.give_up_at > cx.now);
            if matches!(self.phase, Phase::Leaving(_)) {
                return self.leave_if_done();
            }
            return self.end(cx, Ended::AckTimeout);
        }
        for unacked in self.unacked.iter_mut().filter(|unacked| unacked.resend_at <= cx.now) {
            unacked.interval = unacked.interval.saturating_mul(2).min(cx.config.t2);
            unacked.resend_at = cx.now + unacked.interval;
            let _ = cx.tx.respond(unacked.server, unacked.response.clone(), cx.now);
        }
    }

    /// An ACK of one of our 2xx. One that fits none is a repetition, or late: dropped.
    pub(crate) fn acked(&mut self, cx: &mut Cx<'_>, request: &Message, flow: Flow) {
        let cseq = crate::dialog::cseq(request);
        let Some(at) = self.unacked.iter().position(|unacked| Some(unacked.cseq) == cseq) else { return };
        let unacked = self.unacked.remove(at);
        // Most calls never have another, and may last for hours.
        self.unacked.shrink_to_fit();
        self.disown(unacked.server, cx.index);
        let Some(confirmed) = self.confirmed() else { return self.leave_if_done() };
        let left = confirmed.leaving.is_some();
        let leaving = if unacked.initial { confirmed.leaving.take() } else { None };
        self.dialog.path.seen(flow);
        let (key, sdp) = (self.key, body(request));
        if let Some(reason) = leaving {
            return self.send_bye(cx, reason.as_deref());
        }
        if unacked.initial {
            cx.events.push_back(Event::Confirmed { key, sdp });
        } else if unacked.offered && !left {
            cx.events.push_back(Event::ReinviteAnswered { key, sdp: sdp.unwrap_or_default() });
        }
        self.offer_if_free(cx);
    }

    /// A CANCEL of an INVITE of the remote. After the final response it changes nothing (section 9.2).
    pub(crate) fn cancelled(&mut self, cx: &mut Cx<'_>, invite: ServerKey) {
        let key = self.key;
        match &mut self.phase {
            Phase::Ringing(_) => {
                cx.events.push_back(Event::Cancelled { key });
                let _ = self.reject(cx, &Reply::bare(487));
            }
            Phase::Confirmed(_) => {
                if let Some(asked) = self.asked.take_if(|asked| asked.server == invite) {
                    answer(cx, asked.server, &asked.request, asked.flow, &Reply::bare(487));
                    self.disown(asked.server, cx.index);
                    cx.events.push_back(Event::ReinviteCancelled { key });
                    self.offer_if_free(cx);
                }
            }
            Phase::Calling(_) | Phase::Leaving(_) | Phase::Over => {}
        }
    }

    /// The transaction of a request of the remote failed.
    pub(crate) fn server_failed(&mut self, cx: &mut Cx<'_>, server: ServerKey, why: Failure) {
        let key = self.key;
        self.waiting.retain(|waiting| waiting.server != server);
        if self.asked.take_if(|asked| asked.server == server).is_some() {
            self.disown(server, cx.index);
            cx.events.push_back(Event::ReinviteCancelled { key });
            return self.after_exchange(cx);
        }
        match &self.phase {
            Phase::Ringing(ringing) if ringing.server == server => {
                let why = match why {
                    Failure::Timeout => Ended::Gone(408),
                    Failure::Transport | Failure::Withheld => Ended::Transport,
                };
                cx.events.push_back(Event::Ended { key, why });
                // The transaction still absorbs repetitions of the INVITE, which want their end too.
                let _ = self.reject(cx, &Reply::bare(503));
                self.phase = Phase::Over;
            }
            // A 2xx that could not be sent may be sent again: its own timers decide.
            Phase::Ringing(_) | Phase::Confirmed(_) | Phase::Calling(_) | Phase::Leaving(_) | Phase::Over => {}
        }
    }
}

impl Unacked {
    /// A 2xx sent now, to a re-INVITE with an offer.
    pub(crate) fn new(config: &Config, now: Instant, server: ServerKey, cseq: u32, response: Bytes) -> Unacked {
        Unacked {
            server,
            cseq,
            response,
            initial: false,
            offered: false,
            interval: config.t1,
            resend_at: now + config.t1,
            give_up_at: now + config.patience(),
        }
    }
}
