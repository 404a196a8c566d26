//! Credentials and challenges: `scheme name=value, name="value", ...` (RFC 3261 section 25.1, RFC 7616 section 3).
//!
//! Only the shape; what the parameters mean is sip-auth's.

use crate::params::unescape;
use crate::scan::{find_unquoted, trim_str};
use std::borrow::Cow;

/// The scheme and parameters of an Authorization, WWW-Authenticate or Authentication-Info value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuthParams<'a> {
    scheme: &'a str,
    rest: &'a str,
}

/// One parameter of [`AuthParams`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuthParam<'a> {
    /// Its name as written; names compare in any case.
    pub name: &'a str,
    /// The value without its quotes, escapes still in it.
    pub raw: &'a str,
    /// Whether the value was a quoted string.
    pub quoted: bool,
}

impl<'a> AuthParam<'a> {
    /// The value with escapes undone.
    #[must_use]
    pub fn value(&self) -> Cow<'a, str> {
        if self.quoted { unescape(self.raw) } else { Cow::Borrowed(self.raw) }
    }
}

impl<'a> AuthParams<'a> {
    /// Reads a value with a scheme; `None` where there is no scheme or a quote never closes.
    #[must_use]
    pub fn parse(value: &'a str) -> Option<Self> {
        let value = trim_str(value);
        let (scheme, rest) = value.split_at(value.find([' ', '\t', '\r', '\n']).unwrap_or(value.len()));
        if !crate::is_token(scheme) {
            return None;
        }
        Self::checked(scheme, rest)
    }

    /// Reads a value without a scheme, as Authentication-Info has it.
    #[must_use]
    pub fn parse_bare(value: &'a str) -> Option<Self> {
        Self::checked("", value)
    }

    fn checked(scheme: &'a str, rest: &'a str) -> Option<Self> {
        find_unquoted(rest.as_bytes(), |_| false).ok()?;
        Some(AuthParams { scheme, rest })
    }

    /// The scheme as written: `Digest`.
    #[must_use]
    pub const fn scheme(&self) -> &'a str {
        self.scheme
    }

    /// Whether the scheme is Digest, in any case.
    #[must_use]
    pub fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("Digest")
    }

    /// The first parameter called `name`, escapes undone.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        self.find(name).map(|param| param.value())
    }

    /// The first parameter called `name`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<AuthParam<'a>> {
        self.iter().find(|param| param.name.eq_ignore_ascii_case(name))
    }

    /// Every parameter in order; text that is no `name=value` is left out.
    pub fn iter(&self) -> impl Iterator<Item = AuthParam<'a>> + use<'a> {
        let mut rest = Some(self.rest);
        core::iter::from_fn(move || {
            let text = rest?;
            let comma = find_unquoted(text.as_bytes(), |b| b == b',').ok()?;
            let item = text.get(..comma.unwrap_or(text.len()))?;
            rest = comma.and_then(|at| text.get(at + 1..));
            Some(item)
        })
        .filter_map(|item| {
            let (name, value) = item.split_once('=')?;
            let (name, value) = (trim_str(name), trim_str(value));
            let inside = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
            crate::is_token(name).then_some(AuthParam { name, raw: inside.unwrap_or(value), quoted: inside.is_some() })
        })
    }
}
