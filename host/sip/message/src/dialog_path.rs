//! Where a request in a dialog goes: route set, remote target, flow (RFC 3261 sections 12.1, 12.2.1.1, 12.2.2).
//!
//! Names are not resolved here: a host that is not an IP literal means the dialog's flow. So does a host other than the
//! one the peer's packets come from, since that peer sits behind a NAT, and any peer on a stream.

use crate::{Message, Name, NameAddrRef, UriRef};
use core::net::SocketAddr;
use model::{Flow, Transport};

/// The default port of SIP over UDP and TCP.
const SIP_PORT: u16 = 5060;

/// The path to the peer.
#[derive(Clone, Debug)]
pub struct DialogPath {
    /// Route values in the order we send them.
    route_set: Vec<String>,
    /// The remote target: the peer's Contact URI.
    target: String,
    /// The flow that worked last.
    flow: Flow,
    /// The peer is seen under another address than it knows of itself: only the flow reaches it.
    behind_nat: bool,
}

/// One request's way: Request-URI, Route values and flow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hop {
    /// The Request-URI.
    pub request_uri: String,
    /// The Route values, in order.
    pub routes: Vec<String>,
    /// Where it is sent.
    pub flow: Flow,
}

impl DialogPath {
    /// The UAS's path: Record-Route in order, Contact as the target (section 12.1.1).
    #[must_use]
    pub fn of_request(request: &Message, flow: Flow) -> DialogPath {
        let from = request.from().ok().map(|from| from.uri().as_str().to_owned());
        DialogPath {
            route_set: request.values(Name::RecordRoute).map(|v| v.to_string()).collect(),
            target: contact(request).or(from).unwrap_or_default(),
            flow,
            behind_nat: via_differs(request, flow.remote),
        }
    }

    /// The UAC's path before any response: to `target` by these Route values, on `flow`.
    #[must_use]
    pub fn to(target: &str, route_set: &[String], flow: Flow) -> DialogPath {
        let mut path = DialogPath { route_set: route_set.to_vec(), target: target.to_owned(), flow, behind_nat: false };
        path.behind_nat = literal(path.next_hop()).is_some_and(|addr| addr != flow.remote);
        path
    }

    /// The UAC's path: Record-Route in reverse, Contact as the target (section 12.1.2).
    #[must_use]
    pub fn of_response(&self, response: &Message, flow: Flow) -> DialogPath {
        let mut route_set: Vec<String> = response.values(Name::RecordRoute).map(|v| v.to_string()).collect();
        route_set.reverse();
        DialogPath { route_set, target: contact(response).unwrap_or_else(|| self.target.clone()), flow, ..self.clone() }
    }

    /// A target refresh: the Contact of a re-INVITE or of the 2xx to one (sections 12.2.1.2 and 12.2.2).
    pub fn refresh(&mut self, message: &Message) {
        if let Some(contact) = contact(message) {
            self.target = contact;
        }
    }

    /// A request in the dialog came on `flow`: a stream may be a new one, a NAT may have bound anew.
    pub fn seen(&mut self, flow: Flow) {
        if self.behind_nat || flow.transport.is_reliable() {
            self.flow = flow;
        }
    }

    /// The remote target.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The flow of the peer.
    #[must_use]
    pub const fn flow(&self) -> Flow {
        self.flow
    }

    /// Where the next request goes (section 12.2.1.1).
    #[must_use]
    pub fn hop(&self) -> Hop {
        let flow = self.flow_to(self.next_hop());
        let Some((first, rest)) = self.route_set.split_first() else {
            return Hop { request_uri: self.target.clone(), routes: Vec::new(), flow };
        };
        if is_loose(first) {
            return Hop { request_uri: self.target.clone(), routes: self.route_set.clone(), flow };
        }
        // A strict router: it is the Request-URI, and the target closes the route.
        let mut routes = rest.to_vec();
        routes.push(format!("<{}>", self.target));
        Hop { request_uri: as_request_uri(angle(first)), routes, flow }
    }

    fn next_hop(&self) -> &str {
        self.route_set.first().map_or(self.target.as_str(), |route| angle(route))
    }

    fn flow_to(&self, uri: &str) -> Flow {
        if self.behind_nat || self.flow.transport.is_reliable() {
            return self.flow;
        }
        match literal(uri) {
            Some(addr) if addr.ip() == self.flow.remote.ip() && speaks(uri, self.flow.transport) => {
                Flow { remote: addr, ..self.flow }
            }
            Some(_) | None => self.flow,
        }
    }
}

/// The URI of the first Contact.
fn contact(message: &Message) -> Option<String> {
    let uri = message.contact()?.uri();
    uri.is_sip().then(|| uri.as_str().to_owned())
}

/// Whether the sender's own idea of its address, its Via, is another than the packet's source.
fn via_differs(request: &Message, source: SocketAddr) -> bool {
    let Ok(via) = request.top_via() else { return false };
    let Some(ip) = via.host_ip() else { return false };
    SocketAddr::new(ip, via.port().unwrap_or(SIP_PORT)) != source
}

/// The address a URI names, where its host is an IP literal. Port 0 cannot be sent to.
fn literal(uri: &str) -> Option<SocketAddr> {
    let uri = UriRef::parse(uri).ok()?;
    let port = uri.port().unwrap_or(SIP_PORT);
    (port != 0).then_some(SocketAddr::new(uri.host_ip()?, port))
}

fn speaks(uri: &str, transport: Transport) -> bool {
    UriRef::parse(uri)
        .is_ok_and(|uri| uri.param("transport").is_none_or(|name| name.eq_ignore_ascii_case(transport.uri_token())))
}

fn is_loose(route: &str) -> bool {
    UriRef::parse(angle(route)).is_ok_and(|uri| uri.params().has("lr"))
}

/// The URI of a route value; the value itself where it is not a name-addr.
fn angle(value: &str) -> &str {
    NameAddrRef::parse(value.as_bytes()).map_or(value, |route| route.uri().as_str())
}

/// A route's URI without what a Request-URI may not have: headers and `method` (section 12.2.1.1, 19.1.1).
fn as_request_uri(uri: &str) -> String {
    let uri = uri.split('?').next().unwrap_or(uri);
    let mut parts = uri.split(';');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts.filter(|part| !part.to_ascii_lowercase().starts_with("method=")) {
        out.push(';');
        out.push_str(part);
    }
    out
}
