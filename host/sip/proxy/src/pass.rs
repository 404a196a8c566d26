//! Requests within a proxied dialog: sent on by their Route set and what is kept of the dialog, with no look-up
//! (sections 16.4, 16.6 and 16.12). The ACK of a 2xx passes without state (section 16.11).

use crate::claim::Claim;
use crate::config::Config;
use crate::context::Context;
use crate::event::{ContextKey, Side};
use crate::layer::Refusal;
use crate::splice::{self, Hop, Routes, is_strict, owned};
use bytes::Bytes;
use core::net::SocketAddr;
use model::{Flow, Instant, Transport};
use sip_message::{Message, Method, Name, NameAddrRef, UriRef};
use sip_transaction::{ClientKey, ServerKey};

/// One request on its way.
#[derive(Debug)]
pub(crate) struct Pass {
    pub(crate) server: ServerKey,
    pub(crate) client: ClientKey,
    /// The way it came.
    pub(crate) flow: Flow,
    pub(crate) request: Message,
    /// The dialog, and who sent it.
    pub(crate) context: ContextKey,
    pub(crate) peer: usize,
    pub(crate) from: Side,
    /// Of an INVITE: Timer C, and after a 2xx the time of its repetitions.
    pub(crate) until: Option<Instant>,
    pub(crate) armed: Option<Instant>,
    pub(crate) answered: bool,
    /// Its body was an offer: what its response describes is the answer.
    pub(crate) offers: bool,
    /// The body of its 2xx as it was passed on, where the media is anchored.
    pub(crate) said: Option<Bytes>,
}

impl Pass {
    pub(crate) fn is_invite(&self) -> bool {
        self.request.is_method(Method::Invite)
    }
}

/// What no request passes with (section 16.3).
pub(crate) fn screen(request: &Message) -> Result<(), Refusal> {
    request.next_max_forwards().map_err(|_| (483, Vec::new()))?;
    let required: Vec<_> = request.values(Name::ProxyRequire).map(|value| value.text()).collect();
    if !required.is_empty() {
        return Err((420, vec![("Unsupported", required.join(", "))]));
    }
    Ok(())
}

/// Where a request within a dialog is: who sent it, and to which of the callees it belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) peer: usize,
    pub(crate) from: Side,
}

impl Context {
    /// The dialog that the tags of a request name; `None` if it is no dialog of this call.
    pub(crate) fn place(&self, request: &Message) -> Option<Place> {
        let (from, to) = (request.from().ok()?, request.to().ok()?);
        let (from, to) = (from.tag()?, to.tag()?);
        if request.call_id().ok()? != self.request.call_id().ok()? {
            return None;
        }
        let caller = self.request.from().ok()?.tag()?;
        let peer = |tag: &str| self.peers.iter().position(|peer| &*peer.tag == tag);
        if from == caller {
            Some(Place { peer: peer(to)?, from: Side::Caller })
        } else if to == caller {
            Some(Place { peer: peer(from)?, from: Side::Callee })
        } else {
            None
        }
    }

    /// The routes to the other side, where a request names some beyond ours and the dialog has its route set.
    pub(crate) fn recorded(&self, place: Place, request: &Message, claim: Claim) -> Option<Vec<String>> {
        request.values(Name::Route).nth(claim.routes)?;
        let peer = self.peers.get(place.peer).filter(|peer| peer.answer.is_some())?;
        Some(peer.routes(place.from.other(), self.mark, &self.request))
    }

    /// Whether these are the caller's tag and a callee's.
    pub(crate) fn is_between(&self, caller: &str, callee: &str) -> bool {
        let own = self.request.from().ok().and_then(|from| from.tag());
        own == Some(caller) && self.peers.iter().any(|peer| &*peer.tag == callee)
    }
}

/// What a request within a dialog becomes.
pub(crate) struct Onward {
    pub(crate) flow: Flow,
    pub(crate) wire: Bytes,
}

/// What it is made of.
pub(crate) struct Passing<'a> {
    pub(crate) request: &'a Message,
    pub(crate) claim: Claim,
    /// The way it came.
    pub(crate) source: SocketAddr,
    /// The way to the other side.
    pub(crate) way: Flow,
    pub(crate) branch: &'a str,
    /// The body that goes on instead.
    pub(crate) body: Option<&'a [u8]>,
    /// The routes that the other side has recorded; `None` while they are not known, or where none is named.
    pub(crate) recorded: Option<Vec<String>>,
}

