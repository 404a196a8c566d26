//! A source that is not listened to for a while, as the operator sees it.

use crate::{Cidr, Instant};
use serde::{Deserialize, Serialize};

/// What a source did.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Offence {
    /// Credentials that were wrong, again and again.
    Authentication,
    /// More requests than any phone sends.
    Flood,
    /// A scanner, by what it calls itself.
    Scanner,
    /// Domains that are nobody's, again and again.
    UnknownDomain,
}

impl Offence {
    /// The name, as in the API and in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Offence::Authentication => "authentication",
            Offence::Flood => "flood",
            Offence::Scanner => "scanner",
            Offence::UnknownDomain => "unknown-domain",
        }
    }
}

/// A ban that holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ban {
    /// The address; for IPv6 its block of 64 bits, of which one owner has all.
    pub source: Cidr,
    /// The one account that the source may not use, as `user@domain`; `None` = nothing at all.
    pub account: Option<String>,
    /// Why.
    pub why: Offence,
    /// Since when.
    pub since: Instant,
    /// Until when.
    pub until: Instant,
    /// Messages that were not listened to.
    pub hits: u64,
}
