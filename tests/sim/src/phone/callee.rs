//! The callee: what an INVITE makes it do, CANCEL, and the ACK.

use super::Phone;
use crate::carriers::Desk;
use crate::compose::Way;
use crate::dialog::{Act, Dialog, Stage};
use crate::text;
use core::time::Duration;
use model::Instant;

/// Longer than any message is on its way.
const IN_FLIGHT: Duration = Duration::from_secs(1);

impl Phone {
    pub(super) fn hears_request(&mut self, message: &str, now: Instant) {
        let of = |name| text::field(message, name).unwrap_or_default().to_owned();
        let (call_id, to) = (of("call-id"), of("to"));
        if self.ignored.contains(&call_id) {
            return;
        }
        match (text::method(message), text::tag(&to)) {
            ("INVITE", None) if self.dialogs.contains_key(&call_id) => self.refuse(message, 482, now),
            ("INVITE", None) => self.rung(message, &call_id, now),
            ("NOTIFY", _) => self.notified(message, now),
            ("CANCEL", _) => self.cancelled(message, &call_id, now),
            (_, Some(_)) => self.within(message, &call_id, now),
            (_, None) => self.refuse(message, 481, now),
        }
    }

    /// Answers a request that belongs to nothing we know.
    pub(super) fn refuse(&mut self, message: &str, status: u16, now: Instant) {
        let to = text::field(message, "to").unwrap_or_default().to_owned();
        let to = if text::tag(&to).is_some() { to } else { format!("{to};tag={}", self.token("s")) };
        self.respond(message, status, &to, None, now);
    }

    /// Somebody calls.
    fn rung(&mut self, message: &str, call_id: &str, now: Instant) {
        if self.chance.percent(self.plan.temper.silent) && !self.calm {
            self.ignored.insert(call_id.to_owned());
            return;
        }
        if self.challenges(message, now) {
            return;
        }
        // Nobody is called by another company but by a carrier, which says so.
        let own = format!("@{}", self.who.domain);
        if !text::field(message, "from").is_some_and(|from| from.contains(&own)) && !Desk::concerns(message) {
            self.breaks("who-may-call", format!("{:?}", text::field(message, "from")));
        }
        let of = |name| text::field(message, name).unwrap_or_default().to_owned();
        let port = self.open_port(call_id);
        let mut dialog = Dialog::new(call_id, false, port, self.lock(port, now), now);
        // An INVITE of the switch that was replaced while it was on its way.
        dialog.excused = self.excused_at.is_some_and(|at| now.since(at) < IN_FLIGHT);
        dialog.local = format!("{};tag={}", of("to"), self.token("t"));
        dialog.remote = of("from");
        text::uri(&of("contact")).clone_into(&mut dialog.target);
        dialog.remote_cseq = text::cseq(message);
        message.clone_into(&mut dialog.invite);
        dialog.hear(message, now);
        let (at, act) = self.decide(now);
        dialog.act = at.map(|at| (at, act));
        let early = self.chance.percent(self.plan.temper.early);
        dialog.version += 1;
        let answers = text::sdp(message).is_some();
        let sdp = dialog.lock.say(self.who.sdp(port, dialog.version, Way::Both), answers);
        if early {
            dialog.speak_at = Some(now);
        }
        let to = dialog.local.clone();
        self.dialogs.insert(call_id.to_owned(), dialog);
        let knows = text::field(message, "supported").is_some_and(|s| s.contains("100rel"));
        if early && knows && self.chance.percent(self.plan.temper.reliable) {
            self.respond_reliably(message, &to, &sdp, now);
        } else if early {
            self.respond(message, 183, &to, Some(&sdp), now);
        } else {
            self.respond(message, 180, &to, None, now);
        }
    }

