//! The UAC's INVITE: early dialogs, the first 2xx, the end without one (RFC 3261 sections 12.1.2 and 13.2).

use crate::ack::acknowledge;
use crate::dialog::{Dialog, body, to_tag};
use crate::request::Peer;
use crate::usage::{Calling, Confirmed, Cx, Early, Late, Phase, Purpose, Role, Usage, Withdrawn};
use crate::write::{Reply, answer, initial_invite};
use crate::{DialogError, DialogKey, Event, Failed, InviteSpec};
use bytes::Bytes;
use model::Flow;
use sip_message::Message;
use sip_transaction::{ClientKey, Failure};

/// How many times an INVITE is sent again with a longer session interval.
const RETRIES_MAX: u8 = 3;

impl Usage {
    /// Sends the INVITE of `spec`.
    pub(crate) fn invite(key: DialogKey, spec: InviteSpec, cx: &mut Cx<'_>) -> Usage {
        let dialog = Dialog::of_spec(&spec, cx.config, cx.ids);
        let described = spec.offer.clone();
        let mut usage = Usage::new(key, Role::Uac, dialog, Phase::Over);
        usage.described = described;
        usage.send_invite(cx, Box::new(spec), 0);
        usage
    }

    pub(crate) fn send_invite(&mut self, cx: &mut Cx<'_>, spec: Box<InviteSpec>, retries: u8) {
        let session = self.session.request_headers(cx.config);
        let (flow, request) = initial_invite(cx.config, &mut self.dialog, &spec, &session);
        // A carrier may ask for less; a phone has nothing to ask for.
        let request = if spec.carrier.is_some() { request.offer_overload_control() } else { request };
        let client = cx.send(&mut self.dialog, flow, request);
        cx.index.clients.insert(client, Purpose::Invite(self.key));
        let offered = spec.offer.is_some();
        let (withdrawn, early) = (Withdrawn::No, Vec::new());
        let silent_until = spec.carrier.map(|carrier| cx.now + carrier.patience);
        self.phase = Phase::Calling(Calling { client, offered, withdrawn, early, spec, retries, silent_until });
    }

    /// A response to the INVITE, up to the first 2xx.
    pub(crate) fn invite_response(&mut self, cx: &mut Cx<'_>, client: ClientKey, response: Message, flow: Flow) {
        match response.status().unwrap_or_default() {
            101..=199 => self.provisional(cx, response, flow),
            200..=299 => self.answered(cx, client, response, flow),
            401 | 407 if self.invites_again(cx, client, &response) => {}
            422 if self.ask_longer(cx, client, &response) => {}
            status if status >= 300 => {
                self.failed(cx, client, status, Failed::Response(response));
            }
            // 100 says only that the next hop has it.
            _ => {}
        }
    }

    /// The INVITE's transaction failed.
    pub(crate) fn invite_failed(&mut self, cx: &mut Cx<'_>, client: ClientKey, why: Failure) {
        match why {
            Failure::Timeout => self.failed(cx, client, 408, Failed::Timeout),
            Failure::Transport => self.failed(cx, client, 503, Failed::Transport),
            Failure::Withheld => self.failed(cx, client, 503, Failed::Withheld),
        }
    }

    /// Sends the ACK with the answer to the offer of a 2xx (section 13.2.2.4).
    pub(crate) fn ack(&mut self, cx: &mut Cx<'_>, answer: Bytes) -> Result<(), DialogError> {
        let late = self.confirmed().and_then(|confirmed| confirmed.late.take()).ok_or(DialogError::WrongState)?;
        self.described = Some(answer.clone());
        acknowledge(cx, &self.dialog, late.client, late.cseq, Some(answer));
        Ok(())
    }

    /// The transaction user left a late offer without an answer: ACK without one, and BYE.
    pub(crate) fn expire_late_offer(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now;
        if self.confirmed().and_then(|c| c.late.as_ref()).is_some_and(|late| late.until <= now) {
            self.end(cx, crate::Ended::AckTimeout);
        }
    }

    /// The remote wants a longer session interval: the INVITE goes again with it (RFC 4028 section 7.3).
    fn ask_longer(&mut self, cx: &mut Cx<'_>, client: ClientKey, response: &Message) -> bool {
        let Phase::Calling(calling) = &mut self.phase else { return false };
        let wanted = calling.withdrawn == Withdrawn::No && calling.retries < RETRIES_MAX;
        if !wanted || !self.session.raise(response) {
            return false;
        }
        cx.index.clients.remove(&client);
        if let Phase::Calling(calling) = core::mem::replace(&mut self.phase, Phase::Over) {
            self.send_invite(cx, calling.spec, calling.retries + 1);
        }
        true
    }

