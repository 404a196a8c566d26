//! Byte classes and the one line scanner (RFC 3261 sections 7.3.1 and 25.1) that parser and stream framer share.
//!
//! They share it so that they can never disagree about where a header block ends: disagreement there is how
//! messages are smuggled.

use memchr::{memchr, memchr2};

const TOKEN: u8 = 1;
/// Host names and IPv4. The underscore is no host name character, but names in private DNS have it.
const HOST: u8 = 2;
/// What stands in no URI: blanks, control bytes, `<`, `>`, `"`.
const NO_URI: u8 = 4;
/// Blanks and control bytes.
const BLANK: u8 = 8;
/// Names of parameters: token bytes and those that URI parameters and IPv6 literals add.
const PARAM: u8 = 16;
/// What ends a parameter's value, would end it, or the list it stands in.
const SPLITS: u8 = 32;
/// What tells the parts of a SIP URI from each other, and what stands in no URI.
const URI_MARK: u8 = 64;

/// What each byte may be; one table, so that a check is one load and one AND a byte.
const CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut b = 0_usize;
    while b < 256 {
        let byte = b as u8;
        let alnum = byte.is_ascii_alphanumeric();
        if alnum || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~') {
            table[b] |= TOKEN | PARAM;
        }
        if matches!(byte, b'[' | b']' | b'/' | b':' | b'&' | b'$' | b'(' | b')') {
            table[b] |= PARAM;
        }
        if matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'"' | b',' | b';' | b'<' | b'>') {
            table[b] |= SPLITS;
        }
        if alnum || matches!(byte, b'-' | b'.' | b'_') {
            table[b] |= HOST;
        }
        if byte <= b' ' || byte == 0x7f {
            table[b] |= BLANK;
        }
        if byte <= b' ' || matches!(byte, 0x7f | b'<' | b'>' | b'"') {
            table[b] |= NO_URI | URI_MARK;
        }
        if matches!(byte, b'@' | b':' | b';' | b'?') {
            table[b] |= URI_MARK;
        }
        b += 1;
    }
    table
};

/// Whether a byte may stand in a token (section 25.1).
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    CLASS[byte as usize] & TOKEN != 0
}

/// Whether every byte may stand in a host name.
pub(crate) fn is_host_name(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().fold(HOST, |all, b| all & CLASS[usize::from(*b)]) != 0
}

/// How many bytes at the beginning may stand in a host name.
pub(crate) fn host_name_len(text: &[u8]) -> usize {
    host_name_end(text, 0)
}

/// Whether a byte is there that stands in no URI.
pub(crate) fn has_no_uri_byte(text: &[u8]) -> bool {
    text.iter().fold(0, |any, b| any | CLASS[usize::from(*b)]) & NO_URI != 0
}

/// Offset of the first byte of `text` from `from` on that tells parts of a URI apart or stands in none; its length if
/// there is none.
pub(crate) fn next_uri_mark(text: &[u8], from: usize) -> usize {
    skip(text, from, |class| class & URI_MARK == 0)
}

/// Offset of the first byte from `from` on whose class `goes_on` does not take; the length of `text` if there is none.
fn skip(text: &[u8], from: usize, goes_on: impl Fn(u8) -> bool) -> usize {
    let mut at = from;
    while let Some(byte) = text.get(at)
        && goes_on(CLASS[usize::from(*byte)])
    {
        at += 1;
    }
    at
}

/// Where `piece`, which was cut out of `text`, begins in it.
pub(crate) fn offset_in(text: &str, piece: &str) -> usize {
    (piece.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize)
}

/// Where a piece of a text lies in it. The texts are at most as long as what 16 bits tell.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Piece {
    pub(crate) start: u16,
    pub(crate) end: u16,
}

impl Piece {
    pub(crate) const EMPTY: Piece = Piece { start: 0, end: 0 };

    /// `None` where the text is too long.
    pub(crate) fn new(start: usize, end: usize) -> Option<Piece> {
        Some(Piece { start: u16::try_from(start).ok()?, end: u16::try_from(end).ok()? })
    }

    pub(crate) fn range(self) -> core::ops::Range<usize> {
        usize::from(self.start)..usize::from(self.end)
    }

    /// The piece of the text that it was made for.
    pub(crate) fn of(self, text: &str) -> &str {
        text.get(self.range()).unwrap_or_default()
    }
}

/// Where the name of a parameter ends that begins at `from`.
pub(crate) fn param_name_end(text: &[u8], from: usize) -> usize {
    skip(text, from, |class| class & PARAM != 0)
}

/// Where a parameter's value ends that begins at `from` and is not quoted.
pub(crate) fn param_value_end(text: &[u8], from: usize) -> usize {
    skip(text, from, |class| class & SPLITS == 0)
}

/// Where a token ends that begins at `from`.
pub(crate) fn token_end(text: &[u8], from: usize) -> usize {
    skip(text, from, |class| class & TOKEN != 0)
}

