//! One header field value where it lies in the message: raw bytes, maybe folded (RFC 3261 section 7.3.1).

use crate::scan::{find_comma, trim};
use crate::{AuthParams, NameAddrRef, ParseError};
use core::fmt;
use std::borrow::Cow;

/// A value without the white space around it. It may hold folds and bytes that are not UTF-8.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HeaderValue<'a>(pub(crate) &'a [u8]);

impl<'a> HeaderValue<'a> {
    /// Views `bytes` as a value; used for values that did not come in a message.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        HeaderValue(trim(bytes))
    }

    /// The bytes as they came, folds included.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The bytes as text, if they are UTF-8. Folds are still there: [`HeaderValue::text`] is the form for people.
    #[must_use]
    pub fn to_str(self) -> Option<&'a str> {
        core::str::from_utf8(self.0).ok()
    }

    /// Text for people, logs and plugins: unfolded, bytes that are not UTF-8 replaced.
    #[must_use]
    pub fn text(self) -> Cow<'a, str> {
        match self.unfolded() {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }

    /// The bytes with each fold (line end and the white space after it) made one space.
    #[must_use]
    pub fn unfolded(self) -> Cow<'a, [u8]> {
        if memchr::memchr2(b'\r', b'\n', self.0).is_none() {
            return Cow::Borrowed(self.0);
        }
        let mut out = Vec::with_capacity(self.0.len());
        let mut lines = self.0.split(|b| matches!(b, b'\r' | b'\n')).map(trim).filter(|line| !line.is_empty());
        if let Some(first) = lines.next() {
            out.extend_from_slice(first);
        }
        for line in lines {
            out.push(b' ');
            out.extend_from_slice(line);
        }
        Cow::Owned(out)
    }

    /// The values of a comma list; commas in quotes and angle brackets do not count, empty values are left out.
    #[must_use]
    pub const fn list(self) -> ValueList<'a> {
        ValueList { rest: self.0 }
    }

    /// The value as a name-addr or addr-spec with parameters.
    pub fn name_addr(self) -> Result<NameAddrRef<'a>, ParseError> {
        NameAddrRef::parse(self.0)
    }

    /// The value as credentials or a challenge (RFC 3261 section 25.1).
    #[must_use]
    pub fn auth_params(self) -> Option<AuthParams<'a>> {
        AuthParams::parse(self.to_str()?)
    }

    /// The value as a number.
    #[must_use]
    pub fn number<T: TryFrom<u64>>(self) -> Option<T> {
        crate::scan::digits(self.0)
    }

    /// Whether the value is `token`, in any case.
    #[must_use]
    pub fn eq_ignore_case(self, token: &str) -> bool {
        self.0.eq_ignore_ascii_case(token.as_bytes())
    }
}

impl fmt::Display for HeaderValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl fmt::Debug for HeaderValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text())
    }
}

impl PartialEq<str> for HeaderValue<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for HeaderValue<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

/// The values of one field's comma list.
#[derive(Clone, Debug)]
pub struct ValueList<'a> {
    rest: &'a [u8],
}

impl<'a> ValueList<'a> {
    pub(crate) const EMPTY: ValueList<'static> = ValueList { rest: &[] };

    /// The next value, empty ones included: the validity pass wants to see those.
    pub(crate) fn next_raw(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let (value, rest) = match find_comma(self.rest) {
            Some(comma) => (&self.rest[..comma], &self.rest[comma + 1..]),
            None => (self.rest, &self.rest[self.rest.len()..]),
        };
        self.rest = rest;
        Some(trim(value))
    }
}

impl<'a> Iterator for ValueList<'a> {
    type Item = HeaderValue<'a>;
    fn next(&mut self) -> Option<HeaderValue<'a>> {
        loop {
            let value = self.next_raw()?;
            if !value.is_empty() {
                return Some(HeaderValue(value));
            }
        }
    }
}
