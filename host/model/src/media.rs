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
