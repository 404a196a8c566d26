//! Moves of better phones: reliable provisional responses either way (RFC 3262), and blind transfer (RFC 3515).

use super::{Phone, Say};
use crate::compose::Draft;
use crate::dialog::{Stage, due};
use crate::text;
use core::time::Duration;
use model::Instant;

const T1: Duration = Duration::from_millis(500);
/// The number of a callee's one reliable response.
const RSEQ: u32 = 41;

impl Phone {
    /// What this phone's next INVITE says of reliable responses.
    pub(super) fn reliability(&mut self) -> &'static str {
        if !self.chance.percent(self.plan.temper.reliable) {
            return "";
        }
        if self.chance.percent(30) { "Require: 100rel\r\n" } else { "Supported: 100rel\r\n" }
    }

    /// A reliable provisional response of theirs: PRACK for a new one. `false` for one that came before.
    pub(super) fn acknowledge_provisional(&mut self, call_id: &str, message: &str, now: Instant) -> bool {
        let rseq: u32 = text::field(message, "rseq").and_then(|v| v.parse().ok()).unwrap_or(0);
        let branch = self.branch();
        let Some(dialog) = self.dialogs.get_mut(call_id) else { return false };
        if rseq == dialog.rseq {
            return false;
        }
        let skipped = dialog.rseq != 0 && rseq != dialog.rseq + 1;
        let newest = dialog.rseq;
        if skipped {
            // One of them was overtaken; it comes again. What is never right is a number that runs away.
            if rseq > newest + 1 {
                self.breaks("rseq-order", format!("RSeq {rseq} after {newest} without its PRACK: {call_id}"));
            }
            return false;
        }
        dialog.rseq = rseq;
        dialog.local_cseq += 1;
        let (to, contact) = (text::field(message, "to").unwrap_or_default(), text::field(message, "contact"));
        let extra = format!("RAck: {rseq} {} INVITE\r\n", text::cseq(message));
        let draft = Draft {
            method: "PRACK",
            uri: text::uri(contact.unwrap_or_default()),
            from: &dialog.local,
            to,
            call_id,
            cseq: dialog.local_cseq,
            extra: &extra,
            sdp: None,
        };
        let bytes = self.who.request(&draft, &branch);
        self.send(bytes, now);
        true
    }

    /// Sends 183 so that it has to be acknowledged.
    pub(super) fn respond_reliably(&mut self, invite: &str, to: &str, sdp: &str, now: Instant) {
        let extra = format!("Require: 100rel\r\nRSeq: {RSEQ}\r\n");
        let bytes = self.who.response_with(invite, 183, to, &extra, Some(sdp));
        let call_id = text::field(invite, "call-id").unwrap_or_default();
        if let Some(dialog) = self.dialogs.get_mut(call_id) {
            dialog.repeated = Some((bytes.clone(), now + T1, T1));
        }
        self.wire.respond(&bytes, now);
        self.out.push_back(Say::Sip(bytes));
    }

    /// A PRACK came.
    pub(super) fn pracked(&mut self, message: &str, call_id: &str, now: Instant) {
        let Some(dialog) = self.dialogs.get_mut(call_id) else { return };
        let expected = format!("{RSEQ} {} INVITE", text::cseq(&dialog.invite));
        let fits = text::field(message, "rack") == Some(expected.as_str());
        dialog.repeated = None;
        dialog.remote_cseq = dialog.remote_cseq.max(text::cseq(message));
        if !fits {
            let words = format!("{:?} for {expected}: {call_id}", text::field(message, "rack"));
            self.breaks("rack", words);
        }
        self.refuse(message, 200, now);
    }

    /// Repeats what was not acknowledged, and begins what is due.
    pub(super) fn wake_moves(&mut self, call_id: &str, now: Instant) {
        let Some(dialog) = self.dialogs.get_mut(call_id) else { return };
        if let Some((bytes, at, wait)) = &mut dialog.repeated
            && *at <= now
        {
            *wait *= 2;
            *at = now + *wait;
            let again = bytes.clone();
            let given_up = *wait > Duration::from_secs(64);
            if given_up {
                dialog.repeated = None;
                if !dialog.excused {
                    self.breaks("no-prack", format!("a reliable 183 of {call_id} was never acknowledged"));
                }
                return;
            }
            self.out.push_back(Say::Sip(again));
        }
        let Some(dialog) = self.dialogs.get_mut(call_id) else { return };
        if due(&mut dialog.refer_at, now) {
            self.refer(call_id, now);
        }
    }

    /// Sends the other party on to somebody else, or joins it with the party of another call of ours; the switch ends our
    /// part of it, or we do.
    fn refer(&mut self, call_id: &str, now: Instant) {
        let numbers = self.plan.numbers.clone();
        let number = numbers[self.chance.below(numbers.len() as u64) as usize].clone();
        let leaves = self.chance.percent(40).then(|| now + self.chance.millis(50, 3_000));
        let attended = self.chance.percent(60);
        let replaces = self.other_call(call_id).filter(|_| attended).unwrap_or_default();
        let branch = self.branch();
        let Some(dialog) = self.dialogs.get_mut(call_id) else { return };
        if dialog.stage != Stage::Up || dialog.unacked || dialog.offering.is_some() {
            return;
        }
        dialog.local_cseq += 1;
        dialog.hangup_at = leaves.or(dialog.hangup_at);
        let extra = format!("Refer-To: <sip:{number}@{}{replaces}>\r\n", self.who.domain);
        let draft = Draft {
            method: "REFER",
            uri: &dialog.target,
            from: &dialog.local,
            to: &dialog.remote,
            call_id,
            cseq: dialog.local_cseq,
            extra: &extra,
            sdp: None,
        };
        let bytes = self.who.request(&draft, &branch);
        self.send(bytes, now);
    }

    /// Another call of ours that stands, or that we hear ringing, as a Replaces in a URI.
    fn other_call(&self, call_id: &str) -> Option<String> {
        let fits = |d: &&crate::dialog::Dialog| {
            let stands = d.stage == Stage::Up && !d.unacked;
            let rings = matches!(d.stage, Stage::Calling { provisional: true, cancelled: false });
            d.call_id != call_id && (stands || rings) && !d.remote_tag().is_empty()
        };
        let other = self.dialogs.values().find(fits)?;
        let id = other.call_id.replace('@', "%40");
        Some(format!("?Replaces={id}%3Bto-tag%3D{}%3Bfrom-tag%3D{}", other.remote_tag(), other.local_tag()))
    }
}
