//! Requests too large for a datagram (RFC 3261 section 18.1.1): over TCP where the peer takes it, else over UDP after all.
//!
//! A request larger than [`LARGE`] may be cut into fragments, which NATs and firewalls lose. It is sent by TCP, with a Via
//! that says so; if the connection cannot be had before any answer came, it is sent by UDP and the address is not tried
//! by TCP again for a while. A flow that its peer registered over UDP is kept: no other way leads through its NAT
//! (RFC 5626 section 4.2).

use core::net::SocketAddr;
use core::time::Duration;
use model::{Flow, Instant, Transport};
use std::collections::{BTreeMap, BTreeSet};

/// The section's number where the path's MTU is not known, in bytes.
pub(crate) const LARGE: usize = 1_300;
/// How long an address that took no TCP is not tried again.
const REFUSED_FOR: Duration = Duration::from_secs(600);
/// Most addresses kept of either kind; past it the one that ends first goes.
const KEPT_MAX: usize = 200_000;

/// Addresses with an end.
///
/// # Invariants
/// `until` and `due` hold the same pairs, at most `KEPT_MAX`.
#[derive(Debug, Default)]
struct Until {
    until: BTreeMap<SocketAddr, Instant>,
    due: BTreeSet<(Instant, SocketAddr)>,
}

impl Until {
    fn put(&mut self, address: SocketAddr, until: Instant, now: Instant) {
        while let Some((at, old)) = self.due.first().copied().filter(|(at, _)| *at <= now || self.due.len() >= KEPT_MAX)
        {
            self.due.remove(&(at, old));
            self.until.remove(&old);
        }
        if let Some(before) = self.until.insert(address, until) {
            self.due.remove(&(before, address));
        }
        self.due.insert((until, address));
    }

    fn holds(&self, address: SocketAddr, now: Instant) -> bool {
        self.until.get(&address).is_some_and(|until| *until > now)
    }
}

/// Which large requests leave by TCP.
#[derive(Debug, Default)]
pub(crate) struct Large {
    /// Our UDP addresses and the TCP address of each.
    streams: Vec<(SocketAddr, SocketAddr)>,
    registered: Until,
    refused: Until,
}

impl Large {
    pub(crate) fn set_streams(&mut self, streams: Vec<(SocketAddr, SocketAddr)>) {
        self.streams = streams;
    }

    /// The peer at `remote` registered over UDP: its flow is kept.
    pub(crate) fn keep(&mut self, remote: SocketAddr, until: Instant, now: Instant) {
        self.registered.put(remote, until, now);
    }

    /// TCP to `remote` failed.
    pub(crate) fn refuse(&mut self, remote: SocketAddr, now: Instant) {
        self.refused.put(remote, now + REFUSED_FOR, now);
    }

    /// The flow that a request of `bytes` for `flow` takes instead, if it does.
    pub(crate) fn instead(&self, flow: &Flow, bytes: usize, now: Instant) -> Option<Flow> {
        if flow.transport != Transport::Udp || bytes <= LARGE {
            return None;
        }
        if self.registered.holds(flow.remote, now) || self.refused.holds(flow.remote, now) {
            return None;
        }
        let (_, local) = self.streams.iter().find(|(udp, _)| *udp == flow.local)?;
        Some(Flow::new(Transport::Tcp, *local, flow.remote))
    }
}
