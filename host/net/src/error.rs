//! Why the sockets of a shard could not be opened. Each says what to do.

use core::net::{IpAddr, SocketAddr};
use std::io;
use std::path::PathBuf;

/// Opening sockets failed.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// Another process holds a SIP address.
    #[error("{transport} {address} is taken by another process: stop it, or give this listener another port")]
    ListenerTaken {
        /// `udp`, `tcp`, `tls`, `ws` or `wss`.
        transport: &'static str,
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// A SIP address cannot be bound for another reason.
    #[error(
        "{transport} {address} cannot be opened ({source}): check that this machine has the address and that the port needs no rights"
    )]
    Listener {
        /// `udp`, `tcp`, `tls`, `ws` or `wss`.
        transport: &'static str,
        /// The address that was asked for.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// A certificate, key or authority cannot be used.
    #[error("{}: cannot be used for TLS: {why}", path.display())]
    Tls {
        /// The file, or `tls` where no single one is to blame.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A TLS listener without a certificate.
    #[error("{transport} {address} needs a certificate: name one in tls.certificates, or leave this listener out")]
    NoCertificate {
        /// `tls` or `wss`.
        transport: &'static str,
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// Too few pairs of the media range are free.
    #[error(
        "media port {address} is taken by another process, and of {wanted} pairs only {bound} could be bound: stop it, or widen or move the media port range"
    )]
    MediaPortTaken {
        /// The first port found taken.
        address: SocketAddr,
        /// Pairs asked for.
        wanted: usize,
        /// Pairs bound.
        bound: usize,
    },
    /// The media range cannot hold the pairs.
    #[error(
        "the media port range {first}-{last} holds {holds} pairs and {wanted} are asked for: widen it or ask for fewer"
    )]
    MediaRange {
        /// The lowest port.
        first: u16,
        /// The highest port.
        last: u16,
        /// Pairs that fit.
        holds: usize,
        /// Pairs asked for.
        wanted: usize,
    },
    /// The media address cannot be bound for another reason.
    #[error("media address {address} cannot be opened ({source}): check that this machine has the address")]
    Media {
        /// The address that was asked for.
        address: IpAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// The process may not open so many files.
    #[error(
        "{needed} open files are needed and the process may have {allowed}: raise the limit (ulimit -n, LimitNOFILE=) or ask for fewer media ports and connections"
    )]
    FileLimit {
        /// What is needed.
        needed: u64,
        /// What the hard limit allows.
        allowed: u64,
    },
    /// The limit of open files can be neither read nor raised.
    #[error("the limit of open files cannot be raised: {0}")]
    Files(io::Error),
    /// The kernel has no epoll or eventfd for us.
    #[error("the event queue of a shard cannot be opened: {0}")]
    Poller(io::Error),
}
