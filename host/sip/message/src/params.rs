//! `;name=value` parameters of URIs and header values (RFC 3261 section 25.1), quote aware.

use crate::scan::{cut, find_unquoted, is_param_name, splits_param, trim_str};
use std::borrow::Cow;

/// One parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Param<'a> {
    /// Its name as written; names compare in any case.
    pub name: &'a str,
    /// Its value, without the quotes of a quoted string but with its escapes; `None` for a bare name.
    pub value: Option<&'a str>,
}

impl<'a> Param<'a> {
    /// The value with the escapes of a quoted string undone.
    #[must_use]
    pub fn unescaped(&self) -> Cow<'a, str> {
        unescape(self.value.unwrap_or_default())
    }
}

/// The parameters after a URI's or value's head, in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Params<'a> {
    rest: &'a str,
}

impl<'a> Params<'a> {
    /// `text` begins at the first `;`, or is empty.
    pub(crate) const fn new(text: &'a str) -> Self {
        Params { rest: text }
    }

    /// The first parameter called `name`: its value, or `""` if it has none.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.find(name).map(|param| param.value.unwrap_or_default())
    }

    /// The first parameter called `name`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Param<'a>> {
        (*self).into_iter().find(|param| param.name.eq_ignore_ascii_case(name))
    }

    /// Whether there is a parameter called `name`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The text from the first `;` on.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.rest
    }

    /// Name and whole text of each parameter, as written.
    pub(crate) fn segments(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut walk = Walk { rest: self.rest };
        let all = core::iter::from_fn(move || walk.next_raw()?.ok());
        all.map(|raw| (split(raw).0, raw)).filter(|(name, _)| !name.is_empty())
    }

    /// Whether every parameter is well formed: the validity pass's question. Reading does not ask it.
    pub(crate) fn well_formed(&self) -> bool {
        let mut walk = Walk { rest: self.rest };
        while let Some(raw) = walk.next_raw() {
            let Ok(raw) = raw else { return false };
            let (name, value) = split(raw);
            if !is_param_name(name.as_bytes()) {
                return false;
            }
            if let Some(value) = value
                && !value_well_formed(value)
            {
                return false;
            }
        }
        true
    }
}

fn value_well_formed(value: &str) -> bool {
    if value.starts_with('"') {
        return crate::scan::quoted_end(value.as_bytes(), 0) == Ok(value.len());
    }
    // Field traffic has `=`, `@`, `?` and UTF-8 in values that should be tokens; only what would split them is refused.
    !splits_param(value.as_bytes())
}

fn split(raw: &str) -> (&str, Option<&str>) {
    match cut(raw, b'=') {
        Some((name, value)) => (trim_str(name), Some(trim_str(value))),
        None => (trim_str(raw), None),
    }
}

/// Undoes `\`-escapes and folds of a quoted string's inside.
pub(crate) fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains(['\\', '\r', '\n']) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            '\r' => {}
            '\n' => {
                let rest = chars.as_str().trim_start_matches([' ', '\t']);
                chars = rest.chars();
                out.push(' ');
            }
            _ => out.push(c),
        }
    }
    Cow::Owned(out)
}

impl<'a> IntoIterator for Params<'a> {
    type Item = Param<'a>;
    type IntoIter = ParamIter<'a>;
    fn into_iter(self) -> ParamIter<'a> {
        ParamIter(Walk { rest: self.rest })
    }
}

/// Walks parameters; empty ones are left out.
#[derive(Clone, Debug)]
pub struct ParamIter<'a>(Walk<'a>);

impl<'a> Iterator for ParamIter<'a> {
    type Item = Param<'a>;
    fn next(&mut self) -> Option<Param<'a>> {
        loop {
            let (name, value) = split(self.0.next_raw()?.ok()?);
            if !name.is_empty() {
                let value = value.map(|v| v.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(v));
                return Some(Param { name, value });
            }
        }
    }
}

#[derive(Clone, Debug)]
struct Walk<'a> {
    rest: &'a str,
}

impl<'a> Walk<'a> {
    /// The text between two semicolons; `Err` where a quote never closes.
    fn next_raw(&mut self) -> Option<Result<&'a str, ()>> {
        let rest = trim_str(self.rest).strip_prefix(';')?;
        let Ok(end) = find_unquoted(rest.as_bytes(), |b| b == b';') else {
            self.rest = "";
            return Some(Err(()));
        };
        let (raw, rest) = rest.split_at(end.unwrap_or(rest.len()));
        self.rest = rest;
        Some(Ok(raw))
    }
}
