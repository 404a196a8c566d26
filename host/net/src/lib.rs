//! Sockets: the only crate that opens one. UDP, TCP, TLS and WebSockets for SIP (RFC 3261 section 18, RFC 7118), a STUN
//! answer on its UDP ports (RFC 5626), RTP/RTCP port pairs bound ahead.
//!
//! Floor 5. [`Net`] belongs to one shard's thread. It has one epoll for every socket of the shard; the thread sleeps in
//! [`Net::wait`] and then takes what came, one thing after another, with [`Net::next`]: no task, no channel and no lock
//! lies between a datagram and the switch. It reads no clock: `now` comes in as a [`model::Instant`].
#![forbid(unsafe_code)]

mod config;
mod connection;
mod dscp;
mod error;
mod files;
mod framing;
mod gather;
mod names;
mod poller;
mod ports;
mod socket;
mod sockets;
mod sources;
mod stun;
mod tcp;
mod tls;
mod udp;
mod upgrade;
mod ws;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;

pub use config::{
    BoundListener, ByTransport, ClientCertificates, ListenerConfig, MediaConfig, MediaPair, NetCounters, PacketKind,
    PortRange, Surroundings, TlsCertificate, TlsConfig, TlsFailures,
};
pub use dscp::{Dscp, NoDscp};
pub use error::NetError;
pub use files::raise_file_limit;
pub use poller::Waker;
pub use ports::PortPool;
pub use socket::address_towards;
pub use sockets::{Incoming, Net};
pub use tls::TlsMaterial;

/// WebSocket framing, for those who have a stream of their own.
pub mod websocket {
    pub use crate::upgrade::accept_key;
    pub use crate::ws::{Frame, Opcode, WsFault, WsFramer, close, encode};
}
