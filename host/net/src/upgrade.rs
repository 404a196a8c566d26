//! The HTTP request that opens a WebSocket (RFC 6455 section 4.2, RFC 7118 section 4), the server's side.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::{Bytes, BytesMut};
use sha1::{Digest, Sha1};

/// Largest request head.
const HEAD_MAX: usize = 8_192;
/// RFC 6455 section 1.3.
const MAGIC: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What became of the request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Upgrade {
    /// The head is not whole yet.
    More,
    /// Send this; WebSocket frames follow, the first of which may be in the second part.
    Accepted(Bytes, Bytes),
    /// Send this and cut the connection.
    Refused(Bytes, &'static str),
}

/// Collects the head of one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Upgrading {
    head: BytesMut,
}

impl Upgrading {
    /// Takes bytes; `origins` are those that may connect, none = all.
    pub(crate) fn push(&mut self, bytes: &[u8], origins: &[String]) -> Upgrade {
        self.head.extend_from_slice(bytes);
        let end = self.head.windows(4).position(|w| w == b"\r\n\r\n");
        match end {
            Some(end) if end <= HEAD_MAX => {
                let rest = self.head.split_off(end + 4).freeze();
                let head = core::mem::take(&mut self.head);
                match answer(&head[..end], origins) {
                    Ok(response) => Upgrade::Accepted(response, rest),
                    Err((status, why)) => Upgrade::Refused(refusal(status), why),
                }
            }
            Some(_) | None if self.head.len() > HEAD_MAX => {
                Upgrade::Refused(refusal("431 Request Header Fields Too Large"), "its HTTP request is too large")
            }
            Some(_) | None => Upgrade::More,
        }
    }
}

fn answer(head: &[u8], origins: &[String]) -> Result<Bytes, (&'static str, &'static str)> {
    const BAD: &str = "400 Bad Request";
    let head = core::str::from_utf8(head).map_err(|_| (BAD, "its HTTP request is no text"))?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    match (first.next(), first.next(), first.next(), first.next()) {
        (Some("GET"), Some(_), Some("HTTP/1.1"), None) => {}
        (Some("GET"), ..) => return Err((BAD, "it does not speak HTTP/1.1")),
        _ => return Err(("405 Method Not Allowed", "it does not GET")),
    }
    let fields: Vec<(&str, &str)> = lines.filter_map(|l| l.split_once(':')).map(|(n, v)| (n, v.trim())).collect();
    let values = |name: &'static str| fields.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| *v);
    let has = |name: &'static str, token: &str| {
        values(name).flat_map(|v| v.split(',')).any(|t| t.trim().eq_ignore_ascii_case(token))
    };
    if !has("Upgrade", "websocket") || !has("Connection", "upgrade") {
        return Err(("426 Upgrade Required\r\nUpgrade: websocket", "it does not ask for a WebSocket"));
    }
    if !has("Sec-WebSocket-Version", "13") {
        return Err(("426 Upgrade Required\r\nSec-WebSocket-Version: 13", "it asks for another version of WebSocket"));
    }
    if !has("Sec-WebSocket-Protocol", "sip") {
        return Err((BAD, "it does not ask for the WebSocket subprotocol sip"));
    }
    if !origins.is_empty() && !values("Origin").any(|o| origins.iter().any(|known| known.eq_ignore_ascii_case(o))) {
        return Err(("403 Forbidden", "its origin may not connect"));
    }
    let key = values("Sec-WebSocket-Key").next().and_then(accept_key).ok_or((BAD, "its WebSocket key is none"))?;
    Ok(Bytes::from(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\
         Sec-WebSocket-Protocol: sip\r\n\r\n",
        key
    )))
}

/// The answer to a client's key (section 4.2.2 step 5); none to what is no key.
#[must_use]
pub fn accept_key(key: &str) -> Option<String> {
    let known = BASE64_STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16);
    known.then(|| BASE64_STANDARD.encode(Sha1::digest(format!("{key}{MAGIC}"))))
}

fn refusal(status: &str) -> Bytes {
    Bytes::from(format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = "GET /ws HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
        Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Origin: https://phone.example.com\r\nSec-WebSocket-Protocol: chat, sip\r\nSec-WebSocket-Version: 13\r\n\r\n";

    fn asked(request: &str, origins: &[&str]) -> Upgrade {
        let origins: Vec<String> = origins.iter().map(|o| (*o).to_owned()).collect();
        Upgrading::default().push(request.as_bytes(), &origins)
    }

    fn status(upgrade: &Upgrade) -> String {
        let (Upgrade::Accepted(bytes, _) | Upgrade::Refused(bytes, _)) = upgrade else { return "more".to_owned() };
        String::from_utf8_lossy(bytes).split(' ').nth(1).unwrap_or_default().to_owned()
    }

    #[test]
    fn the_key_of_the_rfc() {
        // RFC 6455 section 1.3.
        let answer = accept_key("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(answer.as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    }

    #[test]
    fn a_good_request_is_accepted_in_pieces_too_and_what_follows_is_kept() {
        let mut upgrading = Upgrading::default();
        let mut last = Upgrade::More;
        for byte in REQUEST.as_bytes() {
            assert_eq!(last, Upgrade::More);
            last = upgrading.push(&[*byte], &[]);
        }
        let Upgrade::Accepted(response, rest) = last else { panic!("{last:?}") };
        let response = String::from_utf8_lossy(&response).into_owned();
        assert!(response.starts_with("HTTP/1.1 101 "), "{response}");
        assert!(response.contains("\r\nSec-WebSocket-Protocol: sip\r\n"), "{response}");
        assert!(rest.is_empty());
        let Upgrade::Accepted(_, rest) = asked(&format!("{REQUEST}\x01\x02"), &["HTTPS://phone.example.com"]) else {
            panic!("refused")
        };
        assert_eq!(rest[..], [1, 2]);
    }

    #[test]
    fn what_is_no_websocket_for_sip_is_refused() {
        let table = [
            ("GET ", "POST ", "405"),
            ("HTTP/1.1", "HTTP/1.0", "400"),
            ("Upgrade: websocket", "Upgrade: h2c", "426"),
            ("keep-alive, Upgrade", "keep-alive", "426"),
            ("Version: 13", "Version: 8", "426"),
            ("chat, sip", "chat", "400"),
            ("dGhlIHNhbXBsZSBub25jZQ==", "short", "400"),
        ];
        for (from, to, expected) in table {
            assert_eq!(status(&asked(&REQUEST.replace(from, to), &[])), expected, "{to}");
        }
        assert_eq!(status(&asked(REQUEST, &["https://other.example.com"])), "403");
        let endless = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(HEAD_MAX));
        assert_eq!(status(&asked(&endless, &[])), "431");
        assert_eq!(asked("GET / HTTP/1.1\r\n", &[]), Upgrade::More);
    }
}
