//! The next hop of a request (RFC 3263): what is asked of the shell, and what it answers.
//!
//! Whoever has a request to send makes a [`HopTarget`] of its URI and asks [`crate::Lookups`]. DNS is the shell's work:
//! a shard never waits for it.

use crate::{Cause, TlsName, Transport};
use core::net::{IpAddr, SocketAddr};

/// One lookup; never reused within a shard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ResolveTicket(pub u64);

/// What the URI says about where to send (RFC 3263 section 4: the TARGET and what narrows it).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HopTarget {
    /// The host: a name, or an address with or without brackets.
    pub host: String,
    /// The port, where the URI has one: then no SRV record is asked for.
    pub port: Option<u16>,
    /// The transport, where the URI or the configuration names one.
    pub transport: Option<Transport>,
    /// The scheme is `sips`: only TLS will do.
    pub secure: bool,
}

/// One place to send to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NextHop {
    /// By this transport.
    pub transport: Transport,
    /// To this address.
    pub address: SocketAddr,
    /// What the certificate must name, for TLS to a host that was given by name.
    pub tls_name: Option<TlsName>,
}

/// A lookup for the shell to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResolveQuestion {
    /// Given back in the answer.
    pub ticket: ResolveTicket,
    /// Where to.
    pub target: HopTarget,
}

/// A lookup that is done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resolved {
    /// Which.
    pub ticket: ResolveTicket,
    /// The places, in the order to try them; never empty.
    pub hops: Result<Vec<NextHop>, ResolveFailure>,
}

/// Why a lookup gave no place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ResolveFailure {
    /// The host is neither an address nor a name, or the transport does not go with the scheme.
    Invalid,
    /// No such name, or it has no address.
    NoAddress,
    /// It can be reached only by transports or address families we do not send by.
    NoTransport,
    /// The name servers failed.
    Server,
    /// No answer by [`crate::Limits::resolve_deadline_ms`].
    Late,
    /// [`crate::Limits::lookups_max`] was reached.
    Busy,
}

impl ResolveFailure {
    /// The catalogue's cause for a request that has nowhere to go.
    #[must_use]
    pub const fn cause(self) -> Cause {
        match self {
            ResolveFailure::Invalid | ResolveFailure::NoAddress | ResolveFailure::NoTransport => Cause::NextHopUnknown,
            ResolveFailure::Server | ResolveFailure::Late => Cause::LookupFailed,
            ResolveFailure::Busy => Cause::LimitReached,
        }
    }
}

impl HopTarget {
    /// The host as an address, brackets or not.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        let host = self.host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(&self.host);
        host.parse().ok()
    }

    /// The transport without any lookup (RFC 3263 section 4.1): the one named, else TLS for `sips`, else UDP.
    /// `sips` over TCP is TLS (RFC 3261 section 26.2.1), and never UDP.
    ///
    /// # Errors
    /// [`ResolveFailure::Invalid`] for `sips` over UDP, [`ResolveFailure::NoTransport`] for one we cannot send by.
    pub fn plain_transport(&self) -> Result<Transport, ResolveFailure> {
        let transport = match (self.transport, self.secure) {
            (None, false) => Transport::Udp,
            (None | Some(Transport::Tcp), true) => Transport::Tls,
            (Some(Transport::Udp), true) => return Err(ResolveFailure::Invalid),
            (Some(transport), _) => transport,
        };
        if transport.can_connect() { Ok(transport) } else { Err(ResolveFailure::NoTransport) }
    }

    /// Where a target that needs no lookup leads: one that is an address. `None` for a name.
    #[must_use]
    pub fn literal(&self) -> Option<Result<NextHop, ResolveFailure>> {
        let ip = self.ip()?;
        Some(self.plain_transport().and_then(|transport| {
            let port = self.port.unwrap_or(transport.default_port());
            if port == 0 {
                return Err(ResolveFailure::Invalid);
            }
            Ok(NextHop { transport, address: SocketAddr::new(ip, port), tls_name: None })
        }))
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
