//! Two parties talk: hold, resume and every other new offer is carried from one leg to the other.

use crate::call::Reoffer;
use crate::leg::{Ending, LegNo, Progress};
use crate::stage::Stage;
use crate::step::Step;
use bytes::Bytes;
use sdp::{Description, Direction};
use std::sync::Arc;

/// Sent while another offer is under way (RFC 3261 section 14.2).
const REQUEST_PENDING: u16 = 491;
/// Sent where a new offer cannot be used; the call goes on as it was.
const NOT_ACCEPTABLE: u16 = 488;

impl Step<'_, '_> {
    /// The caller's ACK: a late offer's answer may come with it.
    pub(crate) fn caller_confirmed(&mut self, no: LegNo, sdp: Option<&[u8]>) {
        if let Some(leg) = self.call.leg_mut(no).filter(|l| l.progress == Progress::Accepted) {
            leg.progress = Progress::Answered;
        }
        if let Some(answer) = sdp.and_then(|body| Description::parse(body).ok())
            && let Err(cause) = self.hear_answer(no, Arc::new(answer))
        {
            return self.end_call(Ending::switch(cause));
        }
        self.app_confirmed(no);
    }

    /// A party offers anew: hold, resume, another codec or address.
    pub(crate) fn reinvited(&mut self, no: LegNo, offer: Option<&[u8]>, update: bool) {
        let Some(body) = offer else { return self.offer_again(no) };
        let Ok(offer) = Description::parse(body) else { return self.refuse_reinvite(no, NOT_ACCEPTABLE) };
        let offer = Arc::new(offer);
        let Some(other) = self.peer_of(no) else {
            return match &self.call.stage {
                Stage::Hunting(_) if self.call.summoned.is_none() => self.refuse_reinvite(no, NOT_ACCEPTABLE),
                Stage::Deciding(_)
                | Stage::Hunting(_)
                | Stage::Bridged(_)
                | Stage::App(_)
                | Stage::Proxied(_)
                | Stage::Parked(_)
                | Stage::Announcing(_)
                | Stage::Summoning(_)
                | Stage::Over => {
                    self.answer_reinvite_alone(no, &offer);
                }
            };
        };
        if self.call.reoffer.is_some() || self.is_settling() {
            return self.refuse_reinvite(no, REQUEST_PENDING);
        }
        // Each leg of an app's bridge speaks with the switch in its own codec: its offers end here, but for those that lead
        // to a fax or back, which are the other party's business.
        let faxes = offer.names_fax() || self.call.leg(no).and_then(|l| l.theirs.as_ref()).is_some_and(|d| d.is_fax());
        if !faxes && self.call.leg(no).is_some_and(|l| l.spoken.is_some()) {
            return self.answer_reinvite_alone(no, &offer);
        }
        if let Err(status) = self.may_offer(other) {
            return self.refuse_reinvite(no, status);
        }
        let Some(carried) = self.carry_offer(no, other, &offer) else {
            return self.refuse_reinvite(no, NOT_ACCEPTABLE);
        };
        if let Err(status) = self.send_offer(other, carried, update) {
            return self.refuse_reinvite(no, status);
        }
        if let Some(leg) = self.call.leg_mut(no) {
            leg.offered = Some(offer);
        }
        self.call.reoffer = Some(Reoffer { from: no, to: other, withdrawn: false });
        self.call.settling = None;
    }

    /// Whether a party can be offered anything now; else the status for whoever wants it. Asked before an offer is written:
    /// what is written counts as said.
    pub(crate) fn may_offer(&self, to: LegNo) -> Result<(), u16> {
        let key = self.call.leg(to).and_then(|l| l.dialog).ok_or(REQUEST_PENDING)?;
        let dialogs = &self.floors.dialogs;
        if dialogs.can_offer(key) {
            Ok(())
        } else if dialogs.is_confirmed(key) || dialogs.can_update(key) {
            Err(REQUEST_PENDING)
        } else {
            Err(NOT_ACCEPTABLE)
        }
    }

    /// Offers to a party: by UPDATE where it came by one and the party takes one, and while its dialog is early; else by
    /// re-INVITE.
    pub(crate) fn send_offer(&mut self, to: LegNo, offer: Bytes, update: bool) -> Result<(), u16> {
        let now = self.now();
        let key = self.call.leg(to).and_then(|l| l.dialog).ok_or(REQUEST_PENDING)?;
        let (dialogs, below) = (&mut *self.floors.dialogs, &mut *self.floors.transactions);
        let (confirmed, early) = (dialogs.is_confirmed(key), dialogs.can_update(key));
        let sent = if early && (update || !confirmed) {
            dialogs.update(below, key, offer, now)
        } else if confirmed {
            dialogs.reinvite(below, key, offer, now)
        } else {
            Err(sip_dialog::DialogError::WrongState)
        };
        if sent.is_err()
            && let Some(leg) = self.call.leg_mut(to)
        {
            leg.offer_fell();
        }
        sent.map_err(|_| if confirmed || early { REQUEST_PENDING } else { NOT_ACCEPTABLE })
    }

    /// The leg whose party hears this one's: across a bridge, or across early media.
    pub(crate) fn peer_of(&mut self, no: LegNo) -> Option<LegNo> {
        if let Some(bridge) = self.bridge_mut().filter(|b| b.joins(no)) {
            return Some(bridge.other(no));
        }
        let Stage::Hunting(hunt) = &self.call.stage else { return None };
        if no == 0 { hunt.early } else { hunt.early.filter(|early| *early == no).map(|_| 0) }
    }