/// Where a host name ends that begins at `from`.
pub(crate) fn host_name_end(text: &[u8], from: usize) -> usize {
    skip(text, from, |class| class & HOST != 0)
}

/// How many bytes at the beginning may stand in the name of a parameter.
pub(crate) fn param_name_len(text: &[u8]) -> usize {
    param_name_end(text, 0)
}

/// How many bytes at the beginning may stand in a parameter's value that is not quoted.
pub(crate) fn param_value_len(text: &[u8]) -> usize {
    param_value_end(text, 0)
}

/// Whether a blank or control byte is there.
pub(crate) fn has_blank(text: &[u8]) -> bool {
    text.iter().fold(0, |any, b| any | CLASS[usize::from(*b)]) & BLANK != 0
}

/// Whether `text` is a token: not empty, token characters only.
#[must_use]
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// Linear white space; CR and LF count because a folded value is viewed where it lies.
pub(crate) const fn is_lws(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// `text` without linear white space at either end.
pub(crate) fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_lws(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_lws(*last)
    {
        text = rest;
    }
    text
}

/// `text` without linear white space at its end.
pub(crate) fn trim_end(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., last] = text
        && is_lws(*last)
    {
        text = rest;
    }
    text
}

/// [`trim`] for text; over bytes, since a char pattern costs several times as much.
pub(crate) fn trim_str(text: &str) -> &str {
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) if is_lws(*first) || is_lws(*last) => {}
        _ => return text,
    }
    let start = bytes.iter().position(|b| !is_lws(*b)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|b| !is_lws(*b)).map_or(start, |last| last + 1);
    text.get(start..end).unwrap_or_default()
}

/// `text` before and after its first `at`, an ASCII byte.
pub(crate) fn cut(text: &str, at: u8) -> Option<(&str, &str)> {
    let found = text.bytes().position(|b| b == at)?;
    Some((text.get(..found)?, text.get(found + 1..)?))
}

/// `text` split before its first byte that `wanted` takes (ASCII bytes only); all of it and nothing if there is none.
pub(crate) fn split_before(text: &str, wanted: impl Fn(u8) -> bool) -> (&str, &str) {
    let found = text.bytes().position(wanted).unwrap_or(text.len());
    text.split_at_checked(found).unwrap_or((text, ""))
}

/// Offset of the first `wanted` byte of `text` outside quoted strings, or `Err` where a quote never closes.
pub(crate) fn find_unquoted(text: &[u8], wanted: impl Fn(u8) -> bool) -> Result<Option<usize>, Unbalanced> {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if wanted(byte) {
            return Ok(Some(at));
        }
        at = if byte == b'"' { quoted_end(text, at)? } else { at + 1 };
    }
    Ok(None)
}

/// A quoted string or an angle bracket that never closes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Unbalanced;

/// Offset just past the quoted string that opens at `open`.
pub(crate) fn quoted_end(text: &[u8], open: usize) -> Result<usize, Unbalanced> {
    let mut at = open + 1;
    while let Some(found) = text.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if text.get(at) == Some(&b'"') {
            return Ok(at + 1);
        }
        at += 2;
    }
    Err(Unbalanced)
}

/// Offset of the first comma of `text` outside quoted strings and angle brackets.
///
/// An opening that never closes swallows the rest: the value's own parser then refuses it.
pub(crate) fn find_comma(text: &[u8]) -> Option<usize> {
    memchr(b',', text)?;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at = match byte {
            b',' => return Some(at),
            b'"' => quoted_end(text, at).ok()?,
            b'<' => at + memchr(b'>', text.get(at..)?)? + 1,
            _ => at + 1,
        };
    }
    None
}

/// One logical header line: a field with its folded continuations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Line {
    pub(crate) start: usize,
    pub(crate) name_len: usize,
    pub(crate) value_start: usize,
    pub(crate) value_end: usize,
    /// Where the next line begins.
    pub(crate) next: usize,
}

/// What stands at a line start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// A header field.
    Field(Line),
    /// No header field: no colon, no token for a name, or a bare CR. The next line begins at the offset.
    Bad(usize),
    /// The empty line; the body begins at the offset.
    End(usize),
    /// The bytes end before the line does.
    Cut,
}

/// Reads the logical line at `pos`.
pub(crate) fn step(buf: &[u8], pos: usize) -> Step {
    match (buf.get(pos), buf.get(pos + 1)) {
        (None, _) => return Step::Cut,
        (Some(b'\n'), _) => return Step::End(pos + 1),
        (Some(b'\r'), Some(b'\n')) => return Step::End(pos + 2),
        _ => {}
    }
    let mut colon = pos;
    while colon < buf.len() && is_token_byte(buf[colon]) {
        colon += 1;
    }
    let name_len = colon - pos;
    while matches!(buf.get(colon), Some(b' ' | b'\t')) {
        colon += 1;
    }
    let named = name_len > 0 && buf.get(colon) == Some(&b':');
    let value = if named { colon + 1 } else { pos };
    let Some(end) = line_end(buf, value) else { return Step::Cut };
    if !named || end.bare_cr || name_len > usize::from(u16::MAX) {
        return Step::Bad(end.next);
    }
    let (mut value_start, mut value_end) = (value, end.at);
    while value_start < value_end && is_lws(buf[value_start]) {
        value_start += 1;
    }
    while value_start < value_end && is_lws(buf[value_end - 1]) {
        value_end -= 1;
    }
    Step::Field(Line { start: pos, name_len, value_start, value_end, next: end.next })
}