    fn provisional(&mut self, cx: &mut Cx<'_>, response: Message, flow: Flow) {
        let Phase::Calling(calling) = &mut self.phase else { return };
        let sdp = body(&response);
        let remote_tag = to_tag(&response);
        if !remote_tag.is_empty()
            && let Some(early) = calling.branch(remote_tag, cx.config.forks_max)
        {
            early.peer.learn(&response);
            if early.dialog.is_none() {
                early.dialog = Some(Box::new(self.dialog.joined(&response, flow)));
            }
        }
        if !self.take_provisional(cx, &response) {
            return;
        }
        self.note_early(&response, sdp.as_ref());
        if matches!(&self.phase, Phase::Calling(calling) if calling.withdrawn == Withdrawn::No) {
            let status = response.status().unwrap_or(183);
            cx.events.push_back(Event::Progress { key: self.key, status, sdp, response });
        }
    }

    fn note_early(&mut self, response: &Message, sdp: Option<&Bytes>) {
        let Phase::Calling(calling) = &mut self.phase else { return };
        let tag = to_tag(response);
        if let (Some(early), Some(sdp)) = (calling.early.iter_mut().find(|e| e.remote_tag == tag), sdp) {
            early.sdp = Some(sdp.clone());
        }
    }

    fn answered(&mut self, cx: &mut Cx<'_>, client: ClientKey, response: Message, flow: Flow) {
        let Phase::Calling(calling) = &mut self.phase else { return };
        let (offered, withdrawn) = (calling.offered, calling.withdrawn);
        let mut early = core::mem::take(&mut calling.early);
        let template = Box::new(self.dialog.clone());
        let cseq = template.local_cseq;
        self.dialog = template.joined(&response, flow);
        let own = early.iter_mut().find(|early| early.remote_tag == self.dialog.remote_tag);
        let early_sdp = own.and_then(|early| {
            self.dialog.remote_cseq = early.remote_cseq;
            if let Some(dialog) = &early.dialog {
                self.dialog.local_cseq = dialog.local_cseq;
            }
            early.sdp.take()
        });
        self.peer = Peer::default();
        self.peer.learn(&response);
        self.drop_other_branch(cx);
        let until = cx.now + cx.config.patience();
        cx.index.clients.remove(&client);
        cx.acks.begin(client, Some(template), cseq, until);
        self.session.granted(&response, cx.config, cx.now);
        let mut confirmed = Box::<Confirmed>::default();
        if offered || withdrawn != Withdrawn::No {
            acknowledge(cx, &self.dialog, client, cseq, None);
        } else {
            cx.acks.note(client, &self.dialog.remote_tag, None);
            confirmed.late = Some(Late { client, cseq, until });
        }
        self.phase = Phase::Confirmed(confirmed);
        let key = self.key;
        match withdrawn {
            Withdrawn::No => {
                let sdp = body(&response).or(early_sdp);
                cx.events.push_back(Event::Answered { key, sdp, response });
            }
            // The 2xx crossed our CANCEL (section 9.1): the dialog stands and has to be ended as one.
            Withdrawn::Cancelled => {
                cx.events.push_back(Event::Failed { key, status: 487, why: Failed::Cancelled });
                self.send_bye(cx, None);
            }
            Withdrawn::Told => self.send_bye(cx, None),
        }
    }

    /// An UPDATE of a branch that has lost waits for an answer: it gets the refusal of a dialog that is ending.
    fn drop_other_branch(&mut self, cx: &mut Cx<'_>) {
        let tag = self.dialog.remote_tag.clone();
        if let Some(asked) = self.asked.take_if(|asked| crate::dialog::from_tag(&asked.request) != tag) {
            answer(cx, asked.server, &asked.request, asked.flow, &Reply::bare(487));
            self.disown(asked.server, cx.index);
            cx.events.push_back(Event::ReinviteCancelled { key: self.key });
        }
        // Nor does an offer of ours to such a branch count, whatever it says to it: who wanted it may come again.
        if self.forget_offer_to_other_than(&tag, cx.index) {
            cx.events.push_back(Event::ReinviteFailed { key: self.key, status: 491 });
        }
    }

    fn failed(&mut self, cx: &mut Cx<'_>, client: ClientKey, status: u16, why: Failed) {
        let Phase::Calling(calling) = &self.phase else { return };
        cx.index.clients.remove(&client);
        let key = self.key;
        match calling.withdrawn {
            Withdrawn::No => cx.events.push_back(Event::Failed { key, status, why }),
            Withdrawn::Cancelled => cx.events.push_back(Event::Failed { key, status, why: Failed::Cancelled }),
            Withdrawn::Told => {}
        }
        self.quiesce(cx);
        self.phase = Phase::Over;
    }
}

impl Calling {
    /// The early dialog with this tag, a new one where there is room.
    pub(crate) fn branch(&mut self, remote_tag: String, forks_max: usize) -> Option<&mut Early> {
        let at = self.early.iter().position(|early| early.remote_tag == remote_tag);
        if at.is_none() && self.early.len() < forks_max {
            self.early.push(Early {
                remote_tag,
                remote_cseq: None,
                sdp: None,
                dialog: None,
                rseq: None,
                answered: false,
                peer: Peer::default(),
            });
            return self.early.last_mut();
        }
        self.early.get_mut(at?)
    }

    /// The branch that has answered our offer reliably.
    pub(crate) fn settled(&self) -> Option<&Early> {
        self.early.iter().find(|early| early.answered && early.dialog.is_some())
    }
}
