//! The call filter of a public number: black list, white list, holidays, periods, schedules; the first that has an answer
//! gives it.
//!
//! A calendar that is attached counts whole: its periods do not hang on whether it has holidays. A rule that is gone
//! meanwhile says nothing, as if it were not named: the store keeps that from happening.

use crate::calendar;
use model::{CallFilter, CompanyId, Directory, Local, Way};

/// Which part of the filter decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why<'d> {
    /// Nothing speaks against the call.
    Open,
    /// The caller is on a white list.
    WhiteList,
    /// The caller is on a black list.
    BlackList,
    /// A holiday, by its name.
    Holiday(&'d str),
    /// A period of a calendar, by its name.
    Period(&'d str),
    /// Outside the usual hours.
    Closed,
}

impl Why<'_> {
    /// The word for it, for the call's attributes and CDR.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Why::Open => "open",
            Why::WhiteList => "white-list",
            Why::BlackList => "black-list",
            Why::Holiday(_) => "holiday",
            Why::Period(_) => "period",
            Why::Closed => "closed",
        }
    }
}

/// What the filter says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Filtered<'d> {
    /// The call goes where the number leads.
    Through(Why<'d>),
    /// It goes elsewhere, or nowhere.
    Away(Why<'d>, Way),
}

/// Asks a filter of a company about a caller (E.164) at a moment of the company's zone.
#[must_use]
pub fn filter<'d>(
    directory: &'d Directory,
    company: CompanyId,
    filter: &'d CallFilter,
    caller: &str,
    now: &Local,
) -> Filtered<'d> {
    let listed =
        |names: &[String]| names.iter().any(|n| directory.match_list(company, n).is_some_and(|l| l.has(caller)));
    if listed(&filter.black_lists) {
        return Filtered::Away(Why::BlackList, Way::Refuse);
    }
    if listed(&filter.white_lists) {
        return Filtered::Through(Why::WhiteList);
    }
    let open = |names: &[String]| {
        names.iter().any(|n| directory.schedule(company, n).is_some_and(|s| calendar::is_open(s, now)))
    };
    let calendars = || filter.calendars.iter().filter_map(|name| directory.calendar(company, name));
    if let Some(holiday) = calendars().find_map(|c| calendar::holiday(c, now)) {
        let way = holiday.way.clone().or_else(|| filter.holiday.clone()).unwrap_or(Way::Refuse);
        return Filtered::Away(Why::Holiday(&holiday.name), way);
    }
    if let Some(period) = calendars().find_map(|c| calendar::period(c, now)) {
        if open(&period.schedules) {
            return Filtered::Through(Why::Period(&period.name));
        }
        let way = period.way.clone().or_else(|| filter.closed.clone()).unwrap_or(Way::Refuse);
        return Filtered::Away(Why::Period(&period.name), way);
    }
    let always = filter.schedules.is_empty() && filter.closed.is_none();
    if always || open(&filter.schedules) {
        return Filtered::Through(Why::Open);
    }
    Filtered::Away(Why::Closed, filter.closed.clone().unwrap_or(Way::Refuse))
}
