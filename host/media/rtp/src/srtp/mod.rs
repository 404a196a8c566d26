//! SRTP and SRTCP (RFC 3711), with AES-256 (RFC 6188) and AES-GCM (RFC 7714), in place.
//!
//! One [`Sender`] and one [`Receiver`] per master key. Both know each source (SSRC) by itself: its rollover counter and
//! the packets it has had. A receiver takes a packet once and only when its tag fits; a sender refuses a sequence number
//! that it has used, because the same key stream must not hide two texts (section 9.1).
//!
//! No allocation per packet. The crypto is RustCrypto's, which uses the processor's AES and SHA where it has them.

mod cipher;
mod context;
mod kdf;
mod replay;

pub use context::{Receiver, Sender};

use core::fmt;

/// Most bytes a packet grows by: tag of AES-GCM and index word of SRTCP.
pub const GROWTH_MAX: usize = 20;
/// Most sources one master key hides. A sender refuses the next; a receiver forgets the one it heard longest ago.
pub const SOURCES_MAX: usize = 32;
/// Longest master key with its salt.
const MASTER_MAX: usize = 46;

/// A crypto suite of RFC 4568 section 6.2, RFC 6188 and RFC 7714.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Suite {
    /// `AEAD_AES_256_GCM`.
    AeadAes256Gcm,
    /// `AEAD_AES_128_GCM`.
    AeadAes128Gcm,
    /// `AES_256_CM_HMAC_SHA1_80`.
    AesCm256Sha1_80,
    /// `AES_256_CM_HMAC_SHA1_32`.
    AesCm256Sha1_32,
    /// `AES_CM_128_HMAC_SHA1_80`: what every SRTP phone can do.
    AesCm128Sha1_80,
    /// `AES_CM_128_HMAC_SHA1_32`.
    AesCm128Sha1_32,
}

impl Suite {
    /// Every suite, strongest first.
    pub const ALL: &'static [Suite] = &[
        Suite::AeadAes256Gcm,
        Suite::AeadAes128Gcm,
        Suite::AesCm256Sha1_80,
        Suite::AesCm256Sha1_32,
        Suite::AesCm128Sha1_80,
        Suite::AesCm128Sha1_32,
    ];

    /// The name in `a=crypto`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Suite::AeadAes256Gcm => "AEAD_AES_256_GCM",
            Suite::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Suite::AesCm256Sha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Suite::AesCm256Sha1_32 => "AES_256_CM_HMAC_SHA1_32",
            Suite::AesCm128Sha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::AesCm128Sha1_32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    /// The suite of this name. Names compare without case; the two spellings of AES-256 in the field are one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Suite> {
        let name = name.to_ascii_uppercase().replace("AES_CM_256_", "AES_256_CM_");
        Suite::ALL.iter().find(|s| s.name() == name).copied()
    }

    /// Bytes of the master key.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Suite::AeadAes256Gcm | Suite::AesCm256Sha1_80 | Suite::AesCm256Sha1_32 => 32,
            Suite::AeadAes128Gcm | Suite::AesCm128Sha1_80 | Suite::AesCm128Sha1_32 => 16,
        }
    }

    /// Bytes of the master salt.
    #[must_use]
    pub const fn salt_len(self) -> usize {
        if self.is_aead() { 12 } else { 14 }
    }

    /// Bytes of key and salt together, as `inline:` carries them.
    #[must_use]
    pub const fn master_len(self) -> usize {
        self.key_len() + self.salt_len()
    }

    const fn is_aead(self) -> bool {
        matches!(self, Suite::AeadAes256Gcm | Suite::AeadAes128Gcm)
    }

    /// Bytes of an RTP packet's tag.
    const fn rtp_tag(self) -> usize {
        match self {
            Suite::AeadAes256Gcm | Suite::AeadAes128Gcm => 16,
            Suite::AesCm256Sha1_80 | Suite::AesCm128Sha1_80 => 10,
            Suite::AesCm256Sha1_32 | Suite::AesCm128Sha1_32 => 4,
        }
    }

    /// Bytes of an RTCP packet's tag: never the short one (RFC 4568 section 6.2.2).
    const fn rtcp_tag(self) -> usize {
        if self.is_aead() { 16 } else { 10 }
    }
}

/// A master key and salt.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MasterKey {
    suite: Suite,
    bytes: [u8; MASTER_MAX],
}

impl MasterKey {
    /// Key and salt in one; `None` if the length is not the suite's.
    #[must_use]
    pub fn new(suite: Suite, key_and_salt: &[u8]) -> Option<MasterKey> {
        let mut bytes = [0; MASTER_MAX];
        bytes.get_mut(..suite.master_len()).filter(|b| b.len() == key_and_salt.len())?.copy_from_slice(key_and_salt);
        Some(MasterKey { suite, bytes })
    }

    /// A key and salt drawn by `fill`.
    pub fn draw(suite: Suite, fill: impl FnOnce(&mut [u8])) -> MasterKey {
        let mut bytes = [0; MASTER_MAX];
        fill(bytes.get_mut(..suite.master_len()).unwrap_or_default());
        MasterKey { suite, bytes }
    }

    /// The suite.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// Key and salt in one.
    #[must_use]
    pub fn key_and_salt(&self) -> &[u8] {
        self.bytes.get(..self.suite.master_len()).unwrap_or_default()
    }

    fn key(&self) -> &[u8] {
        self.bytes.get(..self.suite.key_len()).unwrap_or_default()
    }

    fn salt(&self) -> &[u8] {
        self.bytes.get(self.suite.key_len()..self.suite.master_len()).unwrap_or_default()
    }
}

/// A key is never printed.
impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.suite.name())
    }
}

/// Why a packet was not taken or not hidden.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SrtpError {
    /// Not RTP or RTCP, or too short for its tag.
    #[error("not an SRTP packet")]
    Malformed,
    /// The tag does not fit: another key, clear RTP, or a forgery.
    #[error("authentication failed")]
    Unauthentic,
    /// Had before, or too old to tell.
    #[error("replayed")]
    Replayed,
    /// The buffer has no room for the tag.
    #[error("no room for the tag")]
    NoRoom,
    /// More than [`SOURCES_MAX`] sources under one key.
    #[error("too many sources")]
    TooManySources,
}

#[cfg(test)]
mod tests;
