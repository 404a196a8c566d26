//! What happens to calls from outside for a public number, by who calls and when.

use super::{BadRule, RuleKind, Used, Way, entries, prompt};
use serde::{Deserialize, Serialize};

/// The filter. It is asked in this order, and the first that has an answer gives it: black list, white list, holidays,
/// periods, schedules.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallFilter {
    /// Match lists whose callers are refused.
    pub black_lists: Vec<String>,
    /// Match lists whose callers get through at any time.
    pub white_lists: Vec<String>,
    /// Calendars: their holidays and their periods.
    pub calendars: Vec<String>,
    /// The usual hours; any of them counts. None = always open, unless `closed` is set.
    pub schedules: Vec<String>,
    /// Where calls go on a holiday that does not say it itself; absent = they are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holiday: Option<Way>,
    /// Where calls go outside the hours; absent = they are refused. Without any schedule: always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<Way>,
    /// A stored prompt that callers hear who get through, before anybody rings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub welcome_prompt: Option<String>,
    /// A stored prompt that callers hear on a holiday that has none of its own, before they go where `holiday` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holiday_prompt: Option<String>,
    /// A stored prompt that callers hear outside the hours, before they go where `closed` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_prompt: Option<String>,
}

impl CallFilter {
    pub(crate) fn check(&self) -> Result<(), BadRule> {
        entries("black_lists", self.black_lists.len())?;
        entries("white_lists", self.white_lists.len())?;
        entries("calendars", self.calendars.len())?;
        entries("schedules", self.schedules.len())?;
        self.holiday.as_ref().map_or(Ok(()), |way| way.check("holiday"))?;
        self.closed.as_ref().map_or(Ok(()), |way| way.check("closed"))?;
        prompt("welcome_prompt", self.welcome_prompt.as_deref())?;
        prompt("holiday_prompt", self.holiday_prompt.as_deref())?;
        prompt("closed_prompt", self.closed_prompt.as_deref())
    }

    pub(crate) fn uses(&self) -> Vec<Used<'_>> {
        let lists = self.black_lists.iter().chain(&self.white_lists).map(|n| Used::Rule(RuleKind::MatchList, n));
        let calendars = self.calendars.iter().map(|n| Used::Rule(RuleKind::Calendar, n));
        let schedules = self.schedules.iter().map(|n| Used::Rule(RuleKind::Schedule, n));
        let ways = self.holiday.iter().chain(&self.closed).filter_map(Way::uses);
        lists.chain(calendars).chain(schedules).chain(ways).collect()
    }
}
