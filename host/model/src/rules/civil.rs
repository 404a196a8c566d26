//! Dates, times of day and days of the week as a person of the tenant reads them off the wall.

use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is no date or time.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CivilError {
    /// Not a day of the Gregorian calendar.
    #[error("expected a date as 2026-12-24, found {0:?}")]
    Date(String),
    /// Not a time of day.
    #[error("expected a time of day as 09:30, at most 24:00, found {0:?}")]
    Time(String),
    /// Not a day of the week.
    #[error("expected mon, tue, wed, thu, fri, sat or sun, found {0:?}")]
    Weekday(String),
}

/// A day of the Gregorian calendar.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: i16,
    month: u8,
    day: u8,
}

impl Date {
    /// 1970-01-01.
    pub const EPOCH: Date = Date { year: 1970, month: 1, day: 1 };

    /// The day, if there is such a one.
    #[must_use]
    pub fn new(year: i16, month: u8, day: u8) -> Option<Date> {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let last = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => return None,
        };
        ((1..=9999).contains(&year) && (1..=last).contains(&day)).then_some(Date { year, month, day })
    }

    /// The year.
    #[must_use]
    pub const fn year(self) -> i16 {
        self.year
    }

    /// The month, 1 to 12.
    #[must_use]
    pub const fn month(self) -> u8 {
        self.month
    }

    /// The day of the month, from 1.
    #[must_use]
    pub const fn day(self) -> u8 {
        self.day
    }
}

impl FromStr for Date {
    type Err = CivilError;
    fn from_str(text: &str) -> Result<Date, CivilError> {
        let shaped = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        let mut parts = text.split('-');
        let mut next = || parts.next().unwrap_or_default();
        let (year, month, day) = (next().parse(), next().parse(), next().parse());
        let date = match (year, month, day) {
            (Ok(year), Ok(month), Ok(day)) if shaped => Date::new(year, month, day),
            _ => None,
        };
        date.ok_or_else(|| CivilError::Date(text.to_owned()))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Minutes since the day began by the clock on the wall; 24:00 is the end of the day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DayTime(u16);

impl DayTime {
    /// The day's end.
    pub const END: DayTime = DayTime(1_440);

    /// The time, if there is such a one.
    #[must_use]
    pub const fn new(hour: u8, minute: u8) -> Option<DayTime> {
        let minutes = hour as u16 * 60 + minute as u16;
        if minute < 60 && minutes <= Self::END.0 { Some(DayTime(minutes)) } else { None }
    }
}

impl FromStr for DayTime {
    type Err = CivilError;
    fn from_str(text: &str) -> Result<DayTime, CivilError> {
        let shaped = text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit() || b == b':');
        let time = text.split_once(':').filter(|_| shaped);
        let time = time.and_then(|(hour, minute)| DayTime::new(hour.parse().ok()?, minute.parse().ok()?));
        time.ok_or_else(|| CivilError::Time(text.to_owned()))
    }
}

impl fmt::Display for DayTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl fmt::Debug for DayTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                out.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                String::deserialize(input)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
as_text!(Date);
as_text!(DayTime);

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A set of days of the week.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Weekdays(u8);

impl Weekdays {
    /// Every day.
    pub const ALL: Weekdays = Weekdays(0x7f);

    /// The days from one to another, 0 = Monday.
    #[must_use]
    pub fn range(first: u8, last: u8) -> Weekdays {
        Weekdays((first..=last.min(6)).fold(0, |set, day| set | 1 << day))
    }

    /// Whether this day is in it, 0 = Monday.
    #[must_use]
    pub const fn has(self, day: u8) -> bool {
        day < 7 && self.0 & (1 << day) != 0
    }

    /// Whether no day is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn words(self) -> impl Iterator<Item = &'static str> {
        (0_u8..).zip(DAYS).filter(move |(day, _)| self.has(*day)).map(|(_, word)| word)
    }
}

impl fmt::Debug for Weekdays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.words()).finish()
    }
}

impl Serialize for Weekdays {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_seq(self.words())
    }
}

impl<'de> Deserialize<'de> for Weekdays {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let mut set = 0;
        for word in Vec::<String>::deserialize(input)? {
            let day = DAYS.iter().position(|day| *day == word);
            let day = day.ok_or_else(|| serde::de::Error::custom(CivilError::Weekday(word)))?;
            set |= 1 << day;
        }
        Ok(Weekdays(set))
    }
}

/// A moment as the wall clock of a place shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Local {
    /// The day.
    pub date: Date,
    /// The day of the week, 0 = Monday.
    pub weekday: u8,
    /// The minute of the day.
    pub time: DayTime,
}
