//! From, To, Contact, Route and their like: `name-addr` or `addr-spec` with parameters (RFC 3261 section 20.10).

use crate::params::{Params, unescape};
use crate::scan::{find_unquoted, quoted_end, split_before, trim, trim_str};
use crate::uri::UriRef;
use crate::{HeaderValue, ParseError};
use core::fmt;
use std::borrow::Cow;

/// A name, a URI and header parameters.
#[derive(Clone, Copy)]
pub struct NameAddrRef<'a> {
    display: &'a [u8],
    uri: UriRef<'a>,
    params: Params<'a>,
    /// The first parameter called so, be it empty.
    tag: Option<&'a str>,
    /// Whether every parameter is well formed.
    sound: bool,
}

impl PartialEq for NameAddrRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.display, self.uri, self.params) == (other.display, other.uri, other.params)
    }
}

impl Eq for NameAddrRef<'_> {}

impl<'a> NameAddrRef<'a> {
    /// Reads one value (no comma list). A display name may hold any bytes; the rest must be UTF-8.
    ///
    /// Without angle brackets the parameters belong to the header, and a `?` or a comma is an error (section 20).
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        Self::of(HeaderValue::new(value))
    }

    pub(crate) fn of(value: HeaderValue<'a>) -> Result<Self, ParseError> {
        Self::split(value).ok_or(ParseError::Uri)
    }

    fn split(value: HeaderValue<'a>) -> Option<Self> {
        let bytes = value.as_bytes();
        let after_name = if bytes.first() == Some(&b'"') { quoted_end(bytes, 0).ok()? } else { 0 };
        let Some(open) = position(bytes, after_name, b'<') else {
            return if after_name == 0 { Self::addr_spec(value.to_str()?) } else { None };
        };
        let display = trim(bytes.get(..open)?);
        if after_name > 0 && !trim(bytes.get(after_name..open)?).is_empty() {
            return None;
        }
        // `sip:a@b;x=<...>`: the bracket opens inside the parameters of an addr-spec.
        if after_name == 0 && !display.is_empty() && find_unquoted(display, |b| b == b';').ok()?.is_some() {
            return Self::addr_spec(value.to_str()?);
        }
        let close = position(bytes, open, b'>')?;
        let uri = UriRef::parse(value.piece(open + 1..close)?).ok()?;
        let params = trim_str(value.piece(close + 1..bytes.len())?);
        if !params.is_empty() && !params.starts_with(';') {
            return None;
        }
        Some(Self::with(display, uri, Params::new(params)))
    }

    fn addr_spec(value: &'a str) -> Option<Self> {
        let (uri, params) = split_before(value, |b| b == b';');
        if uri.bytes().any(|b| matches!(b, b'?' | b',')) {
            return None;
        }
        let uri = UriRef::parse(trim_str(uri)).ok()?;
        Some(Self::with(b"", uri, Params::new(params)))
    }

    fn with(display: &'a [u8], uri: UriRef<'a>, params: Params<'a>) -> Self {
        let (mut tag, mut sound) = (None, true);
        let mut walk = params.walk();
        while let Some(raw) = walk.next_raw() {
            let Ok(raw) = raw else {
                sound = false;
                break;
            };
            sound &= raw.sound;
            if raw.name.len() == 3 && raw.name.eq_ignore_ascii_case("tag") {
                tag.get_or_insert_with(|| raw.param().value.unwrap_or_default());
            }
        }
        NameAddrRef { display, uri, params, tag, sound }
    }

    /// One that was read before.
    pub(crate) const fn again(
        display: &'a [u8],
        uri: UriRef<'a>,
        params: Params<'a>,
        (tag, sound): (Option<&'a str>, bool),
    ) -> Self {
        NameAddrRef { display, uri, params, tag, sound }
    }

    /// Whether every header parameter is well formed.
    pub(crate) const fn is_sound(&self) -> bool {
        self.sound
    }

    /// The display name for people: quotes and escapes undone, bytes that are not UTF-8 replaced.
    #[must_use]
    pub fn display(&self) -> Option<Cow<'a, str>> {
        if self.display.is_empty() {
            return None;
        }
        let inside = self.display.strip_prefix(b"\"").and_then(|d| d.strip_suffix(b"\""));
        let Some(inside) = inside else { return Some(HeaderValue::new(self.display).text()) };
        Some(match String::from_utf8_lossy(inside) {
            Cow::Borrowed(text) => unescape(text),
            Cow::Owned(text) => Cow::Owned(unescape(&text).into_owned()),
        })
        .filter(|name| !name.is_empty())
    }

    /// The display name as it lies in the message, quotes included.
    #[must_use]
    pub const fn display_raw(&self) -> &'a [u8] {
        self.display
    }

    /// The URI.
    #[must_use]
    pub const fn uri(&self) -> UriRef<'a> {
        self.uri
    }

    /// The header parameters, which are not the URI's.
    #[must_use]
    pub const fn params(&self) -> Params<'a> {
        self.params
    }

    /// The header parameter `name`: its value, or `""` if it has none.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&'a str> {
        self.params.get(name)
    }

    /// The tag, if there is one and it is not empty (section 19.3).
    #[must_use]
    pub fn tag(&self) -> Option<&'a str> {
        self.tag.filter(|tag| !tag.is_empty())
    }

    /// A contact's `expires`, in seconds, if it is a number; one too large for us is the largest (section 20.10).
    #[must_use]
    pub fn expires(&self) -> Option<u32> {
        self.param("expires").and_then(seconds)
    }

    /// A contact's `q` in thousandths, if it is one (section 20.10: 0 to 1 with up to three decimals).
    #[must_use]
    pub fn q(&self) -> Option<u16> {
        qvalue(self.param("q")?)
    }
}

impl fmt::Debug for NameAddrRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}{}", self.display(), self.uri, self.params.as_str())
    }
}

/// Where `byte` stands from `from` on. Names before a URI are short: a loop is cheaper than a vector search.
fn position(bytes: &[u8], from: usize, byte: u8) -> Option<usize> {
    bytes.get(from..)?.iter().position(|b| *b == byte).map(|at| from + at)
}

/// delta-seconds; a number past 2^32-1 means 2^32-1 (section 20.19 leaves it to us, RFC 4475 section 3.1.2.4 agrees).
pub(crate) fn seconds(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u32::MAX))
}

fn qvalue(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = decimals.bytes().all(|b| b.is_ascii_digit());
    if !digits || decimals.len() > 3 || !matches!(whole, "" | "0" | "1") {
        return None;
    }
    let mut thousandths = if whole == "1" { 1000 } else { 0 };
    for (digit, weight) in decimals.bytes().zip([100, 10, 1]) {
        thousandths += u16::from(digit - b'0') * weight;
    }
    (thousandths <= 1000 && !(whole.is_empty() && decimals.is_empty())).then_some(thousandths)
}

/// The Contact header fields of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Contacts<'a> {
    /// `Contact: *` (section 10.2.2).
    Star,
    /// The contacts in order; empty if there is none.
    List(Vec<NameAddrRef<'a>>),
}
