//! `host/clock`.

use crate::bindings::router::strowger::host::clock::Host;
use crate::guest::Guest;
use std::time::{SystemTime, UNIX_EPOCH};

impl Host for Guest {
    fn now_ms(&mut self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn monotonic_ns(&mut self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
