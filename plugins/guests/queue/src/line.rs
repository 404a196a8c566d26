//! Who waits: one key for each caller, in the order in which they are served.

use crate::STORE;
use strowger_sdk::{Result, local_time, members, now_ms, remove_member};

/// An entry is gone after so long without its script: longer than it rings or waits.
const ENTRY_S: u32 = 240;
/// Statistics are kept so long.
const KEEP_S: u32 = 35 * 86_400;
/// What stands before the names of waiting rooms.
const ROOM: &str = "queue ";

/// A queue's line.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) room: String,
    company: String,
    prefix: String,
}

/// A caller's place: its key sorts by priority, then by time.
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) call: String,
}

fn safe(text: &str) -> String {
    text.replace('/', "%2f")
}

impl Line {
    pub(crate) fn new(company: &str, name: &str) -> Line {
        let prefix = format!("line/{}/{}/", safe(company), safe(name));
        Line { name: name.to_owned(), room: format!("{ROOM}{name}"), company: safe(company), prefix }
    }

    /// Stands at the end of its priority.
    pub(crate) fn join(&self, call: &str, priority: u8) -> Result<Entry> {
        let rank = 9_u8.saturating_sub(priority);
        let key = format!("{}{rank}/{:020}/{call}", self.prefix, now_ms());
        STORE.put_for(&key, "waits", ENTRY_S)?;
        // So that who sets an agent free finds every line.
        STORE.put_for(&format!("lines/{}/{}", self.company, safe(&self.name)), &self.name, 86_400)?;
        Ok(Entry { key, call: call.to_owned() })
    }

    /// The script is still there.
    pub(crate) fn mark(&self, entry: &Entry) -> Result<()> {
        STORE.put_for(&entry.key, "waits", ENTRY_S)
    }

    /// It rings agents, or waits again.
    pub(crate) fn ringing(&self, entry: &Entry, on: bool) -> Result<()> {
        STORE.put_for(&entry.key, if on { "rings" } else { "waits" }, ENTRY_S)
    }

    pub(crate) fn leave(&self, entry: &Entry) -> Result<()> {
        STORE.delete(&entry.key)
    }

    pub(crate) fn length(&self) -> Result<usize> {
        Ok(STORE.keys(&self.prefix, None, 1_000)?.len())
    }

    /// Its place among those who wait, the first is 1. Who rings is not waited for.
    pub(crate) fn position(&self, entry: &Entry) -> Result<usize> {
        let mut before = 0;
        for key in STORE.keys(&self.prefix, None, 1_000)? {
            if key == entry.key {
                break;
            }
            if STORE.text(&key)?.as_deref() == Some("waits") {
                before += 1;
            }
        }
        Ok(before + 1)
    }

    /// Tells the first one who waits to look again.
    pub(crate) fn wake(&self) -> Result<()> {
        for key in STORE.keys(&self.prefix, None, 1_000)? {
            if STORE.text(&key)?.as_deref() != Some("waits") {
                continue;
            }
            let call = key.rsplit('/').next().unwrap_or_default();
            // One that does not sit looks by itself.
            let seats = members(&self.room).unwrap_or_default();
            if let Some(seat) = seats.iter().find(|seat| seat.call_id == call) {
                let _gone = remove_member(&self.room, seat);
            }
            return Ok(());
        }
        Ok(())
    }

    /// Counts a caller's end, by day.
    pub(crate) fn statistics(&self, outcome: &str, waited_ms: u64) -> Result<()> {
        let Some(t) = local_time("UTC", now_ms()) else { return Ok(()) };
        let day = format!("{:04}-{:02}-{:02}", t.year, t.month, t.day);
        let key = |what: &str| format!("stat/{}/{}/{day}/{what}", self.company, safe(&self.name));
        STORE.add(&key(outcome), 1, Some(KEEP_S))?;
        let seconds = i64::try_from(waited_ms / 1_000).unwrap_or(i64::MAX);
        STORE.add(&key("waited-s"), seconds, Some(KEEP_S)).map(drop)
    }
}

/// Tells the first one of every line of the company.
pub(crate) fn wake_all(company: &str) -> Result<()> {
    for key in STORE.keys(&format!("lines/{}/", safe(company)), None, 1_000)? {
        if let Some(name) = STORE.text(&key)? {
            Line::new(company, &name).wake()?;
        }
    }
    Ok(())
}
