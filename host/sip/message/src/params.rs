//! `;name=value` parameters of URIs and header values (RFC 3261 section 25.1), quote aware.

use crate::scan::{
    cut, find_unquoted, is_lws, offset_in, param_name_end, param_name_len, param_value_end, param_value_len, trim_str,
};
use core::ops::Range;
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
        let cut = move |range: Range<usize>| self.rest.get(range).unwrap_or_default();
        all.map(move |raw| (cut(raw.name), cut(raw.text))).filter(|(name, _)| !name.is_empty())
    }

    pub(crate) const fn walk(&self) -> Walk<'a> {
        Walk { text: self.rest, at: 0 }
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

/// Where one parameter lies, as it stands between two semicolons, in the text that is walked.
pub(crate) struct Raw {
    /// Empty where nothing stands between them.
    pub(crate) name: Range<usize>,
    /// Quotes included.
    value: Option<Range<usize>>,
    text: Range<usize>,
    /// Whether it is well formed.
    pub(crate) sound: bool,
}

impl Raw {
    /// The value without the quotes of a quoted string.
    pub(crate) fn value_in(&self, text: &str) -> Option<Range<usize>> {
        let value = self.value.clone()?;
        let quote = |at: usize| text.as_bytes().get(at) == Some(&b'"');
        let quoted = value.len() >= 2 && quote(value.start) && quote(value.end - 1);
        Some(if quoted { value.start + 1..value.end - 1 } else { value })
    }

    /// Whether its name is `name`, which is written in small letters.
    pub(crate) fn is(&self, text: &str, name: &str) -> bool {
        self.name.len() == name.len()
            && text.as_bytes().get(self.name.clone()).is_some_and(|own| own.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// The parameter of `text` without the quotes of its value.
    pub(crate) fn param<'a>(&self, text: &'a str) -> Param<'a> {
        let cut = |range: Range<usize>| text.get(range).unwrap_or_default();
        Param { name: cut(self.name.clone()), value: self.value_in(text).map(cut) }
    }

    /// What has white space, quotes or worse in it.
    #[cold]
    fn rare(all: &str, text: Range<usize>) -> Raw {
        let piece = all.get(text.clone()).unwrap_or_default();
        let (name, value) = match cut(piece, b'=') {
            Some((name, value)) => (trim_str(name), Some(trim_str(value))),
            None => (trim_str(piece), None),
        };
        let named = !name.is_empty() && param_name_len(name.as_bytes()) == name.len();
        let sound = named && value.is_none_or(value_well_formed);
        let lies = |part: &str| {
            let start = offset_in(all, part);
            start..start + part.len()
        };
        Raw { name: lies(name), value: value.map(lies), text, sound }
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
                return Some(raw.param(self.0.text));
            }
        }
    }
}

/// Walks parameters, empty ones too.
#[derive(Clone, Debug)]
pub(crate) struct Walk<'a> {
    text: &'a str,
    at: usize,
}

impl Walk<'_> {
    /// What stands between two semicolons; `Err` where a quote never closes.
    pub(crate) fn next_raw(&mut self) -> Option<Result<Raw, ()>> {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).copied().is_some_and(is_lws) {
            self.at += 1;
        }
        if bytes.get(self.at) != Some(&b';') {
            return None;
        }
        let start = self.at + 1;
        let name_end = param_name_end(bytes, start);
        // Nearly all there is: a name, or a name and a value that has neither quotes nor white space.
        let (value, end) = match bytes.get(name_end) {
            Some(b'=') => {
                let end = param_value_end(bytes, name_end + 1);
                (Some(name_end + 1..end), end)
            }
            _ => (None, name_end),
        };
        if name_end > start && matches!(bytes.get(end), None | Some(b';')) {
            self.at = end;
            return Some(Ok(Raw { name: start..name_end, value, text: start..end, sound: true }));
        }
        let Ok(found) = find_unquoted(&bytes[start..], |b| b == b';') else {
            self.at = bytes.len();
            return Some(Err(()));
        };
        let end = found.map_or(bytes.len(), |found| start + found);
        self.at = end;
        Some(Ok(Raw::rare(self.text, start..end)))
    }
}
