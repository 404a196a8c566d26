//! The caller: INVITE with digest, CANCEL, and what comes back.

use super::{Phone, Say};
use crate::compose::{Draft, Way, like_invite};
use crate::dialog::{Dialog, Stage};
use crate::srtp::Lock;
use crate::text;
use core::time::Duration;
use model::Instant;

/// After a CANCEL the final response has 64*T1 to come (RFC 3261 section 9.1).
const AFTER_CANCEL: Duration = Duration::from_secs(33);

impl Phone {
    pub(super) fn place_call(&mut self, now: Instant) {
        let busy = self.dialogs.values().filter(|d| d.stage != Stage::Over).count();
        if busy >= 3 || self.plan.numbers.is_empty() {
            return;
        }
        let dialled = self.plan.numbers[self.chance.below(self.plan.numbers.len() as u64) as usize].clone();
        let call_id = format!("{}@phone", self.token("c"));
        let port = self.open_port(&call_id);
        let mut dialog = Dialog::new(&call_id, true, port, self.lock(port, now), now);
        dialog.local = format!("{};tag={}", self.who.own(), self.token("t"));
        dialog.remote = format!("<sip:{dialled}@{}>", self.who.domain);
        dialog.dialled = dialled;
        let (least, most) = self.plan.temper.patience_ms;
        let mut at = now + self.chance.millis(least, most);
        if self.chance.percent(self.plan.temper.grid) {
            at = self.on_grid(at);
        }
        dialog.cancel_at = Some(at);
        self.dialogs.insert(call_id.clone(), dialog);
        self.send_invite(&call_id, now);
    }

    /// SRTP for a new call of this phone.
    pub(super) fn lock(&self, port: u16, now: Instant) -> Lock {
        Lock::new(self.plan.liking, super::label_of(self.index, port), now)
    }

    pub(super) fn open_port(&mut self, call_id: &str) -> u16 {
        let port = 10_000 + 2 * self.ports.len() as u16;
        self.ports.insert(port, call_id.to_owned());
        port
    }

    fn send_invite(&mut self, call_id: &str, now: Instant) {
        let late = self.chance.percent(self.plan.temper.late_offer);
        let branch = self.branch();
        let Some(dialled) = self.dialogs.get(call_id).map(|d| d.dialled.clone()) else { return };
        let uri = format!("sip:{dialled}@{}", self.who.domain);
        let credentials = if self.plan.direct { String::new() } else { self.authorize("INVITE", &uri) };
        let extra = credentials + self.reliability();
        let Some(dialog) = self.dialogs.get_mut(call_id) else { return };
        dialog.local_cseq += 1;
        dialog.version += 1;
        let sdp = dialog.lock.say(self.who.sdp(dialog.port, dialog.version, Way::Both), false);
        let draft = Draft {
            method: "INVITE",
            uri: &uri,
            from: &dialog.local,
            to: &dialog.remote,
            call_id,
            cseq: dialog.local_cseq,
            extra: &extra,
            sdp: (!late).then_some(sdp.as_str()),
        };
        let bytes = self.who.request(&draft, &branch);
        dialog.invite.clone_from(&bytes);
        self.send(bytes, now);
    }

    /// A response to the initial INVITE or to a re-INVITE.
    pub(super) fn invite_response(&mut self, message: &str, waited_for: bool, now: Instant) {
        let status = text::status(message).unwrap_or_default();
        let call_id = text::field(message, "call-id").unwrap_or_default().to_owned();
        if (200..300).contains(&status)
            && let Some(ack) = self.wire.ack_of(message)
        {
            let ack = ack.clone();
            return self.out.push_back(Say::Sip(ack));
        }
        if status >= 300
            && let Some(invite) = self.invites.get(text::branch(message))
        {
            let ack = like_invite("ACK", invite, text::field(message, "to"));
            self.out.push_back(Say::Sip(ack));
        }
        let Some(dialog) = self.dialogs.get_mut(&call_id) else { return };
        let initial = text::cseq(message) == text::cseq(&dialog.invite) && dialog.caller;
        if !initial {
            return self.reinvite_response(&call_id, message, waited_for, now);
        }
        match status {
            100..=199 => self.provisional(&call_id, message, now),
            200..=299 => self.connected(&call_id, message, now),
            _ if !waited_for => {}
            401 if dialog.auth_tries < 2 && matches!(dialog.stage, Stage::Calling { cancelled: false, .. }) => {
                dialog.auth_tries += 1;
                dialog.enter(Stage::Calling { provisional: false, cancelled: false }, now);
                self.challenged(message);
                self.send_invite(&call_id, now);
            }
            _ => {
                dialog.forget_at = None;
                dialog.enter(Stage::Over, now);
            }
        }
    }

