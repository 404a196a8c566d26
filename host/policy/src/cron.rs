//! When something comes again: five fields of a line of cron's, read on the clock of a tenant's wall.
//!
//! Minute, hour, day of the month, month, day of the week, as POSIX `crontab` has them, with the steps (`*/5`) and names
//! (`mon`, `jan`) that every cron knows. Where both kinds of day are named, either is enough; a field that begins with a
//! star names nothing. Our own instead of a crate: it is small, it must give the same answer on every floor and node, and
//! what happens when the clocks change is a decision, not an accident (decision 0290):
//!
//! - What falls where the clock jumps ahead happens once, at the end of the jump; unless it comes every hour, for then the
//!   hour that is not there has no turn.
//! - What falls where the clock shows an hour twice happens the first time; unless it comes every hour, for then both
//!   hours are hours.

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use model::Instant;

/// Longest text that is read, in bytes.
const TEXT_MAX: usize = 256;
/// Days that are looked through: a 29th of February may be eight years away.
const DAYS_MAX: usize = 9 * 366;
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const ALL_HOURS: u64 = (1 << 24) - 1;

/// When something comes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Cron {
    /// A bit for each minute of an hour.
    minutes: u64,
    hours: u64,
    /// The first day of a month is bit 1.
    days: u64,
    months: u64,
    /// Sunday is bit 0.
    weekdays: u64,
    /// Whether days of the month, or of the week, are named at all.
    by_day: bool,
    by_weekday: bool,
}

/// One of the five fields: what it is called, its least and greatest number, and names for numbers.
struct Field {
    what: &'static str,
    least: u32,
    most: u32,
    names: &'static [&'static str],
}

const MINUTE: Field = Field { what: "minute", least: 0, most: 59, names: &[] };
const HOUR: Field = Field { what: "hour", least: 0, most: 23, names: &[] };
const DAY: Field = Field { what: "day", least: 1, most: 31, names: &[] };
const MONTH: Field = Field { what: "month", least: 1, most: 12, names: &MONTHS };
const WEEKDAY: Field = Field { what: "weekday", least: 0, most: 7, names: &WEEKDAYS };

impl Field {
    fn refused(&self, part: &str, why: &str) -> String {
        format!("the {} {part} {why}", self.what)
    }

    fn number(&self, text: &str) -> Result<u32, String> {
        let named = self.names.iter().position(|name| text.eq_ignore_ascii_case(name));
        let number = match named.and_then(|at| u32::try_from(at).ok()) {
            // Months are counted from 1, days of the week from 0, as their fields begin.
            Some(at) => at + self.least,
            None if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) => {
                return Err(self.refused(text, "is no number"));
            }
            None => text.parse().map_err(|_| self.refused(text, "is no number"))?,
        };
        if number < self.least || number > self.most {
            return Err(self.refused(text, &format!("is not within {} to {}", self.least, self.most)));
        }
        Ok(number)
    }

    /// The numbers of one part, a bit each: `*`, `7`, `1-5`, any of them with `/2`.
    fn part(&self, part: &str) -> Result<u64, String> {
        let (span, step) = part.split_once('/').map_or((part, None), |(span, step)| (span, Some(step)));
        let (from, to) = match span.split_once('-') {
            _ if span == "*" => (self.least, self.most),
            Some((from, to)) => (self.number(from)?, self.number(to)?),
            None if step.is_some() => (self.number(span)?, self.most),
            None => (self.number(span)?, self.number(span)?),
        };
        // A week that ends with Sunday.
        let to = if self.most == WEEKDAY.most && to == 0 && from > 0 { WEEKDAY.most } else { to };
        if from > to {
            return Err(self.refused(part, "goes backwards"));
        }
        let every: usize = match step {
            None => 1,
            Some(text) => text
                .parse()
                .ok()
                .filter(|n| (1..=60).contains(n))
                .ok_or_else(|| self.refused(part, "has no step of 1 to 60"))?,
        };
        Ok((from..=to).step_by(every).fold(0, |bits, n| bits | 1 << n))
    }

    fn bits(&self, text: &str) -> Result<u64, String> {
        text.split(',').try_fold(0, |bits, part| Ok(bits | self.part(part)?))
    }
}

