//! A call: all legs that serve one caller's intent.

use crate::leg::{Leg, LegNo};
use crate::stage::Stage;
use model::{CallId, CallInfo, CallSnapshot, Cause, CauseInfo, Instant, LegSnapshot, MediaPath};

/// One call.
///
/// # Invariants
/// `legs[n].no == n`; `legs[0]` is the caller's. When `stage` is [`Stage::Over`] every leg has ended.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) id: CallId,
    pub(crate) info: CallInfo,
    pub(crate) legs: Vec<Leg>,
    pub(crate) stage: Stage,
    pub(crate) reroutes: usize,
    /// The binding whose decision stands.
    pub(crate) decided_by: Option<String>,
    /// Where media flows by the tenant's setting.
    pub(crate) tenant_media: MediaPath,
    /// The caller's Max-Forwards, less one.
    pub(crate) max_forwards: u32,
    /// The caller's offer as it came; `None` for a late offer.
    pub(crate) caller_offer: Option<bytes::Bytes>,
    /// The best failure of the plan that ran out last: what the caller gets if nobody knows better.
    pub(crate) exhausted: Option<CauseInfo>,
    /// Why the leg that ended last did.
    pub(crate) last_cause: Option<Cause>,
    pub(crate) started_at: Instant,
    /// When the engine's deadline queue will look at this call.
    pub(crate) armed: Option<Instant>,
}

impl Call {
    pub(crate) fn leg(&self, no: LegNo) -> Option<&Leg> {
        self.legs.get(usize::from(no))
    }

    pub(crate) fn leg_mut(&mut self, no: LegNo) -> Option<&mut Leg> {
        self.legs.get_mut(usize::from(no))
    }

    pub(crate) fn live_legs(&self) -> Vec<LegNo> {
        self.legs.iter().filter(|l| l.is_alive()).map(|l| l.no).collect()
    }

    pub(crate) fn answered_at(&self) -> Option<Instant> {
        self.legs.iter().filter_map(|l| l.answered_at).min()
    }

    pub(crate) fn snapshot(&self) -> CallSnapshot {
        CallSnapshot {
            call: self.id,
            brand: self.info.brand,
            company: self.info.company,
            caller: self.info.caller.user.clone(),
            callee: self.info.callee.user.clone(),
            app: match &self.stage {
                Stage::App(run) => Some(run.name.clone()),
                Stage::Deciding(_) | Stage::Hunting(_) | Stage::Bridged(_) | Stage::Over => None,
            },
            started_at: self.started_at,
            answered_at: self.answered_at(),
            legs: self
                .legs
                .iter()
                .filter(|l| l.is_alive())
                .map(|l| LegSnapshot { leg: l.no, party: l.party.clone(), state: l.state() })
                .collect(),
        }
    }
}
