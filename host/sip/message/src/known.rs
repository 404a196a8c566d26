//! What nearly every element asks of a message, read once: where the parts of the Request-URI, From, To, Call-ID, the top
//! Via, the only Contact and the first Route lie, and CSeq.
//!
//! Offsets, since a message owns its bytes; the views are made of them again for the price of one slice.

use crate::message::Span;
use crate::name_addr::NameAddrAt;
use crate::uri::Parts;
use crate::via::ViaAt;
use crate::{HeaderValue, Message, Method, Name, NameAddrRef, ParseError, UriRef};

/// # Invariants
/// Every span lies within the bytes of the one message that this was read from.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// `None` in a response, and where it cannot be read.
    pub(crate) uri: Option<Parts>,
    pub(crate) from: Result<At<NameAddrAt>, ParseError>,
    pub(crate) to: Result<At<NameAddrAt>, ParseError>,
    pub(crate) via: Result<At<ViaAt>, ParseError>,
    /// Whether another Via value follows the top one.
    pub(crate) more_vias: bool,
    pub(crate) cseq: Result<CSeqAt, ParseError>,
    pub(crate) call_id: Result<Span, ParseError>,
    /// If there is one that can be read and nothing beside it; see [`Message::only_contact`].
    pub(crate) contact: Option<At<NameAddrAt>>,
    /// The first, if it can be read.
    pub(crate) route: Option<At<NameAddrAt>>,
}

/// A value, and where its parts lie in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<T> {
    pub(crate) value: Span,
    pub(crate) parts: T,
}

/// The number, and where the method lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CSeqAt {
    pub(crate) number: u32,
    pub(crate) method: Span,
    /// The method, if it is one that we know.
    pub(crate) known: Option<Method<'static>>,
}

impl Known {
    pub(crate) fn read(message: &Message) -> Known {
        let (via, more_vias) = top_via(message);
        Known {
            uri: message.request_uri_str().and_then(|text| UriRef::parse(text).ok()).map(|uri| uri.parts()),
            from: party(message, Name::From),
            to: party(message, Name::To),
            call_id: message.read_call_id(),
            via,
            more_vias,
            cseq: message.read_cseq().map(|(number, method)| CSeqAt {
                number,
                method: message.span_of(method.as_bytes()),
                known: Method::known(method),
            }),
            contact: only_contact(message),
            route: first_route(message),
        }
    }
}

fn party(message: &Message, name: Name<'static>) -> Result<At<NameAddrAt>, ParseError> {
    let (value, text) = message.required(name)?;
    let parts = NameAddrAt::read(text).ok_or(ParseError::Malformed(name))?;
    Ok(At { value, parts })
}

fn top_via(message: &Message) -> (Result<At<ViaAt>, ParseError>, bool) {
    let malformed = ParseError::Malformed(Name::Via);
    let mut list = match message.required(Name::Via) {
        Ok((_, field)) => field.list(),
        Err(missing) => return (Err(missing), false),
    };
    let first = list.next();
    let fields = || message.is_repeated(Name::Via) && message.values(Name::Via).nth(1).is_some();
    let more = list.next().is_some() || fields();
    let read = first.and_then(|first| {
        let parts = first.to_str().and_then(ViaAt::read)?;
        Some(At { value: message.span_of(first.as_bytes()), parts })
    });
    (read.ok_or(malformed), more)
}

fn only_contact(message: &Message) -> Option<At<NameAddrAt>> {
    if message.is_repeated(Name::Contact) {
        return None;
    }
    let (value, text) = message.required(Name::Contact).ok()?;
    if text == "*" || text.is_list() {
        return None;
    }
    Some(At { value, parts: NameAddrAt::read(text)? })
}

fn first_route(message: &Message) -> Option<At<NameAddrAt>> {
    let first = message.required(Name::Route).ok()?.1.list().next()?;
    Some(At { value: message.span_of(first.as_bytes()), parts: NameAddrAt::read(first)? })
}

impl At<NameAddrAt> {
    pub(crate) fn view<'m>(&self, message: &'m Message) -> NameAddrRef<'m> {
        NameAddrRef::again(self.value(message), self.parts)
    }

    fn value<'m>(&self, message: &'m Message) -> HeaderValue<'m> {
        message.value_at(self.value)
    }
}
