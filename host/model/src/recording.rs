//! Recordings of legs, as they leave the switch: frames of sound for whoever keeps them.

use crate::{BrandId, CallId, Channels, CompanyId, Instant};
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// One recording of a shard since it started.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct RecordingId(pub u64);

/// A recording begins.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RecordingStart {
    /// Which.
    pub recording: RecordingId,
    /// Its name: unique for ever, and fit for a file.
    pub name: String,
    /// Whose.
    pub brand: BrandId,
    /// Whose.
    pub company: CompanyId,
    /// The call.
    pub call: CallId,
    /// The leg within it.
    pub leg: u16,
    /// What of it.
    pub channels: Channels,
    /// Samples per second and channel.
    pub rate: u32,
    /// When.
    pub at: Instant,
}

/// What happens to a recording. In order: it starts, has sound, ends.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RecordingEvent {
    /// It begins.
    Started(RecordingStart),
    /// More of it: 16-bit samples; of two channels in turns, what the party says first.
    Sound(RecordingId, Vec<i16>),
    /// It is over, and this long.
    Ended(RecordingId, Duration),
}
