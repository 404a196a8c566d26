//! Where requests to a contact go: which phones sit behind a NAT, and the flow that reaches each.
//!
//! The Contact is never rewritten: it is the Request-URI, as RFC 3261 section 16.6 wants it. Only the flow differs.

use core::net::SocketAddr;
use model::{Flow, Transport};
use sip_message::{Message, NameAddrRef, UriRef};

/// Where a URI without a port leads (RFC 3261 section 19.1.2).
const SIP_PORT: u16 = 5060;

/// Whether the phone is seen under another address than it knows of itself.
///
/// Its contact names another host than the packet's source; or its Via does; or its Via names another port and asks for
/// answers to the source port (RFC 3581), which a phone that sends from one port and listens at another does not.
pub(crate) fn behind_nat(request: &Message, contact: UriRef<'_>, flow: &Flow) -> bool {
    let source = flow.remote.ip().to_canonical();
    if contact.host_ip().map(|ip| ip.to_canonical()) != Some(source) {
        return true;
    }
    let Ok(via) = request.top_via() else { return false };
    match via.host_ip() {
        Some(ip) if ip.to_canonical() == source => {
            via.rport().is_some() && via.port().unwrap_or(SIP_PORT) != flow.remote.port()
        }
        Some(_) => true,
        None => false,
    }
}

/// How to reach `contact`, whose REGISTER came on `flow`.
///
/// The way it came: that passes NATs, and a stream has no other. But a phone that knows its address is reached at the
/// port it gives, even if it sent from another; and so is a proxy that gave a Path.
pub(crate) fn reach(contact: &str, path: &[String], flow: &Flow, behind_nat: bool) -> Flow {
    let next = path.first().map_or(contact, |value| uri_of(value));
    let trusted = !path.is_empty() || !behind_nat;
    match address_of(next) {
        Some(remote) if trusted && flow.transport == Transport::Udp && remote.ip() == flow.remote.ip() => {
            Flow { remote, ..*flow }
        }
        Some(_) | None => *flow,
    }
}

/// The URI of a name-addr.
pub(crate) fn uri_of(value: &str) -> &str {
    NameAddrRef::parse(value.as_bytes()).map_or(value, |parsed| parsed.uri().as_str())
}

/// The address a URI names, where its host is an IP literal.
pub(crate) fn address_of(uri: &str) -> Option<SocketAddr> {
    let uri = UriRef::parse(uri).ok()?;
    let port = uri.port().unwrap_or(SIP_PORT);
    (port != 0).then_some(SocketAddr::new(uri.host_ip()?, port))
}
