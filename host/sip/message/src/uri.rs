//! URIs (RFC 3261 section 19.1, RFC 3966 `tel:`, RFC 5031 `urn:`), borrowed and owned.

use crate::ParseError;
use crate::host::{host_and_port, host_ip, is_host};
use crate::params::Params;
use crate::scan::{Piece, next_uri_mark};
use core::fmt;
use core::net::{IpAddr, Ipv6Addr};
use model::{HopTarget, Transport};
use std::borrow::Cow;

/// Where the parts of a URI lie in its text.
///
/// No datagram is longer than what 16 bits tell, and no URI either: a longer one is none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Parts {
    scheme: u16,
    user: Option<Piece>,
    password: Option<Piece>,
    host: Piece,
    port: Option<u16>,
    params: u16,
    headers: u16,
}

/// A URI in a message.
///
/// `sip:` and `sips:` are read to the bottom, `tel:` has the number as its user, any other scheme has neither user
/// nor host.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct UriRef<'a> {
    text: &'a str,
    parts: Parts,
}

impl<'a> UriRef<'a> {
    /// Reads a URI that fills all of `text`.
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        let parts = parts(text).ok_or(ParseError::Uri)?;
        Ok(UriRef { text, parts })
    }

    /// A URI that was read before.
    pub(crate) const fn again(text: &'a str, parts: Parts) -> Self {
        UriRef { text, parts }
    }

    pub(crate) const fn parts(&self) -> Parts {
        self.parts
    }

    fn cut(&self, piece: Piece) -> &'a str {
        piece.of(self.text)
    }

    /// The whole URI as written.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// The scheme as written, without the colon.
    #[must_use]
    pub fn scheme(&self) -> &'a str {
        self.cut(Piece { start: 0, end: self.parts.scheme })
    }

    /// Whether the scheme is `sip` or `sips`.
    #[must_use]
    pub fn is_sip(&self) -> bool {
        self.scheme().eq_ignore_ascii_case("sip") || self.is_secure()
    }

    /// Whether the scheme is `sips`.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.scheme().eq_ignore_ascii_case("sips")
    }

    /// Whether the scheme is `tel`.
    #[must_use]
    pub fn is_tel(&self) -> bool {
        self.scheme().eq_ignore_ascii_case("tel")
    }

    /// The user part as written, without a password; a `tel:` URI's number.
    #[must_use]
    pub fn user(&self) -> Option<&'a str> {
        self.parts.user.map(|span| self.cut(span))
    }

    /// The user part with `%`-escapes undone.
    #[must_use]
    pub fn user_unescaped(&self) -> Option<Cow<'a, str>> {
        self.user().map(unescape)
    }

    /// The password part.
    #[must_use]
    pub fn password(&self) -> Option<&'a str> {
        self.parts.password.map(|span| self.cut(span))
    }

    /// The host as written; an IPv6 address keeps its brackets. Empty for schemes without host.
    #[must_use]
    pub fn host(&self) -> &'a str {
        self.cut(self.parts.host)
    }

    /// The host as an address, if it is a literal.
    #[must_use]
    pub fn host_ip(&self) -> Option<IpAddr> {
        host_ip(self.host())
    }

    /// The port, if one is written.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.parts.port
    }

    /// The port, or the scheme's own: 5061 for `sips`, else 5060.
    #[must_use]
    pub fn port_or_default(&self) -> u16 {
        self.port().unwrap_or(if self.is_secure() { 5061 } else { 5060 })
    }

    /// The URI parameters.
    #[must_use]
    pub fn params(&self) -> Params<'a> {
        Params::new(self.cut(Piece { start: self.parts.params, end: self.parts.headers }))
    }

    /// The URI parameter `name`: its value, or `""` if it has none.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&'a str> {
        self.params().get(name)
    }

    /// The header fields after the `?`, without it: `Replaces=...&Priority=urgent`.
    #[must_use]
    pub fn headers(&self) -> Option<&'a str> {
        self.text.get(usize::from(self.parts.headers)..)?.strip_prefix('?')
    }

    /// The header field `name` of the URI, `%`-escapes undone.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<Cow<'a, str>> {
        self.headers()?
            .split('&')
            .filter_map(|field| field.split_once('='))
            .find(|(key, _)| unescape(key).eq_ignore_ascii_case(name))
            .map(|(_, value)| unescape(value))
    }

    /// The transport of the `transport` parameter, if it is one of ours: `ws` of a `sips` URI is [`Transport::Wss`],
    /// and `tls`, though RFC 3261 section 26.2.2 gave it up, is what phones write.
    #[must_use]
    pub fn transport(&self) -> Option<Transport> {
        let token = self.param("transport")?;
        let found = Transport::ALL.into_iter().find(|t| token.eq_ignore_ascii_case(t.name()))?;
        Some(if found == Transport::Ws && self.is_secure() { Transport::Wss } else { found })
    }

    /// Where a request to this URI goes (RFC 3263 section 4): `maddr` before the host. `None` where no transport of
    /// ours will do.
    #[must_use]
    pub fn hop_target(&self) -> Option<HopTarget> {
        let transport = self.transport();
        if transport.is_none() && self.param("transport").is_some() {
            return None;
        }
        let host = self.param("maddr").filter(|m| !m.is_empty()).unwrap_or(self.host());
        (!host.is_empty()).then(|| HopTarget {
            host: host.to_owned(),
            port: self.port(),
            transport,
            secure: self.is_secure(),
        })
    }

    /// The same URI, owned.
    #[must_use]
    pub fn to_owned(&self) -> Uri {
        Uri { text: self.text.to_owned(), parts: self.parts }
    }
}

