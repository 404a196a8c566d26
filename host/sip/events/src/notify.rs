//! Telling: what a NOTIFY says, when it leaves, and what its answer means (RFC 6665 section 4.2.2).

use crate::list::{self, Frame, Shown};
use crate::notifier::Notifier;
use crate::resource::{Resource, ResourceKey};
use crate::subscription::{SubKey, Subscription, Want};
use bytes::Bytes;
use core::time::Duration;
use model::{Flow, Instant};
use sip_message::{Message, Name, RequestWriter};
use sip_transaction::{ClientKey, Layer};
use std::collections::BTreeMap;

/// Longest wait that a subscriber may ask for with Retry-After, in seconds.
const RETRY_MAX_S: u32 = 300;
/// Statuses that end the subscription whatever else they say (RFC 5057 section 5.1, RFC 6665 section 4.2.2).
const FATAL: &[u16] = &[404, 405, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604];

/// A body with its type.
type Body = (String, Bytes);

impl Notifier {
    /// Sends what a subscription wants to say, if it may be said now, and sets its deadline.
    pub(crate) fn pump(&mut self, tx: &mut Layer, key: SubKey, now: Instant) {
        let Notifier { config, ids, subs, resources, .. } = self;
        let Some(sub) = subs.get_mut(&key) else { return };
        let mut not_before = None;
        if sub.in_flight.is_none() {
            if sub.ending.is_none() && now >= sub.expires_at {
                sub.ending = Some(crate::Reason::Timeout);
            }
            if sub.ending.is_some() && sub.told_end {
                return self.remove(key);
            }
            let is_due = sub.want != Want::Nothing && now >= sub.not_before;
            let is_known = now >= sub.patience || knows_enough(sub, resources);
            if (sub.ending.is_some() || is_due) && !is_known {
                not_before = Some(sub.patience);
            } else if sub.ending.is_some() || is_due {
                let body = match &sub.list {
                    None => single(sub, resources),
                    Some(_) => many(sub, resources, config.list_bytes_max, &ids.token(20)),
                };
                if body.is_some() || sub.ending.is_some() {
                    sub.not_before = now + config.gap;
                    sub.told_end = sub.ending.is_some();
                    let (flow, request) = notify(sub, body, &config.user_agent, now);
                    let client = tx.request(flow, request, now);
                    sub.in_flight = Some(client);
                    self.clients.insert(client, key);
                    self.counters.notified += 1;
                }
            }
        }
        self.arm(key, not_before);
    }

    /// A response to a NOTIFY.
    pub fn handle_response(&mut self, tx: &mut Layer, client: ClientKey, response: &Message, now: Instant) {
        let status = response.status().unwrap_or_default();
        if status < 200 {
            return;
        }
        let Some(key) = self.clients.remove(&client) else { return };
        let Some(sub) = self.subs.get_mut(&key) else { return };
        sub.in_flight = None;
        if status >= 300 {
            let wait = response.header(Name::RetryAfter).and_then(|v| seconds(&v.text()));
            match wait.filter(|_| !FATAL.contains(&status) && sub.ending.is_none()) {
                Some(wait) => {
                    sub.want = Want::Full;
                    sub.not_before = now + Duration::from_secs(u64::from(wait.clamp(1, RETRY_MAX_S)));
                }
                None => {
                    self.counters.failed += 1;
                    return self.remove(key);
                }
            }
        }
        self.pump(tx, key, now);
    }

    /// A NOTIFY had no answer or could not be sent: nobody is there.
    pub fn handle_client_failed(&mut self, client: ClientKey) {
        if let Some(key) = self.clients.remove(&client) {
            self.counters.failed += 1;
            self.remove(key);
        }
    }
}

