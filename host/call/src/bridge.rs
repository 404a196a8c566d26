//! Two parties talk: hold, resume and every other new offer is carried from one leg to the other.

use crate::leg::{LegNo, Progress};
use crate::step::Step;
use bytes::Bytes;
use sdp::Description;
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
        if let Some(answer) = sdp.and_then(|body| Description::parse(body).ok()) {
            self.hear_answer(no, Arc::new(answer));
        }
        self.app_confirmed(no);
    }

    /// A party offers anew: hold, resume, another codec or address.
    pub(crate) fn reinvited(&mut self, no: LegNo, offer: Option<&[u8]>) {
        let Some(body) = offer else { return self.offer_again(no) };
        let Ok(offer) = Description::parse(body) else { return self.refuse_reinvite(no, NOT_ACCEPTABLE) };
        let offer = Arc::new(offer);
        let Some(bridge) = self.bridge_mut().filter(|b| b.joins(no)) else {
            return self.answer_reinvite_alone(no, &offer);
        };
        if bridge.reoffer.is_some() {
            return self.refuse_reinvite(no, REQUEST_PENDING);
        }
        let other = bridge.other(no);
        // Each leg of an app's bridge speaks with the switch in its own codec: its offers end here.
        if self.call.leg(no).is_some_and(|l| l.spoken.is_some()) {
            return self.answer_reinvite_alone(no, &offer);
        }
        let Some(carried) = self.carry_offer(no, other, &offer) else {
            return self.refuse_reinvite(no, NOT_ACCEPTABLE);
        };
        let now = self.now();
        let sent = self
            .call
            .leg(other)
            .and_then(|l| l.dialog)
            .is_some_and(|key| self.floors.dialogs.reinvite(self.floors.transactions, key, carried, now).is_ok());
        if !sent {
            return self.refuse_reinvite(no, REQUEST_PENDING);
        }
        if let Some(leg) = self.call.leg_mut(no) {
            leg.offered = Some(offer);
        }
        if let Some(bridge) = self.bridge_mut() {
            bridge.reoffer = Some(no);
        }
    }

    /// The other party answered the carried offer.
    pub(crate) fn reinvite_answered(&mut self, no: LegNo, body: &[u8]) {
        let Ok(answer) = Description::parse(body) else { return self.reinvite_failed(no, NOT_ACCEPTABLE) };
        let answer = Arc::new(answer);
        let Some(from) = self.take_reoffer(no) else { return self.hear_answer(no, answer) };
        let Some(offer) = self.call.leg_mut(from).and_then(|l| l.offered.take()) else { return };
        match self.carry_answer(from, no, &offer, answer) {
            Some(carried) => self.send_reinvite_answer(from, carried),
            None => self.refuse_reinvite(from, NOT_ACCEPTABLE),
        }
    }

    /// The other party refused the carried offer: so do we.
    pub(crate) fn reinvite_failed(&mut self, no: LegNo, status: u16) {
        let Some(from) = self.take_reoffer(no) else { return };
        if let Some(leg) = self.call.leg_mut(from) {
            leg.offered = None;
        }
        self.refuse_reinvite(from, if status >= 400 { status } else { NOT_ACCEPTABLE });
    }

    /// The party withdrew its offer while the other was being asked: the answer, when it comes, has no taker.
    pub(crate) fn reinvite_withdrawn(&mut self, no: LegNo) {
        if let Some(bridge) = self.bridge_mut().filter(|b| b.reoffer == Some(no)) {
            bridge.reoffer = None;
        }
        if let Some(leg) = self.call.leg_mut(no) {
            leg.offered = None;
        }
    }

    /// The leg whose offer `answerer` was asked to answer.
    fn take_reoffer(&mut self, answerer: LegNo) -> Option<LegNo> {
        let bridge = self.bridge_mut()?;
        let from = bridge.reoffer.filter(|from| *from != answerer)?;
        bridge.reoffer = None;
        Some(from)
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

    /// A re-INVITE without an offer asks for ours: we repeat what stands.
    fn offer_again(&mut self, no: LegNo) {
        match self.call.leg(no).and_then(|l| l.ours.clone()) {
            Some(ours) => self.send_reinvite_answer(no, ours.to_bytes()),
            None => self.refuse_reinvite(no, NOT_ACCEPTABLE),
        }
    }

    /// Nobody is behind this leg but the switch: we answer by ourselves.
    fn answer_reinvite_alone(&mut self, no: LegNo, offer: &Arc<Description>) {
        match self.answer_by_ourselves(no, offer) {
            Ok(answer) => self.send_reinvite_answer(no, answer),
            Err(_) => self.refuse_reinvite(no, NOT_ACCEPTABLE),
        }
    }
}
