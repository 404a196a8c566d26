//! The UAC's INVITE: early dialogs, the first 2xx, the end without one (RFC 3261 sections 12.1.2 and 13.2).

use crate::ack::acknowledge;
use crate::dialog::{Dialog, body, to_tag};
use crate::usage::{Calling, Confirmed, Cx, Early, Late, Phase, Purpose, Role, Usage, Withdrawn};
use crate::write::initial_invite;
use crate::{DialogError, DialogKey, Event, Failed, InviteSpec};
use bytes::Bytes;
use model::Flow;
use sip_message::Message;
use sip_transaction::{ClientKey, Failure};
use std::sync::Arc;

impl Usage {
    /// Sends the INVITE of `spec`.
    pub(crate) fn invite(key: DialogKey, spec: &InviteSpec, cx: &mut Cx<'_>) -> Usage {
        let mut dialog = Dialog::of_spec(spec, cx.config, cx.ids);
        let (flow, request) = initial_invite(cx.config, &mut dialog, spec);
        let client = cx.tx.request(flow, request, cx.now);
        cx.index.clients.insert(client, Purpose::Invite(key));
        let calling = Calling { client, offered: spec.offer.is_some(), withdrawn: Withdrawn::No, early: Vec::new() };
        Usage { key, role: Role::Uac, dialog, phase: Phase::Calling(calling), servers: Vec::new(), armed: None }
    }

    /// A response to the INVITE, up to the first 2xx.
    pub(crate) fn invite_response(&mut self, cx: &mut Cx<'_>, client: ClientKey, response: Arc<Message>, flow: Flow) {
        match response.status().unwrap_or_default() {
            101..=199 => self.provisional(cx, response),
            200..=299 => self.answered(cx, client, response, flow),
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
        }
    }

    /// Sends the ACK with the answer to the offer of a 2xx (section 13.2.2.4).
    pub(crate) fn ack(&mut self, cx: &mut Cx<'_>, answer: Bytes) -> Result<(), DialogError> {
        let late = self.confirmed().and_then(|confirmed| confirmed.late.take()).ok_or(DialogError::WrongState)?;
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

    fn provisional(&mut self, cx: &mut Cx<'_>, response: Arc<Message>) {
        let Phase::Calling(calling) = &mut self.phase else { return };
        let sdp = body(&response);
        let remote_tag = to_tag(&response);
        if !remote_tag.is_empty()
            && let Some(early) = calling.branch(remote_tag, cx.config.forks_max)
        {
            early.sdp = sdp.clone().or(early.sdp.take());
        }
        if calling.withdrawn == Withdrawn::No {
            let status = response.status().unwrap_or(183);
            cx.events.push_back(Event::Progress { key: self.key, status, sdp, response });
        }
    }

    fn answered(&mut self, cx: &mut Cx<'_>, client: ClientKey, response: Arc<Message>, flow: Flow) {
        let Phase::Calling(calling) = &mut self.phase else { return };
        let (offered, withdrawn) = (calling.offered, calling.withdrawn);
        let template = Box::new(self.dialog.clone());
        let cseq = template.local_cseq;
        self.dialog = template.joined(&response, flow);
        let early = calling.early.iter_mut().find(|early| early.remote_tag == self.dialog.remote_tag);
        let (early_cseq, early_sdp) = early.map(|e| (e.remote_cseq, e.sdp.take())).unwrap_or_default();
        self.dialog.remote_cseq = early_cseq;
        let until = cx.now + cx.config.patience();
        cx.index.clients.remove(&client);
        cx.acks.begin(client, Some(template), cseq, until);
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

    fn failed(&mut self, cx: &mut Cx<'_>, client: ClientKey, status: u16, why: Failed) {
        let Phase::Calling(calling) = &self.phase else { return };
        cx.index.clients.remove(&client);
        let key = self.key;
        match calling.withdrawn {
            Withdrawn::No => cx.events.push_back(Event::Failed { key, status, why }),
            Withdrawn::Cancelled => cx.events.push_back(Event::Failed { key, status, why: Failed::Cancelled }),
            Withdrawn::Told => {}
        }
        self.phase = Phase::Over;
    }
}

impl Calling {
    /// The early dialog with this tag, a new one where there is room.
    pub(crate) fn branch(&mut self, remote_tag: String, forks_max: usize) -> Option<&mut Early> {
        let at = self.early.iter().position(|early| early.remote_tag == remote_tag);
        if at.is_none() && self.early.len() < forks_max {
            self.early.push(Early { remote_tag, remote_cseq: None, sdp: None });
            return self.early.last_mut();
        }
        self.early.get_mut(at?)
    }
}
