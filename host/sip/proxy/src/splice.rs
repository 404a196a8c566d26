//! A message that passes: its bytes copied once, with what a proxy changes put in between.
//!
//! Section 16.6 steps 1 to 8 for requests, section 16.7 steps 3 and 8 for responses. One buffer, no header field
//! parsed that is not changed.

use crate::mark::Mark;
use bytes::Bytes;
use core::net::SocketAddr;
use core::ops::Range;
use model::{Flow, Header, HeaderOp, Transport};
use sip_message::{HeaderValue, Message, Name, UriRef, ViaStamp, push_address, push_number, push_stamp, stamped_via};
use smallvec::SmallVec;
use std::io::Write;

/// Room for what is put in: Via, two Record-Routes, a longer Request-URI.
const ROOM: usize = 448;

/// A copy of a message in the making.
///
/// # Invariants
/// `to` holds the copy of `from[..at]` with the changes so far.
struct Copy<'m> {
    from: &'m [u8],
    to: Vec<u8>,
    at: usize,
}

impl<'m> Copy<'m> {
    fn new(message: &'m Message, room: usize) -> Copy<'m> {
        let from = message.bytes();
        // Line ends before the first line are nobody's.
        let at = from.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(0);
        Copy { from, to: Vec::with_capacity(from.len() + room), at }
    }

    /// Copies up to `end`.
    fn until(&mut self, end: usize) {
        if let Some(piece) = self.from.get(self.at..end) {
            self.to.extend_from_slice(piece);
            self.at = end;
        }
    }

    /// Leaves out the top Via: its value, or the line that has no other. `None` where there is none.
    fn without_top_via(&mut self, message: &Message) -> Option<()> {
        let via = message.places().find(|place| matches!(place.name, Name::Via))?;
        let mut values = via.value().list();
        values.next()?;
        match values.next() {
            Some(next) => self.without(via.at.start..via.at.start + offset(&via.value(), &next)),
            None => self.without(via.line),
        }
        Some(())
    }

    /// Copies up to `range` and leaves it out.
    fn without(&mut self, range: Range<usize>) {
        self.until(range.start);
        self.at = self.at.max(range.end);
    }

    fn put(&mut self, bytes: &[u8]) {
        self.to.extend_from_slice(bytes);
    }

    fn write(&mut self, text: core::fmt::Arguments<'_>) {
        // Writing into a Vec cannot fail.
        let _ = self.to.write_fmt(text);
    }

    /// A header line; a line end in the value becomes a space, so that nothing can be smuggled in.
    fn line(&mut self, name: &str, value: &[u8]) {
        self.put(name.as_bytes());
        self.put(b": ");
        self.to.extend(value.iter().map(|b| if matches!(b, b'\r' | b'\n' | 0) { b' ' } else { *b }));
        self.put(b"\r\n");
    }

    /// The length of another body, in the field's place.
    fn length(&mut self, place: &sip_message::Place<'_>, body: &[u8]) {
        self.without(place.at.clone());
        push_number(&mut self.to, u32::try_from(body.len()).unwrap_or(u32::MAX));
    }

    /// The end of the head with another body behind it.
    fn finish_with(mut self, body: Option<&[u8]>) -> Bytes {
        let Some(body) = body else { return self.finish() };
        self.put(b"\r\n");
        self.put(body);
        Bytes::from(self.to)
    }

    fn finish(mut self) -> Bytes {
        self.until(self.from.len());
        Bytes::from(self.to)
    }
}

/// What becomes of the Route values.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Routes<'a> {
    /// So many at the top were for us.
    Skip(usize),
    /// These instead, nearest first.
    Replace(&'a [String]),
}

/// Our two faces towards a dialog: where the request came in, where it leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    pub(crate) mark: Mark,
    pub(crate) inward: (Transport, SocketAddr),
}

/// What a request gets on its way through.
#[derive(Debug)]
pub(crate) struct Hop<'a> {
    /// The new Request-URI; `None` leaves it.
    pub(crate) uri: Option<&'a str>,
    /// Where it came from.
    pub(crate) source: SocketAddr,
    /// By which way it leaves.
    pub(crate) flow: &'a Flow,
    /// The branch of our Via.
    pub(crate) branch: &'a str,
    pub(crate) record: Option<Record>,
    pub(crate) routes: Routes<'a>,
    pub(crate) max_forwards: u8,
    pub(crate) max_breadth: Option<u32>,
    /// Credentials for these realms were for us.
    pub(crate) realm: Option<&'a str>,
    pub(crate) ops: &'a [HeaderOp],
    /// The body that goes on instead.
    pub(crate) body: Option<&'a [u8]>,
}