    /// Whether the call came by a trunk whose carrier wants to know first who it is.
    fn challenges(&mut self, message: &str, now: Instant) -> bool {
        let Some(desk) = self.desk.as_mut().filter(|_| Desk::concerns(message)) else { return false };
        let challenge = match desk.challenge(message, now) {
            Ok(Some(values)) => values,
            Ok(None) => return false,
            Err(broken) => {
                self.broken = Some(broken);
                return true;
            }
        };
        let to = format!("{};tag={}", text::field(message, "to").unwrap_or_default(), self.token("c"));
        let lines: String = challenge.iter().map(|value| format!("Proxy-Authenticate: {value}\r\n")).collect();
        self.respond_with(message, (407, &lines), &to, None, now);
        true
    }

    /// What this phone does with a call, and when.
    fn decide(&mut self, now: Instant) -> (Option<Instant>, Act) {
        let temper = self.plan.temper.clone();
        let quick = now + self.chance.millis(0, 4_000);
        let quick = if self.chance.percent(temper.grid) { self.on_grid(quick) } else { quick };
        if self.chance.percent(temper.busy) {
            return (Some(quick), Act::Refuse(486));
        }
        if self.chance.percent(temper.decline) {
            return (Some(quick), Act::Refuse(603));
        }
        if self.chance.percent(temper.fail) {
            return (Some(quick), Act::Refuse(500));
        }
        if self.chance.percent(temper.forever) {
            // Not quite: a switch that forgot the call would leave it ringing.
            return (Some(now + self.chance.millis(120_000, 140_000)), Act::Refuse(480));
        }
        if self.chance.percent(temper.slow) {
            return (Some(now + self.chance.millis(33_000, 55_000)), Act::Answer);
        }
        (Some(quick), Act::Answer)
    }

    /// What was decided happens.
    pub(super) fn act(&mut self, call_id: &str, act: Act, now: Instant) {
        let Some(dialog) = self.dialogs.get_mut(call_id) else { return };
        if dialog.stage != Stage::Ringing {
            return;
        }
        // No 2xx before the PRACK of a session description (RFC 3262 section 3).
        if act == Act::Answer && dialog.repeated.is_some() {
            dialog.act = Some((now + Duration::from_millis(100), act));
            return;
        }
        let (invite, to) = (dialog.invite.clone(), dialog.local.clone());
        match act {
            Act::Refuse(status) => {
                dialog.enter(Stage::Over, now);
                self.respond(&invite, status, &to, None, now);
            }
            Act::Answer => {
                let answers = text::sdp(&invite).is_some();
                let sdp = dialog.lock.say(self.who.sdp(dialog.port, dialog.version, Way::Both), answers);
                dialog.unacked = true;
                dialog.enter(Stage::Up, now);
                self.respond(&invite, 200, &to, Some(&sdp), now);
                self.begin_talk(call_id, now);
            }
        }
    }

    /// RFC 3261 section 9.2: 200 to the CANCEL, and 487 to the INVITE if it had no final response.
    fn cancelled(&mut self, message: &str, call_id: &str, now: Instant) {
        let Some(dialog) = self.dialogs.get_mut(call_id) else { return self.refuse(message, 481, now) };
        let to = dialog.local.clone();
        if dialog.stage == Stage::Ringing && text::branch(&dialog.invite) == text::branch(message) {
            let invite = dialog.invite.clone();
            dialog.enter(Stage::Over, now);
            self.respond(message, 200, &to, None, now);
            self.respond(&invite, 487, &to, None, now);
        } else {
            self.respond(message, 200, &to, None, now);
        }
    }

    /// The ACK of a 2xx came.
    pub(super) fn confirmed(&mut self, call_id: &str, message: &str, now: Instant) {
        let Some(dialog) = self.dialogs.get_mut(call_id) else { return };
        if text::cseq(message) == text::cseq(&dialog.invite) && !dialog.caller {
            dialog.unacked = false;
        }
        if dialog.wants_bye && !dialog.unacked {
            self.send_bye(call_id, now);
        }
    }
}
