//! One binding.

use core::net::SocketAddr;
use model::{AccountId, Flow, Instant, Transport};
use serde::{Deserialize, Serialize};
use sip_message::UriRef;

/// Where a URI without a port leads (RFC 3261 section 19.1.2).
const SIP_PORT: u16 = 5060;

/// An address an account can be reached at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Binding {
    /// The Contact URI without its header fields: the Request-URI of requests to it.
    pub contact: String,
    /// How requests to it travel: the way the REGISTER came, through any NAT; see [`reach`].
    pub flow: Flow,
    /// The REGISTER's Call-ID and CSeq, against disorder (RFC 3261 section 10.3 step 7).
    pub call_id: String,
    /// See `call_id`.
    pub cseq: u32,
    /// When it runs out.
    pub expires_at: Instant,
    /// Preference, in thousandths.
    pub q: u16,
    /// The phone's User-Agent, as it said.
    pub user_agent: String,
    /// The source address of the REGISTER.
    pub received: SocketAddr,
}

impl Binding {
    /// The binding after a restart; `None` if nobody can reach it any more.
    ///
    /// A connection does not outlive the process, and its id may be another's by now. A phone that told its true
    /// address can be connected to; one behind a NAT registers anew as it sees its connection end.
    pub(crate) fn revived(self) -> Option<Binding> {
        if self.flow.connection.is_none() {
            return Some(self);
        }
        // A browser listens nowhere, and hardly a phone has a certificate for its address.
        if self.flow.transport != Transport::Tcp {
            return None;
        }
        let remote = address_of(&self.contact).filter(|address| address.ip() == self.received.ip())?;
        Some(Binding { flow: Flow { remote, connection: None, ..self.flow }, ..self })
    }
}

/// How to reach `contact`, whose REGISTER came on `flow`.
///
/// The way it came: that passes NATs, and a stream has no other. But a phone that gives the very address it sent from
/// knows its address, so the port it gives holds too, even if it sent from another.
pub(crate) fn reach(contact: &str, flow: &Flow) -> Flow {
    match address_of(contact) {
        Some(remote) if flow.transport == Transport::Udp && remote.ip() == flow.remote.ip() => Flow { remote, ..*flow },
        Some(_) | None => *flow,
    }
}

fn address_of(contact: &str) -> Option<SocketAddr> {
    let uri = UriRef::parse(contact).ok()?;
    let port = uri.port().unwrap_or(SIP_PORT);
    (port != 0).then_some(SocketAddr::new(uri.host_ip()?, port))
}

/// A binding and its number: a higher one is newer.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) number: u64,
    pub(crate) binding: Binding,
}

impl Held {
    /// Whether it is the binding of this contact.
    pub(crate) fn is_for(&self, contact: &str) -> bool {
        same_contact(&self.binding.contact, contact)
    }
}

/// Whether two contacts are one, by the URI rules of RFC 3261 section 19.1.4.
pub(crate) fn same_contact(one: &str, two: &str) -> bool {
    match (UriRef::parse(one), UriRef::parse(two)) {
        (Ok(one), Ok(two)) => one.equivalent(&two),
        (Ok(_) | Err(_), _) => one == two,
    }
}

/// Bindings to be kept over a restart.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// Each with its account.
    pub bindings: Vec<(AccountId, Binding)>,
}
