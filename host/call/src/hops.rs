//! Addresses that failed lately (RFC 3263 section 4.3, RFC 3261 section 21.5.4): shared by all calls of a shard.
//!
//! An address that did not answer, could not be reached or said 503 is tried last for a while; Retry-After says for how
//! long. It is not left out altogether: the only way there is is still a way.

use core::net::SocketAddr;
use core::time::Duration;
use model::{Flow, Instant, Limits, Transport};
use std::collections::{BTreeMap, BTreeSet};

/// Where a request may go.
type Hop = (Transport, SocketAddr);

/// The failed addresses.
///
/// # Invariants
/// `due` holds `(until, hop)` of every entry of `failed` and nothing else; there are at most `max`.
#[derive(Debug)]
pub struct Hops {
    failed: BTreeMap<Hop, Instant>,
    due: BTreeSet<(Instant, Hop)>,
    max: usize,
    rest: Duration,
    rest_max: Duration,
}

impl Hops {
    /// No address has failed. The limits say how many are remembered and for how long.
    #[must_use]
    pub fn new(limits: &Limits) -> Hops {
        Hops {
            failed: BTreeMap::new(),
            due: BTreeSet::new(),
            max: limits.hops_failed_max,
            rest: Duration::from_secs(u64::from(limits.hop_rest_s)),
            rest_max: Duration::from_secs(u64::from(limits.hop_rest_max_s)),
        }
    }

    /// An address failed; `retry_after` is what it asked for itself.
    pub fn failed(&mut self, flow: &Flow, retry_after: Option<Duration>, now: Instant) {
        self.expire(now);
        let hop = (flow.transport, flow.remote);
        self.remove(hop);
        if self.failed.len() >= self.max
            && let Some((_, first)) = self.due.first().copied()
        {
            self.remove(first);
        }
        let until = now + retry_after.unwrap_or(self.rest).min(self.rest_max);
        if self.max > 0 && until > now {
            self.failed.insert(hop, until);
            self.due.insert((until, hop));
        }
    }

    /// Whether an address had better not be tried now.
    #[must_use]
    pub fn rests(&self, flow: &Flow, now: Instant) -> bool {
        self.failed.get(&(flow.transport, flow.remote)).is_some_and(|until| *until > now)
    }

    /// Puts those that failed lately behind the others; each part keeps its order.
    pub fn sort(&self, flows: &mut [Flow], now: Instant) {
        flows.sort_by_key(|flow| self.rests(flow, now));
    }

    /// How many are remembered, those whose time is over included until the next failure.
    #[must_use]
    pub fn len(&self) -> usize {
        self.failed.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.failed.is_empty()
    }

    fn expire(&mut self, now: Instant) {
        while let Some((_, hop)) = self.due.first().copied().filter(|(until, _)| *until <= now) {
            self.remove(hop);
        }
    }

    fn remove(&mut self, hop: Hop) {
        if let Some(until) = self.failed.remove(&hop) {
            self.due.remove(&(until, hop));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Instant {
        Instant::from_unix_nanos(secs * 1_000_000_000)
    }

    fn flow(host: u8) -> Flow {
        let address = |host| SocketAddr::from(([192, 0, 2, host], 5060));
        Flow::new(Transport::Udp, address(1), address(host))
    }

    #[test]
    fn who_failed_is_tried_last_until_its_rest_is_over() {
        let mut hops = Hops::new(&Limits { hop_rest_s: 30, hop_rest_max_s: 100, ..Limits::default() });
        hops.failed(&flow(2), None, at(0));
        hops.failed(&flow(3), Some(Duration::from_secs(60)), at(0));
        hops.failed(&flow(4), Some(Duration::from_secs(99_999)), at(0));
        let order = |hops: &Hops, now| {
            let mut flows = [flow(2), flow(3), flow(4), flow(5)];
            hops.sort(&mut flows, now);
            flows.map(|flow| if let core::net::IpAddr::V4(ip) = flow.remote.ip() { ip.octets()[3] } else { 0 })
        };
        assert_eq!(order(&hops, at(1)), [5, 2, 3, 4]);
        assert_eq!(order(&hops, at(31)), [2, 5, 3, 4]);
        assert_eq!(order(&hops, at(61)), [2, 3, 5, 4]);
        assert_eq!(order(&hops, at(101)), [2, 3, 4, 5]);
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_first_to_be_over() {
        let mut hops = Hops::new(&Limits { hops_failed_max: 2, ..Limits::default() });
        hops.failed(&flow(2), Some(Duration::from_secs(50)), at(0));
        hops.failed(&flow(3), Some(Duration::from_secs(10)), at(0));
        hops.failed(&flow(4), None, at(0));
        assert_eq!(hops.len(), 2);
        assert!(hops.rests(&flow(2), at(1)) && !hops.rests(&flow(3), at(1)) && hops.rests(&flow(4), at(1)));
        hops.failed(&flow(4), Some(Duration::ZERO), at(1));
        assert!(!hops.rests(&flow(4), at(1)), "it takes calls again at once");
        hops.failed(&flow(5), None, at(60));
        assert_eq!(hops.len(), 1);
    }
}
