//! Caps, and the counters of an hour or a day of the wall clock.

use serde::Deserialize;
use std::collections::BTreeMap;
use strowger_sdk::{Bucket, Result, local_time};

/// What one account or company may; none where it is not said.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Caps {
    pub(crate) calls_per_hour: Option<i64>,
    pub(crate) calls_per_day: Option<i64>,
    pub(crate) minutes_per_hour: Option<i64>,
    pub(crate) minutes_per_day: Option<i64>,
    pub(crate) spend_per_hour: Option<f64>,
    pub(crate) spend_per_day: Option<f64>,
    pub(crate) international_at_once: Option<i64>,
    pub(crate) class_calls_per_day: BTreeMap<String, i64>,
}

/// Money in millionths.
pub(crate) fn micro(money: f64) -> i64 {
    (money * super::MICRO) as i64
}

/// The hour and the day of a moment.
pub(crate) struct Window {
    hour: String,
    day: String,
}

/// One number that is gone when its time is.
pub(crate) struct Counter {
    key: String,
    ttl_s: u32,
}

impl Window {
    /// Of this moment, on a wall in this zone; one that is not known is UTC.
    pub(crate) fn of(zone: &str, at_ms: u64) -> Window {
        let (hour, day) = match local_time(zone, at_ms).or_else(|| local_time("UTC", at_ms)) {
            Some(t) => {
                let day = format!("{:04}{:02}{:02}", t.year, t.month, t.day);
                // With the offset: an hour that comes twice in autumn is two.
                (format!("{day}{:02}{}", t.hour, t.offset_s), day)
            }
            None => (format!("h{}", at_ms / 3_600_000), format!("d{}", at_ms / 86_400_000)),
        };
        Window { hour, day }
    }

    /// A counter of this hour.
    pub(crate) fn hour(&self, who: &str, what: &str) -> Counter {
        Counter { key: format!("n/{who}/{}/{what}", self.hour), ttl_s: 3 * 3600 }
    }

    /// A counter of this day.
    pub(crate) fn day(&self, who: &str, what: &str) -> Counter {
        Counter { key: format!("n/{who}/{}/{what}", self.day), ttl_s: 26 * 3600 }
    }
}

impl Counter {
    /// Adds, and gives the sum.
    pub(crate) fn add(&self, store: Bucket, n: i64) -> Result<i64> {
        store.add(&self.key, n, Some(self.ttl_s))
    }

    /// The sum so far.
    pub(crate) fn read(&self, store: Bucket) -> Result<i64> {
        Ok(store.text(&self.key)?.and_then(|text| text.parse().ok()).unwrap_or(0))
    }
}
