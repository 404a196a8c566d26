//! `host/clock`, with the zones of the world inside the binary.

use crate::bindings::router::strowger::host::clock::{Host, Local};
use crate::guest::Guest;
use crate::tape::taped;
use jiff::tz::TimeZone;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// What guests take for the time: the machine's, or one that only its owner moves. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct GuestClock(Option<Arc<AtomicU64>>);

impl GuestClock {
    /// One that stands still at so many milliseconds since the Unix epoch, for tests of plugins.
    #[must_use]
    pub fn standing_at(unix_ms: u64) -> GuestClock {
        GuestClock(Some(Arc::new(AtomicU64::new(unix_ms))))
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        match &self.0 {
            Some(standing) => standing.load(Ordering::Relaxed),
            None => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
            }
        }
    }

    /// Lets time pass on a clock that stands still; the machine's is nobody's to move.
    pub fn pass(&self, ms: u64) {
        if let Some(standing) = &self.0 {
            standing.fetch_add(ms, Ordering::Relaxed);
        }
    }

    /// Puts a clock that stands still to another time.
    pub fn set(&self, unix_ms: u64) {
        if let Some(standing) = &self.0 {
            standing.store(unix_ms, Ordering::Relaxed);
        }
    }

    /// Whether only its owner moves it.
    pub(crate) const fn stands(&self) -> bool {
        self.0.is_some()
    }
}

impl Host for Guest {
    fn now_ms(&mut self) -> u64 {
        taped!(self, "clock.now-ms", (), self.clock.now_ms())
    }

    fn monotonic_ns(&mut self) -> u64 {
        taped!(self, "clock.monotonic-ns", (), self.since_it_began())
    }

    fn local_time(&mut self, zone: String, at_ms: u64) -> Option<Local> {
        taped!(self, "clock.local-time", (&zone, at_ms), local(&zone, at_ms))
    }
}

impl Guest {
    fn since_it_began(&self) -> u64 {
        if self.clock.stands() {
            return self.clock.now_ms().saturating_sub(self.began_ms).saturating_mul(1_000_000);
        }
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

fn local(zone: &str, at_ms: u64) -> Option<Local> {
    // The longest name of the database has 32 characters; a longer one need not be looked for.
    let zone = TimeZone::get(zone.get(..zone.len().min(64))?).ok()?;
    let at = jiff::Timestamp::from_millisecond(i64::try_from(at_ms).ok()?).ok()?.to_zoned(zone);
    let small = |n: i8| u8::try_from(n).unwrap_or_default();
    Some(Local {
        year: i32::from(at.year()),
        month: small(at.month()),
        day: small(at.day()),
        hour: small(at.hour()),
        minute: small(at.minute()),
        second: small(at.second()),
        weekday: small(at.weekday().to_monday_one_offset()),
        offset_s: at.offset().seconds(),
    })
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn a_wall_clock_follows_its_zone_over_the_change_to_summer_time() {
        // 2026-03-29 00:59:59 UTC is a Sunday; a second later London leaps from 01:00 to 02:00.
        let before = 1_774_745_999_000;
        let shown = |zone: &str, at| {
            local(zone, at).map(|l| (l.year, l.month, l.day, l.hour, l.minute, l.second, l.weekday, l.offset_s))
        };
        assert_eq!(shown("Europe/London", before), Some((2026, 3, 29, 0, 59, 59, 7, 0)));
        assert_eq!(shown("Europe/London", before + 1_000), Some((2026, 3, 29, 2, 0, 0, 7, 3_600)));
        assert_eq!(shown("Asia/Kolkata", before), Some((2026, 3, 29, 6, 29, 59, 7, 19_800)));
        assert_eq!(shown("Mars/Olympus", before), None);
        assert_eq!(shown("UTC", u64::MAX), None);
    }
}
