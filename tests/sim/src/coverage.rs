//! What occurred in a run: a simulation that never forks proves nothing about forks.
//!
//! Each run notes its features by what was seen on the wire and in the records, not by what was planned. Over many seeds
//! every one of the lists below must have occurred, or the run fails as a whole.

use crate::journal::Journal;
use crate::text;
use std::collections::BTreeSet;

/// Seeds from which on the lists must be complete.
pub const ENOUGH: u64 = 200;

/// What the world around one switch must show.
pub const WORLD: &[&str] = &[
    "apps",
    "carriers",
    "cuts",
    "digest-by-carriers",
    "directories",
    "drains",
    "early-media",
    "forks",
    "holds",
    "late-offers",
    "nats",
    "operators",
    "picked-up",
    "reliable",
    "resets",
    "restarts",
    "srtp",
    "streams",
    "subscriptions",
    "transfers",
];

/// What two proxies in a row must show.
pub const CHAIN: &[&str] = &["cancelled", "declined", "forks", "in-a-row", "operators", "relayed", "several-answers"];

/// The features of one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Coverage(BTreeSet<&'static str>);

impl Coverage {
    /// Something occurred.
    pub(crate) fn note(&mut self, feature: &'static str) {
        self.0.insert(feature);
    }

    fn note_if(&mut self, feature: &'static str, occurred: bool) {
        if occurred {
            self.0.insert(feature);
        }
    }

    /// A message reached the switch.
    pub(crate) fn delivered(&mut self, message: &str) {
        if text::status(message).is_some() {
            return self.note_if("digest-by-carriers", text::status(message) == Some(407));
        }
        match text::method(message) {
            "PRACK" => self.note("reliable"),
            "INVITE" if !message.contains("\r\nm=") => self.note("late-offers"),
            "INVITE" => self.note_if("holds", message.contains("\r\na=sendonly")),
            _ => {}
        }
    }

    /// The switch sent a message.
    pub(crate) fn sent(&mut self, message: &str) {
        match (text::status(message), text::method(message)) {
            (Some(202), "REFER") => self.note("transfers"),
            (Some(183), _) => self.note_if("early-media", message.contains("\r\nm=audio")),
            (Some(200), "INVITE") => self.note_if("srtp", message.contains("\r\na=crypto")),
            (None, "NOTIFY") => self.note_if("subscriptions", message.contains("<dialog-info")),
            _ => {}
        }
    }

    /// The run is over.
    pub(crate) fn read(&mut self, journal: &Journal) {
        let ended_as = |code| journal.causes.contains_key(code);
        self.note_if("forks", ended_as("answered-elsewhere"));
        self.note_if("picked-up", ended_as("picked-up"));
        self.note_if("carriers", !journal.carried.is_empty());
    }

    /// All of them.
    pub(crate) fn features(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().copied()
    }
}
