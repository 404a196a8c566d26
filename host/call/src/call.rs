//! A call: all legs that serve one caller's intent.

use crate::leg::{Leg, LegNo};
use crate::settle::Settling;
use crate::stage::Stage;
use crate::transfer::{Handing, Serves};
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
    /// The one device that was called, by its GRUU (RFC 5627).
    pub(crate) gruu: Option<registrar::GruuTarget>,
    /// The binding whose decision stands.
    pub(crate) decided_by: Option<String>,
    /// Where media flows by the tenant's setting.
    pub(crate) tenant_media: MediaPath,
    /// The caller's Max-Forwards, less one.
    pub(crate) max_forwards: u32,
    /// The caller's offer as it came; `None` for a late offer.
    pub(crate) caller_offer: Option<bytes::Bytes>,
    /// Which leg took which one's place, in order.
    pub(crate) moved: Vec<(LegNo, LegNo)>,
    /// Whether the caller wants its number withheld (RFC 3323).
    pub(crate) private: bool,
    /// Nothing is taken into any recording of this call, begun or to come: a card number is being told.
    pub(crate) tapes_halted: bool,
    /// The offer that is being carried from one leg to another.
    pub(crate) reoffer: Option<Reoffer>,
    /// Other requests that are being carried.
    pub(crate) carried: Vec<Carried>,
    /// A transfer of one of this call's parties that is under way.
    pub(crate) handing: Option<Box<Handing>>,
    /// Set where the switch makes the call for its caller, whose own phones it rang first.
    pub(crate) summoned: Option<crate::summon::Summoned>,
    /// Set where the switch makes the call to send a fax.
    pub(crate) faxing: Option<crate::faxing::Faxing>,
    /// Set while this call rings somebody for a transfer: its caller's leg stands in for the party of another call.
    pub(crate) serves: Option<Serves>,
    /// Two parties that were just joined are being offered each other's media.
    pub(crate) settling: Option<Settling>,
    /// A leg that the switch speaks to and could not tell so yet.
    pub(crate) unsaid: Option<LegNo>,
    /// The best failure of the plan that ran out last: what the caller gets if nobody knows better.
    pub(crate) exhausted: Option<CauseInfo>,
    /// It is a call for help, or has been one: its messages pass no filters.
    pub(crate) bypasses_filters: bool,
    /// What the tenant's rules have made of it.
    pub(crate) course: crate::rules::Course,
    /// What of it has to be paid for; none while nobody has to be asked.
    pub(crate) rating: Option<Box<crate::rating::Rating>>,
    /// The response context, while the call is proxied, or was and nothing has taken its place.
    pub(crate) context: Option<sip_proxy::ContextKey>,
    /// Whether the caller's From is the account's own, so that nobody need speak for it.
    pub(crate) speaks_for_itself: bool,
    /// Why the leg that ended last did.
    pub(crate) last_cause: Option<Cause>,
    pub(crate) started_at: Instant,
    /// What is secret of the names by which watchers know its legs: see [`crate::lamps::Alias`].
    pub(crate) watch_key: u128,
    /// When the engine's deadline queue will look at this call.
    pub(crate) armed: Option<Instant>,
}

/// An offer on its way from one party to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reoffer {
    pub(crate) from: LegNo,
    pub(crate) to: LegNo,
    /// Whether its party has withdrawn it: the answer has no taker, and what stands is to be told again.
    pub(crate) withdrawn: bool,
}

/// An INFO or MESSAGE on its way from one party to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Carried {
    pub(crate) from: LegNo,
    pub(crate) server: sip_transaction::ServerKey,
    pub(crate) to: LegNo,
    pub(crate) id: u64,
}

impl Call {
    /// A call with its caller's leg and nobody driving it yet.
    pub(crate) fn new(info: CallInfo, caller: Leg, media: MediaPath, watch_key: u128, now: Instant) -> Call {
        // Most calls have two; a Vec that grows takes room for four.
        let mut legs = Vec::with_capacity(2);
        legs.push(caller);
        Call {
            id: info.call,
            info,
            legs,
            stage: Stage::Over,
            reroutes: 0,
            gruu: None,
            decided_by: None,
            tenant_media: match media {
                MediaPath::TenantDefault => MediaPath::Anchor,
                path @ (MediaPath::Anchor | MediaPath::Direct) => path,
            },
            max_forwards: 70,
            caller_offer: None,
            moved: Vec::new(),
            private: false,
            tapes_halted: false,
            reoffer: None,
            carried: Vec::new(),
            handing: None,
            summoned: None,
            faxing: None,
            serves: None,
            settling: None,
            unsaid: None,
            exhausted: None,
            bypasses_filters: false,
            course: crate::rules::Course::default(),
            rating: None,
            context: None,
            speaks_for_itself: false,
            last_cause: None,
            started_at: now,
            watch_key,
            armed: None,
        }
    }

    pub(crate) fn leg(&self, no: LegNo) -> Option<&Leg> {
        self.legs.get(usize::from(no))
    }

    /// The leg that stands where this one stood: an app goes on calling it by its old number.
    pub(crate) fn now_at(&self, no: LegNo) -> LegNo {
        self.moved.iter().fold(no, |at, (old, new)| if at == *old { *new } else { at })
    }

    pub(crate) fn leg_mut(&mut self, no: LegNo) -> Option<&mut Leg> {
        self.legs.get_mut(usize::from(no))
    }

    /// The next moment at which this call wants to act by itself.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let rating = self.rating.as_ref().and_then(|rating| rating.deadline(&self.legs));
        [self.stage.deadline(), rating].into_iter().flatten().min()
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
            account: self.leg(0).and_then(|l| l.account),
            caller: self.info.caller.user.clone(),
            callee: self.info.callee.user.clone(),
            app: match &self.stage {
                Stage::App(run) => Some(run.name.clone()),
                Stage::Deciding(_)
                | Stage::Hunting(_)
                | Stage::Bridged(_)
                | Stage::Proxied(_)
                | Stage::Parked(_)
                | Stage::Announcing(_)
                | Stage::Summoning(_)
                | Stage::Over => None,
            },
            started_at: self.started_at,
            answered_at: self.answered_at(),
            legs: self
                .legs
                .iter()
                .filter(|l| l.is_alive())
                .map(|l| LegSnapshot { leg: l.no, party: l.who().to_owned(), state: l.state() })
                .collect(),
        }
    }
}
