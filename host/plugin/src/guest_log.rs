//! What the guests of one binding wrote to their log: a bounded ring, for the plugin's author and its operator.
//!
//! Lines come hushed and cut (`capability/log`). The ring goes with its binding, over all its versions, and with the
//! process; a reader keeps only the number of the last line it saw, as with [`crate::LiveEvents`].

use crate::Since;
use model::Told;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// The kind of event that a line is told as.
pub(crate) const KIND: &str = "plugin-log";

/// The last log lines of a binding.
#[derive(Debug)]
pub struct GuestLog {
    kept: Mutex<Kept>,
    last: watch::Sender<u64>,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<(u64, Arc<Told>)>,
    bytes: usize,
}

impl Default for GuestLog {
    fn default() -> Self {
        GuestLog { kept: Mutex::default(), last: watch::Sender::new(0), dropped: AtomicU64::new(0) }
    }
}

/// What a line counts, in bytes: its texts.
fn bytes(told: &Told) -> usize {
    told.attrs.iter().map(|(name, value)| name.len() + value.len()).sum()
}

impl GuestLog {
    /// Keeps a line; the oldest go where there are more than `lines_max`, or more than `bytes_max` bytes of text.
    pub fn push(&self, told: Told, (lines_max, bytes_max): (usize, usize)) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let number = *self.last.borrow() + 1;
        kept.bytes += bytes(&told);
        kept.lines.push_back((number, Arc::new(told)));
        while kept.lines.len() > lines_max || kept.bytes > bytes_max {
            let Some((_, gone)) = kept.lines.pop_front() else { break };
            kept.bytes -= bytes(&gone);
        }
        self.last.send_replace(number);
    }

    /// Counts a line that was over the guest's budget.
    pub(crate) fn drop_one(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Lines that were not kept because their guests wrote too many.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// The number of the newest line; 0 = there never was one.
    #[must_use]
    pub fn newest(&self) -> u64 {
        *self.last.borrow()
    }

    /// At most `max` lines after number `after`.
    #[must_use]
    pub fn since(&self, after: u64, max: usize) -> Since {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = self.newest();
        let first = kept.lines.front().map_or(newest + 1, |(number, _)| *number);
        if after.saturating_add(1) < first || after > newest {
            return Since::Lost(newest);
        }
        Since::Events(kept.lines.iter().filter(|(number, _)| *number > after).take(max).cloned().collect())
    }

    /// Every line there is, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<(u64, Arc<Told>)> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).lines.iter().cloned().collect()
    }

    /// Waits until there is a line after number `after`, at most so long.
    pub async fn comes(&self, after: u64, longest: Duration) {
        let mut last = self.last.subscribe();
        let _ = tokio::time::timeout(longest, last.wait_for(|last| *last > after)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{BrandId, CompanyId};

    fn line(text: &str) -> Told {
        let (at, attrs) = (model::Instant::from_unix_nanos(1), vec![("line", text.to_owned())]);
        Told { kind: KIND, at, call: None, brand: BrandId(1), company: CompanyId(1), attrs }
    }

    fn texts(lines: &[(u64, Arc<Told>)]) -> Vec<(u64, &str)> {
        lines.iter().map(|(number, told)| (*number, told.attrs[0].1.as_str())).collect()
    }

    #[tokio::test]
    async fn the_oldest_go_by_number_and_by_bytes_and_a_reader_is_told() {
        let log = GuestLog::default();
        for text in ["one", "two", "six"] {
            log.push(line(text), (2, 1_000));
        }
        assert_eq!(texts(&log.all()), [(2, "two"), (3, "six")]);
        assert_eq!(log.since(0, 9), Since::Lost(3), "the first is gone");
        assert_eq!(log.since(4, 9), Since::Lost(3), "a number of another process");
        let Since::Events(after) = log.since(2, 9) else { panic!("lost") };
        assert_eq!(texts(&after), [(3, "six")]);
        // `line` and its text: 4 + 20 bytes.
        log.push(line(&"x".repeat(20)), (2, 30));
        assert_eq!(texts(&log.all()), [(4, "xxxxxxxxxxxxxxxxxxxx")]);
        log.push(line(&"y".repeat(40)), (2, 30));
        assert_eq!((log.all().len(), log.newest()), (0, 5), "one that is larger than all may be");
        log.comes(4, Duration::from_secs(60)).await;
        assert_eq!(log.since(5, 9), Since::Events(Vec::new()));
    }
}
