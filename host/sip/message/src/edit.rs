//! A message with other header fields: what a filter has changed, and never what would not be read back as meant.

use crate::{Message, Name, ParseError, ParseLimits};
use bytes::Bytes;
use model::{HeaderOp, is_filterable};

/// The message after these changes, in order. Fields that carry the dialog, the body or credentials are out of reach
/// ([`model::is_filterable`]); added fields stand last. Start line, body and every other line stay byte for byte.
///
/// # Errors
/// A name that is no token or out of reach, a value that is more than a line, or a message that would be past the limits
/// or not valid: nothing is changed.
pub fn edited(message: &Message, ops: &[HeaderOp], limits: &ParseLimits) -> Result<Message, ParseError> {
    let mut gone: Vec<Name<'_>> = Vec::new();
    let mut added: Vec<(Name<'_>, &str)> = Vec::new();
    for op in ops {
        let (name, value) = match op {
            HeaderOp::Add(header) | HeaderOp::Set(header) => (header.name.as_str(), Some(header.value.as_str())),
            HeaderOp::Remove(name) => (name.as_str(), None),
        };
        let writable = crate::is_token(name) && is_filterable(name);
        if !writable || value.is_some_and(|value| value.chars().any(char::is_control)) {
            return Err(ParseError::HeaderLine);
        }
        let name = Name::new(name);
        if !matches!(op, HeaderOp::Add(_)) {
            added.retain(|(known, _)| *known != name);
            gone.push(name);
        }
        added.extend(value.map(|value| (name, value)));
    }
    let from = message.bytes();
    let piece = |range: core::ops::Range<usize>| from.get(range).unwrap_or_default();
    let room: usize = added.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let mut to = Vec::with_capacity(from.len() + room);
    to.extend_from_slice(piece(0..message.fields_at()));
    for place in message.places().filter(|place| !gone.contains(&place.name)) {
        to.extend_from_slice(piece(place.line));
    }
    for (name, value) in added {
        for part in [name.as_str(), ": ", value, "\r\n"] {
            to.extend_from_slice(part.as_bytes());
        }
    }
    to.extend_from_slice(piece(message.head_end()..from.len()));
    let edited = Message::parse(Bytes::from(to), limits).map_err(|rejected| rejected.error)?;
    edited.validate()?;
    Ok(edited)
}

/// The request with another number in its CSeq; `None` where it has none that can be read.
#[must_use]
pub fn renumbered(request: &Message, number: u32) -> Option<Bytes> {
    let method = request.cseq().ok()?.method;
    let value = request.places().find(|place| place.name == Name::CSeq)?.at;
    let (before, after) = (request.bytes().get(..value.start)?, request.bytes().get(value.end..)?);
    let number = format!("{number} {}", method.as_str());
    Some(Bytes::from([before, number.as_bytes(), after].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Header;

    const INVITE: &str = "INVITE sip:b@x SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1\r\nf: <sip:a@x>;tag=1\r\n\
        t: <sip:b@x>\r\ni: c\r\nCSeq: 1 INVITE\r\nm: <sip:a@a>\r\nMax-Forwards: 70\r\ns: folded\r\n subject\r\n\
        X-Mine: one\r\nx-mine: two\r\nl: 2\r\n\r\nhi";

    fn read(text: &str) -> Message {
        Message::parse(Bytes::copy_from_slice(text.as_bytes()), &ParseLimits::default()).expect("a message")
    }

    fn header(name: &str, value: &str) -> Header {
        Header { name: name.to_owned(), value: value.to_owned() }
    }

    #[test]
    fn fields_are_added_set_and_removed_and_nothing_else_changes() {
        let ops = [
            HeaderOp::Remove("Subject".to_owned()),
            HeaderOp::Set(header("X-MINE", "three")),
            HeaderOp::Add(header("X-New", "1")),
            HeaderOp::Add(header("X-New", "2")),
            HeaderOp::Remove("X-Absent".to_owned()),
        ];
        let edited = edited(&read(INVITE), &ops, &ParseLimits::default()).expect("it can be written");
        let wanted = INVITE
            .replace("s: folded\r\n subject\r\n", "")
            .replace("X-Mine: one\r\nx-mine: two\r\n", "")
            .replace("l: 2\r\n", "l: 2\r\nX-MINE: three\r\nX-New: 1\r\nX-New: 2\r\n");
        assert_eq!(core::str::from_utf8(edited.bytes()), Ok(wanted.as_str()));
        assert_eq!(edited.body(), b"hi");
    }

    #[test]
    fn a_number_changes_and_nothing_else() {
        let wanted = INVITE.replace("CSeq: 1 INVITE", "CSeq: 4294967295 INVITE");
        let numbered = renumbered(&read(INVITE), u32::MAX).expect("it has a number");
        assert_eq!(core::str::from_utf8(&numbered), Ok(wanted.as_str()));
    }

    #[test]
    fn what_would_not_be_read_back_as_meant_is_not_written() {
        let limits = ParseLimits::default();
        let refused = |ops: &[HeaderOp]| edited(&read(INVITE), ops, &limits).is_err();
        for name in [
            "Call-ID",
            "i",
            "Via",
            "v",
            "CSeq",
            "Content-Length",
            "l",
            "Contact",
            "From",
            "To",
            "Route",
            "Authorization",
            "Content-Foo",
            "no token",
            "",
            "X:",
            "X\r\nVia",
        ] {
            assert!(refused(&[HeaderOp::Remove(name.to_owned())]), "{name:?}");
            assert!(refused(&[HeaderOp::Add(header(name, "x"))]), "{name:?}");
        }
        for value in ["a\r\nVia: x", "a\nb", "a\0", "a\r", "\u{7f}"] {
            assert!(refused(&[HeaderOp::Set(header("X-A", value))]), "{value:?}");
        }
        let many: Vec<_> = (0..10_000).map(|n| HeaderOp::Add(header(&format!("X-{n}"), "x"))).collect();
        assert!(refused(&many), "more fields than a message may have");
        assert!(refused(&[HeaderOp::Add(header("X-Huge", &"x".repeat(70_000)))]));
    }
}
