//! Conditional routes, route locks, and the rules about which number is shown outside.

use super::Way;
use serde::{Deserialize, Serialize};

/// A switch that people throw by code or by hand; conditional routes look at it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteLock {
    /// Whether it is open now.
    pub open: bool,
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

/// Conditions in order; the first that holds decides.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionalRoute {
    /// The conditions.
    pub conditions: Vec<Condition>,
    /// Where calls go when none holds.
    pub otherwise: Way,
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
    #[serde(default)]
    pub list: Option<String>,
    /// Or 1 to 3 digits and `*` before the number, which are taken off.
    #[serde(default)]
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