/// The header field that begins at `start`, if its line is neither folded nor cut; `None` where [`step`] has to say
/// what it is. What stands before the colon may be no token.
pub(crate) fn plain_line(buf: &[u8], start: usize) -> Option<Line> {
    let colon = find(buf, start, |eight| zeros(eight ^ (ONES * u64::from(b':'))), |b| b == b':');
    let name_len = colon - start;
    if name_len == 0 || name_len > usize::from(u16::MAX) || colon == buf.len() {
        return None;
    }
    let mut value_start = colon + 1;
    while matches!(buf.get(value_start), Some(b' ' | b'\t')) {
        value_start += 1;
    }
    let end = control(buf, value_start);
    let next = end + 2;
    if buf.get(end..next) != Some(b"\r\n") || matches!(buf.get(next), Some(b' ' | b'\t')) {
        return None;
    }
    let mut value_end = end;
    while value_end > value_start && matches!(buf.get(value_end - 1), Some(b' ' | b'\t')) {
        value_end -= 1;
    }
    Some(Line { start, name_len, value_start, value_end, next })
}

/// The byte 1 in each of eight.
const ONES: u64 = u64::MAX / 255;

/// The top bit of each of eight bytes that is 0; above the first such byte it may lie.
const fn zeros(eight: u64) -> u64 {
    eight.wrapping_sub(ONES) & !eight & (ONES * 0x80)
}

/// The top bit of each of eight bytes that is below a space; above the first such byte it may lie.
const fn controls(eight: u64) -> u64 {
    eight.wrapping_sub(ONES * 0x20) & !eight & (ONES * 0x80)
}

/// Offset of the first wanted byte from `from` on, eight at a time; the length of `buf` if there is none.
fn find(buf: &[u8], from: usize, in_eight: impl Fn(u64) -> u64, wanted: impl Fn(u8) -> bool) -> usize {
    let mut at = from;
    while let Some(eight) = buf.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let found = in_eight(u64::from_le_bytes(*eight));
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while buf.get(at).is_some_and(|b| !wanted(*b)) {
        at += 1;
    }
    at.min(buf.len())
}

/// Offset of the first control byte but the tab from `from` on; the length of `buf` if there is none.
fn control(buf: &[u8], from: usize) -> usize {
    let mut at = from;
    loop {
        at = find(buf, at, controls, |b| b < b' ');
        if buf.get(at) != Some(&b'\t') {
            return at;
        }
        at += 1;
    }
}

/// Whether a byte is there that ends a line, or one that could be taken for such: CR, LF, NUL.
pub(crate) fn has_line_end(text: &[u8]) -> bool {
    let mut at = find(text, 0, controls, |b| b < b' ');
    while let Some(byte) = text.get(at) {
        if matches!(byte, b'\r' | b'\n' | 0) {
            return true;
        }
        at = find(text, at + 1, controls, |b| b < b' ');
    }
    false
}

struct LineEnd {
    at: usize,
    next: usize,
    bare_cr: bool,
}

/// Where the logical line that holds `from` ends, continuations included.
fn line_end(buf: &[u8], mut from: usize) -> Option<LineEnd> {
    let mut bare_cr = false;
    loop {
        let at = from + memchr2(b'\r', b'\n', buf.get(from..)?)?;
        let next = match (buf[at], buf.get(at + 1)) {
            (b'\n', _) => at + 1,
            (_, Some(b'\n')) => at + 2,
            (_, Some(_)) => {
                bare_cr = true;
                from = at + 1;
                continue;
            }
            (_, None) => return None,
        };
        if matches!(buf.get(next), Some(b' ' | b'\t')) {
            from = next + 1;
            continue;
        }
        return Some(LineEnd { at, next, bare_cr });
    }
}

/// The number that `text` is, if it is digits only and fits.
pub(crate) fn digits<T: TryFrom<u64>>(text: &[u8]) -> Option<T> {
    if text.is_empty() {
        return None;
    }
    let mut number = 0_u64;
    if text.len() < 19 {
        // Too short to overflow.
        for byte in text {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            number = number * 10 + u64::from(digit);
        }
        return T::try_from(number).ok();
    }
    for byte in text {
        if !byte.is_ascii_digit() {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
    }
    T::try_from(number).ok()
}
