//! The messages the layer makes by itself: ACK for a failure, CANCEL, 100, and stateless refusals.

use bytes::Bytes;
use model::Flow;
use sip_message::{Message, Name, ParseLimits, RequestWriter, ResponseWriter};

const MAX_FORWARDS: &str = "70";

/// Reads bytes of our own again.
pub(crate) fn reread(bytes: &Bytes) -> Option<Message> {
    let limits = ParseLimits { message_bytes_max: usize::MAX, headers_max: usize::MAX };
    Message::parse(bytes.clone(), &limits).ok()
}

/// A request of ours with another top Via, which stands right after the start line.
pub(crate) fn revia(request: &Bytes, flow: &Flow, branch: &str) -> Bytes {
    let line_end = |from: usize| {
        let rest = request.get(from..).unwrap_or_default();
        rest.windows(2).position(|w| w == b"\r\n").map_or(request.len(), |at| from + at + 2)
    };
    let start = line_end(0);
    let via = format!("Via: {}\r\n", sip_message::via_value(flow.transport, flow.local, branch));
    let parts = [request.get(..start), Some(via.as_bytes()), request.get(line_end(start)..)];
    Bytes::from(parts.map(Option::unwrap_or_default).concat())
}

/// The ACK for a 300-699 response (section 17.1.1.3): the INVITE's Request-URI, Call-ID, From, CSeq number, Route and
/// single top Via; the response's To, tag and all. Credentials are repeated (section 22.1).
pub(crate) fn ack(invite: &Message, response: &Message, flow: &Flow, branch: &str) -> Option<Bytes> {
    let cseq = invite.cseq().ok()?.number;
    let writer = RequestWriter::new("ACK", invite.request_uri_str()?)
        .copy(invite, Name::Route)
        .header(Name::MaxForwards, MAX_FORWARDS)
        .copy(invite, Name::From)
        .copy(response, Name::To)
        .copy(invite, Name::CallId)
        .header(Name::CSeq, format!("{cseq} ACK"))
        .copy(invite, Name::Authorization)
        .copy(invite, Name::ProxyAuthorization)
        .via(flow.transport, flow.local, branch);
    Some(writer.finish())
}

/// The CANCEL of an INVITE (section 9.1): the same Request-URI, Call-ID, To, From, CSeq number, Route and top Via.
pub(crate) fn cancel(invite: &Message, flow: &Flow, branch: &str, extra_headers: &[(String, String)]) -> Option<Bytes> {
    let cseq = invite.cseq().ok()?.number;
    let mut writer = RequestWriter::new("CANCEL", invite.request_uri_str()?)
        .copy(invite, Name::Route)
        .header(Name::MaxForwards, MAX_FORWARDS)
        .copy(invite, Name::From)
        .copy(invite, Name::To)
        .copy(invite, Name::CallId)
        .header(Name::CSeq, format!("{cseq} CANCEL"));
    for (name, value) in extra_headers {
        writer = writer.header(name.as_str(), value);
    }
    Some(writer.via(flow.transport, flow.local, branch).finish())
}

/// A 100, which has no To-tag and copies Timestamp (section 8.2.6.1).
pub(crate) fn trying(request: &Message, flow: &Flow) -> Bytes {
    ResponseWriter::to(request, 100, "", flow.remote).finish()
}

/// A final response of the layer's own.
pub(crate) fn refusal(request: &Message, flow: &Flow, status: u16, tag: &str) -> ResponseWriter {
    ResponseWriter::to(request, status, "", flow.remote).to_tag(tag)
}
