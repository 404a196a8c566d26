//! After two parties were joined that spoke to others before: each is offered the other's media, one after the other, so
//! that holds end and codecs agree. Nothing waits for it: the relay carries what it can meanwhile.

use crate::leg::LegNo;
use crate::step::Step;
use bytes::Bytes;
use sdp::{Description, Direction};
use std::sync::Arc;

/// Where the offers have come to.
///
/// # Invariants
/// `asked` is a leg whose answer is awaited from the dialog layer, which ends each wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Settling {
    /// Offered first; `None` once it has answered, or where it has just described itself.
    first: Option<LegNo>,
    /// Offered what the first one answered.
    second: LegNo,
    /// The first one's number.
    source: LegNo,
    /// Whose answer is awaited.
    asked: Option<LegNo>,
    /// Both shall speak and hear again; else what was described is told as it is.
    open: bool,
}

impl Step<'_, '_> {
    /// Offers `first` what `second` has described, and then `second` what `first` answers.
    pub(crate) fn settle_both(&mut self, first: LegNo, second: LegNo) {
        self.call.settling = Some(Settling { first: Some(first), second, source: first, asked: None, open: true });
        self.settle_next();
    }

    /// Offers `second` what `first` has just described.
    pub(crate) fn settle_one(&mut self, first: LegNo, second: LegNo) {
        self.call.settling = Some(Settling { first: None, second, source: first, asked: None, open: true });
        self.settle_next();
    }

    /// Tells `second` what `first` has just described, hold and all.
    pub(crate) fn settle_news(&mut self, first: LegNo, second: LegNo) {
        self.call.settling = Some(Settling { first: None, second, source: first, asked: None, open: false });
        self.settle_next();
    }

    /// Sends the next offer. Where a party has one of its own under way, the next thing it reports is waited for.
    pub(crate) fn settle_next(&mut self) {
        let Some(settling) = self.call.settling.filter(|s| s.asked.is_none()) else { return };
        let (to, from) = match settling.first {
            Some(first) => (first, settling.second),
            None => (settling.second, settling.source),
        };
        let alive = |no| self.call.leg(no).is_some_and(|l: &crate::leg::Leg| l.dialog.is_some());
        if !alive(to) || !alive(from) {
            self.call.settling = None;
            return;
        }
        // Who was answered with our offer describes itself in its ACK: that comes, or the dialog ends.
        let described = self.call.leg(from).is_some_and(|l| l.theirs.is_some());
        if !described || self.may_offer(to).is_err() {
            return;
        }
        let Some(offer) = self.offer_of(from, to, settling.open) else {
            self.call.settling = None;
            return;
        };
        if self.send_offer(to, offer, false).is_ok() {
            self.call.settling = Some(Settling { asked: Some(to), ..settling });
        }
    }

    /// What `from` has described, as an offer to `to`.
    fn offer_of(&mut self, from: LegNo, to: LegNo, open: bool) -> Option<Bytes> {
        let mut theirs = Description::clone(self.call.leg(from)?.theirs.as_deref()?);
        if open {
            theirs.set_direction(Direction::SendRecv);
        }
        let offer = match self.call.leg(to)?.address {
            Some(address) => {
                let mut offer = sdp::anchor(&theirs, &[address]);
                // Whoever is held goes on hearing: the music of its company.
                if offer.direction() == Direction::Inactive && self.plays_on_hold(to) {
                    offer.set_direction(Direction::SendOnly);
                }
                return Some(self.say_offer(to, offer));
            }
            None => theirs,
        };
        Some(self.offer_theirs(to, offer))
    }

    /// A party answered: `true` where the answer was to an offer of this.
    pub(crate) fn settled(&mut self, no: LegNo, answer: &Arc<Description>) -> bool {
        let Some(settling) = self.call.settling.filter(|s| s.asked == Some(no)) else { return false };
        if let Err(cause) = self.hear_answer(no, Arc::clone(answer)) {
            self.end_call(crate::leg::Ending::switch(cause));
            return true;
        }
        match settling.first {
            Some(_) => {
                self.call.settling = Some(Settling { first: None, asked: None, ..settling });
                self.settle_next();
            }
            None => self.call.settling = None,
        }
        true
    }

    /// Whether a party has an offer of this before it.
    pub(crate) fn is_settling(&self) -> bool {
        self.call.settling.is_some_and(|s| s.asked.is_some())
    }

    /// A leg is gone: nobody waits for its answer any more, nor is anybody told what it has described.
    pub(crate) fn settle_without(&mut self, gone: LegNo) {
        self.call.settling.take_if(|s| s.asked == Some(gone) || s.second == gone || s.source == gone);
    }

    /// A party refused: the two go on as they are.
    pub(crate) fn settle_refused(&mut self, no: LegNo) {
        self.call.settling.take_if(|s| s.asked == Some(no));
    }
}
