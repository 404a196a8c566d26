//! What nearly every element asks of a message, read once: where the parts of From, To and the top Via lie, and CSeq.
//!
//! Offsets, since a message owns its bytes; the views are made of them again for the price of a few slices.

use crate::message::Span;
use crate::name_addr::Tag;
use crate::params::Params;
use crate::uri::Parts;
use crate::{Message, Name, NameAddrRef, ParseError, UriRef, ViaRef};

/// # Invariants
/// Every span lies within the bytes of the one message that this was read from.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) from: Result<NameAddrAt, ParseError>,
    pub(crate) to: Result<NameAddrAt, ParseError>,
    pub(crate) via: Result<ViaAt, ParseError>,
    pub(crate) cseq: Result<CSeqAt, ParseError>,
}

/// Where the parts of a name-addr lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NameAddrAt {
    display: Span,
    uri: Span,
    parts: Parts,
    params: Span,
    tag: Option<Span>,
}

/// Where the parts of a Via value lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ViaAt {
    transport: Span,
    sent_by: Span,
    host: Span,
    port: Option<u16>,
    params: Span,
}

/// The number, and where the method lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CSeqAt {
    pub(crate) number: u32,
    pub(crate) method: Span,
}

impl Known {
    pub(crate) fn read(message: &Message) -> Known {
        let party = |name| message.read_name_addr(name).map(|read| NameAddrAt::of(message, &read));
        Known {
            from: party(Name::From),
            to: party(Name::To),
            via: message.read_top_via().map(|read| ViaAt::of(message, &read)),
            cseq: message
                .read_cseq()
                .map(|(number, method)| CSeqAt { number, method: message.span_of(method.as_bytes()) }),
        }
    }
}

impl NameAddrAt {
    fn of(message: &Message, read: &NameAddrRef<'_>) -> NameAddrAt {
        NameAddrAt {
            display: message.span_of(read.display_raw()),
            uri: message.span_of(read.uri().as_str().as_bytes()),
            parts: read.uri().parts(),
            params: message.span_of(read.params().as_str().as_bytes()),
            tag: read.tag().map(|tag| message.span_of(tag.as_bytes())),
        }
    }

    pub(crate) fn view<'m>(&self, message: &'m Message) -> NameAddrRef<'m> {
        let uri = UriRef::again(message.cut_str(self.uri), self.parts);
        let params = Params::new(message.cut_str(self.params));
        let tag = Tag::Read(self.tag.map(|tag| message.cut_str(tag)));
        NameAddrRef::again(message.cut(self.display), uri, params, tag)
    }
}

impl ViaAt {
    fn of(message: &Message, read: &ViaRef<'_>) -> ViaAt {
        let span = |text: &str| message.span_of(text.as_bytes());
        ViaAt {
            transport: span(read.transport()),
            sent_by: span(read.sent_by()),
            host: span(read.host()),
            port: read.port(),
            params: span(read.params().as_str()),
        }
    }

    pub(crate) fn view<'m>(&self, message: &'m Message) -> ViaRef<'m> {
        let host = message.cut_str(self.host);
        let sent_by = if self.sent_by == self.host { host } else { message.cut_str(self.sent_by) };
        let params = Params::new(message.cut_str(self.params));
        ViaRef::again(message.cut_str(self.transport), sent_by, (host, self.port), params)
    }
}