/// Rewrites a request for its next hop; `None` if it names none.
pub(crate) fn onward(passing: &Passing<'_>, config: &Config) -> Option<Onward> {
    let Passing { request, claim, .. } = passing;
    let max_forwards = request.next_max_forwards().ok()?;
    if passing.recorded.as_ref().is_some_and(|known| !are_recorded(request, *claim, known)) {
        return straight(passing, max_forwards);
    }
    let next = request.values(Name::Route).nth(claim.routes);
    let plain = !claim.strict && next.as_ref().is_none_or(|next| !names_strict(next.as_bytes()));
    let rerouted = if plain { None } else { Some(reroute(request, *claim)?) };
    let first = match &rerouted {
        Some((uri, _, true)) => Some(uri.clone()),
        Some((_, routes, false)) => routes.first().cloned(),
        None => next.map(|value| value.text().into_owned()),
    };
    let first = first.filter(|_| passing.recorded.is_some());
    let flow = toward(passing.way, first.as_deref(), config);
    let hop = Hop {
        uri: rerouted.as_ref().map(|(uri, ..)| uri.as_str()),
        source: passing.source,
        flow: &flow,
        branch: passing.branch,
        record: None,
        routes: rerouted.as_ref().map_or(Routes::Skip(claim.routes), |(_, routes, _)| Routes::Replace(routes)),
        max_forwards,
        max_breadth: None,
        realm: None,
        ops: &[],
        body: passing.body,
    };
    Some(Onward { flow, wire: splice::request(request, &hop)? })
}

/// The same, past all routes: they are not those of the dialog, and would lead wherever the sender likes.
fn straight(passing: &Passing<'_>, max_forwards: u8) -> Option<Onward> {
    let Passing { request, claim, .. } = passing;
    let uri = if claim.strict { Some(reroute(request, *claim)?.0) } else { None };
    let hop = Hop {
        uri: uri.as_deref(),
        source: passing.source,
        flow: &passing.way,
        branch: passing.branch,
        record: None,
        routes: Routes::Replace(&[]),
        max_forwards,
        max_breadth: None,
        realm: None,
        ops: &[],
        body: passing.body,
    };
    Some(Onward { flow: passing.way, wire: splice::request(request, &hop)? })
}

/// Whether every route beyond ours is one of these.
fn are_recorded(request: &Message, claim: Claim, known: &[String]) -> bool {
    let mut beyond: Vec<String> = owned(request, Name::Route).into_iter().skip(claim.routes).collect();
    if claim.strict {
        beyond.pop();
    }
    let uri = |route: &str| NameAddrRef::parse(route.as_bytes()).ok().map(|route| route.uri().as_str().to_owned());
    let known: Vec<String> = known.iter().filter_map(|route| uri(route)).collect();
    beyond.iter().all(|route| uri(route).is_some_and(|uri| known.iter().any(|k| k.eq_ignore_ascii_case(&uri))))
}

fn names_strict(route: &[u8]) -> bool {
    NameAddrRef::parse(route).is_ok_and(|route| is_strict(&route.uri()))
}

/// Request-URI and Routes where a strict router is before or behind us (sections 16.4 and 16.6 step 6), and whether it
/// is behind.
fn reroute(request: &Message, claim: Claim) -> Option<(String, Vec<String>, bool)> {
    let mut routes: Vec<String> = owned(request, Name::Route).into_iter().collect();
    let mut uri = request.request_uri_str()?.to_owned();
    if claim.strict {
        let last = routes.pop()?;
        uri = NameAddrRef::parse(last.as_bytes()).ok()?.uri().as_str().to_owned();
    }
    routes.drain(..claim.routes.min(routes.len()));
    let behind = routes.first().is_some_and(|next| names_strict(next.as_bytes()));
    if behind {
        routes.push(format!("<{uri}>"));
        let next = routes.remove(0);
        uri = NameAddrRef::parse(next.as_bytes()).ok()?.uri().as_str().to_owned();
    }
    Some((uri, routes, behind))
}

/// A recorded Route that names an address is followed; any other way is the one that the other side's messages come by, which
/// passes NATs and needs nobody to be asked.
fn toward(way: Flow, route: Option<&str>, config: &Config) -> Flow {
    let Some(route) = route else { return way };
    let bare = NameAddrRef::parse(route.as_bytes()).ok();
    let uri = bare.as_ref().map(NameAddrRef::uri).or_else(|| UriRef::parse(route).ok());
    let Some((uri, ip)) = uri.and_then(|uri| Some((uri, uri.host_ip()?))) else { return way };
    let address = SocketAddr::new(ip, uri.port_or_default());
    let transport = match uri.transport() {
        Some(transport) => transport,
        None if way.transport.is_reliable() && way.remote.ip() == ip => way.transport,
        None => Transport::Udp,
    };
    if transport == way.transport {
        return Context::redirect(way, address);
    }
    let of = config.listeners.iter().find(|(t, local)| *t == transport && local.is_ipv4() == address.is_ipv4());
    of.map_or(way, |(transport, local)| Flow::new(*transport, *local, address))
}
