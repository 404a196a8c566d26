//! Via (RFC 3261 section 20.42, `rport` of RFC 3581).

use crate::host::{host_ip, host_port};
use crate::params::Params;
use crate::scan::{Piece, is_lws, offset_in, token_end, trim_str};
use crate::{HeaderValue, ParseError};
use core::net::IpAddr;
use core::ops::Range;

/// The cookie that begins every branch of an RFC 3261 element (section 8.1.1.7).
pub const MAGIC_COOKIE: &str = "z9hG4bK";

/// One Via value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ViaRef<'a> {
    text: &'a str,
    at: ViaAt,
}

/// Where the parts of a Via value lie in it; of the parameters that elements ask for, the first of each name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ViaAt {
    transport: Piece,
    sent_by: Piece,
    host: Piece,
    port: Option<u16>,
    params: Piece,
    branch: Option<Piece>,
    received: Option<Piece>,
    /// The name, and the value if there is one.
    rport: Option<(Piece, Option<Piece>)>,
    /// Whether there is an `oc` (RFC 7339).
    overload: bool,
    /// Whether every parameter is well formed.
    sound: bool,
}

impl ViaAt {
    /// Reads one value. White space may stand where section 25.1 lets it.
    pub(crate) fn read(text: &str) -> Option<ViaAt> {
        let bytes = text.as_bytes();
        let from = if bytes.starts_with(b"SIP/2.0/") { 8 } else { spaced_version(text)? };
        let transport_end = token_end(bytes, from);
        let mut at = transport_end;
        while bytes.get(at).copied().is_some_and(is_lws) {
            at += 1;
        }
        if transport_end == from || at == transport_end {
            return None;
        }
        let transport = Piece::new(from, transport_end)?;
        // Nearly all there is: a name or an IPv4 address, maybe a port.
        let end = bytes.iter().skip(at).position(|b| *b == b';').map_or(bytes.len(), |found| at + found);
        let sent_by = trim_str(text.get(at..end)?);
        let (host, port) = host_port(sent_by)?;
        let host_at = at + offset_in(sent_by, host);
        let mut via = ViaAt {
            transport,
            sent_by: Piece::new(at, at + sent_by.len())?,
            host: Piece::new(host_at, host_at + host.len())?,
            port,
            params: Piece::new(end, bytes.len())?,
            branch: None,
            received: None,
            rport: None,
            overload: false,
            sound: true,
        };
        via.read_params(text.get(end..)?, end)?;
        Some(via)
    }

    /// Reads the parameters, which begin at `from` of the value.
    fn read_params(&mut self, text: &str, from: usize) -> Option<()> {
        let lies = |range: Range<usize>| Piece::new(from + range.start, from + range.end);
        let mut walk = Params::new(text).walk();
        while let Some(raw) = walk.next_raw() {
            let Ok(raw) = raw else {
                self.sound = false;
                return Some(());
            };
            self.sound &= raw.sound;
            match raw.name.len() {
                2 => self.overload |= raw.is(text, "oc"),
                5 if self.rport.is_none() && raw.is(text, "rport") => {
                    let value = match raw.value_in(text) {
                        Some(value) => Some(lies(value)?),
                        None => None,
                    };
                    self.rport = Some((lies(raw.name)?, value));
                }
                6 if self.branch.is_none() && raw.is(text, "branch") => {
                    self.branch = Some(lies(raw.value_in(text).unwrap_or_default())?);
                }
                8 if self.received.is_none() && raw.is(text, "received") => {
                    self.received = Some(lies(raw.value_in(text).unwrap_or_default())?);
                }
                _ => {}
            }
        }
        Some(())
    }

    pub(crate) const fn is_sound(&self) -> bool {
        self.sound
    }
}

