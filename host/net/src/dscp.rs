//! Marks for the network's queues (RFC 2474): six bits in the header of each packet, by the names that RFC 4594 and its
//! companions give them.

use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A code point of RFC 2474 section 3.
///
/// # Invariants
/// At most 63.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dscp(u8);

impl Dscp {
    /// Expedited forwarding: voice (RFC 3246, RFC 4594 section 4.1).
    pub const EF: Dscp = Dscp(46);
    /// What RFC 4594 section 4.2 has for signalling is CS5; networks of today have CS3 for it, and for CS5 video.
    pub const CS3: Dscp = Dscp(24);

    /// A code point by its number; `None` past 63.
    #[must_use]
    pub const fn new(number: u8) -> Option<Dscp> {
        if number < 64 { Some(Dscp(number)) } else { None }
    }

    /// The byte of the header, without congestion bits (RFC 3168).
    pub(crate) fn class(self) -> u32 {
        u32::from(self.0) << 2
    }
}

/// The names of code points. Class selectors and assured forwarding have their numbers in their names.
fn named(name: &str) -> Option<u8> {
    let digit = |at: usize, most: u8| {
        let value = name.as_bytes().get(at)?.checked_sub(b'0')?;
        (value <= most).then_some(value)
    };
    match (name.get(..2)?, name.len()) {
        ("ef", 2) => Some(46),
        // RFC 5865, RFC 8622.
        ("va", 2) => Some(44),
        ("le", 2) => Some(1),
        ("cs", 3) => Some(digit(2, 7)? * 8),
        ("af", 4) => {
            let (class, drop) = (digit(2, 4)?, digit(3, 3)?);
            (class > 0 && drop > 0).then_some(class * 8 + drop * 2)
        }
        _ => None,
    }
}

/// A text that names no code point.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` is no DSCP: expected a name as `ef`, `cs3` or `af41`, or a number from \"0\" to \"63\"")]
pub struct NoDscp(String);

impl FromStr for Dscp {
    type Err = NoDscp;

    fn from_str(text: &str) -> Result<Dscp, NoDscp> {
        let number = text.parse().ok().or_else(|| named(&text.to_ascii_lowercase()));
        number.and_then(Dscp::new).ok_or_else(|| NoDscp(text.to_owned()))
    }
}

impl fmt::Display for Dscp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.0 >> 3, self.0 & 7) {
            (46, ..) => f.write_str("ef"),
            (44, ..) => f.write_str("va"),
            (1, ..) => f.write_str("le"),
            (_, class, 0) => write!(f, "cs{class}"),
            (_, class @ 1..=4, drop @ (2 | 4 | 6)) => write!(f, "af{class}{}", drop / 2),
            (number, ..) => write!(f, "{number}"),
        }
    }
}

impl Serialize for Dscp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Dscp {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Dscp, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[path = "dscp_tests.rs"]
mod tests;
