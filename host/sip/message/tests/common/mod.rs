//! The INVITE that benches and allocation tests read: 836 bytes, 14 fields, SDP.
#![allow(clippy::unwrap_used, dead_code, missing_docs, unreachable_pub, reason = "each test file uses its part")]

use bytes::Bytes;
use sip_message::{Message, ParseLimits};

pub const INVITE: &str = "INVITE sip:+442079460123@proxy.example.net;user=phone SIP/2.0\r\n\
Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK74bf9a1c2e;rport\r\n\
Max-Forwards: 70\r\n\
From: \"Alice Example\" <sip:1001@example.net>;tag=9fxced76sl\r\n\
To: <sip:+442079460123@proxy.example.net;user=phone>\r\n\
Call-ID: 3848276298220188511@pbx.example.net\r\n\
CSeq: 314159 INVITE\r\n\
Contact: <sip:1001@192.0.2.10:5060;transport=udp>\r\n\
Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, REFER, NOTIFY\r\n\
Supported: replaces, timer, 100rel\r\n\
User-Agent: Desk Phone 410 (firmware 7.1.9)\r\n\
P-Asserted-Identity: <sip:1001@example.net>\r\n\
Content-Type: application/sdp\r\n\
Content-Length: 193\r\n\
\r\n\
v=0\r\n\
o=1001 2890844526 2890844526 IN IP4 192.0.2.10\r\n\
s=-\r\n\
c=IN IP4 192.0.2.10\r\n\
t=0 0\r\n\
m=audio 49170 RTP/AVP 8 0 101\r\n\
a=rtpmap:8 PCMA/8000\r\n\
a=rtpmap:101 telephone-event/8000\r\n\
a=fmtp:101 0-16\r\n";

/// The INVITE's bytes with a true Content-Length.
pub fn invite() -> Bytes {
    let (head, body) = INVITE.split_once("\r\n\r\n").unwrap();
    let head = head.replace("Content-Length: 193", &format!("Content-Length: {}", body.len()));
    Bytes::from(format!("{head}\r\n\r\n{body}"))
}

pub fn parse(text: &str) -> Message {
    Message::parse(Bytes::from(text.to_owned()), &ParseLimits::default()).unwrap()
}

/// A request of this method with the mandatory fields, `extra` lines (each with its CRLF) before the empty line.
pub fn request(method: &str, uri: &str, extra: &str) -> String {
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKa;rport\r\n\
         From: <sip:a@example.net>;tag=1\r\nTo: <sip:b@example.net>\r\nCall-ID: c1\r\nCSeq: 1 {method}\r\n\
         Max-Forwards: 70\r\n{extra}\r\n"
    )
}

/// What a transaction layer and a proxy read of every request.
pub fn reads(message: &Message) -> usize {
    let via = message.top_via().unwrap();
    let uri = message.request_uri().unwrap();
    let cseq = message.cseq().unwrap();
    via.branch().map_or(0, str::len)
        + usize::from(via.rport().is_some())
        + uri.host().len()
        + uri.user().map_or(0, str::len)
        + message.from().unwrap().tag().map_or(0, str::len)
        + message.to().unwrap().tag().map_or(0, str::len)
        + message.call_id().unwrap().len()
        + cseq.number as usize
        + usize::from(message.max_forwards().unwrap_or(0))
        + message.body().len()
}
