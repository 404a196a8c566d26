//! `host/log`: lines of guests in the operator's log, with a budget per instance.

use super::{Powers, cut};
use crate::bindings::router::strowger::host::log::{Host, Level};
use crate::bindings::router::strowger::types::types::Attr;
use crate::guest::Guest;
use crate::guest_log;
use core::fmt::Write;
use model::Told;
use std::sync::atomic::Ordering;
use std::time::Instant;

const LINE_MAX: usize = 1_024;
/// How much of a text is looked through for secrets; longer than a line and the longest secret.
const HUSHED_MAX: usize = 8 << 10;
/// How much of a line with its fields is kept in the binding's ring, in bytes.
const KEPT_LINE_MAX: usize = 2_048;
const FIELDS_MAX: usize = 16;
const LINES_PER_SECOND: u64 = 10;

/// A token bucket: a burst, then a trickle.
#[derive(Debug)]
pub(crate) struct LineBudget {
    burst: u32,
    left: u32,
    filled: Instant,
}

impl LineBudget {
    pub(crate) fn new(burst: u32) -> LineBudget {
        LineBudget { burst, left: burst, filled: Instant::now() }
    }

    fn take(&mut self, now: Instant) -> bool {
        let due = now.saturating_duration_since(self.filled).as_secs().saturating_mul(LINES_PER_SECOND);
        if due > 0 {
            self.left = self.left.saturating_add(u32::try_from(due).unwrap_or(u32::MAX)).min(self.burst);
            self.filled = now;
        }
        let granted = self.left > 0;
        self.left = self.left.saturating_sub(1);
        granted
    }
}

macro_rules! line {
    ($level:ident, $guest:expr, $text:expr) => {
        tracing::$level!(
            target: "plugin::guest",
            binding = %$guest.bound.spec.name,
            plugin = %$guest.bound.spec.plugin,
            brand = %$guest.brand,
            call = %$guest.call.map(|c| c.to_string()).unwrap_or_default(),
            "{}", $text
        )
    };
}

/// A guest's words without the secrets it knows, as much of them as a line may have.
fn hushed(powers: &Powers, text: &str) -> String {
    // Before it is cut, or a secret's beginning would be left.
    let text = powers.hushed(cut(text, HUSHED_MAX));
    cut(&text, LINE_MAX).to_owned()
}

/// A guest's line must stay one line.
fn one_line(text: &str) -> String {
    text.replace(|c: char| c.is_control(), " ")
}

/// A guest's words as a line of the switch's own log may have them: without its secrets, of one line, not too long.
pub(crate) fn for_log(powers: &Powers, text: &str) -> String {
    one_line(&hushed(powers, text))
}

impl Host for Guest {
    fn write(&mut self, level: Level, message: String, fields: Vec<Attr>) {
        if !self.lines.take(Instant::now()) {
            self.bound.counters.log_dropped.fetch_add(1, Ordering::Relaxed);
            self.bound.log.drop_one();
            return;
        }
        let hushed = |text: &str| hushed(&self.bound.powers, text);
        let mut text = hushed(&message);
        for (name, value) in fields.iter().take(FIELDS_MAX) {
            let _ = write!(text, " {}={:?}", cut(&hushed(name), 64), hushed(value));
        }
        let text = one_line(&text);
        self.remember(level, &text);
        match level {
            Level::Trace => line!(trace, self, text),
            Level::Debug => line!(debug, self, text),
            Level::Info => line!(info, self, text),
            // WARN and ERROR are the switch's own words to the operator ("we are wrong"): a guest's stay below.
            Level::Warn => line!(info, self, format_args!("warning: {text}")),
            Level::Error => line!(warn, self, format_args!("error: {text}")),
        }
    }
}

impl Guest {
    /// Puts a line into the binding's ring.
    fn remember(&self, level: Level, text: &str) {
        let level = match level {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        let told = Told {
            kind: guest_log::KIND,
            at: model::Instant::from_unix_nanos(self.clock.now_ms().saturating_mul(1_000_000)),
            call: self.call,
            brand: self.brand,
            company: self.company,
            attrs: vec![
                ("binding", self.bound.spec.name.clone()),
                ("plugin", self.bound.spec.plugin.clone()),
                ("level", level.to_owned()),
                ("line", cut(text, KEPT_LINE_MAX).to_owned()),
            ],
        };
        self.bound.log.push(told, self.log_kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn a_burst_then_a_trickle() {
        let mut lines = LineBudget::new(3);
        let t = lines.filled;
        assert_eq!((0..10).filter(|_| lines.take(t)).count(), 3);
        assert!(!lines.take(t + Duration::from_millis(900)));
        assert_eq!((0..10).filter(|_| lines.take(t + Duration::from_secs(9))).count(), 3);
    }
}
