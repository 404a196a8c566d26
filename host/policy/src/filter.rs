//! The call filter of a public number: black list, white list, holidays, periods, schedules; the first that has an answer
//! gives it. Who gets through hears the welcome, whoever is sent elsewhere hears why, and who is black-listed hears nothing.
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

/// What the filter says, and what the caller hears before that is done: a stored prompt, by name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer<'d> {
    /// Where the call goes.
    pub goes: Filtered<'d>,
    /// What is heard first.
    pub prompt: Option<&'d str>,
}

/// Asks a filter of a company about a caller (E.164) at a moment of the company's zone.
#[must_use]
pub fn filter<'d>(
    directory: &'d Directory,
    company: CompanyId,
    filter: &'d CallFilter,
    caller: &str,
    now: &Local,
) -> Answer<'d> {
    let through = |why| Answer { goes: Filtered::Through(why), prompt: filter.welcome_prompt.as_deref() };
    let away = |why, way: Option<&Way>, prompt: Option<&'d String>| {
        let way = way.cloned().unwrap_or(Way::Refuse);
        Answer { goes: Filtered::Away(why, way), prompt: prompt.map(String::as_str) }
    };
    let listed =
        |names: &[String]| names.iter().any(|n| directory.match_list(company, n).is_some_and(|l| l.has(caller)));
    if listed(&filter.black_lists) {
        return away(Why::BlackList, None, None);
    }
    if listed(&filter.white_lists) {
        return through(Why::WhiteList);
    }
    let open = |names: &[String]| {
        names.iter().any(|n| directory.schedule(company, n).is_some_and(|s| calendar::is_open(s, now)))
    };
    let calendars = || filter.calendars.iter().filter_map(|name| directory.calendar(company, name));
    if let Some(holiday) = calendars().find_map(|c| calendar::holiday(c, now)) {
        let prompt = holiday.prompt.as_ref().or(filter.holiday_prompt.as_ref());
        return away(Why::Holiday(&holiday.name), holiday.way.as_ref().or(filter.holiday.as_ref()), prompt);
    }
    if let Some(period) = calendars().find_map(|c| calendar::period(c, now)) {
        if open(&period.schedules) {
            return through(Why::Period(&period.name));
        }
        let prompt = period.prompt.as_ref().or(filter.closed_prompt.as_ref());
        return away(Why::Period(&period.name), period.way.as_ref().or(filter.closed.as_ref()), prompt);
    }
    let always = filter.schedules.is_empty() && filter.closed.is_none();
    if always || open(&filter.schedules) {
        return through(Why::Open);
    }
    away(Why::Closed, filter.closed.as_ref(), filter.closed_prompt.as_ref())
}
