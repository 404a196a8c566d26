//! Which transaction a request belongs to (RFC 3261 section 17.2.3), and which request came twice (section 8.2.2.2).
//!
//! Identities are strings with a separator that no header field holds, written into a buffer that is used again, so
//! that a look-up allocates nothing.

use core::fmt::Write;
use core::net::IpAddr;
use sip_message::{Message, Method};

const END: char = '\n';

/// Writes the identity of the server transaction of `request` as `method` would have it; false if it has none.
///
/// ACK and CANCEL are looked up as the INVITE they belong to. With the magic cookie: branch, sent-by and method. For
/// phones of RFC 2543: Request-URI, From-tag, Call-ID, CSeq number, the whole top Via and the method. The To-tag is
/// left out there, since the ACK has the one that our response gave. And always the address it came from: phones behind
/// two NATs may have the same private sent-by and count their branches alike.
pub(crate) fn server_id(out: &mut String, source: IpAddr, request: &Message, method: Method<'_>) -> bool {
    out.clear();
    // Writing into a String cannot fail.
    let _ = write!(out, "{}", source.to_canonical());
    out.push(END);
    let Ok(via) = request.top_via() else { return false };
    let method = if method == Method::Ack { Method::Invite } else { method };
    if via.has_magic_cookie() {
        let Some(branch) = via.branch() else { return false };
        out.push_str(branch);
        out.push(END);
        let host = out.len();
        out.push_str(via.sent_by());
        out[host..].make_ascii_lowercase();
    } else {
        let (Ok(from), Ok(call_id), Ok(cseq)) = (request.from(), request.call_id(), request.cseq()) else {
            return false;
        };
        let parts = [
            request.request_uri_str().unwrap_or_default(),
            from.tag().unwrap_or_default(),
            call_id,
            via.sent_by(),
            via.params().as_str(),
        ];
        for part in parts {
            out.push_str(part);
            out.push(END);
        }
        // Writing into a String cannot fail.
        let _ = write!(out, "{}", cseq.number);
    }
    out.push(END);
    out.push_str(method.as_str());
    true
}

/// Writes what a request that begins something has in common with its copy on another path; false if it is within a
/// dialog. The Request-URI is part of it: a proxy before us may fork to several of those that we serve, and a request
/// may come round with another one (a spiral, RFC 3261 section 16.3).
pub(crate) fn merge_id(out: &mut String, request: &Message) -> bool {
    out.clear();
    let (Ok(from), Ok(to), Ok(call_id), Ok(cseq)) = (request.from(), request.to(), request.call_id(), request.cseq())
    else {
        return false;
    };
    if to.tag().is_some() {
        return false;
    }
    out.push_str(from.tag().unwrap_or_default());
    out.push(END);
    out.push_str(call_id);
    out.push(END);
    out.push_str(request.request_uri_str().unwrap_or_default());
    // Any one-to-one spelling of the number will do.
    let mut number = cseq.number;
    out.push(END);
    while number > 0 {
        out.push(char::from(b'0' + (number % 64) as u8));
        number /= 64;
    }
    true
}

/// Whether the request is within a dialog.
pub(crate) fn has_to_tag(request: &Message) -> bool {
    to_tag(request).is_some()
}

/// The To-tag.
pub(crate) fn to_tag(message: &Message) -> Option<&str> {
    message.to().ok()?.tag()
}