const fn has(bits: u64, n: u32) -> bool {
    (bits >> n) & 1 == 1
}

fn small(n: i8) -> u32 {
    u32::try_from(n).unwrap_or_default()
}

impl Cron {
    /// Reads `minute hour day month weekday`.
    ///
    /// # Errors
    /// What is wrong with the text, in words.
    pub fn parse(text: &str) -> Result<Cron, String> {
        if text.len() > TEXT_MAX {
            return Err(format!("it is longer than {TEXT_MAX} bytes"));
        }
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(format!(
                "expected five fields (minute hour day month weekday), and there are {}",
                fields.len()
            ));
        };
        let weekdays = WEEKDAY.bits(weekday)?;
        Ok(Cron {
            minutes: MINUTE.bits(minute)?,
            hours: HOUR.bits(hour)?,
            days: DAY.bits(day)?,
            months: MONTH.bits(month)?,
            // Sunday is 0 and 7.
            weekdays: weekdays | ((weekdays >> 7) & 1),
            by_day: !day.starts_with('*'),
            by_weekday: !weekday.starts_with('*'),
        })
    }

    /// The first time after a moment, in this zone; none if there is no such day, or no such zone.
    #[must_use]
    pub fn next(&self, zone: &str, after: Instant) -> Option<Instant> {
        let zone = TimeZone::get(zone).ok()?;
        let after = i64::try_from(after.unix_secs()).ok()?;
        // The clock may be set back across midnight: what comes next may be of the day before, or of the day after.
        let mut day = zone.to_datetime(jiff::Timestamp::from_second(after).ok()?).date().yesterday().ok()?;
        for _ in 0..DAYS_MAX {
            if let Some(found) = self.of_day(&zone, day, after) {
                let later = day.tomorrow().ok().and_then(|day| self.of_day(&zone, day, after));
                let first = later.map_or(found, |later| later.min(found));
                return u64::try_from(first).ok().map(|s| Instant::from_unix_nanos(s.saturating_mul(1_000_000_000)));
            }
            day = day.tomorrow().ok()?;
        }
        None
    }

    fn is_day(&self, day: Date) -> bool {
        let of_month = has(self.days, small(day.day()));
        let of_week = has(self.weekdays, small(day.weekday().to_sunday_zero_offset()));
        let named = if self.by_day && self.by_weekday { of_month || of_week } else { of_month && of_week };
        named && has(self.months, small(day.month()))
    }

    /// The first time of a day that is after a moment, both in seconds.
    fn of_day(&self, zone: &TimeZone, day: Date, after: i64) -> Option<i64> {
        if !self.is_day(day) {
            return None;
        }
        let hours = (0_i8..24).filter(|hour| has(self.hours, small(*hour)));
        let times = hours.flat_map(|hour| (0_i8..60).map(move |minute| (hour, minute)));
        times
            .filter(|(_, minute)| has(self.minutes, small(*minute)))
            .flat_map(|(hour, minute)| self.moments(zone, day.at(hour, minute, 0, 0)))
            .flatten()
            .filter(|at| *at > after)
            .min()
    }

    /// When the clock shows this: never, once or twice.
    fn moments(&self, zone: &TimeZone, shown: DateTime) -> [Option<i64>; 2] {
        let every_hour = self.hours == ALL_HOURS;
        let at = |offset: jiff::tz::Offset| offset.to_timestamp(shown).ok();
        let second = |at: Option<jiff::Timestamp>| at.map(jiff::Timestamp::as_second);
        match zone.to_ambiguous_timestamp(shown).offset() {
            AmbiguousOffset::Unambiguous { offset } => [second(at(offset)), None],
            AmbiguousOffset::Gap { .. } if every_hour => [None, None],
            AmbiguousOffset::Gap { before, .. } => {
                // Read as if the clock had not been changed, it is after the jump; the jump is the change before that.
                let jump = at(before).and_then(|late| {
                    let next = late.checked_add(jiff::SignedDuration::from_secs(1)).ok()?;
                    zone.preceding(next).next().map(|change| change.timestamp())
                });
                [second(jump), None]
            }
            AmbiguousOffset::Fold { before, after } => [second(at(before)), second(at(after)).filter(|_| every_hour)],
        }
    }
}