impl fmt::Display for UriRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl fmt::Debug for UriRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.text)
    }
}

/// A URI of our own, valid since it was made.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Uri {
    text: String,
    parts: Parts,
}

impl Uri {
    /// `sip:user@host:port`. Bytes that may not stand in a user part are escaped; an IPv6 host may come without its
    /// brackets.
    pub fn sip(user: Option<&str>, host: &str, port: Option<u16>) -> Result<Uri, ParseError> {
        let mut text = String::from("sip:");
        if let Some(user) = user {
            escape_user(user, &mut text);
            text.push('@');
        }
        if host.parse::<Ipv6Addr>().is_ok() {
            text.push('[');
            text.push_str(host);
            text.push(']');
        } else if is_host(host) {
            text.push_str(host);
        } else {
            return Err(ParseError::Uri);
        }
        if let Some(port) = port {
            text.push(':');
            text.push_str(&port.to_string());
        }
        Uri::try_from(text)
    }

    /// The same URI with `;name=value` (or `;name`) added; `Err` where that is no URI any more.
    pub fn with_param(self, name: &str, value: Option<&str>) -> Result<Uri, ParseError> {
        let mut text = self.text;
        let tail = text.split_off(usize::from(self.parts.headers));
        text.push(';');
        text.push_str(name);
        if let Some(value) = value {
            text.push('=');
            text.push_str(value);
        }
        text.push_str(&tail);
        let uri = Uri::try_from(text)?;
        let added = uri.view().params().find(name);
        if added.is_some_and(|param| value.is_none_or(|v| param.value == Some(v))) {
            Ok(uri)
        } else {
            Err(ParseError::Uri)
        }
    }

    /// The URI as a view, with every accessor.
    #[must_use]
    pub fn view(&self) -> UriRef<'_> {
        UriRef { text: &self.text, parts: self.parts }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl TryFrom<String> for Uri {
    type Error = ParseError;
    fn try_from(text: String) -> Result<Self, ParseError> {
        let parts = parts(&text).ok_or(ParseError::Uri)?;
        Ok(Uri { text, parts })
    }
}

impl TryFrom<&str> for Uri {
    type Error = ParseError;
    fn try_from(text: &str) -> Result<Self, ParseError> {
        Uri::try_from(text.to_owned())
    }
}

impl core::str::FromStr for Uri {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        Uri::try_from(text)
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.text)
    }
}

impl AsRef<str> for Uri {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

/// Undoes `%XX` escapes; a lone `%` stays, and so does the text if the escapes are not UTF-8.
#[must_use]
pub fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    while let [first, rest @ ..] = bytes {
        let escape = rest.get(..2).and_then(|hex| core::str::from_utf8(hex).ok());
        match escape.filter(|_| *first == b'%').filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit())) {
            Some(hex) => {
                out.push(u8::from_str_radix(hex, 16).unwrap_or(b'?'));
                bytes = &rest[2..];
            }
            None => {
                out.push(*first);
                bytes = rest;
            }
        }
    }
    String::from_utf8(out).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Appends `user` with what may not stand in a user part as `%XX` (RFC 3261 section 25.1, `user`).
