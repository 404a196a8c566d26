//! What happens to calls from outside for a public number, by who calls and when.

use super::{BadRule, RuleKind, entries};
use serde::{Deserialize, Serialize};

/// Where a call goes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind", content = "name")]
pub enum Way {
    /// To nobody: the caller gets 403, Q.850 cause 21.
    Refuse,
    /// To an account, by user name.
    Account(String),
    /// To an extension, by number.
    Extension(String),
    /// To a call app, by the name of its binding.
    App(String),
    /// To a public number, in E.164.
    Number(String),
}

impl Way {
    pub(crate) fn check(&self, field: &'static str) -> Result<(), BadRule> {
        let (Way::Account(name) | Way::Extension(name) | Way::App(name) | Way::Number(name)) = self else {
            return Ok(());
        };
        if name.is_empty() || name.len() > 64 || name.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(BadRule::new(field, "the name of where calls go needs 1 to 64 characters and no blanks"));
        }
        if matches!(self, Way::Number(_)) && !is_e164(name) {
            return Err(BadRule::new(field, format!("expected a number as +34944048182, found {name:?}")));
        }
        Ok(())
    }
}

/// Whether this is a public number: `+` and 2 to 15 digits.
pub(crate) fn is_e164(number: &str) -> bool {
    let digits = number.strip_prefix('+').unwrap_or_default();
    (2..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

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
}

impl CallFilter {
    pub(crate) fn check(&self) -> Result<(), BadRule> {
        entries("black_lists", self.black_lists.len())?;
        entries("white_lists", self.white_lists.len())?;
        entries("calendars", self.calendars.len())?;
        entries("schedules", self.schedules.len())?;
        self.holiday.as_ref().map_or(Ok(()), |way| way.check("holiday"))?;
        self.closed.as_ref().map_or(Ok(()), |way| way.check("closed"))
    }

    pub(crate) fn uses(&self) -> Vec<(RuleKind, &str)> {
        let lists = self.black_lists.iter().chain(&self.white_lists).map(|n| (RuleKind::MatchList, n.as_str()));
        let calendars = self.calendars.iter().map(|n| (RuleKind::Calendar, n.as_str()));
        lists.chain(calendars).chain(self.schedules.iter().map(|n| (RuleKind::Schedule, n.as_str()))).collect()
    }
}