/// Where the transport begins after `SIP / 2.0 /`, which may be written so.
#[cold]
fn spaced_version(text: &str) -> Option<usize> {
    let (name, rest) = text.split_once('/')?;
    let (version, rest) = rest.split_once('/')?;
    if !trim_str(name).eq_ignore_ascii_case("SIP") || trim_str(version) != "2.0" {
        return None;
    }
    Some(offset_in(text, trim_str(rest)))
}

impl<'a> ViaRef<'a> {
    /// Reads one value (no comma list). White space may stand where section 25.1 lets it.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        Self::of(HeaderValue::new(value))
    }

    pub(crate) fn of(value: HeaderValue<'a>) -> Result<Self, ParseError> {
        let malformed = ParseError::Malformed(crate::Name::Via);
        let text = value.to_str().ok_or(malformed)?;
        Ok(ViaRef { text, at: ViaAt::read(text).ok_or(malformed)? })
    }

    /// A value that was read before.
    pub(crate) const fn again(text: &'a str, at: ViaAt) -> Self {
        ViaRef { text, at }
    }

    /// The whole value as written.
    pub(crate) const fn as_str(&self) -> &'a str {
        self.text
    }

    /// Where the parts lie.
    pub(crate) const fn at(&self) -> &ViaAt {
        &self.at
    }

    /// Whether there is an `oc` parameter (RFC 7339).
    pub(crate) const fn speaks_of_overload(&self) -> bool {
        self.at.overload
    }

    /// The name of the `rport` parameter and its value, where they lie.
    pub(crate) const fn rport_at(&self) -> Option<(Piece, Option<Piece>)> {
        self.at.rport
    }

    /// The transport token as written: `UDP`.
    #[must_use]
    pub fn transport(&self) -> &'a str {
        self.at.transport.of(self.text)
    }

    /// `host[:port]` as written.
    #[must_use]
    pub fn sent_by(&self) -> &'a str {
        self.at.sent_by.of(self.text)
    }

    /// The host of sent-by as written; an IPv6 address keeps its brackets.
    #[must_use]
    pub fn host(&self) -> &'a str {
        self.at.host.of(self.text)
    }

    /// The host of sent-by as an address, if it is a literal.
    #[must_use]
    pub fn host_ip(&self) -> Option<IpAddr> {
        host_ip(self.host())
    }

    /// The port of sent-by, if written.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.at.port
    }

    /// The branch, if there is one and it is not empty.
    #[must_use]
    pub fn branch(&self) -> Option<&'a str> {
        self.at.branch.map(|at| at.of(self.text)).filter(|branch| !branch.is_empty())
    }

    /// Whether the branch begins with the magic cookie, in any case, and goes on after it.
    #[must_use]
    pub fn has_magic_cookie(&self) -> bool {
        self.branch().is_some_and(|branch| {
            let (head, tail) = branch.as_bytes().split_at(MAGIC_COOKIE.len().min(branch.len()));
            head.eq_ignore_ascii_case(MAGIC_COOKIE.as_bytes()) && !tail.is_empty()
        })
    }

    /// The `received` parameter as written.
    #[must_use]
    pub fn received(&self) -> Option<&'a str> {
        self.at.received.map(|at| at.of(self.text))
    }

    /// The `received` parameter as an address; brackets around IPv6 do not matter (RFC 5118 section 4.5).
    #[must_use]
    pub fn received_ip(&self) -> Option<IpAddr> {
        self.received().and_then(host_ip)
    }

    /// `None`: no `rport`; `Some(None)`: asked for (RFC 3581 section 3) or no port; `Some(Some(port))`: filled in.
    #[must_use]
    pub fn rport(&self) -> Option<Option<u16>> {
        let (_, value) = self.at.rport?;
        Some(crate::scan::digits(value.map_or("", |at| at.of(self.text)).as_bytes()))
    }

    /// The `maddr` parameter.
    #[must_use]
    pub fn maddr(&self) -> Option<&'a str> {
        self.params().get("maddr")
    }

    /// All parameters.
    #[must_use]
    pub fn params(&self) -> Params<'a> {
        Params::new(self.at.params.of(self.text))
    }
}