/// The number of a Retry-After, which may go on with a comment.
fn seconds(text: &str) -> Option<u32> {
    text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Whether facts have come about everything that is watched; they do in the very step of the first SUBSCRIBE.
fn knows_enough(sub: &Subscription, resources: &BTreeMap<ResourceKey, Resource>) -> bool {
    sub.watched.iter().all(|w| resources.get(&w.key).is_some_and(|r| r.generation > 0))
}

/// The document of a subscription to one resource; `None` where there is nothing to say.
fn single(sub: &mut Subscription, resources: &mut BTreeMap<ResourceKey, Resource>) -> Option<Body> {
    let want = core::mem::replace(&mut sub.want, Want::Nothing);
    let watch = sub.watched.first_mut()?;
    let resource = resources.get_mut(&watch.key)?;
    let document = match watch.seen {
        Some(seen) if want < Want::Full && seen == resource.generation => return None,
        Some(seen) if want < Want::Full => resource.since(seen)?,
        Some(_) | None => resource.full()?,
    };
    watch.seen = Some(resource.generation);
    let body = document.body(watch.version);
    watch.version = watch.version.wrapping_add(1);
    Some((document.media_type().to_owned(), body))
}

/// The document of a subscription to a list; `None` where there is nothing to say. Each state in it is a whole one.
fn many(
    sub: &mut Subscription,
    resources: &mut BTreeMap<ResourceKey, Resource>,
    bytes_max: usize,
    boundary: &str,
) -> Option<Body> {
    let full = core::mem::replace(&mut sub.want, Want::Nothing) == Want::Full;
    let mut shown = Vec::new();
    let mut room = bytes_max;
    for watch in &mut sub.watched {
        let Some(resource) = resources.get_mut(&watch.key) else { continue };
        let news = full || watch.seen != Some(resource.generation);
        if !news {
            continue;
        }
        let document = resource.full();
        let size = document.as_ref().map_or(0, crate::Document::len) + 300;
        // One at least, or it would never end.
        let fits = size <= room || shown.is_empty();
        if !fits {
            watch.seen = None;
            sub.want = Want::Change;
            if !full {
                continue;
            }
        }
        let state = document.filter(|_| fits).map(|document| {
            let body = document.body(watch.version);
            watch.version = watch.version.wrapping_add(1);
            (document.media_type(), body)
        });
        if fits {
            room = room.saturating_sub(size);
            watch.seen = Some(resource.generation);
        }
        shown.push(Shown { uri: &watch.uri, name: &watch.name, state, gone: resource.is_gone() });
    }
    if shown.is_empty() && !full {
        return None;
    }
    let uri = sub.list.as_ref().map_or("", |list| list.uri.as_str());
    let body = list::body(Frame { uri, version: sub.version, full, boundary }, &shown);
    sub.version = sub.version.wrapping_add(1);
    Some(body)
}

/// The NOTIFY and the flow that it leaves on.
fn notify(sub: &mut Subscription, body: Option<Body>, user_agent: &str, now: Instant) -> (Flow, RequestWriter) {
    let hop = sub.dialog.path.hop();
    sub.dialog.local_cseq = sub.dialog.local_cseq.wrapping_add(1);
    let state = match sub.ending {
        Some(reason) => format!("terminated;reason={}", reason.word()),
        None => format!("active;expires={}", sub.left_s(now)),
    };
    let mut request = RequestWriter::new("NOTIFY", &hop.request_uri);
    for route in &hop.routes {
        request = request.header("Route", route);
    }
    request = request
        .header("Max-Forwards", "70")
        .header("From", &sub.dialog.local)
        .header("To", &sub.dialog.remote)
        .header("Call-ID", &sub.dialog.call_id)
        .header("CSeq", format!("{} NOTIFY", sub.dialog.local_cseq))
        .header("Contact", &sub.dialog.contact)
        .header("Event", &sub.event)
        .header("Subscription-State", state);
    if sub.list.is_some() {
        request = request.header("Require", "eventlist");
    }
    if !user_agent.is_empty() {
        request = request.header("User-Agent", user_agent);
    }
    if let Some((content_type, body)) = body {
        request = request.body(&content_type, body);
    }
    (hop.flow, request)
}
