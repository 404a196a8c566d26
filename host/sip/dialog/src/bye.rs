//! The end of a usage, by us or by the remote: CANCEL, refusal, BYE (RFC 3261 sections 9.1, 15.1; RFC 3326 Reason).

use crate::ack::acknowledge;
use crate::reinvite::Offering;
use crate::usage::{Cx, Leaving, Phase, Purpose, Usage, Withdrawn};
use crate::write::{Reply, answer, bye_request};
use crate::{Ended, Event, Failed};
use model::Flow;
use sip_message::{Message, Name};
use sip_transaction::{ClientKey, ServerKey};

impl Usage {
    /// The transaction user wants it over, whatever it is: CANCEL, a refusal with `status`, or BYE.
    pub(crate) fn hangup(&mut self, cx: &mut Cx<'_>, status: u16, reason: Option<&str>) {
        match &mut self.phase {
            Phase::Calling(calling) => {
                if calling.withdrawn == Withdrawn::No {
                    calling.withdrawn = Withdrawn::Cancelled;
                    let client = calling.client;
                    let extra: Vec<(&str, &str)> = reason.map(|value| ("Reason", value)).into_iter().collect();
                    cx.tx.cancel(client, &extra, cx.now);
                }
            }
            Phase::Ringing(_) => {
                let status = if (300..=699).contains(&status) { status } else { 480 };
                let extra: Vec<(String, String)> =
                    reason.map(|value| ("Reason".to_owned(), value.to_owned())).into_iter().collect();
                // A transaction that is gone has told its caller what it could.
                let _ = self.reject(cx, &Reply { headers: &extra, ..Reply::bare(status) });
            }
            Phase::Confirmed(confirmed) => {
                if self.unacked.iter().any(|unacked| unacked.initial) {
                    // Section 15.1.1: the callee waits for the ACK, or for its transaction's end.
                    confirmed.leaving.get_or_insert_with(|| reason.map(str::to_owned));
                    self.answer_waiting(cx);
                } else {
                    self.send_bye(cx, reason);
                }
            }
            Phase::Leaving(_) | Phase::Over => {}
        }
    }

    /// A failure ends the dialog: BYE, and the transaction user is told unless it hung up already.
    pub(crate) fn end(&mut self, cx: &mut Cx<'_>, why: Ended) {
        if self.confirmed().is_some_and(|confirmed| confirmed.leaving.is_none()) {
            cx.events.push_back(Event::Ended { key: self.key, why });
        }
        self.send_bye(cx, None);
    }

    /// Sends BYE and waits for its end.
    pub(crate) fn send_bye(&mut self, cx: &mut Cx<'_>, reason: Option<&str>) {
        let reinvite = self.quiesce(cx);
        self.keep_unacked();
        let (flow, request) = bye_request(cx.config, &mut self.dialog, reason);
        let bye = cx.send(&mut self.dialog, flow, request);
        cx.index.clients.insert(bye, Purpose::Bye(self.key));
        self.phase = Phase::Leaving(Leaving { bye: Some(bye), reinvite, again: false });
    }

    /// The remote's BYE (section 15.1.2).
    pub(crate) fn bye_received(&mut self, cx: &mut Cx<'_>, server: ServerKey, flow: Flow, request: &Message) {
        answer(cx, server, request, flow, &Reply::bare(200));
        let key = self.key;
        match &mut self.phase {
            Phase::Calling(calling) => {
                // The callee must not do so, but one whose 2xx we never got does, 64*T1 later: nothing more comes.
                if calling.withdrawn == Withdrawn::No {
                    cx.events.push_back(Event::Failed { key, status: 408, why: Failed::Timeout });
                }
                let cancelled = core::mem::replace(&mut calling.withdrawn, Withdrawn::Told);
                if cancelled == Withdrawn::No {
                    cx.tx.cancel(calling.client, &[], cx.now);
                }
            }
            Phase::Ringing(_) => {
                cx.events.push_back(Event::Cancelled { key });
                let _ = self.reject(cx, &Reply::bare(487));
            }
            Phase::Confirmed(confirmed) => {
                if confirmed.leaving.is_none() {
                    let reason = reason_of(request);
                    cx.events.push_back(Event::Ended { key, why: Ended::Bye { reason } });
                }
                let reinvite = self.quiesce(cx);
                self.keep_unacked();
                self.leave(Leaving { bye: None, reinvite, again: false });
            }
            // It crossed ours: both are answered, ours is waited for.
            Phase::Leaving(_) | Phase::Over => {}
        }
    }