fn escape_user(user: &str, out: &mut String) {
    for byte in user.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte);
        if plain {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

fn parts(text: &str) -> Option<Parts> {
    let bytes = text.as_bytes();
    // Nearly all there is; and what has an end here fits into the offsets.
    if bytes.starts_with(b"sip:") {
        return whole(sip_parts(bytes, 4)?, bytes);
    }
    let end = u16::try_from(bytes.len()).ok()?;
    let colon = memchr::memchr(b':', bytes)?;
    let scheme = text.get(..colon)?;
    let rest = colon + 1;
    if scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips") {
        return whole(sip_parts(bytes, rest)?, bytes);
    }
    if crate::scan::has_no_uri_byte(bytes) {
        return None;
    }
    let mut letters = scheme.bytes();
    let first_is_letter = letters.next().is_some_and(|b| b.is_ascii_alphabetic());
    if !first_is_letter || !letters.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')) {
        return None;
    }
    if rest == text.len() {
        return None;
    }
    let scheme = u16::try_from(colon).ok()?;
    let mut parts =
        Parts { scheme, user: None, password: None, host: Piece::EMPTY, port: None, params: end, headers: end };
    if text.get(..colon)?.eq_ignore_ascii_case("tel") {
        let params = memchr::memchr(b';', bytes).unwrap_or(bytes.len());
        parts.user = Piece::new(rest, params);
        parts.params = u16::try_from(params).ok()?;
        if params == rest {
            return None;
        }
    }
    Some(parts)
}

/// The parts of a URI that ends where the text does.
fn whole((parts, end): (Parts, usize), text: &[u8]) -> Option<Parts> {
    (end == text.len()).then_some(parts)
}

/// The parts of a `sip:` URI that begins `text`, and where it ends: at the first byte that stands in no URI.
pub(crate) fn plain_parts(text: &[u8]) -> Option<(Parts, usize)> {
    if text.starts_with(b"sip:") { sip_parts(text, 4) } else { None }
}

/// The parts of `sip:` and `sips:` after the scheme: `[user[:password]@]host[:port][;params][?headers]`, and where they
/// end.
fn sip_parts(bytes: &[u8], rest: usize) -> Option<(Parts, usize)> {
    let (mut host, mut user, mut password) = (rest, None, None);
    // Of what was met since the `@`, or since the scheme: the first of each.
    let mut met = Met::NONE;
    let mut at = rest;
    let end = loop {
        at = next_uri_mark(bytes, at);
        match bytes.get(at) {
            Some(b':') => met.colon = met.colon.min(at),
            Some(b';') => met.semicolon = met.semicolon.min(at),
            Some(b'?') => met.question = met.question.min(at),
            Some(b'@') if user.is_none() => {
                let user_end = met.colon.min(at);
                if user_end == rest {
                    return None;
                }
                user = Some(Piece::new(rest, user_end)?);
                password = if user_end < at { Some(Piece::new(user_end + 1, at)?) } else { None };
                (host, met) = (at + 1, Met::NONE);
            }
            Some(b'@') => {}
            _ => break at,
        }
        at += 1;
    };
    let question = met.question.min(end);
    let head = met.semicolon.min(question);
    let (name_len, port) = host_and_port(bytes.get(host..head)?)?;
    let parts = Parts {
        scheme: u16::try_from(rest - 1).ok()?,
        user,
        password,
        host: Piece::new(host, host + name_len)?,
        port,
        params: u16::try_from(head).ok()?,
        headers: u16::try_from(question).ok()?,
    };
    u16::try_from(end).ok()?;
    Some((parts, end))
}

/// Where the marks of a URI were met first; past every end where there was none.
struct Met {
    colon: usize,
    semicolon: usize,
    question: usize,
}

impl Met {
    const NONE: Met = Met { colon: usize::MAX, semicolon: usize::MAX, question: usize::MAX };
}
