//! What the engine reaches for in one step: the floors below, the facts and the time, all borrowed.

use crate::hops::Hops;
use core::net::{IpAddr, SocketAddr};
use model::{BrandId, Cidr, Directory, Flow, Instant, Limits, Lookups, NextHop, Transport};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A place where we receive SIP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listener {
    /// Its transport.
    pub transport: Transport,
    /// Its address, as peers can reach it.
    pub local: SocketAddr,
}

/// An address that is another one for the peers on our side of a NAT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Inside {
    /// Their network.
    pub net: Cidr,
    /// What everybody else is told.
    pub outside: SocketAddr,
    /// What they are told.
    pub inside: SocketAddr,
}

/// What does not change while a shard lives.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The limits.
    pub limits: Limits,
    /// Where we listen; the first of a kind is used to send from.
    pub listeners: Vec<Listener>,
    /// Addresses of listeners that the peers of some networks know by another.
    pub inside: Vec<Inside>,
    /// The media address likewise; ports do not differ.
    pub inside_media: Vec<Inside>,
    /// The company domain that stands in when a peer used one of our addresses for a domain.
    pub default_domain: Option<String>,
    /// What browsers know our certificate by, for DTLS; without one there is no WebRTC.
    pub certificate: Option<Arc<sdp::Fingerprint>>,
}

impl Setup {
    /// The flow by which a peer at `remote` is reached over `transport`; `None` when we do not listen that way.
    #[must_use]
    pub fn flow_to(&self, transport: Transport, remote: SocketAddr) -> Option<Flow> {
        let listener =
            self.listeners.iter().find(|l| l.transport == transport && l.local.is_ipv4() == remote.is_ipv4())?;
        Some(Flow::new(transport, seen_from(&self.inside, listener.local, remote.ip()), remote))
    }

    /// A flow of an earlier run, by a listener of this one: its own if that is still there, else the one that reaches
    /// its peer; `None` when we do not listen that way any more.
    #[must_use]
    pub fn rehomed(&self, flow: Flow) -> Option<Flow> {
        let at = |l: &Listener| {
            l.transport == flow.transport && seen_from(&self.inside, l.local, flow.remote.ip()) == flow.local
        };
        if self.listeners.iter().any(at) {
            return Some(flow);
        }
        let local = self.flow_to(flow.transport, flow.remote)?.local;
        Some(Flow { local, ..flow })
    }

    /// The address at which a party whose signalling comes from `party` reaches our media address.
    #[must_use]
    pub fn media_towards(&self, address: SocketAddr, party: IpAddr) -> SocketAddr {
        let known = self.inside_media.iter().find(|i| i.outside.ip() == address.ip() && i.net.contains(party));
        known.map_or(address, |i| SocketAddr::new(i.inside.ip(), address.port()))
    }

    /// The flow to a next hop that was looked up, with the name its certificate must show; `None` when we do not send
    /// that way.
    #[must_use]
    pub fn flow_for(&self, hop: &NextHop) -> Option<Flow> {
        if !hop.transport.can_connect() {
            return None;
        }
        Some(Flow { name: hop.tls_name, ..self.flow_to(hop.transport, hop.address)? })
    }
}

fn seen_from(inside: &[Inside], local: SocketAddr, remote: IpAddr) -> SocketAddr {
    inside.iter().find(|i| i.outside == local && i.net.contains(remote)).map_or(local, |i| i.inside)
}

/// Where the carriers' servers are, as far as their names were looked up, with the brands whose trunks lead there.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Carriers(BTreeSet<(IpAddr, BrandId)>);

impl Carriers {
    /// These.
    #[must_use]
    pub fn new(known: impl IntoIterator<Item = (IpAddr, BrandId)>) -> Carriers {
        Carriers(known.into_iter().map(|(address, brand)| (address.to_canonical(), brand)).collect())
    }

    /// Whether a trunk of another brand than this leads to the address, and none of its own.
    #[must_use]
    pub fn is_other_brands(&self, brand: BrandId, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let there = (address, BrandId(i64::MIN))..=(address, BrandId(i64::MAX));
        !self.0.contains(&(address, brand)) && self.0.range(there).next().is_some()
    }
}

/// The floors below, for one step.
pub struct Floors<'a> {
    /// Transactions (RFC 3261 section 17).
    pub transactions: &'a mut sip_transaction::Layer,
    /// Dialogs (section 12).
    pub dialogs: &'a mut sip_dialog::Layer,
    /// Response contexts (section 16).
    pub proxies: &'a mut sip_proxy::Layer,
    /// Streams and the relay.
    pub media: &'a mut media::Engine,
    /// Bindings (section 10).
    pub registrar: &'a mut registrar::Registrar,
    /// Trunks to carriers.
    pub trunks: &'a mut sip_trunk::Layer,
    /// Next hops being looked up (RFC 3263).
    pub lookups: &'a mut Lookups,
    /// Addresses that failed lately.
    pub hops: &'a Hops,
    /// Where the carriers of all brands are.
    pub carriers: &'a Carriers,
    /// The tenants' facts.
    pub directory: &'a Directory,
    /// Limits and listeners.
    pub setup: &'a Setup,
    /// The time of this step.
    pub now: Instant,
}

impl core::fmt::Debug for Floors<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Floors").field("now", &self.now).finish_non_exhaustive()
    }
}
