//! Whether a request is for us to pass on: our mark in its first Route, or, from a strict router, in its Request-URI
//! (sections 16.4 and 16.12.1.2).

use crate::mark::Mark;
use model::IdSource;
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

/// Which of several shards drew the mark that a request within a dialog shows, if it shows one.
#[must_use]
pub fn shown_shard(request: &Message) -> Option<u8> {
    let tagged = request.to().is_ok_and(|to| to.tag().is_some());
    let claim = if tagged { read(request) } else { None }?;
    let first = claim.mark.text()[0];
    IdSource::shard_of(core::str::from_utf8(&[first]).ok()?)
}

/// What `request` shows; the mark may be nobody's.
pub(crate) fn read(request: &Message) -> Option<Claim> {
    let routed = request.top_route().and_then(|route| mark_of(&route.uri()));
    // A strict router put the first of ours into the Request-URI.
    let strict = request.request_uri().as_ref().and_then(mark_of);
    let mark = strict.or(routed)?;
    // Double Record-Route (RFC 5658): more than one may be ours.
    let top = usize::from(routed == Some(mark));
    let more = request.values(Name::Route).skip(1).take_while(|value| value_mark(value) == Some(mark));
    let routes = if top == 0 { 0 } else { top + more.count() };
    Some(Claim { mark, routes, strict: strict.is_some() })
}
