//! From an endpoint of a plan to the places an INVITE goes to.

use crate::arrival::sip_uri;
use crate::floors::Floors;
use crate::trunk::ToCarrier;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use model::{AccountId, Cause, CompanyId, Endpoint, Flow, HeaderPolicy, Transport};
use sip_message::UriRef;

/// One place to send an INVITE to.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) flow: Flow,
    pub(crate) request_uri: String,
    /// The To header's URI.
    pub(crate) to_uri: String,
    pub(crate) account: Option<AccountId>,
    /// Preference, in thousandths.
    pub(crate) q: u16,
    /// The user part for the CDR.
    pub(crate) party: String,
    /// What it is told of the caller.
    pub(crate) policy: HeaderPolicy,
    /// What is special about a carrier.
    pub(crate) carrier: Option<Box<ToCarrier>>,
    /// Route values (RFC 3327).
    pub(crate) route_set: Vec<String>,
    /// The device's URN and its flow's number, where it says (RFC 5626).
    pub(crate) device: Option<(String, u32)>,
}

/// What is told to phones, and to peers that a plan names by address: From, and who forwarded.
pub(crate) const PLAIN: HeaderPolicy = HeaderPolicy {
    pai: false,
    ppi: false,
    rpid: false,
    diversion: true,
    history_info: false,
    trusted: false,
    hide: false,
};

/// Every place `endpoint` stands for, best first.
///
/// # Errors
/// The cause that its branch would fail with: no such account, not registered, an address we cannot reach.
pub(crate) fn branches(floors: &Floors<'_>, company: CompanyId, endpoint: &Endpoint) -> Result<Vec<Branch>, Cause> {
    match endpoint {
        Endpoint::Account(name) => of_account(floors, company, name),
        Endpoint::Uri(uri) => of_uri(floors, company, uri).map(|b| vec![b]),
        // One server after the other: `Step::ring_trunk`.
        Endpoint::Trunk { .. } => Err(Cause::PlanInvalid),
    }
}

/// The name an endpoint is called by in reports.
pub(crate) fn name(endpoint: &Endpoint) -> &str {
    match endpoint {
        Endpoint::Account(name) => name,
        Endpoint::Uri(uri) => uri,
        Endpoint::Trunk { name, .. } => name,
    }
}

fn of_account(floors: &Floors<'_>, company: CompanyId, name: &str) -> Result<Vec<Branch>, Cause> {
    let account = floors.directory.account(company, name).ok_or(Cause::NotFound)?;
    let domain = floors.directory.company(company).map_or("", |c| c.domain.as_str());
    let to_uri = sip_uri(name, domain);
    if let Some(address) = account.direct {
        let flow = floors.setup.flow_to(Transport::Udp, address).ok_or(Cause::TransportFailed)?;
        let request_uri = sip_uri(name, &sip_message::address_text(address));
        return Ok(vec![Branch {
            flow,
            request_uri,
            to_uri,
            account: Some(account.id),
            q: 1000,
            party: name.to_owned(),
            policy: PLAIN,
            carrier: None,
            route_set: Vec::new(),
            device: None,
        }]);
    }
    let found: Vec<Branch> = floors
        .registrar
        .targets(account.id, floors.now)
        .into_iter()
        .map(|binding| Branch::of_binding(binding, account.id, (&to_uri, name)))
        .collect();
    if found.is_empty() { Err(Cause::NotRegistered) } else { Ok(found) }
}

