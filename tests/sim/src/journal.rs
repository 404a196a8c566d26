//! The simulated journal: what the switch wrote down about legs, and the rules of those records.

use crate::rules::Broken;
use core::time::Duration;
use model::{AccountId, CallId, CallRecord, Cause, Cdr, CompanyId, Instant, LegRole};
use std::collections::BTreeMap;

/// What is known of one leg.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) account: Option<AccountId>,
    pub(crate) sip_call_id: String,
    pub(crate) answered: Option<Instant>,
    pub(crate) ended: Option<(Instant, Cause)>,
}

/// Every leg that was written down.
///
/// # Invariants
/// `by_call_id` names every entry of `legs` by its Call-ID; the last one first.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    pub(crate) legs: BTreeMap<(CallId, u16), Entry>,
    by_call_id: BTreeMap<String, Vec<(CallId, u16)>>,
    companies: BTreeMap<CallId, CompanyId>,
    /// The company of each account.
    pub(crate) accounts: BTreeMap<AccountId, CompanyId>,
    pub(crate) causes: BTreeMap<&'static str, u64>,
    /// When each call first went to the carrier: what fails over to its next server is the same to the trunk.
    pub(crate) carried: BTreeMap<CallId, Instant>,
}

fn broken(rule: &'static str, cdr: &Cdr, words: &str) -> Result<(), Broken> {
    Err(Broken { rule, words: format!("{words}: {cdr:?}") })
}

impl Journal {
    /// A record was written. `ring` is the shortest ring timeout any step of this call had.
    pub(crate) fn record(&mut self, record: &CallRecord, ring: Option<Duration>) -> Result<(), Broken> {
        let (CallRecord::Answered(cdr) | CallRecord::Ended(cdr)) = record;
        self.check_common(cdr)?;
        let key = (cdr.call, cdr.leg);
        if !self.legs.contains_key(&key) {
            self.by_call_id.entry(cdr.sip_call_id.clone()).or_default().insert(0, key);
        }
        let entry = self.legs.entry(key).or_insert_with(|| Entry {
            account: cdr.account,
            sip_call_id: cdr.sip_call_id.clone(),
            answered: None,
            ended: None,
        });
        if entry.ended.is_some() {
            return broken("record-after-end", cdr, "a record of a leg that had ended");
        }
        match record {
            CallRecord::Answered(_) if entry.answered.is_some() => broken("answered-twice", cdr, "answered again"),
            CallRecord::Answered(_) => {
                entry.answered = cdr.answered_at;
                Ok(())
            }
            CallRecord::Ended(_) if entry.answered != cdr.answered_at => {
                broken("answered-unwritten", cdr, "the end tells another answer than the record")
            }
            CallRecord::Ended(_) => {
                entry.ended = Some((cdr.ended_at, cdr.cause));
                *self.causes.entry(cdr.cause.code()).or_default() += 1;
                let full = matches!(cdr.cause, Cause::TrunkRate | Cause::TrunkFull | Cause::TrunkDown);
                if cdr.role == LegRole::Callee && cdr.account.is_none() && !full && cdr.callee != "nobody" {
                    let first = self.carried.entry(cdr.call).or_insert(cdr.started_at);
                    *first = cdr.started_at.min(*first);
                }
                check_end(cdr, ring)
            }
        }
    }

    fn check_common(&mut self, cdr: &Cdr) -> Result<(), Broken> {
        let answered = cdr.answered_at.unwrap_or(cdr.ended_at);
        if cdr.ended_at < answered || answered < cdr.started_at {
            return broken("record-times", cdr, "times out of order");
        }
        let company = *self.companies.entry(cdr.call).or_insert(cdr.company);
        let foreign = cdr.account.and_then(|a| self.accounts.get(&a)).is_some_and(|of| *of != company);
        if foreign || company != cdr.company {
            return broken("tenant", cdr, "a leg of another company");
        }
        Ok(())
    }

    /// The leg of a Call-ID that was written last.
    pub(crate) fn by_call_id(&self, call_id: &str) -> Option<&Entry> {
        self.legs.get(self.by_call_id.get(call_id)?.first()?)
    }

    /// Whether two Call-IDs belong to one call; `None` where one of them was never written.
    pub(crate) fn same_call(&self, one: &str, two: &str) -> Option<bool> {
        let (one, two) = (self.by_call_id.get(one)?, self.by_call_id.get(two)?);
        Some(one.iter().any(|(a, _)| two.iter().any(|(b, _)| a == b)))
    }

    /// Whether a Call-ID was, in one call at least, a leg that no account pays for: one of a carrier's.
    pub(crate) fn was_carried(&self, call_id: &str) -> bool {
        let mut legs = self.by_call_id.get(call_id).into_iter().flatten().filter_map(|key| self.legs.get(key));
        legs.any(|entry| entry.account.is_none())
    }

    /// How long the legs of a Call-ID talked, all calls together; `None` where nothing was written, or where the switch
    /// itself did not know when it ended.
    pub(crate) fn talked(&self, call_id: &str) -> Option<Duration> {
        let mut sum = Duration::ZERO;
        for entry in self.by_call_id.get(call_id)?.iter().filter_map(|key| self.legs.get(key)) {
            let (ended, cause) = entry.ended?;
            let guessed = [Cause::SwitchRestarted, Cause::AckTimeout, Cause::SignallingTimeout, Cause::MediaTimeout];
            if guessed.contains(&cause) {
                return None;
            }
            sum += entry.answered.map_or(Duration::ZERO, |at| ended.since(at));
        }
        Some(sum)
    }

    /// The switch died: what it had answered and not ended is closed as the store does it.
    pub(crate) fn restart(&mut self, now: Instant) {
        for entry in self.legs.values_mut().filter(|e| e.ended.is_none()) {
            entry.ended = Some((now, Cause::SwitchRestarted));
            *self.causes.entry(Cause::SwitchRestarted.code()).or_default() += 1;
        }
    }

    /// At rest every leg that was answered has ended.
    pub(crate) fn check_rest(&self) -> Result<(), Broken> {
        match self.legs.iter().find(|(_, e)| e.ended.is_none()) {
            Some((key, entry)) => {
                Err(Broken { rule: "record-missing", words: format!("{key:?} has no end: {entry:?}") })
            }
            None => Ok(()),
        }
    }
}

fn check_end(cdr: &Cdr, ring: Option<Duration>) -> Result<(), Broken> {
    let rang_only = cdr.role == LegRole::Callee && cdr.answered_at.is_none() && cdr.ringing_at.is_some();
    if rang_only && cdr.cause == Cause::SignallingTimeout {
        return broken("timer-b", cdr, "a leg that rang died of a transaction timeout");
    }
    let rang_for = cdr.ended_at.since(cdr.started_at);
    let unanswered = cdr.role == LegRole::Callee && cdr.answered_at.is_none();
    if unanswered && cdr.cause == Cause::NoAnswer && ring.is_some_and(|ring| rang_for < ring) {
        return broken("ring-timeout", cdr, "given up before its ring timeout");
    }
    if cdr.cause == Cause::NotAcceptable {
        return broken("not-acceptable", cdr, "every phone speaks what the switch speaks");
    }
    if cdr.cause == Cause::InternalError {
        return broken("internal-error", cdr, "the switch says so itself");
    }
    Ok(())
}
