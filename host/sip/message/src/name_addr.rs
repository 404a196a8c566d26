//! From, To, Contact, Route and their like: `name-addr` or `addr-spec` with parameters (RFC 3261 section 20.10).

use crate::params::{Params, unescape};
use crate::scan::{Piece, find_unquoted, is_lws, offset_in, quoted_end, split_before, trim_end, trim_str};
use crate::uri::{Parts, UriRef, plain_parts};
use crate::{HeaderValue, ParseError};
use core::fmt;
use core::ops::Range;
use std::borrow::Cow;

/// A name, a URI and header parameters.
#[derive(Clone, Copy)]
pub struct NameAddrRef<'a> {
    value: HeaderValue<'a>,
    at: NameAddrAt,
}

/// Where the parts of a name-addr lie in its value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NameAddrAt {
    display: Piece,
    uri: Piece,
    parts: Parts,
    params: Piece,
    /// The first parameter called so, be it empty.
    tag: Option<Piece>,
    /// Whether every parameter is well formed.
    sound: bool,
}

impl PartialEq for NameAddrRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.display_raw(), self.uri(), self.params()) == (other.display_raw(), other.uri(), other.params())
    }
}

impl Eq for NameAddrRef<'_> {}

impl NameAddrAt {
    /// Reads one value.
    pub(crate) fn read(value: HeaderValue<'_>) -> Option<NameAddrAt> {
        let bytes = value.as_bytes();
        let after_name = if bytes.first() == Some(&b'"') { quoted_end(bytes, 0).ok()? } else { 0 };
        let Some(open) = position(bytes, after_name, b'<') else {
            return if after_name == 0 { Self::addr_spec(value) } else { None };
        };
        let display = trim_end(bytes.get(..open)?);
        if after_name > 0 && display.len() > after_name {
            return None;
        }
        // `sip:a@b;x=<...>`: the bracket opens inside the parameters of an addr-spec.
        if after_name == 0 && !display.is_empty() && find_unquoted(display, |b| b == b';').ok()?.is_some() {
            return Self::addr_spec(value);
        }
        let inside = bytes.get(open + 1..)?;
        let (parts, len) = match plain_parts(inside) {
            Some((parts, len)) if inside.get(len) == Some(&b'>') => (parts, len),
            _ => {
                let len = position(inside, 0, b'>')?;
                (UriRef::parse(core::str::from_utf8(inside.get(..len)?).ok()?).ok()?.parts(), len)
            }
        };
        let close = open + 1 + len;
        let mut params = close + 1;
        while bytes.get(params).copied().is_some_and(is_lws) {
            params += 1;
        }
        if bytes.get(params).is_some_and(|b| *b != b';') {
            return None;
        }
        // What is not known to be text has to be some from the URI on.
        let text = value.piece(open + 1..bytes.len())?;
        Self::with(Piece::new(0, display.len())?, (Piece::new(open + 1, close)?, parts), text, open + 1..params)
    }

    fn addr_spec(value: HeaderValue<'_>) -> Option<NameAddrAt> {
        let text = value.to_str()?;
        let (uri, _) = split_before(text, |b| b == b';');
        if uri.bytes().any(|b| matches!(b, b'?' | b',')) {
            return None;
        }
        let params = uri.len();
        let uri = trim_str(uri);
        let start = offset_in(text, uri);
        let at = Piece::new(start, start + uri.len())?;
        Self::with(Piece::EMPTY, (at, UriRef::parse(uri).ok()?.parts()), text, 0..params)
    }

    /// Reads the parameters. `text` begins at `text_and_params.start` of the value, they at its end.
    fn with(
        display: Piece,
        (uri, parts): (Piece, Parts),
        text: &str,
        text_and_params: Range<usize>,
    ) -> Option<NameAddrAt> {
        let Range { start: base, end: from } = text_and_params;
        let text = text.get(from - base..)?;
        let (mut tag, mut sound) = (None, true);
        let mut walk = Params::new(text).walk();
        while let Some(raw) = walk.next_raw() {
            let Ok(raw) = raw else {
                sound = false;
                break;
            };
            sound &= raw.sound;
            if tag.is_none() && raw.is(text, "tag") {
                let value = raw.value_in(text).unwrap_or_default();
                tag = Some(Piece::new(from + value.start, from + value.end)?);
            }
        }
        Some(NameAddrAt { display, uri, parts, params: Piece::new(from, from + text.len())?, tag, sound })
    }
}

impl<'a> NameAddrRef<'a> {
    /// Reads one value (no comma list). A display name may hold any bytes; the rest must be UTF-8.
    ///
    /// Without angle brackets the parameters belong to the header, and a `?` or a comma is an error (section 20).
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        Self::of(HeaderValue::new(value))
    }

    pub(crate) fn of(value: HeaderValue<'a>) -> Result<Self, ParseError> {
        let at = NameAddrAt::read(value).ok_or(ParseError::Uri)?;
        Ok(NameAddrRef { value, at })
    }

    /// One that was read before.
    pub(crate) const fn again(value: HeaderValue<'a>, at: NameAddrAt) -> Self {
        NameAddrRef { value, at }
    }

    fn cut(&self, piece: Piece) -> &'a str {
        self.value.piece(piece.range()).unwrap_or_default()
    }

    /// Whether every header parameter is well formed.
    pub(crate) const fn is_sound(&self) -> bool {
        self.at.sound
    }

    /// The display name for people: quotes and escapes undone, bytes that are not UTF-8 replaced.
    #[must_use]
    pub fn display(&self) -> Option<Cow<'a, str>> {
        let display = self.display_raw();
        if display.is_empty() {
            return None;
        }
        let inside = display.strip_prefix(b"\"").and_then(|d| d.strip_suffix(b"\""));
        let Some(inside) = inside else { return Some(HeaderValue::new(display).text()) };
        Some(match String::from_utf8_lossy(inside) {
            Cow::Borrowed(text) => unescape(text),
            Cow::Owned(text) => Cow::Owned(unescape(&text).into_owned()),
        })
        .filter(|name| !name.is_empty())
    }

    /// The display name as it lies in the message, quotes included.
    #[must_use]
    pub fn display_raw(&self) -> &'a [u8] {
        self.value.as_bytes().get(self.at.display.range()).unwrap_or_default()
    }

    /// The URI.
    #[must_use]
    pub fn uri(&self) -> UriRef<'a> {
        UriRef::again(self.cut(self.at.uri), self.at.parts)
    }

    /// The header parameters, which are not the URI's.
    #[must_use]
    pub fn params(&self) -> Params<'a> {
        Params::new(self.cut(self.at.params))
    }

    /// The header parameter `name`: its value, or `""` if it has none.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&'a str> {
        self.params().get(name)
    }

    /// The tag, if there is one and it is not empty (section 19.3).
    #[must_use]
    pub fn tag(&self) -> Option<&'a str> {
        self.at.tag.map(|tag| self.cut(tag)).filter(|tag| !tag.is_empty())
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
        write!(f, "{:?} {:?}{}", self.display(), self.uri(), self.params().as_str())
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
