//! The words of `strowger recording` and `strowger call record`.

use clap::{Subcommand, ValueEnum};
use std::path::PathBuf;

/// Recordings that are kept.
#[derive(Debug, Subcommand)]
pub(crate) enum Recording {
    /// List recordings
    List {
        #[command(flatten)]
        asked: crate::cli_list::Listing,
        /// Of this call
        #[arg(long)]
        call: Option<String>,
    },
    /// Fetch the sound of a recording: Ogg Opus or WAV, as its format says
    Fetch {
        /// The recording's number
        recording: i64,
        /// Where to; a file that is there is not written over
        file: PathBuf,
    },
    /// Remove a recording, its sound too
    Remove {
        /// The recording's number
        recording: i64,
    },
}

/// What is to happen with the recording of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Act {
    /// Record a leg
    Start,
    /// End what somebody began; what its number wants recorded goes on
    Stop,
    /// Take nothing in: a card number is being told
    Pause,
    /// Take in again
    Resume,
}

impl Act {
    /// The API's word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Act::Start => "start",
            Act::Stop => "stop",
            Act::Pause => "pause",
            Act::Resume => "resume",
        }
    }
}
