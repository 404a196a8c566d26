//! Schedules and calendars: the hours of a week, and the days that differ from it.

use super::{BadRule, Date, DayTime, RuleKind, Used, Way, Weekdays, entries, prompt};
use serde::{Deserialize, Serialize};

/// Hours of some days: from a minute on, up to another one and not with it. A night is two of them: one up to 24:00, one
/// from 00:00 of the days after.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// On these days.
    pub days: Weekdays,
    /// First minute.
    pub from: DayTime,
    /// The minute after the last one; 24:00 = up to the day's end.
    pub to: DayTime,
}

/// Hours of a week; any of them counts.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// The hours.
    pub hours: Vec<Hours>,
}

impl Schedule {
    pub(crate) fn check(&self) -> Result<(), BadRule> {
        entries("hours", self.hours.len())?;
        if self.hours.is_empty() {
            return Err(BadRule::new("hours", "at least one entry is needed"));
        }
        for hours in &self.hours {
            span("hours", hours.from, hours.to)?;
            if hours.days.is_empty() {
                return Err(BadRule::new("hours", "an entry needs at least one day"));
            }
        }
        Ok(())
    }
}

fn span(field: &'static str, from: DayTime, to: DayTime) -> Result<(), BadRule> {
    if from >= to {
        return Err(BadRule::new(field, format!("{from} to {to} ends before it begins; a night is two entries")));
    }
    Ok(())
}

/// A part of a day: `from` is in it, `to` is not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// First minute.
    pub from: DayTime,
    /// The minute after the last one.
    pub to: DayTime,
}

/// A day off, or several in a row.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holiday {
    /// What it is called.
    pub name: String,
    /// The day, or the first one.
    pub date: Date,
    /// The last day, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
    /// Only this part of each day; absent = all day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Span>,
    /// Where calls go then; absent = as the filter says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<Way>,
    /// A stored prompt that callers hear first; absent = the filter's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
}

/// Days whose hours are not the usual ones.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// What it is called.
    pub name: String,
    /// The first day.
    pub from: Date,
    /// The last day.
    pub until: Date,
    /// The schedules of these days; none = closed.
    pub schedules: Vec<String>,
    /// Where calls go outside of them; absent = as the filter says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<Way>,
    /// A stored prompt that callers hear outside of them first; absent = the filter's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
}

/// The days that differ.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// Days off.
    #[serde(default)]
    pub holidays: Vec<Holiday>,
    /// Days with other hours; the first one that covers a day decides about it.
    #[serde(default)]
    pub periods: Vec<Period>,
}

impl Calendar {
    pub(crate) fn check(&self) -> Result<(), BadRule> {
        entries("holidays", self.holidays.len())?;
        entries("periods", self.periods.len())?;
        for holiday in &self.holidays {
            if holiday.until.is_some_and(|until| until < holiday.date) {
                return Err(BadRule::new("holidays", format!("{:?} ends before it begins", holiday.name)));
            }
            holiday.hours.map_or(Ok(()), |hours| span("holidays", hours.from, hours.to))?;
            holiday.way.as_ref().map_or(Ok(()), |way| way.check("holidays"))?;
            prompt("holidays", holiday.prompt.as_deref())?;
        }
        for period in &self.periods {
            if period.until < period.from {
                return Err(BadRule::new("periods", format!("{:?} ends before it begins", period.name)));
            }
            period.way.as_ref().map_or(Ok(()), |way| way.check("periods"))?;
            prompt("periods", period.prompt.as_deref())?;
        }
        Ok(())
    }

    /// What it names.
    pub(crate) fn uses(&self) -> Vec<Used<'_>> {
        let schedules = self.periods.iter().flat_map(|period| &period.schedules);
        let of_holidays = self.holidays.iter().filter_map(|holiday| holiday.way.as_ref());
        let of_periods = self.periods.iter().filter_map(|period| period.way.as_ref());
        let ways = of_holidays.chain(of_periods).filter_map(Way::uses);
        schedules.map(|name| Used::Rule(RuleKind::Schedule, name)).chain(ways).collect()
    }
}
