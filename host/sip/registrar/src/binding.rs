//! One binding, and how it is kept over a restart.

use core::cmp::Reverse;
use core::net::SocketAddr;
use model::{AccountId, Flow, Instant, Transport};
use serde::{Deserialize, Serialize};
use sip_message::UriRef;

/// Where an unwritten port leads (RFC 3261 section 19.1.2).
const SIP_PORT: u16 = 5060;

/// A contact of an account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Binding {
    /// The contact URI, without the header fields it may have carried: it is used as a Request-URI.
    pub contact: String,
    /// How to reach it.
    pub flow: Flow,
    /// The Call-ID of the REGISTER that made or refreshed it.
    pub call_id: String,
    /// The CSeq number of that REGISTER.
    pub cseq: u32,
    /// When that REGISTER came.
    pub refreshed_at: Instant,
    /// When it runs out.
    pub expires_at: Instant,
    /// The preference in thousandths; 1000 if the phone did not say.
    pub q: u16,
    /// What the phone calls itself; empty if it does not say.
    pub user_agent: String,
    /// The source address of that REGISTER.
    pub received: SocketAddr,
}

impl Binding {
    /// Whole seconds left, rounded up.
    #[must_use]
    pub fn expires_s(&self, now: Instant) -> u32 {
        let left = self.expires_at.since(now);
        u32::try_from(left.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
    }

    /// The order in which bindings are tried: the highest q first, then the youngest (section 16.6 leaves ties open).
    pub(crate) fn rank(&self) -> impl Ord + use<> {
        (Reverse(self.q), Reverse(self.refreshed_at))
    }

    /// The binding as it stands after a restart; `None` if it cannot be reached any more.
    ///
    /// Connections do not outlive the process. A phone that told its true address can be connected to; one behind a
    /// NAT has to come again, and does, as it sees its connection end.
    pub(crate) fn revived(mut self) -> Option<Binding> {
        if self.flow.transport.is_reliable() {
            let address = contact_address(&self.contact)?;
            if address.ip() != self.received.ip() {
                return None;
            }
            self.flow = Flow { remote: address, connection: None, ..self.flow };
        }
        Some(self)
    }
}

/// How to reach `contact`, whose REGISTER came on `flow`.
///
/// By the way it came: that passes NATs, and a stream has no other. But a phone that gives the very address it sent
/// from knows its address, so the port it gives holds too, even when it sent from another.
pub(crate) fn reach(contact: &str, flow: &Flow) -> Flow {
    match contact_address(contact) {
        Some(address) if flow.transport == Transport::Udp && address.ip() == flow.remote.ip() => {
            Flow { remote: address, ..*flow }
        }
        Some(_) | None => *flow,
    }
}

fn contact_address(contact: &str) -> Option<SocketAddr> {
    let uri = UriRef::parse(contact).ok()?;
    let port = uri.port().unwrap_or(SIP_PORT);
    (port != 0).then_some(SocketAddr::new(uri.host_ip()?, port))
}

/// Every binding of a registrar, for a restart and for the API.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// The bindings with their accounts, by account, in the order in which they would be tried.
    pub bindings: Vec<(AccountId, Binding)>,
}
