//! Conditional routes, route locks, and the rules about which number is shown outside.

use super::way::is_e164;
use super::{BadRule, RuleKind, Used, Way, entries};
use crate::CompanyId;
use serde::{Deserialize, Serialize};

/// A switch that people throw by code or by hand; conditional routes look at it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteLock {
    /// Whether it is open now.
    pub open: bool,
    /// What follows a service code to throw it, 1 to 8 digits; absent = not by phone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// A lock that was thrown by phone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LockThrow {
    /// Whose lock.
    pub company: CompanyId,
    /// Its name.
    pub lock: String,
    /// What it is from now on.
    pub open: bool,
}

impl RouteLock {
    pub(crate) fn check(&self) -> Result<(), BadRule> {
        let digits = |code: &str| (1..=8).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_digit());
        match self.code.as_deref().filter(|code| !digits(code)) {
            Some(_) => Err(BadRule::new("code", "1 to 8 digits")),
            None => Ok(()),
        }
    }
}

/// One way of a conditional route, and when it is taken: every sort of criterion that is named must hold, and of one sort
/// any entry will do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Match lists on the caller.
    #[serde(default)]
    pub match_lists: Vec<String>,
    /// Schedules that cover now.
    #[serde(default)]
    pub schedules: Vec<String>,
    /// Calendars that have a holiday now. Their periods are no criterion.
    #[serde(default)]
    pub calendars: Vec<String>,
    /// Locks of which one is open.
    #[serde(default)]
    pub locks: Vec<String>,
    /// The way.
    pub way: Way,
}

impl Condition {
    fn uses(&self) -> impl Iterator<Item = Used<'_>> {
        let lists = self.match_lists.iter().map(|n| Used::Rule(RuleKind::MatchList, n));
        let schedules = self.schedules.iter().map(|n| Used::Rule(RuleKind::Schedule, n));
        let calendars = self.calendars.iter().map(|n| Used::Rule(RuleKind::Calendar, n));
        let locks = self.locks.iter().map(|n| Used::Rule(RuleKind::RouteLock, n));
        lists.chain(schedules).chain(calendars).chain(locks).chain(self.way.uses())
    }
}

/// Conditions in order; the first that holds decides.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionalRoute {
    /// The conditions.
    pub conditions: Vec<Condition>,
    /// Where calls go when none holds.
    pub otherwise: Way,
}

impl ConditionalRoute {
    pub(crate) fn check(&self) -> Result<(), BadRule> {
        entries("conditions", self.conditions.len())?;
        for condition in &self.conditions {
            for names in [&condition.match_lists, &condition.schedules, &condition.calendars, &condition.locks] {
                entries("conditions", names.len())?;
            }
            condition.way.check("conditions")?;
        }
        self.otherwise.check("otherwise")
    }

    pub(crate) fn uses(&self) -> Vec<Used<'_>> {
        self.conditions.iter().flat_map(Condition::uses).chain(self.otherwise.uses()).collect()
    }
}

/// Which public number a call shows.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind", content = "ddi")]
pub enum DdiChoice {
    /// The account's own.
    Keep,
    /// This one; none = the company's.
    Force(Option<String>),
}

/// One rule: by the number called, or by what is dialled before it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutgoingDdiRule {
    /// A match list on the number called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
    /// Or 1 to 3 digits and `*` before the number, which are taken off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The number shown.
    pub choice: DdiChoice,
}

/// Rules in order; the first that fits decides.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutgoingDdiRules {
    /// The rules.
    pub rules: Vec<OutgoingDdiRule>,
    /// What holds when none fits.
    pub default: DdiChoice,
}

impl OutgoingDdiRules {
    fn choices(&self) -> impl Iterator<Item = &str> {
        let all = self.rules.iter().map(|rule| &rule.choice).chain([&self.default]);
        all.filter_map(|choice| match choice {
            DdiChoice::Force(Some(ddi)) => Some(ddi.as_str()),
            DdiChoice::Force(None) | DdiChoice::Keep => None,
        })
    }

    pub(crate) fn check(&self) -> Result<(), BadRule> {
        entries("rules", self.rules.len())?;
        for rule in &self.rules {
            if rule.list.is_some() == rule.prefix.is_some() {
                return Err(BadRule::new("rules", "each names a list or a prefix, one of them"));
            }
            if rule.prefix.as_deref().is_some_and(|prefix| !is_prefix(prefix)) {
                return Err(BadRule::new("rules", "a prefix is 1 to 3 digits and *"));
            }
        }
        match self.choices().find(|ddi| !is_e164(ddi)) {
            Some(wrong) => Err(BadRule::new("rules", format!("expected a number as +34944048182, found {wrong:?}"))),
            None => Ok(()),
        }
    }

    pub(crate) fn uses(&self) -> Vec<Used<'_>> {
        let lists = self.rules.iter().filter_map(|rule| rule.list.as_deref());
        lists.map(|name| Used::Rule(RuleKind::MatchList, name)).chain(self.choices().map(Used::Ddi)).collect()
    }
}

fn is_prefix(text: &str) -> bool {
    let digits = text.strip_suffix('*').unwrap_or_default();
    (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}