/// The request as it leaves.
pub(crate) fn request(message: &Message, hop: &Hop<'_>) -> Option<Bytes> {
    let mut copy = Copy::new(message, ROOM + hop.body.map_or(0, <[u8]>::len));
    if let Some(uri) = hop.uri {
        copy.without(message.uri_at()?);
        copy.put(uri.as_bytes());
    }
    copy.until(message.fields_at());
    top_lines(&mut copy, hop);
    let mut seen = Seen { routes: 0, via: false, max_forwards: false, max_breadth: false, length: false };
    for place in message.places() {
        if matches!(place.name, Name::Via) && !seen.via {
            seen.via = true;
            stamp(&mut copy, message.via_stamp(hop.source), &place, hop.source);
        } else if matches!(place.name, Name::Route) {
            route(&mut copy, &place, hop.routes, &mut seen.routes);
        } else if matches!(place.name, Name::MaxForwards) {
            seen.max_forwards = true;
            copy.without(place.at);
            push_number(&mut copy.to, u32::from(hop.max_forwards));
        } else if let (Name::MaxBreadth, Some(breadth)) = (place.name, hop.max_breadth) {
            seen.max_breadth = true;
            copy.without(place.at);
            push_number(&mut copy.to, breadth);
        } else if let (Name::ContentLength, Some(body)) = (place.name, hop.body) {
            seen.length = true;
            copy.length(&place, body);
        } else if matches!(place.name, Name::Authorization | Name::ProxyAuthorization)
            && is_ours(&place.value(), hop.realm)
            || hop.ops.iter().any(|op| drops(op, place.name))
        {
            copy.without(place.line);
        }
    }
    copy.until(message.head_end());
    last_lines(&mut copy, hop, &seen);
    Some(copy.finish_with(hop.body))
}

struct Seen {
    routes: usize,
    via: bool,
    max_forwards: bool,
    max_breadth: bool,
    length: bool,
}

/// Via, Record-Route and new Routes: each goes before all others of its name.
fn top_lines(copy: &mut Copy<'_>, hop: &Hop<'_>) {
    let flow = hop.flow;
    copy.put(b"Via: SIP/2.0/");
    copy.put(flow.transport.via_token().as_bytes());
    copy.put(b" ");
    push_address(&mut copy.to, flow.local);
    copy.put(b";branch=");
    copy.put(hop.branch.as_bytes());
    copy.put(b";rport\r\n");
    if let Some(record) = &hop.record {
        let outward = (flow.transport, flow.local);
        record_route(copy, record.mark, outward);
        // RFC 5658: each side has the address that it can reach.
        if outward != record.inward {
            record_route(copy, record.mark, record.inward);
        }
    }
    if let Routes::Replace(routes) = hop.routes {
        for route in routes {
            copy.line("Route", route.as_bytes());
        }
    }
}

fn record_route(copy: &mut Copy<'_>, mark: Mark, (transport, address): (Transport, SocketAddr)) {
    copy.put(b"Record-Route: <sip:");
    copy.put(&mark.text());
    copy.put(b"@");
    push_address(&mut copy.to, address);
    if transport != Transport::Udp {
        copy.put(b";transport=");
        copy.put(transport.uri_token().as_bytes());
    }
    copy.put(b";lr>\r\n");
}

/// What the request did not have, and what the plan adds.
fn last_lines(copy: &mut Copy<'_>, hop: &Hop<'_>, seen: &Seen) {
    if !seen.max_forwards {
        copy.put(b"Max-Forwards: ");
        push_number(&mut copy.to, u32::from(hop.max_forwards));
        copy.put(b"\r\n");
    }
    if let Some(breadth) = hop.max_breadth.filter(|_| !seen.max_breadth) {
        copy.put(b"Max-Breadth: ");
        push_number(&mut copy.to, breadth);
        copy.put(b"\r\n");
    }
    if let Some(body) = hop.body.filter(|_| !seen.length) {
        copy.write(format_args!("Content-Length: {}\r\n", body.len()));
    }
    for op in hop.ops {
        match op {
            HeaderOp::Set(Header { name, value }) | HeaderOp::Add(Header { name, value }) => {
                copy.line(name, value.as_bytes());
            }
            HeaderOp::Remove(_) => {}
        }
    }
}

