//! How the phones write SIP and SDP.

use crate::text;
use core::fmt::Write;
use core::net::SocketAddr;

/// What a phone puts in everything it sends.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) user: String,
    pub(crate) domain: String,
    /// The address it believes it has.
    pub(crate) local: SocketAddr,
    pub(crate) tcp: bool,
}

/// A request about to be written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft<'a> {
    pub(crate) method: &'a str,
    pub(crate) uri: &'a str,
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) call_id: &'a str,
    pub(crate) cseq: u32,
    /// Further whole header lines, each with its CRLF.
    pub(crate) extra: &'a str,
    pub(crate) sdp: Option<&'a str>,
}

/// How a session description says that audio flows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    Both,
    /// We hold the other.
    SendOnly,
    /// The other holds us.
    RecvOnly,
}

impl Identity {
    pub(crate) fn contact(&self) -> String {
        let transport = if self.tcp { ";transport=tcp" } else { "" };
        format!("<sip:{}@{}{transport}>", self.user, self.local)
    }

    /// Address-of-record in angle brackets.
    pub(crate) fn own(&self) -> String {
        format!("<sip:{}@{}>", self.user, self.domain)
    }

    pub(crate) fn request(&self, draft: &Draft<'_>, branch: &str) -> String {
        let transport = if self.tcp { "TCP" } else { "UDP" };
        let mut out = format!(
            "{} {} SIP/2.0\r\nVia: SIP/2.0/{transport} {};branch={branch};rport\r\nMax-Forwards: 70\r\nFrom: {}\r\n\
             To: {}\r\nCall-ID: {}\r\nCSeq: {} {}\r\nContact: {}\r\n{}",
            draft.method,
            draft.uri,
            self.local,
            draft.from,
            draft.to,
            draft.call_id,
            draft.cseq,
            draft.method,
            self.contact(),
            draft.extra
        );
        finish(&mut out, draft.sdp);
        out
    }

    /// A response; `to` is the To value with our tag.
    pub(crate) fn response(&self, request: &str, status: u16, to: &str, sdp: Option<&str>) -> String {
        self.response_with(request, status, to, "", sdp)
    }

    /// The same with further whole header lines.
    pub(crate) fn response_with(&self, request: &str, status: u16, to: &str, extra: &str, sdp: Option<&str>) -> String {
        let mut out = format!("SIP/2.0 {status} So\r\n");
        for line in text::lines(request, "via") {
            out.push_str(line);
            out.push_str("\r\n");
        }
        let of = |name| text::field(request, name).unwrap_or_default();
        let _ = write!(
            out,
            "From: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: {}\r\n{extra}",
            of("from"),
            of("call-id"),
            of("cseq"),
            self.contact()
        );
        finish(&mut out, sdp);
        out
    }

    /// A session description for this port.
    pub(crate) fn sdp(&self, port: u16, version: u32, way: Way) -> String {
        let ip = self.local.ip();
        let way = match way {
            Way::Both => "",
            Way::SendOnly => "a=sendonly\r\n",
            Way::RecvOnly => "a=recvonly\r\n",
        };
        format!(
            "v=0\r\no={} {port} {version} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 8 101\r\n\
             a=rtpmap:101 telephone-event/8000\r\n{way}",
            self.user
        )
    }
}

/// CANCEL of an INVITE (RFC 3261 section 9.1), and the ACK of a failure (17.1.1.3): both repeat its top Via.
pub(crate) fn like_invite(method: &str, invite: &str, to: Option<&str>) -> String {
    let of = |name| text::field(invite, name).unwrap_or_default();
    let uri = invite.split(' ').nth(1).unwrap_or_default();
    format!(
        "{method} {uri} SIP/2.0\r\nVia: {}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} {method}\r\n\
         Content-Length: 0\r\n\r\n",
        of("via"),
        of("from"),
        to.unwrap_or_else(|| of("to")),
        of("call-id"),
        text::cseq(invite)
    )
}

fn finish(out: &mut String, sdp: Option<&str>) {
    let _ = match sdp {
        Some(body) => write!(out, "Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
        None => write!(out, "Content-Length: 0\r\n\r\n"),
    };
}
