//! A ring plan at work: steps in order, the targets of a step together.
//!
//! The hunt only keeps the account; [`crate::connect`] sends the INVITEs. It serves a router's plan and an app's
//! `dial` alike.

use crate::leg::LegNo;
use model::{CauseInfo, HeaderOp, Instant, MediaPath, RingStep};
use std::collections::VecDeque;

/// The state of a plan.
#[derive(Debug)]
pub(crate) struct Hunt {
    /// Steps not yet begun.
    pub(crate) steps: VecDeque<RingStep>,
    /// The statuses that lead from the running step to the next; empty = every failure but 6xx.
    pub(crate) advance_on: Vec<u16>,
    /// Legs of the running step that have not failed.
    pub(crate) ringing: Vec<LegNo>,
    /// When the running step's time is over.
    pub(crate) ring_until: Option<Instant>,
    /// Who was tried, and why it failed.
    pub(crate) tried: Vec<(String, CauseInfo)>,
    /// Set by a final status that is not in `advance_on`: no further step.
    pub(crate) stopped: bool,
    /// Where media flows.
    pub(crate) media: MediaPath,
    /// Changes to every INVITE.
    pub(crate) header_ops: Vec<HeaderOp>,
    /// Longest answered time.
    pub(crate) max_duration: Option<core::time::Duration>,
    /// The leg whose early media the caller hears.
    pub(crate) early: Option<LegNo>,
    /// The highest 18x passed on to the caller.
    pub(crate) passed: Vec<u16>,
    /// How often a 3xx was followed.
    pub(crate) followed: usize,
}

impl Hunt {
    /// A hunt over `steps`; nothing rings yet.
    pub(crate) fn new(steps: Vec<RingStep>, media: MediaPath) -> Hunt {
        Hunt {
            steps: steps.into(),
            advance_on: Vec::new(),
            ringing: Vec::new(),
            ring_until: None,
            tried: Vec::new(),
            stopped: false,
            media,
            header_ops: Vec::new(),
            max_duration: None,
            early: None,
            passed: Vec::new(),
            followed: 0,
        }
    }

    /// A leg of the running step is gone, and another takes its place.
    pub(crate) fn left(&mut self, leg: LegNo) {
        self.ringing.retain(|l| *l != leg);
        self.early = self.early.filter(|early| *early != leg);
    }

    /// Notes that a target failed; a status outside `advance_on` ends the hunt after the running step.
    pub(crate) fn failed(&mut self, leg: Option<LegNo>, party: String, cause: CauseInfo) {
        if let Some(leg) = leg {
            self.left(leg);
        }
        let advances = if self.advance_on.is_empty() { cause.sip < 600 } else { self.advance_on.contains(&cause.sip) };
        self.stopped |= !advances;
        self.tried.push((party, cause));
    }

    /// The failure that the caller shall see: a 6xx first, then busy, then the one nearest to the callee
    /// (RFC 3261 section 16.7 step 6, with what phones' owners expect of busy).
    pub(crate) fn best(&self) -> Option<&CauseInfo> {
        let rank = |sip: u16| match sip {
            600..=699 => 0,
            486 => 1,
            401 | 407 => 9,
            408 | 480 => 3,
            400..=499 => 2,
            500..=599 => 4,
            _ => 5,
        };
        self.tried.iter().map(|(_, cause)| cause).min_by_key(|cause| rank(cause.sip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Cause;

    fn cause(sip: u16) -> CauseInfo {
        CauseInfo { cause: Cause::from_sip(sip), sip, reason: String::new(), by_remote: true }
    }

    #[test]
    fn a_6xx_stops_the_hunt_and_wins_and_a_listed_status_goes_on() {
        let mut hunt = Hunt::new(Vec::new(), MediaPath::Anchor);
        hunt.failed(None, "a".into(), cause(486));
        assert!(!hunt.stopped);
        hunt.failed(None, "b".into(), cause(603));
        assert!(hunt.stopped);
        assert_eq!(hunt.best().map(|c| c.sip), Some(603));

        let mut picky = Hunt::new(Vec::new(), MediaPath::Anchor);
        picky.advance_on = vec![486];
        picky.failed(None, "a".into(), cause(486));
        assert!(!picky.stopped);
        picky.failed(None, "a".into(), cause(404));
        assert!(picky.stopped);
    }
}
