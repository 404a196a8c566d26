//! A middle box: it gives each inner port one of its own, forgets it when nothing leaves by it for a while, and lets in
//! only those to whom something has left (RFC 4787: address-dependent filtering; no refresh from outside).

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use model::Instant;
use std::collections::{BTreeMap, BTreeSet};

/// The first port that a box gives.
const FIRST: u16 = 30_000;

/// A way from one inner port to the world.
#[derive(Debug)]
struct Hole {
    outer: u16,
    used_at: Instant,
    peers: BTreeSet<IpAddr>,
}

/// One box with one address outside.
///
/// # Invariants
/// No outer port is given twice: what was sent to an old one reaches nobody.
#[derive(Debug)]
pub(crate) struct Nat {
    pub(crate) ip: IpAddr,
    timeout: Duration,
    holes: BTreeMap<u16, Hole>,
    next: u16,
}

impl Nat {
    pub(crate) fn new(ip: IpAddr, timeout: Duration) -> Nat {
        Nat { ip, timeout, holes: BTreeMap::new(), next: FIRST }
    }

    /// Something leaves: the address that the world sees, and whether it was another one before.
    pub(crate) fn leave(&mut self, inner: u16, to: IpAddr, now: Instant) -> (SocketAddr, bool) {
        let timeout = self.timeout;
        let moved = self.holes.get(&inner).is_some_and(|hole| now.since(hole.used_at) > timeout);
        if moved || !self.holes.contains_key(&inner) {
            self.next = self.next.wrapping_add(1).max(FIRST);
            self.holes.insert(inner, Hole { outer: self.next, used_at: now, peers: BTreeSet::new() });
        }
        let outer = self.holes.get_mut(&inner).map_or(0, |hole| {
            hole.used_at = now;
            hole.peers.insert(to);
            hole.outer
        });
        (SocketAddr::new(self.ip, outer), moved)
    }

    /// Something comes: the inner port it is let in to.
    pub(crate) fn enter(&self, outer: u16, from: IpAddr, now: Instant) -> Option<u16> {
        let (inner, hole) = self.holes.iter().find(|(_, hole)| hole.outer == outer)?;
        (now.since(hole.used_at) <= self.timeout && hole.peers.contains(&from)).then_some(*inner)
    }
}
