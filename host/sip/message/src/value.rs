//! One header field value where it lies in the message: raw bytes, maybe folded (RFC 3261 section 7.3.1).

use crate::scan::{find_comma, has_line_end, trim, trim_str};
use crate::{AuthParams, NameAddrRef, ParseError};
use core::fmt;
use std::borrow::Cow;

/// A value without the white space around it. It may hold folds and bytes that are not UTF-8.
#[derive(Clone, Copy)]
pub struct HeaderValue<'a> {
    bytes: &'a [u8],
    /// The same as text, where it is known to be UTF-8 already.
    text: Option<&'a str>,
}

impl<'a> HeaderValue<'a> {
    /// Views `bytes` as a value; used for values that did not come in a message.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        HeaderValue { bytes: trim(bytes), text: None }
    }

    /// A value that is trimmed and known to be text.
    pub(crate) const fn of_text(text: &'a str) -> Self {
        HeaderValue { bytes: text.as_bytes(), text: Some(text) }
    }

    /// A value that is trimmed.
    pub(crate) const fn of_bytes(bytes: &'a [u8]) -> Self {
        HeaderValue { bytes, text: None }
    }

    /// A piece of the value as text, if it is UTF-8.
    pub(crate) fn piece(self, range: core::ops::Range<usize>) -> Option<&'a str> {
        match self.text {
            Some(text) => text.get(range),
            None => core::str::from_utf8(self.bytes.get(range)?).ok(),
        }
    }

    fn cut(self, range: core::ops::Range<usize>) -> Self {
        let text = self.text.and_then(|text| text.get(range.clone()));
        HeaderValue { bytes: self.bytes.get(range).unwrap_or_default(), text }
    }

    fn trimmed(self) -> Self {
        match self.text {
            Some(text) => HeaderValue::of_text(trim_str(text)),
            None => HeaderValue::of_bytes(trim(self.bytes)),
        }
    }

    /// The bytes as they came, folds included.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The bytes as text, if they are UTF-8. Folds are still there: [`HeaderValue::text`] is the form for people.
    #[must_use]
    pub fn to_str(self) -> Option<&'a str> {
        self.text.or_else(|| core::str::from_utf8(self.bytes).ok())
    }

    /// Text for people, logs and plugins: unfolded, bytes that are not UTF-8 replaced.
    #[must_use]
    pub fn text(self) -> Cow<'a, str> {
        if let Some(text) = self.text
            && !has_line_end(self.bytes)
        {
            return Cow::Borrowed(text);
        }
        match self.unfolded() {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }

    /// The bytes with each fold (line end and the white space after it) made one space.
    #[must_use]
    pub fn unfolded(self) -> Cow<'a, [u8]> {
        if !has_line_end(self.bytes) || memchr::memchr2(b'\r', b'\n', self.bytes).is_none() {
            return Cow::Borrowed(self.bytes);
        }
        let mut out = Vec::with_capacity(self.bytes.len());
        let mut lines = self.bytes.split(|b| matches!(b, b'\r' | b'\n')).map(trim).filter(|line| !line.is_empty());
        if let Some(first) = lines.next() {
            out.extend_from_slice(first);
        }
        for line in lines {
            out.push(b' ');
            out.extend_from_slice(line);
        }
        Cow::Owned(out)
    }

    /// Whether a comma outside quotes and brackets is there.
    pub(crate) fn is_list(self) -> bool {
        find_comma(self.bytes).is_some()
    }

    /// The values of a comma list; commas in quotes and angle brackets do not count, empty values are left out.
    #[must_use]
    pub const fn list(self) -> ValueList<'a> {
        ValueList { rest: self }
    }

    /// The value as a name-addr or addr-spec with parameters.
    pub fn name_addr(self) -> Result<NameAddrRef<'a>, ParseError> {
        NameAddrRef::of(self)
    }

    /// The value as credentials or a challenge (RFC 3261 section 25.1).
    #[must_use]
    pub fn auth_params(self) -> Option<AuthParams<'a>> {
        AuthParams::parse(self.to_str()?)
    }

    /// The value as a number.
    #[must_use]
    pub fn number<T: TryFrom<u64>>(self) -> Option<T> {
        crate::scan::digits(self.bytes)
    }

    /// Whether the value is `token`, in any case.
    #[must_use]
    pub fn eq_ignore_case(self, token: &str) -> bool {
        self.bytes.eq_ignore_ascii_case(token.as_bytes())
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
        self.bytes == other.as_bytes()
    }
}

impl PartialEq<&str> for HeaderValue<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.bytes == other.as_bytes()
    }
}

impl PartialEq for HeaderValue<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for HeaderValue<'_> {}

impl core::hash::Hash for HeaderValue<'_> {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

/// The values of one field's comma list.
#[derive(Clone, Debug)]
pub struct ValueList<'a> {
    rest: HeaderValue<'a>,
}

impl<'a> ValueList<'a> {
    pub(crate) const EMPTY: ValueList<'static> = ValueList { rest: HeaderValue::of_text("") };

    /// The next value, empty ones included: the validity pass wants to see those.
    pub(crate) fn next_raw(&mut self) -> Option<HeaderValue<'a>> {
        let whole = self.rest;
        if whole.bytes.is_empty() {
            return None;
        }
        let Some(comma) = find_comma(whole.bytes) else {
            self.rest = HeaderValue::of_text("");
            return Some(whole.trimmed());
        };
        self.rest = whole.cut(comma + 1..whole.bytes.len());
        Some(whole.cut(0..comma).trimmed())
    }
}

impl<'a> Iterator for ValueList<'a> {
    type Item = HeaderValue<'a>;
    fn next(&mut self) -> Option<HeaderValue<'a>> {
        loop {
            let value = self.next_raw()?;
            if !value.bytes.is_empty() {
                return Some(value);
            }
        }
    }
}
