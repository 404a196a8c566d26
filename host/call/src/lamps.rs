//! What the calls of an account look like from outside: the lamps of other phones (RFC 4235).
//!
//! After each step of a call the engine lets [`Lamps`] look at its legs. What changed is named by account; who wants to
//! know asks [`crate::Engine::legs_of`]. So nothing is kept that could differ from the calls themselves.
//!
//! A dialog's Call-ID and tags are all that a request within it needs (RFC 3261 section 12.2.2), so no watcher is told
//! them. It is told an [`Alias`], by which an INVITE with Replaces may take the leg, and nothing else may be done.

use crate::call::Call;
use crate::leg::{Leg, LegNo, Progress};
use model::{AccountId, CallId, LegRole};
use sip_dialog::Replaces;
use std::collections::{BTreeMap, BTreeSet};

/// How far a leg has come, seen by its own party.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LegPhase {
    /// The party called, and nothing rings yet.
    Trying,
    /// It rings, here or there.
    Early,
    /// It was answered.
    Confirmed,
}

/// One leg of an account, seen by its own party.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LegView {
    /// The call.
    pub call: CallId,
    /// The leg's number within it.
    pub leg: u16,
    /// Whether the party called or was called.
    pub role: LegRole,
    /// How far it has come.
    pub phase: LegPhase,
    /// Whether the party holds the other.
    pub held: bool,
    /// By what a watcher may take it.
    pub alias: Alias,
    /// The other party's number.
    pub peer: String,
    /// The other party's name; empty for none.
    pub peer_name: String,
    /// The other party withheld who it is (RFC 3323).
    pub private: bool,
}

/// What a leg is called towards those who watch it: the form of a dialog's name (RFC 3891 section 3), and none of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alias {
    /// In the place of the Call-ID.
    pub call_id: String,
    /// In the place of the party's tag.
    pub party_tag: String,
    /// In the place of our tag.
    pub our_tag: String,
}

impl Alias {
    fn of(call: &Call, no: LegNo) -> Alias {
        let (party, ours) = (call.watch_key >> 64, call.watch_key & u128::from(u64::MAX));
        Alias {
            call_id: format!("{}-{no}", call.id),
            party_tag: format!("w{party:016x}"),
            our_tag: format!("w{ours:016x}"),
        }
    }

    /// The leg that a Call-ID would be the alias of.
    pub(crate) fn place(call_id: &str) -> Option<(CallId, LegNo)> {
        let (call, leg) = call_id.split_once('-').filter(|(call, _)| call.len() == 32)?;
        Some((call.parse().ok()?, leg.parse().ok()?))
    }

    /// Whether a Replaces names this leg by its alias. Which of the tags a watcher takes for whose is not told alike by
    /// all phones.
    pub(crate) fn is_named(call: &Call, no: LegNo, replaces: &Replaces) -> bool {
        let alias = Alias::of(call, no);
        let tags = (replaces.to_tag.as_str(), replaces.from_tag.as_str());
        let own = (alias.our_tag.as_str(), alias.party_tag.as_str());
        alias.call_id == replaces.call_id && (tags == own || tags == (own.1, own.0))
    }
}

/// The legs that are to be seen.
///
/// # Invariants
/// `legs` holds exactly the live legs of accounts, as they were after the last step; those with a phase are seen.
#[derive(Debug, Default)]
pub(crate) struct Lamps {
    legs: BTreeMap<(AccountId, CallId, LegNo), (Option<LegPhase>, bool)>,
    changed: BTreeSet<AccountId>,
}

impl Lamps {
    /// A call has taken a step.
    pub(crate) fn look(&mut self, call: &Call) {
        for leg in &call.legs {
            let Some(account) = leg.account else { continue };
            let key = (account, call.id, leg.no);
            let now = leg.is_alive().then(|| (phase(leg), leg.held));
            let before = match now {
                Some(now) => self.legs.insert(key, now),
                None => self.legs.remove(&key),
            };
            let seen = |leg: Option<(Option<LegPhase>, bool)>| leg.filter(|(phase, _)| phase.is_some());
            if seen(now) != seen(before) {
                self.changed.insert(account);
            }
        }
    }

    /// The next account whose legs changed.
    pub(crate) fn poll_changed(&mut self) -> Option<AccountId> {
        self.changed.pop_first()
    }

    /// The legs of an account that are seen.
    pub(crate) fn of(&self, account: AccountId) -> impl Iterator<Item = (CallId, LegNo)> {
        self.legs
            .range(range(account))
            .filter(|(_, (phase, _))| phase.is_some())
            .map(|((_, call, leg), _)| (*call, *leg))
    }

    /// How many calls an account has, but for one; phones that only ring for the same call count once.
    pub(crate) fn calls_of(&self, account: AccountId, but: Option<CallId>) -> usize {
        let mut last = but;
        let calls = self.legs.range(range(account)).map(|((_, call, _), _)| *call);
        calls.filter(|call| Some(*call) != but && last.replace(*call) != Some(*call)).count()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.legs.is_empty()
    }
}

fn range(account: AccountId) -> core::ops::RangeInclusive<(AccountId, CallId, LegNo)> {
    (account, CallId(0), 0)..=(account, CallId(u128::MAX), LegNo::MAX)
}

/// A callee's leg is seen once it rings: a phone that does not answer has no lamp to light.
fn phase(leg: &Leg) -> Option<LegPhase> {
    match leg.progress {
        Progress::Trying => (leg.role == LegRole::Caller).then_some(LegPhase::Trying),
        Progress::Ringing => Some(LegPhase::Early),
        Progress::Accepted | Progress::Answered => Some(LegPhase::Confirmed),
        Progress::Ended => None,
    }
}

/// One leg as its party sees it; `None` where it is not seen.
pub(crate) fn view(call: &Call, no: LegNo) -> Option<LegView> {
    let leg = call.leg(no)?;
    let called = leg.role == LegRole::Callee;
    let (peer, peer_name) = if called {
        (leg.caller_shown.clone(), call.info.caller.display.clone().unwrap_or_default())
    } else {
        (call.info.callee.user.clone(), String::new())
    };
    Some(LegView {
        call: call.id,
        leg: no,
        role: leg.role,
        phase: phase(leg)?,
        held: leg.held,
        alias: Alias::of(call, no),
        peer,
        peer_name,
        private: called && withheld(call),
    })
}

/// Whether the caller asked for privacy of its identity (RFC 3323 section 4.2, RFC 3325 section 9.3).
fn withheld(call: &Call) -> bool {
    let privacy = call.info.headers.iter().filter(|h| h.name.eq_ignore_ascii_case("Privacy"));
    let mut words = privacy.flat_map(|h| h.value.split(';')).map(str::trim);
    words.any(|w| ["id", "user", "header"].iter().any(|p| w.eq_ignore_ascii_case(p)))
}
