//! Page-mode messages (RFC 3428): one MESSAGE to every place where its addressee is; the first success is the answer.
//!
//! Nothing is stored. The sender hears what happened: 2xx once one phone has it, else the best of the failures.

use bytes::Bytes;
use model::{Flow, Instant};
use sip_message::{Message, Name, RequestWriter, ResponseWriter};
use sip_transaction::{ClientKey, Layer, ServerKey};
use std::collections::BTreeMap;

/// Sent where nobody took the message: RFC 4320 forbids a late 408.
const UNAVAILABLE: u16 = 480;
/// Header fields that belong to the message and not to its way (RFC 3428 section 8, RFC 3261 section 20).
const CARRIED: &[Name<'static>] = &[
    Name::Subject,
    Name::Date,
    Name::Expires,
    Name::InReplyTo,
    Name::Priority,
    Name::ContentDisposition,
    Name::ContentEncoding,
    Name::ContentLanguage,
];

/// A MESSAGE that may go out.
#[derive(Debug)]
pub struct Page<'a> {
    /// The transaction to answer.
    pub server: ServerKey,
    /// Where it came from.
    pub flow: Flow,
    /// The request.
    pub request: &'a Message,
    /// The sender as its phone may be called back: a name-addr without a tag.
    pub from: String,
    /// The addressee's URI.
    pub to: String,
    /// Where the addressee is.
    pub places: Vec<Place>,
}

/// Where somebody is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The way to it.
    pub flow: Flow,
    /// The Request-URI.
    pub uri: String,
    /// Route values, nearest first: a binding's Path (RFC 3327 section 5.3).
    pub routes: Vec<String>,
}

/// A message on its way.
#[derive(Debug)]
struct Waiting {
    server: ServerKey,
    flow: Flow,
    request: Message,
    /// Places that have not answered.
    open: usize,
    /// The best failure so far.
    best: u16,
}

/// Every message on its way.
///
/// # Invariants
/// `clients` names every copy that is under way, whether its message waits or has been answered; a waiting message has
/// `open` of them.
#[derive(Debug)]
pub struct Messages {
    waiting: BTreeMap<u64, Waiting>,
    clients: BTreeMap<ClientKey, u64>,
    ids: model::IdSource,
    user_agent: String,
    next: u64,
}

impl Messages {
    /// Nothing on its way.
    #[must_use]
    pub fn new(ids: model::IdSource, user_agent: &str) -> Messages {
        Messages { waiting: BTreeMap::new(), clients: BTreeMap::new(), ids, user_agent: user_agent.to_owned(), next: 1 }
    }

    /// Sends a copy to every place. Without a place it is answered 480.
    pub fn send(&mut self, tx: &mut Layer, page: Page<'_>, now: Instant) {
        let Page { server, flow, request, from, to, places } = page;
        let number = self.next;
        self.next += 1;
        let waiting = Waiting { server, flow, request: request.clone(), open: places.len(), best: UNAVAILABLE };
        let hops = request.next_max_forwards().unwrap_or(0);
        let call_id = self.ids.token(26);
        let sender = format!("{from};tag={}", self.ids.token(20));
        for place in places {
            let mut copy = routed(RequestWriter::new("MESSAGE", &place.uri), &place.routes)
                .header("Max-Forwards", hops.to_string())
                .header("From", &sender)
                .header("To", format!("<{to}>"))
                .header("Call-ID", &call_id)
                .header("CSeq", "1 MESSAGE");
            for name in CARRIED {
                copy = copy.copy(request, *name);
            }
            if !self.user_agent.is_empty() {
                copy = copy.header("User-Agent", &self.user_agent);
            }
            if !request.body().is_empty() {
                let media_type = request.header(Name::ContentType).map(|v| v.text().into_owned());
                copy = copy.body(media_type.as_deref().unwrap_or("text/plain"), request.body_bytes());
            }
            self.clients.insert(tx.request(place.flow, copy, now), number);
        }
        if waiting.open == 0 {
            return self.answer(tx, &waiting, UNAVAILABLE, now);
        }
        self.waiting.insert(number, waiting);
    }

    /// Whether a copy of ours is what this transaction carries.
    #[must_use]
    pub fn owns(&self, client: ClientKey) -> bool {
        self.clients.contains_key(&client)
    }

    /// A response to a copy.
    pub fn handle_response(&mut self, tx: &mut Layer, client: ClientKey, status: u16, now: Instant) {
        if status < 200 {
            return;
        }
        let Some(number) = self.clients.remove(&client) else { return };
        let Some(waiting) = self.waiting.get_mut(&number) else { return };
        waiting.open = waiting.open.saturating_sub(1);
        if status >= 300 {
            waiting.best = better(waiting.best, status);
        }
        if (200..300).contains(&status) || waiting.open == 0 {
            let verdict = if status < 300 { status } else { waiting.best };
            if let Some(waiting) = self.waiting.remove(&number) {
                self.answer(tx, &waiting, verdict, now);
            }
        }
    }

    /// A copy had no answer or could not be sent.
    pub fn handle_client_failed(&mut self, tx: &mut Layer, client: ClientKey, now: Instant) {
        self.handle_response(tx, client, UNAVAILABLE, now);
    }

    /// Copies under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Whether nothing is on its way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty() && self.waiting.is_empty()
    }

    fn answer(&mut self, tx: &mut Layer, waiting: &Waiting, status: u16, now: Instant) {
        let tag = self.ids.token(12);
        let mut writer = ResponseWriter::to(&waiting.request, status, "", waiting.flow.remote).to_tag(&tag);
        if !self.user_agent.is_empty() {
            writer = writer.header("Server", &self.user_agent);
        }
        let response: Bytes = writer.finish();
        // A transaction that is over needs no answer.
        let _ = tx.respond(waiting.server, response, now);
    }
}

/// The request with these Route values.
pub(crate) fn routed(request: RequestWriter, routes: &[String]) -> RequestWriter {
    routes.iter().fold(request, |request, route| request.header("Route", route))
}

/// Which of two failures the sender is told: a global one first, else what a phone said over what we say. What only
/// its recipient can do something about (a challenge, a redirection) is no more than unavailable.
fn better(best: u16, status: u16) -> u16 {
    let status = match status {
        300..=399 | 401 | 407 | 408 | 481 => UNAVAILABLE,
        other => other,
    };
    if best >= 600 || status == UNAVAILABLE {
        best
    } else if best == UNAVAILABLE || status >= 600 {
        status
    } else {
        best.min(status)
    }
}

#[cfg(test)]
mod tests {
    use super::better;

    #[test]
    fn the_best_failure_is_the_one_that_says_most() {
        for (statuses, best) in
            [(&[408, 401][..], 480), (&[486, 408], 486), (&[503, 415], 415), (&[415, 603, 600], 603), (&[302], 480)]
        {
            assert_eq!(statuses.iter().fold(480, |b, s| better(b, *s)), best, "{statuses:?}");
        }
    }
}
