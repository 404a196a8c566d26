//! A standing call: talking, keys, hold and resume, glare, BYE by either side.

use super::{Phone, Say, label_of};
use crate::compose::{Draft, Way};
use crate::dialog::{Stage, due};
use crate::text;
use core::time::Duration;
use model::Instant;

impl Phone {
    /// Plans what this phone will do in a call that stands.
    pub(super) fn begin_talk(&mut self, call_id: &str, now: Instant) {
        let temper = self.plan.temper.clone();
        let talk = self.chance.millis(temper.talk_ms.0, temper.talk_ms.1);
        let mut hold = self.chance.percent(temper.hold).then(|| now + self.chance.millis(200, 10_000));
        if let Some(at) = hold
            && self.chance.percent(temper.grid)
        {
            hold = Some(self.on_grid(at));
        }
        let press = self.chance.percent(temper.digits).then(|| now + self.chance.millis(300, 4_000));
        let mute = self.chance.percent(temper.mute);
        let refer = self.chance.percent(temper.transfer).then(|| now + self.chance.millis(300, 20_000));
        let (calm, closing) = (self.calm, self.closing);
        let Some(dialog) = self.dialogs.get_mut(call_id) else { return };
        dialog.hangup_at = (!calm || closing).then(|| now + talk);
        dialog.reinvite_at = hold.filter(|_| !closing);
        dialog.refer_at = refer.filter(|_| !calm && !closing);
        dialog.press_at = press;
        dialog.speak_at = if mute { None } else { Some(now) };
    }

    pub(super) fn wake_call(&mut self, call_id: &str, now: Instant) {
        let Some(dialog) = self.dialogs.get_mut(call_id) else { return };
        if due(&mut dialog.forget_at, now) {
            return self.forget(call_id, now);
        }
        if let Some((_, act)) = dialog.act.take_if(|(at, _)| *at <= now) {
            return self.act(call_id, act, now);
        }
        if due(&mut dialog.cancel_at, now) {
            return self.give_up_calling(call_id, now);
        }
        if due(&mut dialog.hangup_at, now) {
            return self.hang_up(call_id, now);
        }
        if due(&mut dialog.reinvite_at, now) {
            self.reinvite(call_id, now);
        }
        self.wake_moves(call_id, now);
        let Some(dialog) = self.dialogs.get_mut(call_id) else { return };
        if due(&mut dialog.speak_at, now) {
            dialog.speak_at = Some(now + self.chance.millis(1_000, 4_000));
            self.speak(call_id);
        }
        let Some(dialog) = self.dialogs.get_mut(call_id) else { return };
        if due(&mut dialog.press_at, now) {
            dialog.press_at = Some(now + self.chance.millis(500, 6_000));
            self.press(call_id);
        }
    }

    fn rtp(&mut self, call_id: &str, payload_type: u8, stamp: u32, payload: &[u8]) {
        let index = self.index;
        let Some(dialog) = self.dialogs.get_mut(call_id) else { return };
        let Some((to, true)) = dialog.remote_media else { return };
        if dialog.on_hold {
            return;
        }
        dialog.sequence = dialog.sequence.wrapping_add(1);
        let mut bytes = vec![0x80, payload_type];
        bytes.extend(dialog.sequence.to_be_bytes());
        bytes.extend(stamp.to_be_bytes());
        bytes.extend(label_of(index, dialog.port).to_be_bytes());
        bytes.extend(payload);
        let port = dialog.port;
        if let Some(bytes) = dialog.lock.seal(bytes) {
            self.out.push_back(Say::Rtp { port, to, bytes });
        }
    }

    /// Says who we are and which call this is.
    fn speak(&mut self, call_id: &str) {
        let Some(dialog) = self.dialogs.get(call_id) else { return };
        let stamp = u32::from(dialog.sequence) * 160;
        // Whom the switch could not tell of the end goes on talking to a port that may be another call's by now: the
        // switch may not be able to tell it from its new party, so this is not held against it.
        let magic = if dialog.excused { b"OLD!" } else { b"SIM!" };
        let mut payload = magic.to_vec();
        payload.extend(label_of(self.index, dialog.port).to_be_bytes());
        payload.resize(20, 0xff);
        self.rtp(call_id, 0, stamp, &payload);
    }

    /// Presses a key: RFC 4733 section 2.5.1.
    fn press(&mut self, call_id: &str) {
        let Some(dialog) = self.dialogs.get(call_id) else { return };
        if dialog.stage != Stage::Up {
            return;
        }
        let stamp = u32::from(dialog.sequence) * 160;
        let key = [0, 1, 2, 3, 9, 11][self.chance.below(6) as usize];
        for (end, duration) in [(0, 160_u16), (0x80, 320), (0x80, 320), (0x80, 320)] {
            let [high, low] = duration.to_be_bytes();
            self.rtp(call_id, 101, stamp, &[key, end | 10, high, low]);
        }
    }

    /// Ends the call, whatever it is.
    pub(super) fn hang_up(&mut self, call_id: &str, now: Instant) {
        let Some(dialog) = self.dialogs.get_mut(call_id) else { return };
        match dialog.stage {
            // A callee waits for the ACK first (RFC 3261 section 15).
            Stage::Up if dialog.unacked => dialog.wants_bye = true,
            Stage::Up => self.send_bye(call_id, now),
            Stage::Calling { .. } | Stage::Ringing | Stage::Leaving | Stage::Over => {}
        }
    }

