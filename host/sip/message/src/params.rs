//! `;name=value` parameters of URIs and header values (RFC 3261 section 25.1), quote aware.

use crate::scan::{cut, find_unquoted, param_name_len, param_value_len, trim_str};
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
        let mut walk = self.walk();
        let all = core::iter::from_fn(move || walk.next_raw()?.ok());
        all.map(|raw| (raw.name, raw.text)).filter(|(name, _)| !name.is_empty())
    }

    pub(crate) const fn walk(&self) -> Walk<'a> {
        Walk { rest: self.rest }
    }

    /// Whether every parameter is well formed: the validity pass's question. Reading does not ask it.
    pub(crate) fn well_formed(&self) -> bool {
        let mut walk = self.walk();
        while let Some(raw) = walk.next_raw() {
            if !raw.is_ok_and(|raw| raw.sound) {
                return false;
            }
        }
        true
    }
}

/// One parameter as it stands between two semicolons.
pub(crate) struct Raw<'a> {
    /// Empty where nothing stands between them.
    pub(crate) name: &'a str,
    /// Quotes included.
    value: Option<&'a str>,
    text: &'a str,
    /// Whether it is well formed.
    pub(crate) sound: bool,
}

impl<'a> Raw<'a> {
    /// The parameter without the quotes of its value.
    pub(crate) fn param(&self) -> Param<'a> {
        let value = self.value.map(|v| v.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(v));
        Param { name: self.name, value }
    }

    /// What has white space, quotes or worse in it.
    #[cold]
    fn rare(text: &'a str) -> Raw<'a> {
        let (name, value) = match cut(text, b'=') {
            Some((name, value)) => (trim_str(name), Some(trim_str(value))),
            None => (trim_str(text), None),
        };
        let named = !name.is_empty() && param_name_len(name.as_bytes()) == name.len();
        Raw { name, value, text, sound: named && value.is_none_or(value_well_formed) }
    }
}

fn value_well_formed(value: &str) -> bool {
    if value.starts_with('"') {
        return crate::scan::quoted_end(value.as_bytes(), 0) == Ok(value.len());
    }
    // Field traffic has `=`, `@`, `?` and UTF-8 in values that should be tokens; only what would split them is refused.
    param_value_len(value.as_bytes()) == value.len()
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
        ParamIter(self.walk())
    }
}

/// Walks parameters; empty ones are left out.
#[derive(Clone, Debug)]
pub struct ParamIter<'a>(Walk<'a>);

impl<'a> Iterator for ParamIter<'a> {
    type Item = Param<'a>;
    fn next(&mut self) -> Option<Param<'a>> {
        loop {
            let raw = self.0.next_raw()?.ok()?;
            if !raw.name.is_empty() {
                return Some(raw.param());
            }
        }
    }
}

/// Walks parameters, empty ones too.
#[derive(Clone, Debug)]
pub(crate) struct Walk<'a> {
    rest: &'a str,
}

impl<'a> Walk<'a> {
    /// What stands between two semicolons; `Err` where a quote never closes.
    pub(crate) fn next_raw(&mut self) -> Option<Result<Raw<'a>, ()>> {
        let rest = trim_str(self.rest).strip_prefix(';')?;
        let bytes = rest.as_bytes();
        let name_len = param_name_len(bytes);
        // Nearly all there is: a name, or a name and a value that has neither quotes nor white space.
        let (value_at, end) = match bytes.get(name_len) {
            Some(b'=') => (Some(name_len + 1), name_len + 1 + param_value_len(&bytes[name_len + 1..])),
            _ => (None, name_len),
        };
        if name_len > 0 && matches!(bytes.get(end), None | Some(b';')) {
            self.rest = rest.get(end..)?;
            let (name, text) = (rest.get(..name_len)?, rest.get(..end)?);
            return Some(Ok(Raw { name, value: value_at.and_then(|at| rest.get(at..end)), text, sound: true }));
        }
        let Ok(end) = find_unquoted(bytes, |b| b == b';') else {
            self.rest = "";
            return Some(Err(()));
        };
        let (text, rest) = rest.split_at(end.unwrap_or(rest.len()));
        self.rest = rest;
        Some(Ok(Raw::rare(text)))
    }
}
