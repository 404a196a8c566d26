//! Verbs about a leg's line to a WebSocket: its sound goes there and what comes back is said to its party.
//!
//! The connection is the plugin host's; this is the leg's side of it. A line that the other end has ended stays on the leg
//! until the script was told, or the leg ends.

use crate::app::{Begin, Begun, wrong};
use crate::leg::LegNo;
use crate::stage::Waiting;
use crate::step::Step;
use crate::taping::refused;
use core::time::Duration;
use model::{AppError, AppReply, ForkSpec, LegHandle};

impl Step<'_, '_> {
    pub(crate) fn verb_fork(&mut self, leg: LegHandle, spec: ForkSpec) -> Result<AppReply, AppError> {
        let (_, stream) = self.speaking(leg)?;
        if ![8_000, 16_000].contains(&spec.rate) {
            return Err(AppError::InvalidArgument("a line has 8000 or 16000 samples per second".to_owned()));
        }
        if self.floors.media.forks() >= self.floors.setup.limits.forks_max {
            return Err(AppError::LimitExceeded("forks_max".to_owned()));
        }
        let now = self.now();
        self.floors.media.fork(stream, spec, now).map_err(|e| refused(&e))?;
        if self.call.tapes_halted {
            self.floors.media.halt_fork(stream, true);
        }
        Ok(AppReply::Done)
    }

    pub(crate) fn verb_fork_attend(&mut self, leg: LegHandle, stop_on: String, max: Duration) -> Begun {
        let (no, stream) = self.speaking(leg)?;
        match self.floors.media.has_fork(stream) {
            None => return Err(wrong("the leg has no line")),
            Some(false) => {
                let end = self.floors.media.stop_fork(stream);
                return end.map(|end| Begin::Done(AppReply::Forked(end))).ok_or_else(|| wrong("the leg has no line"));
            }
            Some(true) => {}
        }
        if let Some(digit) = self.typed_ahead(no, &stop_on) {
            let stands = self.floors.media.fork_stands(stream, "digit", Some(digit));
            return stands.map(|end| Begin::Done(AppReply::Forked(end))).ok_or_else(|| wrong("the leg has no line"));
        }
        let longest = Duration::from_secs(u64::from(self.floors.setup.limits.call_duration_max_s));
        Ok(Begin::Waits(Waiting::Fork { leg: no, stop_on, until: self.now() + max.min(longest) }))
    }

    /// Offers T.38 to a leg whose line is a fax machine's. What becomes of it the line is told: nothing, where the party
    /// says no.
    pub(crate) fn verb_fax_offer(&mut self, leg: LegHandle) -> Result<AppReply, AppError> {
        let (no, stream) = self.speaking(leg)?;
        let known = self.call.leg(no).map(|l| (l.address, l.security.takes_clear()));
        let Some((Some(address), true)) = known.filter(|_| self.floors.media.takes_fax(stream)) else {
            return Err(wrong("the leg takes no T.38"));
        };
        if self.may_offer(no).is_err() {
            return Err(wrong("another offer is under way"));
        }
        let offer = self.say_offer(no, sdp::offer_fax(address));
        self.send_offer(no, offer, false).map_err(|_| wrong("the leg cannot be offered anything now"))?;
        Ok(AppReply::Done)
    }

    pub(crate) fn verb_fork_stop(&mut self, leg: LegHandle) -> Result<AppReply, AppError> {
        let (_, stream) = self.speaking(leg)?;
        self.floors.media.stop_fork(stream).map(AppReply::Forked).ok_or_else(|| wrong("the leg has no line"))
    }

    /// The other end has ended a leg's line.
    pub(crate) fn fork_over(&mut self, no: LegNo) {
        let waits = matches!(self.waiting(), Some(Waiting::Fork { leg, .. }) if *leg == no);
        let Some(stream) = self.call.leg(no).and_then(|l| l.stream).filter(|_| waits) else { return };
        if let Some(end) = self.floors.media.stop_fork(stream) {
            self.finish(Ok(AppReply::Forked(end)));
        }
    }

    /// A key of a party whose line is attended: the other end gets it, and the script where it wants it.
    pub(crate) fn fork_key(&mut self, no: LegNo, digit: char, wanted: bool) {
        if let Some(stream) = self.call.leg(no).and_then(|l| l.stream) {
            self.floors.media.fork_digit(stream, digit);
        }
        if wanted {
            self.fork_attended(no, "digit", Some(digit));
        }
    }

    /// The script has the floor again; the line goes on.
    pub(crate) fn fork_attended(&mut self, no: LegNo, why: &str, digit: Option<char>) {
        let stream = self.call.leg(no).and_then(|l| l.stream);
        let stands = stream.and_then(|stream| self.floors.media.fork_stands(stream, why, digit));
        self.finish(stands.map(AppReply::Forked).ok_or_else(|| wrong("the leg has no line")));
    }

    /// While something secret is told in the call no line carries it.
    pub(crate) fn halt_forks(&mut self, on: bool) {
        for stream in self.call.legs.iter().filter_map(|leg| leg.stream) {
            self.floors.media.halt_fork(stream, on);
        }
    }

    /// Whether a leg of this call has a line whose other end is there.
    pub(crate) fn is_forked(&self) -> bool {
        self.call.legs.iter().filter_map(|leg| leg.stream).any(|s| self.floors.media.has_fork(s) == Some(true))
    }
}
