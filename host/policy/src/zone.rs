//! A moment as the clock on a tenant's wall shows it.
//!
//! Zones are those of the IANA database that `jiff` bundles: no file of the machine is read, so every node and the
//! simulator agree, and floors 0-4 still build without the world.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use model::{Date, DayTime, Instant, Local};

/// Whether there is a zone of this name.
#[must_use]
pub fn is_zone(name: &str) -> bool {
    TimeZone::get(name).is_ok()
}

/// What the clock shows in this zone; UTC where the zone is unknown.
#[must_use]
pub fn local(zone: Option<&str>, at: Instant) -> Local {
    let zone = zone.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
    let seconds = i64::try_from(at.unix_secs()).unwrap_or(i64::MAX);
    let stamp = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
    let there = zone.to_datetime(stamp);
    let small = |n: i8| u8::try_from(n).unwrap_or_default();
    Local {
        // Every day that jiff knows after 1970 is a day of ours.
        date: Date::new(there.year(), small(there.month()), small(there.day())).unwrap_or(Date::EPOCH),
        weekday: small(there.weekday().to_monday_zero_offset()),
        time: DayTime::new(small(there.hour()), small(there.minute())).unwrap_or(DayTime::END),
    }
}