    /// Our BYE has its final response or none will come: either way the dialog is over (section 15.1.1).
    pub(crate) fn bye_done(&mut self) {
        if let Phase::Leaving(leaving) = &self.phase {
            let (reinvite, again) = (leaving.reinvite, leaving.again);
            self.leave(Leaving { bye: None, reinvite, again });
        }
    }

    /// The re-INVITE that outlived its dialog is done.
    pub(crate) fn stray_reinvite_done(&mut self, client: ClientKey) {
        if let Phase::Leaving(leaving) = &self.phase
            && leaving.reinvite == Some(client)
        {
            let (bye, again) = (leaving.bye, leaving.again);
            self.leave(Leaving { bye, reinvite: None, again });
        }
    }

    /// Nothing of what kept the usage may be left.
    pub(crate) fn leave_if_done(&mut self) {
        if let Phase::Leaving(leaving) = &self.phase {
            let leaving = Leaving { bye: leaving.bye, reinvite: leaving.reinvite, again: leaving.again };
            self.leave(leaving);
        }
    }

    fn leave(&mut self, leaving: Leaving) {
        let done = leaving.bye.is_none() && leaving.reinvite.is_none() && self.unacked.is_empty();
        self.phase = if done { Phase::Over } else { Phase::Leaving(leaving) };
    }

    /// After a BYE the 2xx to a re-INVITE goes on being repeated: the remote's transaction waits for it. Who said BYE, or
    /// gets ours, needs no 2xx to the first INVITE.
    fn keep_unacked(&mut self) {
        self.unacked.retain(|unacked| !unacked.initial);
    }

    /// Settles what is under way before the dialog ends: the remote's requests get 487 (section 15.1.2), a late
    /// offer its ACK, our re-INVITE a CANCEL. Gives back the last, which still runs.
    pub(crate) fn quiesce(&mut self, cx: &mut Cx<'_>) -> Option<ClientKey> {
        self.answer_waiting(cx);
        let late = self.confirmed().and_then(|confirmed| confirmed.late.take());
        if let Some(late) = late {
            acknowledge(cx, &self.dialog, late.client, late.cseq, None);
        }
        match core::mem::take(&mut self.offering) {
            Offering::Sent(sent) if sent.is_invite() => {
                if sent.give_up_at.is_some() {
                    cx.tx.cancel(sent.client, &[], cx.now);
                }
                Some(sent.client)
            }
            // Timer F ends an UPDATE, and nobody waits for its response any more.
            Offering::Sent(sent) => {
                cx.index.clients.remove(&sent.client);
                None
            }
            Offering::Idle | Offering::Waiting(_) | Offering::Backoff(_, _) => None,
        }
    }

    /// Each request of the remote that waits for the transaction user is told that the dialog ends.
    fn answer_waiting(&mut self, cx: &mut Cx<'_>) {
        if let Some(asked) = self.asked.take() {
            answer(cx, asked.server, &asked.request, asked.flow, &Reply::bare(487));
        }
        for waiting in core::mem::take(&mut self.waiting) {
            answer(cx, waiting.server, &waiting.request, waiting.flow, &Reply::bare(487));
        }
    }
}

/// The values of Reason, as one list (RFC 3326 section 2).
fn reason_of(request: &Message) -> Option<String> {
    let values: Vec<String> = request.headers(Name::Reason).map(|value| value.text().into_owned()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}
