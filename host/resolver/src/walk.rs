//! The walk of RFC 3263 section 4: NAPTR, SRV, addresses.
//!
//! The walk knows no DNS library: it asks through [`Dns`], which [`crate::Resolver`] implements.

use crate::order::{Srv, order};
use core::future::Future;
use core::net::{IpAddr, SocketAddr};
use model::{HopTarget, ResolveFailure, Transport};
use std::sync::Arc;

/// Most places given for one target.
pub(crate) const HOPS_MAX: usize = 16;
/// Most SRV records of one target whose addresses are looked up.
const SERVERS_MAX: usize = 8;

/// One place to send to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// By this transport.
    pub transport: Transport,
    /// To this address.
    pub address: SocketAddr,
    /// For TLS: the name that the certificate must show, which is the target's, not the SRV record's (RFC 5922
    /// section 7.1).
    pub tls_name: Option<Arc<str>>,
}

/// A NAPTR record that leads to SRV records.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Naptr {
    pub(crate) order: u16,
    pub(crate) preference: u16,
    pub(crate) service: String,
    pub(crate) replacement: String,
}

/// What the walk asks. "No such record" is an empty list; an error is a server that failed.
pub(crate) trait Dns: Sync {
    fn naptr(&self, name: &str) -> impl Future<Output = Result<Vec<Naptr>, ResolveFailure>> + Send;
    fn srv(&self, name: &str) -> impl Future<Output = Result<Vec<Srv>, ResolveFailure>> + Send;
    /// Every address, of both families.
    fn addresses(&self, name: &str) -> impl Future<Output = Result<Vec<IpAddr>, ResolveFailure>> + Send;
    /// A number from 0 to `bound`.
    fn draw(&self, bound: u32) -> u32;
}

/// How we can send: transport and address family.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ways(pub(crate) Vec<(Transport, bool)>);

impl Ways {
    /// The ways of listeners at these addresses: what is not listened on is not sent from either.
    #[must_use]
    pub fn of(listeners: impl IntoIterator<Item = (Transport, SocketAddr)>) -> Ways {
        let can = listeners.into_iter().filter(|(transport, _)| transport.can_connect());
        Ways(can.map(|(transport, local)| (transport, local.is_ipv4())).collect())
    }

    fn speaks(&self, transport: Transport) -> bool {
        self.0.iter().any(|(t, _)| *t == transport)
    }

    fn reaches(&self, transport: Transport, ip: IpAddr) -> bool {
        self.0.contains(&(transport, ip.is_ipv4()))
    }
}

/// Where `target` leads, best first.
pub(crate) async fn walk(dns: &impl Dns, ways: &Ways, target: &HopTarget) -> Result<Vec<Found>, ResolveFailure> {
    if let Some(hop) = target.literal() {
        let hop = hop?;
        return Ok(vec![Found { transport: hop.transport, address: hop.address, tls_name: None }]);
    }
    let mut places = Places { dns, ways, target, found: Vec::new(), skipped: false };
    match (target.port, target.transport) {
        // Section 4.2: an explicit port means that address records are all that is asked for.
        (Some(0), _) => return Err(ResolveFailure::Invalid),
        (Some(port), _) => places.add_host(target.plain_transport()?, &target.host, port).await?,
        (None, Some(_)) => {
            let transport = target.plain_transport()?;
            if !places.add_servers(transport, &srv_name(transport, &target.host)).await? {
                places.add_host(transport, &target.host, transport.default_port()).await?;
            }
        }
        (None, None) => places.by_any_transport().await?,
    }
    places.end()
}

struct Places<'a, D> {
    dns: &'a D,
    ways: &'a Ways,
    target: &'a HopTarget,
    found: Vec<Found>,
    /// Something was there that we cannot send to.
    skipped: bool,
}

impl<D: Dns> Places<'_, D> {
    /// Section 4.1, for a target that leaves the transport to us.
    async fn by_any_transport(&mut self) -> Result<(), ResolveFailure> {
        for (transport, name) in self.naptr().await? {
            self.add_servers(transport, &name).await?;
        }
        if !self.found.is_empty() {
            return Ok(());
        }
        let ours: &[Transport] =
            if self.target.secure { &[Transport::Tls] } else { &[Transport::Udp, Transport::Tcp, Transport::Tls] };
        let mut offered = false;
        for transport in ours.iter().copied().filter(|t| self.ways.speaks(*t)) {
            offered |= self.add_servers(transport, &srv_name(transport, &self.target.host)).await?;
        }
        if !offered {
            let transport = self.target.plain_transport()?;
            self.add_host(transport, &self.target.host, transport.default_port()).await?;
        }
        Ok(())
    }

    /// The SRV names of the best order that holds a service we speak, by preference (RFC 3403 section 4.1).
    async fn naptr(&mut self) -> Result<Vec<(Transport, String)>, ResolveFailure> {
        let mut records = self.dns.naptr(&self.target.host).await?;
        records.sort_by_key(|r| (r.order, r.preference));
        let mut ours = Vec::new();
        let mut best = None;
        for record in records {
            let transport = match record.service.to_ascii_uppercase().as_str() {
                "SIP+D2U" if !self.target.secure => Transport::Udp,
                "SIP+D2T" if !self.target.secure => Transport::Tcp,
                "SIPS+D2T" => Transport::Tls,
                _ => continue,
            };
            if !self.ways.speaks(transport) {
                self.skipped = true;
            } else if *best.get_or_insert(record.order) == record.order {
                ours.push((transport, record.replacement));
            }
        }
        Ok(ours)
    }

    /// Adds the servers of an SRV name; whether it has records at all.
    async fn add_servers(&mut self, transport: Transport, name: &str) -> Result<bool, ResolveFailure> {
        let records = self.dns.srv(name).await?;
        let any = !records.is_empty();
        let dns = self.dns;
        let mut failed = None;
        for server in order(records, |bound| dns.draw(bound)).into_iter().take(SERVERS_MAX) {
            // A target of "." says that the service is decidedly not offered.
            if server.target.is_empty() || server.port == 0 {
                continue;
            }
            // One server whose address cannot be had does not spoil the others.
            match self.add_host(transport, &server.target, server.port).await {
                Ok(()) => {}
                Err(why) => failed = Some(why),
            }
        }
        match failed {
            Some(why) if self.found.is_empty() => Err(why),
            Some(_) | None => Ok(any),
        }
    }

    async fn add_host(&mut self, transport: Transport, host: &str, port: u16) -> Result<(), ResolveFailure> {
        for ip in self.dns.addresses(host).await? {
            if !self.ways.reaches(transport, ip) {
                self.skipped = true;
                continue;
            }
            let tls_name = transport.is_secure().then(|| Arc::from(self.target.host.as_str()));
            let found = Found { transport, address: SocketAddr::new(ip, port), tls_name };
            if self.found.len() < HOPS_MAX && !self.found.contains(&found) {
                self.found.push(found);
            }
        }
        Ok(())
    }

    fn end(self) -> Result<Vec<Found>, ResolveFailure> {
        match (self.found.is_empty(), self.skipped) {
            (false, _) => Ok(self.found),
            (true, true) => Err(ResolveFailure::NoTransport),
            (true, false) => Err(ResolveFailure::NoAddress),
        }
    }
}

/// Section 4.2: the name of a transport's SRV records.
fn srv_name(transport: Transport, host: &str) -> String {
    let prefix = match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
        Transport::Ws => "_sip._ws",
        Transport::Wss => "_sips._ws",
    };
    format!("{prefix}.{host}")
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
