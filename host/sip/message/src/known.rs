//! What nearly every element asks of a message, read once: where the parts of From, To, Call-ID and the top Via lie, and CSeq.
//!
//! Offsets, since a message owns its bytes; the views are made of them again for the price of a few slices.

use crate::message::Span;
use crate::params::{Param, Params};
use crate::uri::Parts;
use crate::via::Marks;
use crate::{Message, Name, NameAddrRef, ParseError, UriRef, ViaRef};

/// # Invariants
/// Every span lies within the bytes of the one message that this was read from.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) from: Result<NameAddrAt, ParseError>,
    pub(crate) to: Result<NameAddrAt, ParseError>,
    pub(crate) via: Result<ViaAt, ParseError>,
    pub(crate) cseq: Result<CSeqAt, ParseError>,
    pub(crate) call_id: Result<Span, ParseError>,
}

/// Where the parts of a name-addr lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NameAddrAt {
    display: Span,
    uri: Span,
    parts: Parts,
    params: Span,
    tag: Option<Span>,
    sound: bool,
}

/// Where the parts of a Via value lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ViaAt {
    transport: Span,
    sent_by: Span,
    host: Span,
    port: Option<u16>,
    params: Span,
    branch: Option<Span>,
    received: Option<Span>,
    rport: Option<(Span, Option<Span>)>,
    overload: bool,
    sound: bool,
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
            call_id: message.read_call_id().map(|text| message.span_of(text.as_bytes())),
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
            sound: read.is_sound(),
        }
    }

    pub(crate) fn view<'m>(&self, message: &'m Message) -> NameAddrRef<'m> {
        let uri = UriRef::again(message.cut_str(self.uri), self.parts);
        let params = Params::new(message.cut_str(self.params));
        let tag = self.tag.map(|tag| message.cut_str(tag));
        NameAddrRef::again(message.cut(self.display), uri, params, (tag, self.sound))
    }
}

impl ViaAt {
    fn of(message: &Message, read: &ViaRef<'_>) -> ViaAt {
        let span = |text: &str| message.span_of(text.as_bytes());
        let marks = read.marks();
        ViaAt {
            branch: marks.branch.map(span),
            received: marks.received.map(span),
            rport: marks.rport.map(|rport| (span(rport.name), rport.value.map(span))),
            overload: marks.overload,
            sound: marks.sound,
            transport: span(read.transport()),
            sent_by: span(read.sent_by()),
            host: span(read.host()),
            port: read.port(),
            params: span(read.params().as_str()),
        }
    }

    pub(crate) const fn is_sound(&self) -> bool {
        self.sound
    }

    pub(crate) fn view<'m>(&self, message: &'m Message) -> ViaRef<'m> {
        let host = message.cut_str(self.host);
        let sent_by = if self.sent_by == self.host { host } else { message.cut_str(self.sent_by) };
        let params = Params::new(message.cut_str(self.params));
        let cut = |span| message.cut_str(span);
        let marks = Marks {
            branch: self.branch.map(cut),
            received: self.received.map(cut),
            rport: self.rport.map(|(name, value)| Param { name: cut(name), value: value.map(cut) }),
            overload: self.overload,
            sound: self.sound,
        };
        ViaRef::again(cut(self.transport), sent_by, (host, self.port), (params, marks))
    }
}