    /// The other party answered the carried offer.
    pub(crate) fn reinvite_answered(&mut self, no: LegNo, body: &[u8]) {
        let Ok(answer) = Description::parse(body) else { return self.reinvite_failed(no, NOT_ACCEPTABLE) };
        let answer = Arc::new(answer);
        let Some(Reoffer { from, withdrawn, .. }) = self.take_reoffer(no) else {
            if !self.settled(no, &answer) {
                self.hear_news(no, answer);
            }
            return;
        };
        if withdrawn {
            self.hear_alone(no, answer);
            return self.settle_news(from, no);
        }
        let Some(offer) = self.call.leg_mut(from).and_then(|l| l.offered.take()) else { return };
        match self.carry_answer(from, no, &offer, answer) {
            Some(carried) => self.send_reinvite_answer(from, carried),
            None => self.refuse_reinvite(from, NOT_ACCEPTABLE),
        }
    }

    /// A party answered an offer of our own: a refresh, or what stood when it asked for one. Whether it holds is the other
    /// party's business; where the media does not pass through us, so is all that has changed.
    fn hear_news(&mut self, no: LegNo, answer: Arc<Description>) {
        let direct = self.call.leg(no).is_some_and(|l| l.stream.is_none());
        let before = self.call.leg(no).and_then(|l| l.theirs.as_deref()).map(sdp::remote_media);
        let moved = direct && before.is_some_and(|before| before != sdp::remote_media(&answer));
        let held = self.call.leg(no).is_some_and(|l| l.holds);
        self.hear_alone(no, answer);
        let Some((holds, carried)) = self.call.leg(no).map(|l| (l.holds, l.spoken.is_none())) else { return };
        let Some(other) = self.bridge_mut().filter(|b| b.joins(no)).map(|b| b.other(no)) else { return };
        if holds != held {
            self.hold_other(other, holds);
        }
        if moved || (holds != held && carried) {
            self.settle_news(no, other);
        }
    }

    /// The other party refused the carried offer: so do we.
    pub(crate) fn reinvite_failed(&mut self, no: LegNo, status: u16) {
        if let Some(leg) = self.call.leg_mut(no) {
            leg.offer_fell();
        }
        self.settle_refused(no);
        let Some(Reoffer { from, .. }) = self.take_reoffer(no).filter(|reoffer| !reoffer.withdrawn) else { return };
        if let Some(leg) = self.call.leg_mut(from) {
            leg.offered = None;
        }
        self.refuse_reinvite(from, if status >= 400 { status } else { NOT_ACCEPTABLE });
    }

    /// The party withdrew its offer while the other was being asked: the answer, when it comes, has no taker, and the
    /// other party is told what stands.
    pub(crate) fn reinvite_withdrawn(&mut self, no: LegNo) {
        if let Some(reoffer) = self.call.reoffer.as_mut().filter(|reoffer| reoffer.from == no) {
            reoffer.withdrawn = true;
        }
        if let Some(leg) = self.call.leg_mut(no) {
            leg.offered = None;
        }
    }

    /// The offer that `answerer` was asked to answer.
    fn take_reoffer(&mut self, answerer: LegNo) -> Option<Reoffer> {
        self.call.reoffer.take_if(|reoffer| reoffer.to == answerer)
    }

    pub(crate) fn send_reinvite_answer(&mut self, no: LegNo, answer: Bytes) {
        let now = self.now();
        if let Some(key) = self.call.leg(no).and_then(|l| l.dialog) {
            // A dialog that ended meanwhile says so by its own event.
            let _ = self.floors.dialogs.answer_reinvite(self.floors.transactions, key, answer, now);
        }
    }

    pub(crate) fn refuse_reinvite(&mut self, no: LegNo, status: u16) {
        let now = self.now();
        if let Some(key) = self.call.leg(no).and_then(|l| l.dialog) {
            let _ = self.floors.dialogs.reject_reinvite(self.floors.transactions, key, status, now);
        }
    }

    /// A re-INVITE without an offer asks for ours: we repeat what stands, but for a hold of the party's own, which it may
    /// want to end by this (RFC 6337 section 5.3). What limits it is a hold of the other party's.
    fn offer_again(&mut self, no: LegNo) {
        let stands = self.call.leg(no).and_then(|l| Some((Description::clone(l.ours.as_deref()?), l.passes_by)));
        let Some((mut ours, passes_by)) = stands else { return self.refuse_reinvite(no, NOT_ACCEPTABLE) };
        let holder = self.peer_of(no).and_then(|other| self.call.leg(other)).filter(|other| other.holds);
        let wanted = holder.and_then(|other| other.theirs.as_deref()).and_then(|d| sdp::remote_media(d).ok());
        ours.set_direction(match wanted.map(|wanted| wanted.direction) {
            None => Direction::SendRecv,
            Some(Direction::RecvOnly | Direction::Inactive) if !self.plays_on_hold(no) => Direction::Inactive,
            Some(_) => Direction::SendOnly,
        });
        let offer = if passes_by { self.offer_theirs(no, ours) } else { self.say_offer(no, ours) };
        self.send_reinvite_answer(no, offer);
    }

    /// Nobody is behind this leg but the switch: we answer by ourselves.
    fn answer_reinvite_alone(&mut self, no: LegNo, offer: &Arc<Description>) {
        match self.answer_by_ourselves(no, offer) {
            Ok(answer) => self.send_reinvite_answer(no, answer),
            Err(_) => self.refuse_reinvite(no, NOT_ACCEPTABLE),
        }
    }
}
