//! What to bind, what was bound, and what was counted.

use core::net::{IpAddr, SocketAddr};
use model::{MediaPortId, Transport};
use serde::{Deserialize, Serialize};

/// One SIP listener to open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenerConfig {
    /// `udp` or `tcp`.
    pub transport: Transport,
    /// The address and port to bind. Port 0 takes a free one.
    pub bind: SocketAddr,
    /// What peers reach it by, if that differs: the address a NAT or load balancer shows. Port 0 means the bound one.
    #[serde(default)]
    pub advertised: Option<SocketAddr>,
}

/// A SIP listener that is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BoundListener {
    /// The transport.
    pub transport: Transport,
    /// The address the kernel gave it.
    pub bound: SocketAddr,
    /// The address peers reach it by; [`model::Flow::local`] of everything that comes in here.
    pub advertised: SocketAddr,
}

/// Where media ports come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum PortRange {
    /// Even ports from `first` on carry RTP, the odd port after each carries RTCP, up to `last`.
    Range {
        /// The lowest port.
        first: u16,
        /// The highest port.
        last: u16,
    },
    /// Whatever the kernel gives: for tests and for several switches on one machine.
    Ephemeral,
}

/// The media ports of one address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaConfig {
    /// The address to bind.
    pub bind: IpAddr,
    /// The address to write into session descriptions, if it differs.
    #[serde(default)]
    pub advertised: Option<IpAddr>,
    /// Which ports.
    pub ports: PortRange,
    /// How many pairs to bind.
    pub pairs: usize,
}

/// One bound RTP/RTCP pair, as peers reach it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MediaPair {
    /// Names the pair; an index that counts up from 0.
    pub id: MediaPortId,
    /// The advertised RTP address; its port is even.
    pub rtp: SocketAddr,
    /// The advertised RTCP address; the port after it.
    pub rtcp: SocketAddr,
}

/// Which socket of a pair.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PacketKind {
    /// The even port.
    Rtp,
    /// The odd port.
    Rtcp,
}

/// What the sockets of one shard have done since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NetCounters {
    /// Datagrams received on SIP listeners.
    pub udp_received: u64,
    /// Datagrams sent from SIP listeners.
    pub udp_sent: u64,
    /// Datagrams the kernel would not take.
    pub udp_send_failed: u64,
    /// Messages framed from streams.
    pub tcp_received: u64,
    /// Messages handed to streams.
    pub tcp_sent: u64,
    /// Connections open now.
    pub connections: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections turned away because of a limit.
    pub turned_away: u64,
    /// Connections closed because the peer broke the framing or a limit.
    pub misbehaved: u64,
    /// Connections that could not be opened.
    pub connects_failed: u64,
    /// RTP and RTCP packets received.
    pub media_received: u64,
    /// RTP and RTCP packets sent.
    pub media_sent: u64,
    /// RTP and RTCP packets the kernel would not take.
    pub media_send_failed: u64,
}
