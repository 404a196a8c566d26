//! What a phone remembers of one call.

use crate::srtp::Lock;
use crate::text;
use core::net::SocketAddr;
use model::Instant;

/// Where a call stands, as its phone believes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// Our INVITE is out.
    Calling {
        provisional: bool,
        cancelled: bool,
    },
    /// Their INVITE waits for our final response.
    Ringing,
    Up,
    /// Our BYE is out.
    Leaving,
    Over,
}

/// What a callee will do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Act {
    Answer,
    Refuse(u16),
}

/// One call of one phone.
#[derive(Debug)]
pub(crate) struct Dialog {
    pub(crate) call_id: String,
    /// Our and their From/To value with its tag.
    pub(crate) local: String,
    pub(crate) remote: String,
    /// Their Contact.
    pub(crate) target: String,
    pub(crate) dialled: String,
    pub(crate) local_cseq: u32,
    pub(crate) remote_cseq: u32,
    pub(crate) caller: bool,
    pub(crate) stage: Stage,
    /// When the stage was entered.
    pub(crate) since: Instant,
    /// When it was answered, and when its end was begun, as its phone knows.
    pub(crate) up_at: Option<Instant>,
    pub(crate) down_at: Option<Instant>,
    /// Our or their initial INVITE.
    pub(crate) invite: String,
    pub(crate) auth_tries: u8,
    pub(crate) port: u16,
    pub(crate) version: u32,
    pub(crate) on_hold: bool,
    pub(crate) remote_media: Option<(SocketAddr, bool)>,
    /// When that changed last.
    pub(crate) media_since: Instant,
    /// Our 2xx to their initial INVITE waits for its ACK.
    pub(crate) unacked: bool,
    /// Hang up as soon as that is allowed.
    pub(crate) wants_bye: bool,
    /// Our re-INVITE.
    pub(crate) offering: Option<String>,
    pub(crate) act: Option<(Instant, Act)>,
    pub(crate) cancel_at: Option<Instant>,
    pub(crate) hangup_at: Option<Instant>,
    pub(crate) reinvite_at: Option<Instant>,
    pub(crate) refer_at: Option<Instant>,
    /// The newest reliable provisional response of theirs.
    pub(crate) rseq: u32,
    /// A reliable provisional response of ours without PRACK: bytes, when it comes again, after how long then.
    pub(crate) repeated: Option<(String, Instant, core::time::Duration)>,
    pub(crate) speak_at: Option<Instant>,
    pub(crate) press_at: Option<Instant>,
    pub(crate) forget_at: Option<Instant>,
    /// The switch or our connection went away during this call: it may end in any way.
    pub(crate) excused: bool,
    pub(crate) sequence: u16,
    /// SRTP, as agreed.
    pub(crate) lock: Lock,
}

impl Dialog {
    pub(crate) fn new(call_id: &str, caller: bool, port: u16, lock: Lock, now: Instant) -> Dialog {
        Dialog {
            call_id: call_id.to_owned(),
            local: String::new(),
            remote: String::new(),
            target: String::new(),
            dialled: String::new(),
            local_cseq: 0,
            remote_cseq: 0,
            caller,
            stage: if caller { Stage::Calling { provisional: false, cancelled: false } } else { Stage::Ringing },
            since: now,
            up_at: None,
            down_at: None,
            invite: String::new(),
            auth_tries: 0,
            port,
            version: 0,
            on_hold: false,
            remote_media: None,
            media_since: now,
            unacked: false,
            wants_bye: false,
            offering: None,
            act: None,
            cancel_at: None,
            hangup_at: None,
            reinvite_at: None,
            refer_at: None,
            rseq: 0,
            repeated: None,
            speak_at: None,
            press_at: None,
            forget_at: None,
            excused: false,
            sequence: 0,
            lock,
        }
    }

    pub(crate) fn enter(&mut self, stage: Stage, now: Instant) {
        if self.stage != stage {
            if self.stage == Stage::Up {
                self.down_at = Some(now);
            } else if stage == Stage::Up {
                self.up_at = Some(now);
            }
            self.stage = stage;
            self.since = now;
        }
        if matches!(stage, Stage::Leaving | Stage::Over) {
            self.act = None;
            self.cancel_at = None;
            self.hangup_at = None;
            self.reinvite_at = None;
            self.refer_at = None;
            self.repeated = None;
            self.speak_at = None;
            self.press_at = None;
        }
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        let act = self.act.map(|(at, _)| at);
        let repeated = self.repeated.as_ref().map(|(_, at, _)| *at);
        [
            act,
            repeated,
            self.refer_at,
            self.cancel_at,
            self.hangup_at,
            self.reinvite_at,
            self.speak_at,
            self.press_at,
            self.forget_at,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Takes what the other side's session description says.
    pub(crate) fn hear(&mut self, message: &str, now: Instant) {
        self.lock.hear(message, now);
        let media = text::sdp(message).or(self.remote_media);
        if media != self.remote_media {
            self.remote_media = media;
            self.media_since = now;
        }
    }

    pub(crate) fn local_tag(&self) -> &str {
        text::tag(&self.local).unwrap_or_default()
    }

    pub(crate) fn remote_tag(&self) -> &str {
        text::tag(&self.remote).unwrap_or_default()
    }
}

/// Whether a deadline has come; if so it is taken.
pub(crate) fn due(deadline: &mut Option<Instant>, now: Instant) -> bool {
    deadline.take_if(|at| *at <= now).is_some()
}