    fn provisional(&mut self, call_id: &str, message: &str, now: Instant) {
        if text::field(message, "rseq").is_some() && !self.acknowledge_provisional(call_id, message, now) {
            return;
        }
        let Some(dialog) = self.dialogs.get_mut(call_id) else { return };
        let Stage::Calling { provisional: false, cancelled } = dialog.stage else {
            return self.early_media(call_id, message, now);
        };
        dialog.stage = Stage::Calling { provisional: true, cancelled };
        if cancelled {
            self.send_cancel(call_id, now);
        }
        self.early_media(call_id, message, now);
    }

    fn early_media(&mut self, call_id: &str, message: &str, now: Instant) {
        let Some(dialog) = self.dialogs.get_mut(call_id) else { return };
        if matches!(dialog.stage, Stage::Calling { .. }) && text::sdp(message).is_some() {
            dialog.hear(message, now);
            dialog.speak_at.get_or_insert(now);
        }
    }

    /// The 2xx: ACK, with the answer where it carried the offer; then talk, or BYE if we gave up meanwhile.
    fn connected(&mut self, call_id: &str, message: &str, now: Instant) {
        let branch = self.branch();
        let Some(dialog) = self.dialogs.get_mut(call_id) else { return };
        text::field(message, "to").unwrap_or_default().clone_into(&mut dialog.remote);
        text::uri(text::field(message, "contact").unwrap_or_default()).clone_into(&mut dialog.target);
        dialog.hear(message, now);
        let late = text::sdp(&dialog.invite).is_none();
        let sdp = dialog.lock.say(self.who.sdp(dialog.port, dialog.version, Way::Both), true);
        let draft = Draft {
            method: "ACK",
            uri: &dialog.target,
            from: &dialog.local,
            to: &dialog.remote,
            call_id,
            cseq: text::cseq(message),
            extra: "",
            sdp: late.then_some(sdp.as_str()),
        };
        let ack = self.who.request(&draft, &branch);
        self.wire.keep_ack(message, &ack);
        self.out.push_back(Say::Sip(ack));
        let wanted = matches!(dialog.stage, Stage::Calling { cancelled: false, .. });
        dialog.cancel_at = None;
        dialog.forget_at = None;
        dialog.enter(Stage::Up, now);
        if wanted {
            self.begin_talk(call_id, now);
        } else {
            self.send_bye(call_id, now);
        }
    }

    /// The caller has waited long enough.
    pub(super) fn give_up_calling(&mut self, call_id: &str, now: Instant) {
        let Some(dialog) = self.dialogs.get_mut(call_id) else { return };
        let Stage::Calling { provisional, cancelled: false } = dialog.stage else { return };
        dialog.stage = Stage::Calling { provisional, cancelled: true };
        if provisional {
            self.send_cancel(call_id, now);
        }
    }

    fn send_cancel(&mut self, call_id: &str, now: Instant) {
        let Some(dialog) = self.dialogs.get_mut(call_id) else { return };
        dialog.forget_at = Some(now + AFTER_CANCEL);
        let bytes = like_invite("CANCEL", &dialog.invite, None);
        self.send(bytes, now);
    }

    /// Nothing final came: RFC 3261 section 9.1 lets the transaction go.
    pub(super) fn forget(&mut self, call_id: &str, now: Instant) {
        let Some(dialog) = self.dialogs.get_mut(call_id) else { return };
        let (calling, excused) = (matches!(dialog.stage, Stage::Calling { .. }), dialog.excused);
        if calling {
            dialog.enter(Stage::Over, now);
        }
        let forgotten = self.wire.forget_invite(call_id);
        self.orphans.extend(forgotten.into_iter().filter(|_| !calling && !excused));
        if calling && !excused {
            self.breaks("unanswered", format!("an INVITE of {call_id} never had a final response"));
        }
    }
}
