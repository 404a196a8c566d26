//! What the tests share: time, flows, messages.

use crate::config::Timing;
use crate::{Config, Event, Layer};
use bytes::Bytes;
use model::{ConnectionId, Flow, IdSource, Instant, Transmit, Transport};
use sip_message::{Message, ParseLimits, RequestWriter, ResponseWriter};

pub(crate) const T0: u64 = 1_000_000_000_000_000;

/// So many milliseconds after the start.
pub(crate) fn ms(ms: u64) -> Instant {
    Instant::from_unix_nanos(T0 + ms * 1_000_000)
}

/// The timers of RFC 3261 with their default values.
pub(crate) fn timing(transport: Transport) -> Timing {
    Timing::new(&Config::default(), transport)
}

/// When a machine wants to be woken, in milliseconds after the start.
pub(crate) fn wake(at: Option<Instant>) -> Option<u64> {
    at.map(|at| (at.unix_nanos() - T0) / 1_000_000)
}

pub(crate) fn layer() -> Layer {
    Layer::new(Config::default(), IdSource::new([3; 32]))
}

/// Our flow to a peer.
pub(crate) fn udp() -> Flow {
    Flow {
        transport: Transport::Udp,
        local: "192.0.2.1:5060".parse().expect("address"),
        remote: "192.0.2.2:5060".parse().expect("address"),
        connection: None,
        name: None,
    }
}

pub(crate) fn tcp(connection: Option<u64>) -> Flow {
    Flow { transport: Transport::Tcp, connection: connection.map(ConnectionId), ..udp() }
}

pub(crate) fn parse(bytes: impl Into<Bytes>) -> Message {
    Message::parse(bytes.into(), &ParseLimits::default()).expect("a message")
}

/// A request as a transaction user gives it to the layer.
pub(crate) fn outgoing(method: &str) -> RequestWriter {
    RequestWriter::new(method, "sip:bob@192.0.2.2")
        .header("Route", "<sip:one.example;lr>")
        .header("Route", "<sip:two.example;lr>")
        .header("Max-Forwards", "69")
        .header("From", "<sip:alice@example.com>;tag=a1")
        .header("To", "<sip:bob@example.com>")
        .header("Call-ID", "call-1")
        .header("CSeq", format!("7 {method}"))
}

/// A request as it comes from a peer.
pub(crate) fn incoming(method: &str, branch: &str) -> String {
    format!(
        "{method} sip:bob@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch={branch};rport\r\n\
         From: <sip:alice@example.com>;tag=a1\r\nTo: <sip:bob@example.com>\r\nCall-ID: call-1\r\n\
         CSeq: 7 {method}\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}

/// A response of a peer to a request of ours.
pub(crate) fn answer(request: &Bytes, status: u16, tag: &str) -> Message {
    let request = parse(request.clone());
    parse(ResponseWriter::to(&request, status, "", udp().local).to_tag(tag).finish())
}

/// A response of our transaction user.
pub(crate) fn reply(request: &Message, status: u16) -> Bytes {
    ResponseWriter::to(request, status, "", udp().remote).to_tag("ours").finish()
}

/// Everything to be sent.
pub(crate) fn sent(layer: &mut Layer) -> Vec<Transmit> {
    core::iter::from_fn(|| layer.poll_transmit()).collect()
}

/// The first lines of everything to be sent.
pub(crate) fn lines(layer: &mut Layer) -> Vec<String> {
    sent(layer).iter().map(|t| start_line(&t.bytes)).collect()
}

/// `SIP/2.0 180` or `INVITE`.
pub(crate) fn start_line(bytes: &Bytes) -> String {
    let text = String::from_utf8_lossy(bytes);
    let first = text.split_whitespace().next().unwrap_or_default();
    if first == "SIP/2.0" { text.chars().skip(8).take(3).collect() } else { first.to_owned() }
}

/// Every event in short.
pub(crate) fn events(layer: &mut Layer) -> Vec<String> {
    core::iter::from_fn(|| layer.poll_event()).map(|event| short(&event)).collect()
}

pub(crate) fn short(event: &Event) -> String {
    match event {
        Event::Request { request, .. } => request.method().map_or_else(String::new, |m| m.to_string()),
        Event::Ack { .. } => "ACK".to_owned(),
        Event::Cancelled { .. } => "cancelled".to_owned(),
        Event::Response { response, .. } => response.status().unwrap_or_default().to_string(),
        Event::ClientFailed { why, .. } => format!("client {why:?}"),
        Event::ServerFailed { why, .. } => format!("server {why:?}"),
        Event::Leaving { held, .. } => format!("leaving {held:?}"),
    }
}

/// Serves every timer until none is left or `end` comes; gives what was sent and when.
pub(crate) fn run(layer: &mut Layer, end: Instant) -> Vec<(u64, String)> {
    let mut out = Vec::new();
    while let Some(at) = layer.poll_timeout().filter(|at| *at <= end) {
        layer.handle_timeout(at);
        let now = wake(Some(at)).unwrap_or_default();
        out.extend(lines(layer).into_iter().map(|line| (now, line)));
    }
    out
}