/// Literal addresses only: names are looked up by the shell in a later issue, never on a shard.
fn of_uri(floors: &Floors<'_>, company: CompanyId, text: &str) -> Result<Branch, Cause> {
    let uri = UriRef::parse(text).map_err(|_| Cause::PlanInvalid)?;
    let ip = uri.host_ip().ok_or(Cause::PlanInvalid)?;
    let transport = match uri.param("transport") {
        Some(t) if t.eq_ignore_ascii_case("tcp") => Transport::Tcp,
        Some(t) if !t.eq_ignore_ascii_case("udp") => return Err(Cause::PlanInvalid),
        Some(_) | None => Transport::Udp,
    };
    let flow =
        floors.setup.flow_to(transport, SocketAddr::new(ip, uri.port_or_default())).ok_or(Cause::TransportFailed)?;
    may_reach(floors, company, &flow)?;
    let party = uri.user().unwrap_or_default().to_owned();
    let (request_uri, to_uri) = (text.to_owned(), text.to_owned());
    Ok(Branch {
        flow,
        request_uri,
        to_uri,
        account: None,
        q: 1000,
        party,
        policy: PLAIN,
        carrier: None,
        route_set: Vec::new(),
        device: None,
    })
}

/// Whether a plan of this company may name the place that a flow leads to. Whoever is sent an INVITE from here takes it for
/// the switch's: so it may not be another brand's carrier or telephone system, nor the switch itself, nor what only the
/// machine or its own network reaches.
///
/// # Errors
/// [`Cause::Forbidden`].
pub(crate) fn may_reach(floors: &Floors<'_>, company: CompanyId, flow: &Flow) -> Result<(), Cause> {
    let (from, to) = (flow.local.ip().to_canonical(), flow.remote.ip().to_canonical());
    let brand = floors.directory.company(company).map(|c| c.brand).ok_or(Cause::Forbidden)?;
    let own = |at: SocketAddr| at == flow.remote;
    let itself = floors.setup.listeners.iter().any(|l| own(l.local))
        || floors.setup.inside.iter().any(|i| own(i.inside) || own(i.outside))
        || own(flow.local);
    let others = floors.directory.is_other_brands(brand, to) || floors.carriers.is_other_brands(brand, to);
    let nowhere = to.is_unspecified() || to.is_multicast();
    // What is near the switch is reached from a listener that is there too, or not at all.
    let inside = nearness(to) > if from.is_unspecified() { 1 } else { nearness(from) };
    if itself || nowhere || inside || others {
        return Err(Cause::Forbidden);
    }
    Ok(())
}

/// How near to the machine an address is: the world, a private network, a link, the machine itself.
fn nearness(ip: IpAddr) -> u8 {
    let (host, link, private) = match ip {
        IpAddr::V4(ip) => (ip.is_loopback() || ip.octets()[0] == 0, ip.is_link_local(), is_inner(ip)),
        IpAddr::V6(ip) => (ip.is_loopback(), ip.is_unicast_link_local(), ip.is_unique_local()),
    };
    match (host, link, private) {
        (true, ..) => 3,
        (_, true, _) => 2,
        (.., true) => 1,
        (false, false, false) => 0,
    }
}

/// Networks that are nobody's on the Internet: private ones, and those that clouds and overlays use inside (RFC 1918, RFC
/// 6598: 100.64/10, RFC 2544: 198.18/15).
fn is_inner(ip: Ipv4Addr) -> bool {
    let [first, second, ..] = ip.octets();
    ip.is_private() || (first == 100 && second & 0xc0 == 64) || (first == 198 && second & 0xfe == 18)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clouds_use_inside_is_as_near_as_a_private_network() {
        for (text, near) in [
            ("192.0.2.1", 0),
            ("100.63.255.255", 0),
            ("100.64.0.1", 1),
            ("100.127.255.255", 1),
            ("100.128.0.0", 0),
            ("198.17.255.255", 0),
            ("198.18.0.1", 1),
            ("198.19.255.255", 1),
            ("198.20.0.0", 0),
            ("10.1.2.3", 1),
            ("fd00::1", 1),
            ("169.254.1.1", 2),
            ("0.1.2.3", 3),
            ("127.0.0.1", 3),
            ("2001:db8::1", 0),
        ] {
            assert_eq!(text.parse().map(nearness), Ok(near), "{text}");
        }
    }
}
