//! Where a message came from and where one goes (RFC 5626 section 3: a flow).

use bytes::Bytes;
use core::fmt;
use core::net::SocketAddr;
use serde::{Deserialize, Serialize};

/// A SIP transport. TLS, WS and WSS join with the transports issue.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// RFC 3261 section 18, over UDP: unreliable, so transactions retransmit.
    Udp,
    /// RFC 3261 section 18, over TCP: reliable.
    Tcp,
}

impl Transport {
    /// Whether the transport delivers by itself, so that timers A, E, G and K/I/J are off or zero (section 17).
    #[must_use]
    pub const fn is_reliable(self) -> bool {
        matches!(self, Transport::Tcp)
    }

    /// The token for the Via header's sent-protocol: `UDP`, `TCP`.
    #[must_use]
    pub const fn via_token(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
        }
    }

    /// The value of the URI's `transport` parameter: `udp`, `tcp`.
    #[must_use]
    pub const fn uri_token(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        }
    }
}

/// One accepted or opened stream connection; never reused by a process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ConnectionId(pub u64);

/// Local address + remote address + transport that a message came on or shall leave by.
///
/// For a stream, `connection` names the very connection; `None` asks the net to reuse one to `remote` or open one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Flow {
    /// The transport.
    pub transport: Transport,
    /// Our own address: the listener's, as a peer can reach it.
    pub local: SocketAddr,
    /// The peer's address as the kernel saw it.
    pub remote: SocketAddr,
    /// The stream connection, for stream transports.
    pub connection: Option<ConnectionId>,
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}<-{}", self.transport.uri_token(), self.local, self.remote)
    }
}

/// Bytes and the flow to send them on, now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transmit {
    /// Where to.
    pub flow: Flow,
    /// One whole SIP message.
    pub bytes: Bytes,
}
