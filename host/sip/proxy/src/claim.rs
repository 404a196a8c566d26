//! Whether a request is for us to pass on: our mark in its first Route, or, from a strict router, in its Request-URI
//! (sections 16.4 and 16.12.1.2).

use crate::mark::Mark;
use sip_message::{Message, Name, UriRef};

/// A request that shows a mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Claim {
    pub(crate) mark: Mark,
    /// So many Route values at the top are ours.
    pub(crate) routes: usize,
    /// It came from a strict router: its true Request-URI is the last Route.
    pub(crate) strict: bool,
}

fn mark_of(uri: &UriRef<'_>) -> Option<Mark> {
    uri.user().and_then(Mark::read)
}

/// The mark of a Route or Record-Route value.
pub(crate) fn value_mark(value: &sip_message::HeaderValue<'_>) -> Option<Mark> {
    mark_of(&value.name_addr().ok()?.uri())
}

/// What `request` shows; the mark may be nobody's.
pub(crate) fn read(request: &Message) -> Option<Claim> {
    // Double Record-Route (RFC 5658): more than one may be ours.
    let leading = |mark| request.values(Name::Route).take_while(|value| value_mark(value) == Some(mark)).count();
    let routed = request.values(Name::Route).next().as_ref().and_then(value_mark);
    // A strict router put the first of ours into the Request-URI.
    let strict = request.request_uri().as_ref().and_then(mark_of);
    match (strict, routed) {
        (Some(mark), _) => Some(Claim { mark, routes: leading(mark), strict: true }),
        (None, Some(mark)) => Some(Claim { mark, routes: leading(mark), strict: false }),
        (None, None) => None,
    }
}