    pub(super) fn send_bye(&mut self, call_id: &str, now: Instant) {
        let branch = self.branch();
        let Some(dialog) = self.dialogs.get_mut(call_id) else { return };
        if dialog.stage != Stage::Up {
            return;
        }
        dialog.enter(Stage::Leaving, now);
        dialog.local_cseq += 1;
        let draft = Draft {
            method: "BYE",
            uri: &dialog.target,
            from: &dialog.local,
            to: &dialog.remote,
            call_id,
            cseq: dialog.local_cseq,
            ..Draft::default()
        };
        let bytes = self.who.request(&draft, &branch);
        self.send(bytes, now);
    }

    /// Holds or resumes.
    fn reinvite(&mut self, call_id: &str, now: Instant) {
        let branch = self.branch();
        let Some(dialog) = self.dialogs.get_mut(call_id) else { return };
        if dialog.stage != Stage::Up || dialog.offering.is_some() {
            return;
        }
        if dialog.unacked {
            dialog.reinvite_at = Some(now + Duration::from_secs(1));
            return;
        }
        dialog.local_cseq += 1;
        dialog.version += 1;
        let way = if dialog.on_hold { Way::Both } else { Way::SendOnly };
        let sdp = dialog.lock.say(self.who.sdp(dialog.port, dialog.version, way), false);
        let draft = Draft {
            method: "INVITE",
            uri: &dialog.target,
            from: &dialog.local,
            to: &dialog.remote,
            call_id,
            cseq: dialog.local_cseq,
            extra: "",
            sdp: Some(&sdp),
        };
        let bytes = self.who.request(&draft, &branch);
        dialog.offering = Some(bytes.clone());
        self.send(bytes, now);
    }

    /// A response to a re-INVITE of ours.
    pub(super) fn reinvite_response(&mut self, call_id: &str, message: &str, waited_for: bool, now: Instant) {
        let status = text::status(message).unwrap_or_default();
        if (200..300).contains(&status) {
            self.acknowledge_reinvite(call_id, message);
        }
        if status < 200 || !waited_for {
            return;
        }
        let again = now + self.chance.millis(1_000, 10_000);
        let (owner_wait, other_wait) = (self.chance.millis(2_100, 4_000), self.chance.millis(0, 2_000));
        let stop = self.closing;
        let Some(dialog) = self.dialogs.get_mut(call_id) else { return };
        let ours = dialog.offering.as_deref().is_some_and(|o| text::cseq(o) == text::cseq(message));
        if !ours {
            return;
        }
        dialog.offering = None;
        if dialog.stage != Stage::Up {
            return;
        }
        match status {
            200..=299 => {
                dialog.on_hold = !dialog.on_hold;
                dialog.hear(message, now);
                dialog.reinvite_at = Some(again).filter(|_| !stop && dialog.on_hold);
            }
            // RFC 3261 section 14.1.
            491 => {
                let wait = if dialog.caller { owner_wait } else { other_wait };
                dialog.reinvite_at = Some(now + wait).filter(|_| !stop);
            }
            // RFC 3261 section 12.2.1.2: the other side knows nothing of it.
            408 | 481 => self.send_bye(call_id, now),
            _ => {}
        }
    }

    fn acknowledge_reinvite(&mut self, call_id: &str, message: &str) {
        let branch = self.branch();
        let Some(dialog) = self.dialogs.get(call_id) else { return };
        let draft = Draft {
            method: "ACK",
            uri: &dialog.target,
            from: &dialog.local,
            to: &dialog.remote,
            call_id,
            cseq: text::cseq(message),
            ..Draft::default()
        };
        let ack = self.who.request(&draft, &branch);
        self.wire.keep_ack(message, &ack);
        self.out.push_back(Say::Sip(ack));
    }

    /// A request within a dialog.
    pub(super) fn within(&mut self, message: &str, call_id: &str, now: Instant) {
        let of = |name| text::field(message, name).and_then(text::tag).unwrap_or_default();
        let known = self.dialogs.get(call_id).is_some_and(|d| {
            d.local_tag() == of("to") && (d.remote_tag() == of("from") || matches!(d.stage, Stage::Calling { .. }))
        });
        if !known {
            return self.refuse(message, 481, now);
        }
        match text::method(message) {
            "BYE" => self.bye_received(message, call_id, now),
            "INVITE" => self.reinvited(message, call_id, now),
            "PRACK" => self.pracked(message, call_id, now),
            _ => self.refuse(message, 200, now),
        }
    }

    fn bye_received(&mut self, message: &str, call_id: &str, now: Instant) {
        let Some(dialog) = self.dialogs.get_mut(call_id) else { return };
        let over = dialog.stage == Stage::Over;
        // Our own BYE may have crossed it: that one is still repeated until it is answered.
        if dialog.stage != Stage::Leaving {
            dialog.enter(Stage::Over, now);
            dialog.forget_at = Some(now + Duration::from_secs(36));
        }
        self.wire.forget_finals(call_id);
        self.refuse(message, if over { 481 } else { 200 }, now);
    }

    fn reinvited(&mut self, message: &str, call_id: &str, now: Instant) {
        let Some(dialog) = self.dialogs.get_mut(call_id) else { return };
        if dialog.stage != Stage::Up {
            return self.refuse(message, 481, now);
        }
        if text::cseq(message) < dialog.remote_cseq {
            return self.refuse(message, 500, now);
        }
        dialog.remote_cseq = text::cseq(message);
        if dialog.offering.is_some() {
            return self.refuse(message, 491, now);
        }
        text::uri(text::field(message, "contact").unwrap_or_default()).clone_into(&mut dialog.target);
        dialog.hear(message, now);
        dialog.version += 1;
        let held = dialog.remote_media.is_some_and(|(_, flows)| !flows);
        let way = if held { Way::RecvOnly } else { Way::Both };
        let sdp = dialog.lock.say(self.who.sdp(dialog.port, dialog.version, way), true);
        let to = dialog.local.clone();
        self.respond(message, 200, &to, Some(&sdp), now);
    }
}
