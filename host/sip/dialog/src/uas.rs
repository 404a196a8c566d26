//! The UAS's INVITE: provisional responses, the 2xx until its ACK, refusal, CANCEL (RFC 3261 sections 9.2, 13.3, 15.1.1).
//!
//! The 2xx is repeated here and not by the transaction, on every transport: T1, doubling up to T2, until the ACK comes
//! or 64*T1 have passed (section 13.3.1.4).

use crate::dialog::{Dialog, body};
use crate::usage::{Confirmed, Cx, Phase, Ringing, Role, Unacked, Usage};
use crate::write::{Reply, answer, invite_reply};
use crate::{Config, DialogError, DialogKey, Ended, Event};
use bytes::Bytes;
use model::{Flow, Instant};
use sip_message::Message;
use sip_transaction::{Failure, ServerKey};

impl Usage {
    /// An admitted INVITE becomes an early usage.
    pub(crate) fn incoming(key: DialogKey, dialog: Dialog, ringing: Ringing) -> Usage {
        Usage { key, role: Role::Uas, dialog, phase: Phase::Ringing(ringing), servers: Vec::new(), armed: None }
    }

    /// Sends a provisional response.
    pub(crate) fn progress(&mut self, cx: &mut Cx<'_>, reply: &Reply<'_>) -> Result<(), DialogError> {
        let Phase::Ringing(ringing) = &mut self.phase else { return Err(DialogError::WrongState) };
        if !(101..=199).contains(&reply.status) {
            return Err(DialogError::Status(reply.status));
        }
        let bytes = invite_reply(cx.config, &self.dialog, &ringing.request, ringing.flow, reply);
        let due = cx.now + cx.config.provisional_refresh;
        ringing.provisional = Some((bytes.clone(), due));
        let server = ringing.server;
        cx.tx.respond(server, bytes, cx.now).map_err(|_| DialogError::Gone)
    }

    /// Repeats the newest provisional response, so that no proxy's Timer C ends the call (section 13.3.1.1).
    pub(crate) fn refresh_provisional(&mut self, cx: &mut Cx<'_>) {
        let Phase::Ringing(ringing) = &mut self.phase else { return };
        if let Some((bytes, at)) = &mut ringing.provisional
            && *at <= cx.now
        {
            *at = cx.now + cx.config.provisional_refresh;
            // A transaction that is gone reports so by itself.
            let _ = cx.tx.respond(ringing.server, bytes.clone(), cx.now);
        }
    }

    /// Sends the 200 and repeats it until its ACK.
    pub(crate) fn accept(&mut self, cx: &mut Cx<'_>, reply: &Reply<'_>) -> Result<(), DialogError> {
        let Phase::Ringing(ringing) = &self.phase else { return Err(DialogError::WrongState) };
        let bytes = invite_reply(cx.config, &self.dialog, &ringing.request, ringing.flow, reply);
        let server = ringing.server;
        let offered = body(&ringing.request).is_none();
        let cseq = crate::dialog::cseq(&ringing.request).unwrap_or_default();
        self.phase = Phase::Confirmed(Box::<Confirmed>::default());
        let unacked = Unacked::new(cx.config, cx.now, server, cseq, bytes);
        self.send_2xx(cx, Unacked { initial: true, offered, ..unacked });
        Ok(())
    }

    /// Sends a final response from 300 up; the usage is over.
    pub(crate) fn reject(&mut self, cx: &mut Cx<'_>, reply: &Reply<'_>) -> Result<(), DialogError> {
        let Phase::Ringing(ringing) = &self.phase else { return Err(DialogError::WrongState) };
        if !(300..=699).contains(&reply.status) {
            return Err(DialogError::Status(reply.status));
        }
        let bytes = invite_reply(cx.config, &self.dialog, &ringing.request, ringing.flow, reply);
        let server = ringing.server;
        self.phase = Phase::Over;
        cx.tx.respond(server, bytes, cx.now).map_err(|_| DialogError::Gone)
    }

    /// Sends a 2xx for the first time.
    pub(crate) fn send_2xx(&mut self, cx: &mut Cx<'_>, unacked: Unacked) {
        // Should the transaction be gone, the ACK will not come, and 64*T1 end the dialog.
        let _ = cx.tx.respond(unacked.server, unacked.response.clone(), cx.now);
        if let Some(confirmed) = self.confirmed() {
            confirmed.unacked.push(unacked);
        }
    }

    /// Repeats each 2xx that is due; ends the dialog where the ACK did not come in time.
    pub(crate) fn repeat_2xx(&mut self, cx: &mut Cx<'_>) {
        let Some(confirmed) = self.confirmed() else { return };
        if confirmed.unacked.iter().any(|unacked| unacked.give_up_at <= cx.now) {
            self.end(cx, Ended::AckTimeout);
            return;
        }
        for unacked in confirmed.unacked.iter_mut().filter(|unacked| unacked.resend_at <= cx.now) {
            unacked.interval = unacked.interval.saturating_mul(2).min(cx.config.t2);
            unacked.resend_at = cx.now + unacked.interval;
            let _ = cx.tx.respond(unacked.server, unacked.response.clone(), cx.now);
        }
    }

    /// An ACK of one of our 2xx. One that fits none is a repetition, or late: dropped.
    pub(crate) fn acked(&mut self, cx: &mut Cx<'_>, request: &Message, flow: Flow) {
        let cseq = crate::dialog::cseq(request);
        let Some(confirmed) = self.confirmed() else { return };
        let Some(at) = confirmed.unacked.iter().position(|unacked| Some(unacked.cseq) == cseq) else { return };
        let unacked = confirmed.unacked.remove(at);
        let left = confirmed.leaving.is_some();
        let leaving = if unacked.initial { confirmed.leaving.take() } else { None };
        self.disown(unacked.server, cx.index);
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
            Phase::Confirmed(confirmed) => {
                if let Some(asked) = confirmed.asked.take_if(|asked| asked.server == invite) {
                    answer(cx, asked.server, &asked.request, asked.flow, &Reply::bare(487));
                    self.disown(asked.server, cx.index);
                    cx.events.push_back(Event::ReinviteCancelled { key });
                    self.offer_if_free(cx);
                }
            }
            Phase::Calling(_) | Phase::Leaving(_) | Phase::Over => {}
        }
    }

    /// The transaction of an INVITE of the remote failed.
    pub(crate) fn server_failed(&mut self, cx: &mut Cx<'_>, server: ServerKey, why: Failure) {
        let key = self.key;
        match &mut self.phase {
            Phase::Ringing(_) => {
                let why = match why {
                    Failure::Timeout => Ended::Gone(408),
                    Failure::Transport => Ended::Transport,
                };
                cx.events.push_back(Event::Ended { key, why });
                // The transaction still absorbs repetitions of the INVITE, which want their end too.
                let _ = self.reject(cx, &Reply::bare(503));
                self.phase = Phase::Over;
            }
            Phase::Confirmed(confirmed) => {
                if confirmed.asked.take_if(|asked| asked.server == server).is_some() {
                    self.disown(server, cx.index);
                    cx.events.push_back(Event::ReinviteCancelled { key });
                    self.offer_if_free(cx);
                }
                // A 2xx that could not be sent may be sent again: its own timers decide.
            }
            Phase::Calling(_) | Phase::Leaving(_) | Phase::Over => {}
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
