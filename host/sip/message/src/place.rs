//! Where things lie in a message, for elements that pass it on with a few changes: they copy the bytes and splice.

use crate::message::{Field, Start};
use crate::name::by_id;
use crate::{HeaderValue, Message, Name, ViaRef};
use core::net::SocketAddr;
use core::ops::Range;

/// One header field and where it lies in [`Message::bytes`].
#[derive(Clone, Debug)]
pub struct Place<'a> {
    message: &'a Message,
    field: &'a Field,
    /// Its name; compact forms are known ones.
    pub name: Name<'a>,
    /// The whole logical line, line end included.
    pub line: Range<usize>,
    /// The value within the message.
    pub at: Range<usize>,
}

impl<'a> Place<'a> {
    /// Its name as written.
    #[must_use]
    pub fn written(&self) -> &'a str {
        self.message.name_of(self.field)
    }

    /// Its value, folds included.
    #[must_use]
    pub fn value(&self) -> HeaderValue<'a> {
        self.message.value_at(self.field.value)
    }
}

impl Message {
    /// Every field in order, with its place. The lines touch: one ends where the next begins.
    pub fn places(&self) -> impl Iterator<Item = Place<'_>> {
        let ends =
            self.0.fields.iter().skip(1).map(|next| next.start as usize).chain(core::iter::once(self.head_end()));
        self.0.fields.iter().zip(ends).map(|(field, end)| {
            let at = field.value.start as usize..field.value.end as usize;
            let name = by_id(field.id).unwrap_or_else(|| Name::Other(self.name_of(field)));
            Place { message: self, field, name, line: field.start as usize..end, at }
        })
    }

    /// Where the Request-URI lies; `None` for a response.
    #[must_use]
    pub fn uri_at(&self) -> Option<Range<usize>> {
        match self.0.start {
            Start::Request { uri, .. } => Some(uri.start as usize..uri.end as usize),
            Start::Response { .. } => None,
        }
    }

    /// Where the first header field begins: just past the start line.
    #[must_use]
    pub fn fields_at(&self) -> usize {
        self.0.fields.first().map_or_else(|| self.head_end(), |first| first.start as usize)
    }

    /// Where the empty line between header fields and body begins.
    #[must_use]
    pub fn head_end(&self) -> usize {
        let body = self.0.body.start as usize;
        let blank = if body >= 2 && self.0.bytes.get(body - 2) == Some(&b'\r') { 2 } else { 1 };
        body.saturating_sub(blank)
    }

    /// Where the body begins.
    #[must_use]
    pub fn body_at(&self) -> usize {
        self.0.body.start as usize
    }
}

/// What the top Via of a request that came from a source lacks (section 18.2.1, RFC 3581 section 4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ViaStamp {
    /// Nothing: it tells the source already.
    True,
    /// At this offset of the field's value, the port and the address: `=port;received=ip` after a bare `rport`.
    Rport(usize),
    /// At this offset, the address: `;received=ip`.
    Received(usize),
    /// It tells something untrue: the value has to be written anew, see [`stamped_via`].
    Rewrite,
}

impl Message {
    /// What the top Via lacks, for a request that came from `source`.
    #[must_use]
    pub fn via_stamp(&self, source: SocketAddr) -> ViaStamp {
        match (self.header(Name::Via), self.top_via()) {
            (Some(field), Ok(via)) => stamp_of(field, &via, source),
            (None, _) | (_, Err(_)) => ViaStamp::Rewrite,
        }
    }
}

/// What the first value of the Via field `value` lacks.
#[must_use]
pub fn via_stamp(value: HeaderValue<'_>, source: SocketAddr) -> ViaStamp {
    let top = value.list().next().and_then(|top| ViaRef::of(top).ok());
    top.map_or(ViaStamp::Rewrite, |via| stamp_of(value, &via, source))
}

fn stamp_of(field: HeaderValue<'_>, via: &ViaRef<'_>, source: SocketAddr) -> ViaStamp {
    // The first value of a field begins where the field's does, but for commas before it.
    let whole = field.as_bytes();
    let begin = (via.as_str().as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
    let end = begin + via.as_str().len();
    match via.rport_at() {
        _ if via.received().is_some() => ViaStamp::Rewrite,
        Some((name, None)) => ViaStamp::Rport(begin + usize::from(name.end)),
        Some(_) => ViaStamp::Rewrite,
        None if via.host_ip() == Some(source.ip().to_canonical()) => ViaStamp::True,
        // Without parameters there is no branch either: rare enough.
        None if via.params().as_str().is_empty() => ViaStamp::Rewrite,
        None => ViaStamp::Received(end),
    }
}

/// The Via field `value` with its first value's `received` and `rport` made true; `None` if it cannot be read.
#[must_use]
pub fn stamped_via(value: HeaderValue<'_>, source: SocketAddr) -> Option<Vec<u8>> {
    crate::write::stamp(value, source).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ParseLimits;
    use bytes::Bytes;

    #[test]
    fn places_are_the_lines_and_touch() {
        let text =
            "INVITE sip:b@x SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1\r\nX-Mine: one,\r\n two\r\nl: 2\r\n\r\nhi";
        let message = Message::parse(Bytes::from_static(text.as_bytes()), &ParseLimits::default()).expect("a message");
        let places: Vec<_> = message.places().collect();
        assert_eq!(places.len(), 3);
        assert_eq!(places[0].name, Name::Via);
        assert_eq!(&text[places[1].line.clone()], "X-Mine: one,\r\n two\r\n");
        assert_eq!(&text[places[1].at.clone()], "one,\r\n two");
        assert_eq!(&text[places[2].line.clone()], "l: 2\r\n");
        assert_eq!(&text[message.head_end()..message.body_at()], "\r\n");
        assert_eq!(message.fields_at(), places[0].line.start);
        assert_eq!(&text[message.uri_at().expect("a request")], "sip:b@x");
    }

    #[test]
    fn a_via_is_stamped_where_it_lacks_the_truth() {
        let source: SocketAddr = "192.0.2.1:5070".parse().expect("an address");
        let table = [
            ("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa"),
            ("SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa", "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa;received=192.0.2.1"),
            (
                "SIP/2.0/UDP 10.0.0.1;rport;branch=z9hG4bKa, SIP/2.0/UDP b",
                "SIP/2.0/UDP 10.0.0.1;rport=5070;received=192.0.2.1;branch=z9hG4bKa, SIP/2.0/UDP b",
            ),
            (
                "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa, SIP/2.0/UDP b",
                "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa;received=192.0.2.1, SIP/2.0/UDP b",
            ),
        ];
        for (value, wanted) in table {
            let mut out = value.to_owned();
            match via_stamp(HeaderValue::new(value.as_bytes()), source) {
                ViaStamp::True => {}
                ViaStamp::Rport(at) => out.insert_str(at, "=5070;received=192.0.2.1"),
                ViaStamp::Received(at) => out.insert_str(at, ";received=192.0.2.1"),
                ViaStamp::Rewrite => panic!("{value} needs no rewriting"),
            }
            assert_eq!(out, wanted);
        }
        let lies = HeaderValue::new(b"SIP/2.0/UDP a;received=1.2.3.4;branch=z9hG4bKa");
        assert_eq!(via_stamp(lies, source), ViaStamp::Rewrite);
        let told = stamped_via(lies, source).expect("a Via");
        assert_eq!(told, b"SIP/2.0/UDP a;branch=z9hG4bKa;received=192.0.2.1");
    }
}
