//! Whether a schedule is open, and what a calendar says of a day.

use model::{Calendar, Holiday, Hours, Local, Period, Schedule};

/// Whether any hours of the schedule cover this moment. The minute in which they end is not in them.
#[must_use]
pub fn is_open(schedule: &Schedule, now: &Local) -> bool {
    let covers = |h: &Hours| h.days.has(now.weekday) && h.from <= now.time && now.time < h.to;
    schedule.hours.iter().any(covers)
}

/// The holiday of this moment: a day, or a part of one.
#[must_use]
pub fn holiday<'c>(calendar: &'c Calendar, now: &Local) -> Option<&'c Holiday> {
    calendar.holidays.iter().find(|holiday| {
        let last = holiday.until.unwrap_or(holiday.date);
        let today = holiday.date <= now.date && now.date <= last;
        today && holiday.hours.is_none_or(|hours| hours.from <= now.time && now.time < hours.to)
    })
}

/// The period that decides about today.
#[must_use]
pub fn period<'c>(calendar: &'c Calendar, now: &Local) -> Option<&'c Period> {
    calendar.periods.iter().find(|period| period.from <= now.date && now.date <= period.until)
}
