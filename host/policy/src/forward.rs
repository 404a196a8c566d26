//! Forwards of an account: unconditional, busy, no answer, unreachable; for calls from inside, from outside, or both.

use core::time::Duration;
use model::{AccountRules, Cause, CauseInfo, Forward, ForwardFrom, ForwardWhen};

/// Where a call began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// With an account of the company.
    Internal,
    /// With a trunk.
    External,
}

/// The forward that stands for these calls. One for just this origin goes before one for anybody.
#[must_use]
pub fn forward(rules: &AccountRules, when: ForwardWhen, origin: Origin) -> Option<&Forward> {
    let own = match origin {
        Origin::Internal => ForwardFrom::Internal,
        Origin::External => ForwardFrom::External,
    };
    let of = |from: ForwardFrom| rules.forwards.iter().find(|f| f.when == when && f.from == from);
    of(own).or_else(|| of(ForwardFrom::Anybody))
}

/// How long the account may ring: as long as the plan says, or until its no-answer forward, where that is sooner.
#[must_use]
pub fn ring_at_most(rules: &AccountRules, origin: Origin, plan: Duration) -> Duration {
    let after = forward(rules, ForwardWhen::NoAnswer, origin).and_then(|f| f.after_s);
    after.map_or(plan, |s| plan.min(Duration::from_secs(u64::from(s))))
}

/// What became of ringing an account, by what became of its phones: one that rang in vain counts before one that was
/// busy, and both before one that could not be had. `None` for what no forward is for: the call was refused before it
/// got to a phone.
#[must_use]
pub fn what_happened(tried: &[CauseInfo]) -> Option<ForwardWhen> {
    let any = |of: fn(&CauseInfo) -> bool| tried.iter().any(of);
    if any(|c| c.cause == Cause::NoAnswer) {
        Some(ForwardWhen::NoAnswer)
    } else if any(|c| matches!(c.cause, Cause::Busy | Cause::Declined | Cause::CallsMaxIn)) {
        Some(ForwardWhen::Busy)
    } else if any(is_unreachable) {
        Some(ForwardWhen::Unreachable)
    } else {
        None
    }
}

fn is_unreachable(cause: &CauseInfo) -> bool {
    let by_phone = cause.by_remote && matches!(cause.sip, 404 | 408 | 410 | 480 | 500..=599);
    let lost = matches!(
        cause.cause,
        Cause::NotRegistered
            | Cause::SignallingTimeout
            | Cause::TransportFailed
            | Cause::NextHopUnknown
            | Cause::LookupFailed
    );
    by_phone || lost
}
