//! What scanners call themselves, and what their first requests look like.

use sip_message::{Message, Name};

/// User-Agents that no phone has: scanners that are found everywhere, by a part of their name in lower case.
pub const SCANNERS: &[&str] = &[
    "friendly-scanner",
    "sipvicious",
    "sundayddr",
    "sip-scan",
    "sipscan",
    "sipsak",
    "iwar",
    "sivus",
    "sipcli",
    "pplsip",
    "smap",
    "siparmyknife",
    "sippts",
    "vaxsipuseragent",
    "scanner",
];

/// Whether the request is a scanner's.
pub(crate) fn is_scanner(request: &Message, signatures: &[String]) -> bool {
    let known = |text: &str| {
        let text = text.to_ascii_lowercase();
        signatures.iter().any(|signature| text.contains(signature.as_str()))
    };
    let agent = request.header(Name::UserAgent).is_some_and(|value| known(&value.text()));
    // svmap and its kin write their own name and an address that is nobody's into From.
    agent
        || request
            .from()
            .is_ok_and(|from| from.display().is_some_and(|display| known(&display)) || from.uri().host() == "1.1.1.1")
}
