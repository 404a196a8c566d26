//! Recordings of legs, as they leave the switch: frames of sound for whoever keeps them.

use crate::{BrandId, CallId, Channels, CompanyId, Instant};
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// Which calls of a public number are recorded from their answer on, without anybody asking for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DdiRecording {
    /// None.
    #[default]
    None,
    /// Those that carriers bring for it.
    In,
    /// Those that go to carriers and show it.
    Out,
    /// Both.
    All,
}

impl DdiRecording {
    /// Every choice.
    pub const ALL: &'static [DdiRecording] =
        &[DdiRecording::None, DdiRecording::In, DdiRecording::Out, DdiRecording::All];

    /// The word for it, in rows and in the API.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            DdiRecording::None => "none",
            DdiRecording::In => "in",
            DdiRecording::Out => "out",
            DdiRecording::All => "all",
        }
    }

    /// The choice of this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<DdiRecording> {
        DdiRecording::ALL.iter().find(|r| r.word() == word).copied()
    }

    /// Whether calls that carriers bring are recorded.
    #[must_use]
    pub const fn inward(self) -> bool {
        matches!(self, DdiRecording::In | DdiRecording::All)
    }

    /// Whether calls that go to carriers are recorded.
    #[must_use]
    pub const fn outward(self) -> bool {
        matches!(self, DdiRecording::Out | DdiRecording::All)
    }
}

/// What the sound of a recording is kept as.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordingFormat {
    /// Ogg Opus (RFC 7845): about a sixth of a WAV file.
    #[default]
    Opus,
    /// WAV, 16-bit linear PCM, as it was taken up.
    Wav,
}

impl RecordingFormat {
    /// Every format.
    pub const ALL: &'static [RecordingFormat] = &[RecordingFormat::Opus, RecordingFormat::Wav];

    /// The word for it, in rows and in the API; its files end so.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            RecordingFormat::Opus => "opus",
            RecordingFormat::Wav => "wav",
        }
    }

    /// The format of this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<RecordingFormat> {
        RecordingFormat::ALL.iter().find(|f| f.word() == word).copied()
    }

    /// Its media type (RFC 7845 section 9; that of WAV is not registered).
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            RecordingFormat::Opus => "audio/ogg; codecs=opus",
            RecordingFormat::Wav => "audio/wav",
        }
    }

    /// Whether it is what a company has that says nothing.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == RecordingFormat::default()
    }
}

/// Where the sound of a recording is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordingPlace {
    /// In the folder of the node that took it up.
    #[default]
    Node,
    /// In the platform's bucket.
    Bucket,
}

impl RecordingPlace {
    /// Every place.
    pub const ALL: &'static [RecordingPlace] = &[RecordingPlace::Node, RecordingPlace::Bucket];

    /// The word for it, in rows and in the API.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            RecordingPlace::Node => "node",
            RecordingPlace::Bucket => "bucket",
        }
    }

    /// The place of this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<RecordingPlace> {
        RecordingPlace::ALL.iter().find(|p| p.word() == word).copied()
    }
}

/// What an operator or a party wants of the recording of a call that is up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TapeAct {
    /// Record this leg, both directions, each on a channel of its own.
    Start,
    /// End what somebody began on this leg; what a number's rule records goes on.
    Stop,
    /// Take nothing in from now on, whoever records: a card number is being told.
    Pause,
    /// Take in again.
    Resume,
}

/// Why the recording of a call was left as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TapeRefusal {
    /// No such call, or no such leg that talks.
    #[error("there is no such call, or no such leg that is answered")]
    Nothing,
    /// It is being recorded already, or not recorded at all.
    #[error("the leg is being recorded already, or is not being recorded")]
    State,
    /// Its media does not pass through the switch, or it speaks a codec that is not decoded here.
    #[error("the leg's media does not pass through the switch, or cannot be decoded")]
    Unheard,
    /// As many recordings are going on as may.
    #[error("as many recordings are going on as recordings_max allows")]
    Limit,
}

/// One recording of a shard since it started.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct RecordingId(pub u64);

/// Who wanted a recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordedBy {
    /// The call's script, which does with it what it wants.
    App,
    /// The public number that the call is for, or shows.
    Number,
    /// A party of it, or an operator.
    Hand,
}

impl RecordedBy {
    /// The word for it, in rows and in the API.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            RecordedBy::App => "app",
            RecordedBy::Number => "number",
            RecordedBy::Hand => "hand",
        }
    }
}

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
    /// Who wanted it.
    pub by: RecordedBy,
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
