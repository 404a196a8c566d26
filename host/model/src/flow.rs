//! Where a message came from and where one goes (RFC 5626 section 3: a flow).

use bytes::Bytes;
use core::fmt;
use core::net::SocketAddr;
use serde::{Deserialize, Serialize};

/// A SIP transport.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// RFC 3261 section 18, over UDP: unreliable, so transactions retransmit.
    Udp,
    /// RFC 3261 section 18, over TCP: reliable.
    Tcp,
    /// RFC 3261 section 26.3.1, TLS over TCP.
    Tls,
    /// RFC 7118, WebSocket over TCP. Its peer can only be reached over the connection it opened.
    Ws,
    /// RFC 7118, WebSocket over TLS; as [`Transport::Ws`].
    Wss,
}

impl Transport {
    /// Every transport.
    pub const ALL: [Transport; 5] = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];

    /// Whether the transport delivers by itself, so that timers A, E, G and K/I/J are off or zero (section 17).
    #[must_use]
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Transport::Udp)
    }

    /// Whether nobody between us and the next hop can read or change what is sent.
    #[must_use]
    pub const fn is_secure(self) -> bool {
        matches!(self, Transport::Tls | Transport::Wss)
    }

    /// Whether we can open a connection to a peer; a WebSocket's server (RFC 7118 section 5) never does.
    #[must_use]
    pub const fn can_connect(self) -> bool {
        !matches!(self, Transport::Ws | Transport::Wss)
    }

    /// The port a URI without one means (RFC 3261 section 19.1.2, RFC 7118 section 5).
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
            Transport::Ws => 80,
            Transport::Wss => 443,
        }
    }

    /// The token for the Via header's sent-protocol: `UDP`, `TCP`, `TLS`, `WS`, `WSS`.
    #[must_use]
    pub const fn via_token(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Ws => "WS",
            Transport::Wss => "WSS",
        }
    }

    /// The value of the URI's `transport` parameter. RFC 7118 section 5.5 has `ws` for both WebSockets: a browser's
    /// agent that came by WSS calls itself `transport=ws`.
    #[must_use]
    pub const fn uri_token(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Ws | Transport::Wss => "ws",
        }
    }

    /// The name in configuration, logs and metrics: `udp`, `tcp`, `tls`, `ws`, `wss`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Ws => "ws",
            Transport::Wss => "wss",
        }
    }
}

/// One accepted or opened stream connection; never reused by a process. It says which shard's it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ConnectionId(pub u64);

impl ConnectionId {
    /// Bits of the number that a shard counts up; the shard's own number stands above them.
    const COUNTED: u32 = 48;

    /// The connection `counted` of a shard.
    #[must_use]
    pub const fn of_shard(shard: u8, counted: u64) -> ConnectionId {
        ConnectionId(((shard as u64) << ConnectionId::COUNTED) | (counted & ((1 << ConnectionId::COUNTED) - 1)))
    }

    /// The shard that accepted or opened it.
    #[must_use]
    pub const fn shard(self) -> u64 {
        self.0 >> ConnectionId::COUNTED
    }
}

/// A host name that a TLS peer must prove, kept by the shell under this number; never reused by a process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct TlsName(pub core::num::NonZeroU32);

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
    /// Whom the peer's certificate must name, where we open a TLS connection; `None` = the address itself.
    pub name: Option<TlsName>,
}

impl Flow {
    /// A flow without a connection of its own and without a name: datagrams, or whatever stream leads to `remote`.
    #[must_use]
    pub const fn new(transport: Transport, local: SocketAddr, remote: SocketAddr) -> Flow {
        Flow { transport, local, remote, connection: None, name: None }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}<-{}", self.transport.name(), self.local, self.remote)
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
