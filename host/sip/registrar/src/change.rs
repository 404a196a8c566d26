//! What a REGISTER wants changed: steps 6 and 7 of RFC 3261 section 10.3, worked out on a copy, so that a request
//! that fails anywhere changes nothing.

use crate::binding::{Binding, reach};
use core::time::Duration;
use model::{Flow, Instant, Limits};
use sip_message::{Contacts, Message, Name, NameAddrRef, UriRef};

/// Granted when the phone names no time, or one that cannot be read (section 10.2.1.1, 10.3 step 7).
const EXPIRES_DEFAULT_S: u32 = 3_600;

/// Why a REGISTER fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    /// 400: the request contradicts itself.
    Malformed,
    /// 423: the interval is too brief.
    TooBrief,
    /// 500: older than what is stored (section 10.3 names no status; 12.2.2 uses this one for the same fault).
    OutOfOrder,
    /// 403: more contacts than an account may have. Retrying does not help, so no 5xx.
    TooMany,
}

/// The bindings of an account as they will be, and what that changes.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) bindings: Vec<Binding>,
    /// Contacts added or refreshed, with the seconds granted.
    pub(crate) registered: Vec<(String, u32)>,
    /// Contacts removed.
    pub(crate) unregistered: Vec<String>,
}

/// A REGISTER: what all of its contacts share.
struct Request<'a> {
    message: &'a Message,
    call_id: &'a str,
    cseq: u32,
    flow: &'a Flow,
    now: Instant,
}

/// Works out what `message` makes of `current`. `Ok(None)`: it has no Contact and only asks.
pub(crate) fn work_out(
    current: &[Binding],
    message: &Message,
    flow: &Flow,
    limits: &Limits,
    now: Instant,
) -> Result<Option<Change>, Refused> {
    let (Ok(contacts), Ok(call_id), Ok(cseq)) = (message.contacts(), message.call_id(), message.cseq()) else {
        return Err(Refused::Malformed);
    };
    let request = Request { message, call_id, cseq: cseq.number, flow, now };
    let mut change = Change { bindings: current.to_vec(), registered: Vec::new(), unregistered: Vec::new() };
    match contacts {
        Contacts::Star => remove_all(&request, &mut change)?,
        Contacts::List(list) if list.is_empty() => return Ok(None),
        // No phone of ours has so many contacts; this bounds the work of comparing them.
        Contacts::List(list) if list.len() > limits.bindings_per_aor_max.saturating_mul(2) => {
            return Err(Refused::TooMany);
        }
        Contacts::List(list) => {
            for contact in &list {
                apply(&request, contact, current, limits, &mut change)?;
            }
        }
    }
    if change.bindings.len() > limits.bindings_per_aor_max {
        return Err(Refused::TooMany);
    }
    Ok(Some(change))
}

/// Step 6: `*` stands alone, with an Expires header field of zero; each binding is checked for order.
fn remove_all(request: &Request<'_>, change: &mut Change) -> Result<(), Refused> {
    if request.message.expires() != Some(0) {
        return Err(Refused::Malformed);
    }
    for binding in &change.bindings {
        check_order(request, binding)?;
    }
    change.unregistered = change.bindings.drain(..).map(|binding| binding.contact).collect();
    Ok(())
}

/// Step 7, for one contact.
fn apply(
    request: &Request<'_>,
    contact: &NameAddrRef<'_>,
    current: &[Binding],
    limits: &Limits,
    change: &mut Change,
) -> Result<(), Refused> {
    let uri = contact.uri();
    if !uri.is_sip() || uri.is_secure() {
        // Nothing else can be called from here.
        return Err(Refused::Malformed);
    }
    let stored = without_headers(&uri);
    // Order is checked against what was stored before this request, which may name a contact twice.
    if let Some(known) = current.iter().find(|known| is_same(known, stored)) {
        check_order(request, known)?;
    }
    let at = change.bindings.iter().position(|known| is_same(known, stored));
    let granted_s = match asked_s(request.message, contact) {
        0 => {
            // Removing what is not there is no fault: the phone wants it gone, and it is.
            if let Some(at) = at {
                let gone = change.bindings.remove(at);
                change.registered.retain(|(contact, _)| *contact != gone.contact);
                change.unregistered.push(gone.contact);
            }
            return Ok(());
        }
        asked if asked < limits.registration_min_s => return Err(Refused::TooBrief),
        asked => asked.min(limits.registration_max_s),
    };
    let binding = Binding {
        contact: stored.to_owned(),
        flow: reach(stored, request.flow),
        call_id: request.call_id.to_owned(),
        cseq: request.cseq,
        refreshed_at: request.now,
        expires_at: request.now + Duration::from_secs(u64::from(granted_s)),
        q: contact.q().unwrap_or(1_000),
        user_agent: user_agent(request.message),
        received: request.flow.remote,
    };
    change.registered.retain(|(contact, _)| *contact != binding.contact);
    change.unregistered.retain(|contact| *contact != binding.contact);
    change.registered.push((binding.contact.clone(), granted_s));
    match at {
        Some(at) => change.bindings[at] = binding,
        None => change.bindings.push(binding),
    }
    Ok(())
}

fn user_agent(message: &Message) -> String {
    message.header(Name::UserAgent).map(|value| value.text().into_owned()).unwrap_or_default()
}

/// Section 10.3: a request of the same Call-ID must come after the one that was stored.
fn check_order(request: &Request<'_>, known: &Binding) -> Result<(), Refused> {
    let in_order = known.call_id != request.call_id || known.cseq < request.cseq;
    if in_order { Ok(()) } else { Err(Refused::OutOfOrder) }
}

/// The contact's own `expires`, else the Expires header field, else the default.
fn asked_s(message: &Message, contact: &NameAddrRef<'_>) -> u32 {
    if contact.param("expires").is_some() {
        contact.expires().unwrap_or(EXPIRES_DEFAULT_S)
    } else {
        message.expires().unwrap_or(EXPIRES_DEFAULT_S)
    }
}

fn is_same(known: &Binding, contact: &str) -> bool {
    match (UriRef::parse(&known.contact), UriRef::parse(contact)) {
        (Ok(one), Ok(two)) => one.equivalent(&two),
        (Ok(_) | Err(_), Ok(_) | Err(_)) => known.contact == contact,
    }
}

/// The URI up to its header fields, which may not stand in a Request-URI (section 19.1.1, RFC 4475 section 3.1.1.5).
fn without_headers<'a>(uri: &UriRef<'a>) -> &'a str {
    let text = uri.as_str();
    let headers = uri.headers().map_or(0, |headers| headers.len() + 1);
    text.get(..text.len().saturating_sub(headers)).unwrap_or(text)
}
