//! The torture messages of RFC 4475 and RFC 5118 with the verdict each RFC asks for.
//!
//! Bodies follow the RFC; where it prints a binary body (3.1.1.11), ours is binary but shorter. Each tests its own
//! fault only: a Content-Length that was off by accident is corrected. `tests/verdicts.rs`
//! runs them all; other crates may feed them to whole switches.
#![forbid(unsafe_code)]

mod invalid;
mod ipv6;
mod layers;
mod valid;

/// What parser and validity pass together must say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// A good message. Layers above may still refuse it; the note says with what.
    Accept,
    /// A request refused with this status.
    Refuse(u16),
    /// A response, or a request nobody can answer: dropped.
    Drop,
}

/// One message.
#[derive(Clone, Debug)]
pub struct Case {
    /// The RFC's name for it.
    pub name: &'static str,
    /// RFC and section.
    pub section: &'static str,
    /// The bytes of the datagram.
    pub wire: Vec<u8>,
    /// What must become of it.
    pub verdict: Verdict,
    /// Why, where the RFC leaves it open or a higher layer decides.
    pub note: &'static str,
}

/// Every message of both RFCs.
#[must_use]
pub fn all() -> Vec<Case> {
    let mut cases = valid::cases();
    cases.extend(invalid::cases());
    cases.extend(layers::cases());
    cases.extend(ipv6::cases());
    cases
}

/// The message called `name`.
#[must_use]
pub fn find(name: &str) -> Option<Case> {
    all().into_iter().find(|case| case.name == name)
}

/// A case from text with bare line feeds, which become CRLF; the empty line after the last field is added where
/// there is no body.
fn case(section: &'static str, name: &'static str, verdict: Verdict, text: &str) -> Case {
    let text = text.strip_prefix('\n').unwrap_or(text);
    let mut wire = text.replace('\n', "\r\n");
    if !wire.contains("\r\n\r\n") {
        wire.push_str("\r\n");
    }
    Case { name, section, wire: wire.into_bytes(), verdict, note: "" }
}

impl Case {
    fn note(mut self, note: &'static str) -> Self {
        self.note = note;
        self
    }
}

/// The session description that most of the messages carry.
fn sdp(origin: &str, connection: &str) -> String {
    timed_sdp(origin, connection, "0 0")
}

fn timed_sdp(origin: &str, connection: &str, time: &str) -> String {
    format!(
        "v=0\no=mhandley 29739 7272939 IN IP4 {origin}\ns=-\nc=IN IP4 {connection}\nt={time}\n\
         m=audio 49217 RTP/AVP 0 12\nm=video 3227 RTP/AVP 31\na=rtpmap:31 LPC\n"
    )
}
