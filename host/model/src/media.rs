//! What a tenant wants of the media of its calls.

use serde::{Deserialize, Serialize};

/// Whether the media of a leg is SRTP (RFC 3711, keys by RFC 4568).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaSecurity {
    /// Never: an offer that takes nothing else is refused with 488.
    Forbid,
    /// Where the party offers it; offered to a callee where the caller has it.
    #[default]
    Allow,
    /// Always: an offer in clear is refused with 488, and nothing but SRTP is offered.
    Require,
}

impl MediaSecurity {
    /// Every policy.
    pub const ALL: &'static [MediaSecurity] = &[MediaSecurity::Forbid, MediaSecurity::Allow, MediaSecurity::Require];

    /// The word for it, in rows and in the API.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            MediaSecurity::Forbid => "forbid",
            MediaSecurity::Allow => "allow",
            MediaSecurity::Require => "require",
        }
    }

    /// The policy of this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<MediaSecurity> {
        MediaSecurity::ALL.iter().find(|s| s.word() == word).copied()
    }
}

/// What of a leg is recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// What its party says.
    Party,
    /// What its party says and hears, in one.
    #[default]
    Mixed,
    /// What its party says on the left, what it hears on the right.
    Stereo,
}

impl Channels {
    /// Every choice.
    pub const ALL: &'static [Channels] = &[Channels::Party, Channels::Mixed, Channels::Stereo];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Channels::Party => "party",
            Channels::Mixed => "mixed",
            Channels::Stereo => "stereo",
        }
    }

    /// The choice of this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Channels> {
        Channels::ALL.iter().find(|c| c.word() == word).copied()
    }

    /// How many channels there are in what is recorded.
    #[must_use]
    pub const fn count(self) -> u16 {
        match self {
            Channels::Party | Channels::Mixed => 1,
            Channels::Stereo => 2,
        }
    }
}
