//! Via (RFC 3261 section 20.42, `rport` of RFC 3581).

use crate::host::{host_ip, host_port};
use crate::params::{Param, Params};
use crate::scan::{is_lws, split_before, trim_str};
use crate::{HeaderValue, ParseError};
use core::net::IpAddr;

/// The cookie that begins every branch of an RFC 3261 element (section 8.1.1.7).
pub const MAGIC_COOKIE: &str = "z9hG4bK";

/// One Via value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ViaRef<'a> {
    transport: &'a str,
    sent_by: &'a str,
    host: &'a str,
    port: Option<u16>,
    params: Params<'a>,
    marks: Marks<'a>,
}

/// What elements ask of a Via's parameters, read in one walk: the first of each name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Marks<'a> {
    pub(crate) branch: Option<&'a str>,
    pub(crate) received: Option<&'a str>,
    pub(crate) rport: Option<Param<'a>>,
    /// Whether there is an `oc` (RFC 7339).
    pub(crate) overload: bool,
    /// Whether every parameter is well formed.
    pub(crate) sound: bool,
}

impl<'a> Marks<'a> {
    fn read(params: Params<'a>) -> Self {
        let mut marks = Marks { branch: None, received: None, rport: None, overload: false, sound: true };
        let mut walk = params.walk();
        while let Some(raw) = walk.next_raw() {
            let Ok(raw) = raw else {
                marks.sound = false;
                return marks;
            };
            marks.sound &= raw.sound;
            let name = raw.name;
            match name.len() {
                2 => marks.overload |= name.eq_ignore_ascii_case("oc"),
                5 if name.eq_ignore_ascii_case("rport") => {
                    marks.rport.get_or_insert_with(|| raw.param());
                }
                6 if name.eq_ignore_ascii_case("branch") => {
                    marks.branch.get_or_insert_with(|| raw.param().value.unwrap_or_default());
                }
                8 if name.eq_ignore_ascii_case("received") => {
                    marks.received.get_or_insert_with(|| raw.param().value.unwrap_or_default());
                }
                _ => {}
            }
        }
        marks
    }
}

impl<'a> ViaRef<'a> {
    /// Reads one value (no comma list). White space may stand where section 25.1 lets it.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        Self::of(HeaderValue::new(value))
    }

    pub(crate) fn of(value: HeaderValue<'a>) -> Result<Self, ParseError> {
        value.to_str().and_then(Self::split).ok_or(ParseError::Malformed(crate::Name::Via))
    }

    fn split(text: &'a str) -> Option<Self> {
        let rest = match text.strip_prefix("SIP/2.0/") {
            Some(rest) => rest,
            None => {
                let (name, rest) = text.split_once('/')?;
                let (version, rest) = rest.split_once('/')?;
                if !trim_str(name).eq_ignore_ascii_case("SIP") || trim_str(version) != "2.0" {
                    return None;
                }
                trim_str(rest)
            }
        };
        let (transport, rest) = split_before(rest, is_lws);
        let (sent_by, params) = split_before(rest, |b| b == b';');
        let sent_by = trim_str(sent_by);
        let (host, port) = host_port(sent_by)?;
        if !crate::is_token(transport) {
            return None;
        }
        let params = Params::new(params);
        Some(ViaRef { transport, sent_by, host, port, params, marks: Marks::read(params) })
    }

    /// A value that was read before.
    pub(crate) const fn again(
        transport: &'a str,
        sent_by: &'a str,
        (host, port): (&'a str, Option<u16>),
        (params, marks): (Params<'a>, Marks<'a>),
    ) -> Self {
        ViaRef { transport, sent_by, host, port, params, marks }
    }

    pub(crate) const fn marks(&self) -> &Marks<'a> {
        &self.marks
    }

    /// The transport token as written: `UDP`.
    #[must_use]
    pub const fn transport(&self) -> &'a str {
        self.transport
    }

    /// `host[:port]` as written.
    #[must_use]
    pub const fn sent_by(&self) -> &'a str {
        self.sent_by
    }

    /// The host of sent-by as written; an IPv6 address keeps its brackets.
    #[must_use]
    pub const fn host(&self) -> &'a str {
        self.host
    }

    /// The host of sent-by as an address, if it is a literal.
    #[must_use]
    pub fn host_ip(&self) -> Option<IpAddr> {
        host_ip(self.host)
    }

    /// The port of sent-by, if written.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The branch, if there is one and it is not empty.
    #[must_use]
    pub fn branch(&self) -> Option<&'a str> {
        self.marks.branch.filter(|branch| !branch.is_empty())
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
    pub const fn received(&self) -> Option<&'a str> {
        self.marks.received
    }

    /// The `received` parameter as an address; brackets around IPv6 do not matter (RFC 5118 section 4.5).
    #[must_use]
    pub fn received_ip(&self) -> Option<IpAddr> {
        self.received().and_then(host_ip)
    }

    /// `None`: no `rport`; `Some(None)`: asked for (RFC 3581 section 3) or no port; `Some(Some(port))`: filled in.
    #[must_use]
    pub fn rport(&self) -> Option<Option<u16>> {
        self.marks.rport.map(|rport| crate::scan::digits(rport.value.unwrap_or_default().as_bytes()))
    }

    /// The `maddr` parameter.
    #[must_use]
    pub fn maddr(&self) -> Option<&'a str> {
        self.params.get("maddr")
    }

    /// All parameters.
    #[must_use]
    pub const fn params(&self) -> Params<'a> {
        self.params
    }
}
