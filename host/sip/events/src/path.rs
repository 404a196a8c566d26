//! Where a NOTIFY goes: route set, remote target and flow of a subscription's dialog (RFC 3261 section 12).
//!
//! As for calls: names are not looked up, a peer behind a NAT and a peer on a stream are reached by their flow.

use core::net::SocketAddr;
use model::{Flow, Transport};
use sip_message::{Message, Name, NameAddrRef, UriRef};

/// The default port of SIP over UDP and TCP.
const SIP_PORT: u16 = 5060;

/// The path to a subscriber.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    /// Route values in the order we send them.
    route_set: Vec<String>,
    /// The subscriber's Contact URI.
    target: String,
    /// The flow that worked last.
    flow: Flow,
    /// The subscriber is seen under another address than it knows of itself: only the flow reaches it.
    behind_nat: bool,
}

/// One request's way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Hop {
    pub(crate) request_uri: String,
    pub(crate) routes: Vec<String>,
    pub(crate) flow: Flow,
}

impl Path {
    /// The path that a SUBSCRIBE gives; `None` without a SIP Contact, which it must have (RFC 6665 section 4.1.2.1).
    pub(crate) fn of_request(request: &Message, flow: Flow) -> Option<Path> {
        Some(Path {
            route_set: request.values(Name::RecordRoute).map(|v| v.to_string()).collect(),
            target: contact(request)?,
            flow,
            behind_nat: via_differs(request, flow.remote),
        })
    }

    /// A refresh came on `flow`: its Contact is the new target, a stream may be a new one, a NAT may have bound anew.
    pub(crate) fn refresh(&mut self, request: &Message, flow: Flow) {
        if let Some(target) = contact(request) {
            self.target = target;
        }
        if self.behind_nat || flow.transport.is_reliable() {
            self.flow = flow;
        }
    }

    /// Where the next request goes (RFC 3261 section 12.2.1.1).
    pub(crate) fn hop(&self) -> Hop {
        let flow = self.flow_to(self.route_set.first().map_or(self.target.as_str(), |route| angle(route)));
        match self.route_set.split_first() {
            None => Hop { request_uri: self.target.clone(), routes: Vec::new(), flow },
            Some((first, _)) if is_loose(first) => {
                Hop { request_uri: self.target.clone(), routes: self.route_set.clone(), flow }
            }
            // A strict router: it is the Request-URI, and the target closes the route.
            Some((first, rest)) => {
                let mut routes = rest.to_vec();
                routes.push(format!("<{}>", self.target));
                let uri = angle(first);
                Hop { request_uri: uri.split('?').next().unwrap_or(uri).to_owned(), routes, flow }
            }
        }
    }

    fn flow_to(&self, uri: &str) -> Flow {
        if self.behind_nat || self.flow.transport.is_reliable() {
            return self.flow;
        }
        match literal(uri) {
            Some(address) if address.ip() == self.flow.remote.ip() => Flow { remote: address, ..self.flow },
            Some(_) | None => self.flow,
        }
    }
}

/// The URI by which `flow`'s peer reaches us: the Contact of our dialogs.
pub(crate) fn own_contact(flow: &Flow) -> String {
    if flow.transport == Transport::Udp {
        return format!("<sip:{}>", flow.local);
    }
    format!("<sip:{};transport={}>", flow.local, flow.transport.uri_token())
}

/// The URI of the first Contact.
fn contact(message: &Message) -> Option<String> {
    let value = message.values(Name::Contact).next()?;
    let uri = value.name_addr().ok()?.uri();
    uri.is_sip().then(|| uri.as_str().to_owned())
}

/// Whether the sender's own idea of its address, its Via, is another than the packet's source.
fn via_differs(request: &Message, source: SocketAddr) -> bool {
    let Ok(via) = request.top_via() else { return false };
    let Some(ip) = via.host_ip() else { return false };
    SocketAddr::new(ip, via.port().unwrap_or(SIP_PORT)) != source
}

/// The address a URI names, where its host is an IP literal.
fn literal(uri: &str) -> Option<SocketAddr> {
    let uri = UriRef::parse(uri).ok()?;
    let port = uri.port().unwrap_or(SIP_PORT);
    (port != 0).then_some(SocketAddr::new(uri.host_ip()?, port))
}

fn is_loose(route: &str) -> bool {
    UriRef::parse(angle(route)).is_ok_and(|uri| uri.params().has("lr"))
}

/// The URI of a route value; the value itself where it is not a name-addr.
fn angle(value: &str) -> &str {
    NameAddrRef::parse(value.as_bytes()).map_or(value, |route| route.uri().as_str())
}
