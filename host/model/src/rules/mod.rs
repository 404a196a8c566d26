//! The rules of a company: what decides about a call before and after a plugin does, as data.
//!
//! A rule is a named noun of one company. Others name it: a public number its call filter, an account or the company its
//! call ACL. The store keeps each as JSON beside a table of who uses whom, so that none can dangle; `policy` reads them.

mod account;
mod calendar;
mod call_acl;
mod call_filter;
mod civil;
mod group;
mod lookup;
mod match_list;
mod route;
mod service;
mod tenancy;
mod way;

pub use account::{
    AccountRules, Assistant, CompanyRules, EmergencyNumber, Forward, ForwardFrom, ForwardWhen, RecordingRules,
};
pub use calendar::{Calendar, Holiday, Hours, Period, Schedule, Span};
pub use call_acl::{CallAcl, CallAclRule, Permission};
pub use call_filter::CallFilter;
pub use civil::{CivilError, Date, DayTime, Local, Weekdays};
pub use group::{HuntGroup, HuntMember, HuntParty, HuntStrategy};
pub use match_list::{MatchList, MatchListError};
pub use route::{Condition, ConditionalRoute, DdiChoice, LockThrow, OutgoingDdiRule, OutgoingDdiRules, RouteLock};
pub use service::{ServiceCodes, StarService, dialled_service};
pub use tenancy::{BrandRules, CompanyKind};
pub use way::{Used, Way};

use crate::{CompanyId, RuleId};
use serde::{Deserialize, Serialize};

/// Why a rule cannot be kept: the field, and what is wrong with it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{field}: {why}")]
pub struct BadRule {
    /// The field.
    pub field: &'static str,
    /// In words.
    pub why: String,
}

impl BadRule {
    pub(crate) fn new(field: &'static str, why: impl Into<String>) -> BadRule {
        BadRule { field, why: why.into() }
    }
}

/// Most entries of any list within a rule.
pub const RULE_ENTRIES_MAX: usize = 500;

pub(crate) fn entries(field: &'static str, length: usize) -> Result<(), BadRule> {
    if length > RULE_ENTRIES_MAX {
        return Err(BadRule::new(field, format!("has {length} entries, at most {RULE_ENTRIES_MAX} are allowed")));
    }
    Ok(())
}

/// The name of a stored prompt, where there is one.
pub(crate) fn prompt(field: &'static str, name: Option<&str>) -> Result<(), BadRule> {
    let fits = |name: &str| (1..=128).contains(&name.len()) && !name.chars().any(char::is_control);
    if name.is_some_and(|name| !fits(name)) {
        return Err(BadRule::new(field, "the name of a stored prompt, 1 to 128 bytes"));
    }
    Ok(())
}

/// What kinds of rules there are that others name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleKind {
    /// Numbers.
    MatchList,
    /// Hours of a week.
    Schedule,
    /// Days that differ.
    Calendar,
    /// What happens to calls for a public number.
    CallFilter,
    /// Whom an account may call.
    CallAcl,
    /// Who rings together or in turn.
    HuntGroup,
    /// Ways by caller, hour and lock.
    ConditionalRoute,
    /// A switch that people throw.
    RouteLock,
    /// Which number is shown outside, by the number called.
    OutgoingDdiRules,
}

impl RuleKind {
    /// Every kind.
    pub const ALL: [RuleKind; 9] = [
        RuleKind::MatchList,
        RuleKind::Schedule,
        RuleKind::Calendar,
        RuleKind::CallFilter,
        RuleKind::CallAcl,
        RuleKind::HuntGroup,
        RuleKind::ConditionalRoute,
        RuleKind::RouteLock,
        RuleKind::OutgoingDdiRules,
    ];