/// Makes the Via below ours tell where the request came from (section 18.2.1, RFC 3581).
fn stamp(copy: &mut Copy<'_>, stamp: ViaStamp, place: &sip_message::Place<'_>, source: SocketAddr) {
    match stamp {
        ViaStamp::True => {}
        ViaStamp::Rport(at) | ViaStamp::Received(at) => {
            copy.until(place.at.start + at);
            push_stamp(&mut copy.to, stamp, source);
        }
        ViaStamp::Rewrite => {
            if let Some(told) = stamped_via(place.value(), source) {
                copy.without(place.at.clone());
                copy.put(&told);
            }
        }
    }
}

/// Section 16.4 and 16.6 step 6: what was for us goes, or all of it.
fn route(copy: &mut Copy<'_>, place: &sip_message::Place<'_>, routes: Routes<'_>, seen: &mut usize) {
    let skip = match routes {
        Routes::Replace(_) => return copy.without(place.line.clone()),
        Routes::Skip(most) if *seen >= most => return,
        Routes::Skip(most) => most - *seen,
    };
    let mut values = place.value().list();
    let mut gone = 0;
    while gone < skip && values.next().is_some() {
        gone += 1;
    }
    *seen += gone;
    match values.next() {
        Some(kept) => copy.without(place.at.start..place.at.start + offset(&place.value(), &kept)),
        None => copy.without(place.line.clone()),
    }
}

/// Where a value of a list lies in its field.
fn offset(field: &HeaderValue<'_>, value: &HeaderValue<'_>) -> usize {
    (value.as_bytes().as_ptr() as usize).saturating_sub(field.as_bytes().as_ptr() as usize)
}

fn is_ours(credentials: &HeaderValue<'_>, realm: Option<&str>) -> bool {
    let Some(realm) = realm else { return false };
    credentials.auth_params().and_then(|params| params.get("realm")).is_some_and(|r| r.eq_ignore_ascii_case(realm))
}

fn drops(op: &HeaderOp, name: Name<'_>) -> bool {
    match op {
        HeaderOp::Set(header) => Name::new(&header.name) == name,
        HeaderOp::Remove(gone) => Name::new(gone) == name,
        HeaderOp::Add(_) => false,
    }
}

/// The response as it goes back: without our Via, maybe with another status and more challenges.
pub(crate) fn response(
    message: &Message,
    status: Option<(u16, &str)>,
    more: &[(Name<'static>, &[u8])],
) -> Option<Bytes> {
    let mut copy = Copy::new(message, more.iter().map(|(_, value)| value.len() + 24).sum());
    if let Some((status, reason)) = status {
        copy.at = message.fields_at();
        copy.write(format_args!("SIP/2.0 {status} {reason}\r\n"));
    }
    copy.without_top_via(message)?;
    if !more.is_empty() {
        copy.until(message.head_end());
        for (name, value) in more {
            copy.line(name.as_str(), value);
        }
    }
    Some(copy.finish())
}

/// The response as it goes back, with another body if there is one.
pub(crate) fn response_with(message: &Message, body: Option<&[u8]>) -> Option<Bytes> {
    let Some(body) = body else { return response(message, None, &[]) };
    let mut copy = Copy::new(message, body.len());
    copy.without_top_via(message)?;
    let length = message.places().find(|place| matches!(place.name, Name::ContentLength));
    if let Some(place) = &length {
        copy.length(place, body);
    }
    copy.until(message.head_end());
    if length.is_none() {
        copy.write(format_args!("Content-Length: {}\r\n", body.len()));
    }
    Some(copy.finish_with(Some(body)))
}

/// Whether the next hop is a strict router (section 16.6 step 6): its URI has no `lr`.
pub(crate) fn is_strict(uri: &UriRef<'_>) -> bool {
    uri.param("lr").is_none()
}

/// Values of a Route-like field, unfolded, as they go into a new message.
pub(crate) fn owned(message: &Message, name: Name<'static>) -> SmallVec<[String; 2]> {
    message.values(name).map(|value| value.text().into_owned()).collect()
}
