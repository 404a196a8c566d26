//! The boundary to rsip, whose typed forms of rare header fields we do not write again.
//!
//! rsip never sees bytes of the wire and never prints to it: [`to_rsip`] hands it a normalised text (long names, no
//! folds, one value a line, valid UTF-8), and what comes back goes out through our own writers. It refuses much that is
//! valid SIP (design/dependencies.md section 1.2), so a refusal here says nothing about the message. Natively only:
//! rsip draws randomness through its dependencies, which the pure wasm build has not.

use crate::message::Start;
use crate::{Message, Method, Name, UriRef};

/// Why a message has no rsip form.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BoundaryError {
    /// rsip's methods are a closed list.
    #[error("rsip does not know the method")]
    Method,
    /// The Request-URI is IPv6, `tel:`, `urn:` or has header fields: rsip cannot hold it.
    #[error("rsip cannot hold the Request-URI")]
    Uri,
    /// rsip read another host, port or user out of the Request-URI: it takes a user's leading `.` for a host's.
    #[error("rsip misreads the Request-URI")]
    Misread,
    /// rsip refused the normalised message.
    #[error("rsip: {0}")]
    Refused(String),
}

/// The message as rsip's model, without its body.
///
/// For typed views of rare fields: Warning, Call-Info, Accept and their like. Via, Contact, Route, credentials and
/// anything that goes out again are read with our own views.
pub fn to_rsip(message: &Message) -> Result<rsip::SipMessage, BoundaryError> {
    let mut text = first_line(message)?;
    for (name, value) in message.raw_headers() {
        let name = Name::new(name);
        if name == Name::ContentLength {
            continue;
        }
        if is_list(name) {
            value.list().for_each(|one| line(&mut text, name, &one.text()));
        } else {
            line(&mut text, name, &value.text());
        }
    }
    text.push_str("\r\n");
    let model =
        rsip::SipMessage::try_from(text.as_bytes()).map_err(|error| BoundaryError::Refused(error.to_string()))?;
    match (&model, message.request_uri()) {
        (rsip::SipMessage::Request(request), Some(uri)) if !same_uri(&uri, &request.uri) => Err(BoundaryError::Misread),
        _ => Ok(model),
    }
}

fn same_uri(ours: &UriRef<'_>, theirs: &rsip::Uri) -> bool {
    let port = theirs.host_with_port.port.as_ref().map(|port| *port.value());
    let auth = theirs.auth.as_ref();
    ours.host() == theirs.host_with_port.host.to_string()
        && ours.port() == port
        && ours.user() == auth.map(|auth| auth.user.as_str())
        && ours.password() == auth.and_then(|auth| auth.password.as_deref())
}

fn first_line(message: &Message) -> Result<String, BoundaryError> {
    if let Start::Response { status, .. } = message.0.start {
        return Ok(format!("SIP/2.0 {status} {}\r\n", crate::reason_phrase(status)));
    }
    let method = message.method().filter(|method| !matches!(method, Method::Other(_))).ok_or(BoundaryError::Method)?;
    let uri = message.request_uri().ok_or(BoundaryError::Uri)?;
    if !uri.is_sip() || uri.headers().is_some() || uri.host().starts_with('[') {
        return Err(BoundaryError::Uri);
    }
    Ok(format!("{method} {uri} SIP/2.0\r\n"))
}

fn line(text: &mut String, name: Name<'_>, value: &str) {
    text.push_str(name.as_str());
    text.push_str(": ");
    // A bare control byte inside a quoted string is legal SIP and poison to rsip.
    text.extend(value.chars().map(|c| if c.is_control() { ' ' } else { c }));
    text.push_str("\r\n");
}

/// Fields that rsip wants one value at a time.
fn is_list(name: Name<'_>) -> bool {
    [Name::Via, Name::Route, Name::RecordRoute, Name::Contact, Name::Path].contains(&name)
}
