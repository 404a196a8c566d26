//! Which header fields tell a peer who calls and who forwarded (RFC 3323, 3325, 5806, 7044).

use serde::{Deserialize, Serialize};

/// What a peer is told of a caller's identity beside From. The default suits phones of the company: From alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeaderPolicy {
    /// P-Asserted-Identity (RFC 3325 section 9.1).
    pub pai: bool,
    /// P-Preferred-Identity (RFC 3325 section 9.2).
    pub ppi: bool,
    /// Remote-Party-ID, which old gateways read.
    pub rpid: bool,
    /// Diversion of forwarded calls (RFC 5806).
    pub diversion: bool,
    /// History-Info of forwarded calls (RFC 7044).
    pub history_info: bool,
    /// The peer is within our trust domain: it is told the number of a caller who wants privacy, and keeps it
    /// (RFC 3325 section 7).
    pub trusted: bool,
    /// No caller's number is ever shown to it.
    pub hide: bool,
}