    /// The word for it, as stored and as the API says it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            RuleKind::MatchList => "match-list",
            RuleKind::Schedule => "schedule",
            RuleKind::Calendar => "calendar",
            RuleKind::CallFilter => "call-filter",
            RuleKind::CallAcl => "call-acl",
            RuleKind::HuntGroup => "hunt-group",
            RuleKind::ConditionalRoute => "conditional-route",
            RuleKind::RouteLock => "route-lock",
            RuleKind::OutgoingDdiRules => "outgoing-ddi-rules",
        }
    }

    /// The kind that this word means.
    #[must_use]
    pub fn from_word(word: &str) -> Option<RuleKind> {
        RuleKind::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// What a rule says. It is written as its own kind writes it, without a word for the kind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(untagged)]
pub enum RuleBody {
    /// Numbers.
    MatchList(MatchList),
    /// Hours of a week.
    Schedule(Schedule),
    /// Days that differ.
    Calendar(Calendar),
    /// What happens to calls for a public number.
    CallFilter(CallFilter),
    /// Whom an account may call.
    CallAcl(CallAcl),
    /// Who rings together or in turn.
    HuntGroup(HuntGroup),
    /// Ways by caller, hour and lock.
    ConditionalRoute(ConditionalRoute),
    /// A switch that people throw.
    RouteLock(RouteLock),
    /// Which number is shown outside, by the number called.
    OutgoingDdiRules(OutgoingDdiRules),
}

impl RuleBody {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> RuleKind {
        match self {
            RuleBody::MatchList(_) => RuleKind::MatchList,
            RuleBody::Schedule(_) => RuleKind::Schedule,
            RuleBody::Calendar(_) => RuleKind::Calendar,
            RuleBody::CallFilter(_) => RuleKind::CallFilter,
            RuleBody::CallAcl(_) => RuleKind::CallAcl,
            RuleBody::HuntGroup(_) => RuleKind::HuntGroup,
            RuleBody::ConditionalRoute(_) => RuleKind::ConditionalRoute,
            RuleBody::RouteLock(_) => RuleKind::RouteLock,
            RuleBody::OutgoingDdiRules(_) => RuleKind::OutgoingDdiRules,
        }
    }

    /// Reads what a rule of this kind says. Whether it can be meant is [`RuleBody::check`]'s to say.
    ///
    /// # Errors
    /// What the input's reader says.
    pub fn read<'de, D: serde::Deserializer<'de>>(kind: RuleKind, input: D) -> Result<RuleBody, D::Error> {
        Ok(match kind {
            RuleKind::MatchList => RuleBody::MatchList(Deserialize::deserialize(input)?),
            RuleKind::Schedule => RuleBody::Schedule(Deserialize::deserialize(input)?),
            RuleKind::Calendar => RuleBody::Calendar(Deserialize::deserialize(input)?),
            RuleKind::CallFilter => RuleBody::CallFilter(Deserialize::deserialize(input)?),
            RuleKind::CallAcl => RuleBody::CallAcl(Deserialize::deserialize(input)?),
            RuleKind::HuntGroup => RuleBody::HuntGroup(Deserialize::deserialize(input)?),
            RuleKind::ConditionalRoute => RuleBody::ConditionalRoute(Deserialize::deserialize(input)?),
            RuleKind::RouteLock => RuleBody::RouteLock(Deserialize::deserialize(input)?),
            RuleKind::OutgoingDdiRules => RuleBody::OutgoingDdiRules(Deserialize::deserialize(input)?),
        })
    }

    /// Whether what it says can be meant.
    ///
    /// # Errors
    /// [`BadRule`], which names the field.
    pub fn check(&self) -> Result<(), BadRule> {
        match self {
            // A match list that does not compile was never made.
            RuleBody::MatchList(_) => Ok(()),
            RuleBody::Schedule(schedule) => schedule.check(),
            RuleBody::Calendar(calendar) => calendar.check(),
            RuleBody::CallFilter(filter) => filter.check(),
            RuleBody::CallAcl(acl) => acl.check(),
            RuleBody::HuntGroup(group) => group.check(),
            RuleBody::ConditionalRoute(route) => route.check(),
            RuleBody::RouteLock(lock) => lock.check(),
            RuleBody::OutgoingDdiRules(rules) => rules.check(),
        }
    }

    /// What of its company's it names.
    #[must_use]
    pub fn uses(&self) -> Vec<Used<'_>> {
        match self {
            RuleBody::MatchList(_) | RuleBody::Schedule(_) | RuleBody::RouteLock(_) => Vec::new(),
            RuleBody::Calendar(calendar) => calendar.uses(),
            RuleBody::CallFilter(filter) => filter.uses(),
            RuleBody::CallAcl(acl) => acl.rules.iter().map(|r| Used::Rule(RuleKind::MatchList, &r.list)).collect(),
            RuleBody::HuntGroup(group) => group.uses(),
            RuleBody::ConditionalRoute(route) => route.uses(),
            RuleBody::OutgoingDdiRules(rules) => rules.uses(),
        }
    }
}

/// A named rule of a company.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// The row.
    pub id: RuleId,
    /// Its company.
    pub company: CompanyId,
    /// The name, unique among the company's rules of its kind; it never changes, because others name it.
    pub name: String,
    /// What it says.
    pub body: RuleBody,
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
