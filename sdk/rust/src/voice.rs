//! A leg's sound to a WebSocket and back: voice agents. Name the host under `[needs] http` in `plugin.toml`.

use crate::app::Leg;
use crate::generated::app::strowger::call::voice;
use crate::{Channels, Result};
pub use voice::LineEnd;

/// Where a leg's line goes, and what of the leg.
#[derive(Clone, Debug)]
pub struct LineSpec(voice::LineSpec);

impl LineSpec {
    /// What the party says, 16,000 samples a second.
    #[must_use]
    pub fn to(url: &str) -> LineSpec {
        LineSpec(voice::LineSpec {
            url: url.to_owned(),
            auth_secret: None,
            rate: 16_000,
            channels: Channels::Party,
            note: String::new(),
            attrs: Vec::new(),
        })
    }

    /// Sends this secret as a bearer token.
    #[must_use]
    pub fn secret(mut self, name: &str) -> LineSpec {
        self.0.auth_secret = Some(name.to_owned());
        self
    }

    /// Samples per second and channel: 8,000 or 16,000.
    #[must_use]
    pub fn rate(mut self, rate: u32) -> LineSpec {
        self.0.rate = rate;
        self
    }

    /// Which sides of the leg.
    #[must_use]
    pub fn channels(mut self, channels: Channels) -> LineSpec {
        self.0.channels = channels;
        self
    }

    /// Words for the other end.
    #[must_use]
    pub fn note(mut self, note: &str) -> LineSpec {
        note.clone_into(&mut self.0.note);
        self
    }
}

impl Leg {
    /// Opens a line: the leg's sound goes there and back from now on.
    ///
    /// # Errors
    /// See [`Leg::ring`]; `denied` where the host is not granted, `unavailable` or `timeout` where nobody is there.
    pub fn open_line(&self, line: &LineSpec) -> Result<()> {
        voice::open(&self.0, &line.0)
    }

    /// Waits for the end of the line, for one of these keys, or so many milliseconds.
    ///
    /// # Errors
    /// See [`Leg::ring`].
    pub fn attend_line(&self, stop_on: &str, max_ms: u32) -> Result<LineEnd> {
        voice::attend(&self.0, stop_on, max_ms)
    }

    /// Ends the line.
    ///
    /// # Errors
    /// See [`Leg::ring`]; `invalid-state` where there is none.
    pub fn close_line(&self) -> Result<LineEnd> {
        voice::close(&self.0)
    }
}
