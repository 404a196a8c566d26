//! Forwards of an account: unconditional, busy, no answer, unreachable; for calls from inside, from outside, or both; to one
//! number or any; at some times or always.

use crate::calendar::is_open;
use core::time::Duration;
use model::{Account, Cause, CauseInfo, Directory, Forward, ForwardFrom, ForwardWhen, Local};

/// Where a call began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// With an account of the company.
    Internal,
    /// With a trunk.
    External,
}

/// A call that reaches an account, as forwards ask about it.
#[derive(Clone, Copy, Debug)]
pub struct Coming<'a> {
    /// Where it began.
    pub origin: Origin,
    /// The company's number that was called from outside.
    pub ddi: Option<&'a str>,
    /// The company's local time.
    pub now: &'a Local,
}

/// The forward that stands for this call: one for just its number goes before one for any, then one for just its origin
/// before one for anybody, then one for just this time before one for any.
#[must_use]
pub fn forward<'d>(
    directory: &'d Directory,
    account: &'d Account,
    when: ForwardWhen,
    call: Coming<'_>,
) -> Option<&'d Forward> {
    let fits = |f: &&Forward| f.enabled && f.when == when && is_for(directory, account, f, call);
    let narrower = |f: &&Forward| (f.ddi.is_some(), f.from != ForwardFrom::Anybody, f.schedule.is_some());
    // Of several that are as narrow the first counts: `max_by_key` gives the last.
    account.rules.forwards.iter().rev().filter(fits).max_by_key(narrower)
}

fn is_for(directory: &Directory, account: &Account, forward: &Forward, call: Coming<'_>) -> bool {
    let origin = match forward.from {
        ForwardFrom::Anybody => true,
        ForwardFrom::Internal => call.origin == Origin::Internal,
        ForwardFrom::External => call.origin == Origin::External,
    };
    let number = forward.ddi.as_deref().is_none_or(|ddi| call.ddi == Some(ddi));
    let covered = |name: &String| directory.schedule(account.company, name).is_some_and(|s| is_open(s, call.now));
    origin && number && forward.schedule.as_ref().is_none_or(covered)
}

/// How long the account may ring: as long as the plan says, or until its no-answer forward, where that is sooner.
#[must_use]
pub fn ring_at_most(directory: &Directory, account: &Account, call: Coming<'_>, plan: Duration) -> Duration {
    let after = forward(directory, account, ForwardWhen::NoAnswer, call).and_then(|f| f.after_s);
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
    } else if any(|c| matches!(c.cause, Cause::Busy | Cause::Declined | Cause::CallsMaxIn | Cause::DoNotDisturb)) {
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
