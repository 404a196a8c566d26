//! One subscription: its dialog, what it watches, and what the subscriber has been told.

use crate::notifier::Member;
use crate::package::{Package, event_id};
use crate::resource::ResourceKey;
use core::time::Duration;
use model::{AccountId, Flow, IdSource, Instant, Transport};
use sip_message::{DialogPath, Message, Name};
use sip_transaction::ClientKey;

/// The characters of a tag of ours: 100 random bits, so that a tag alone names a subscription.
const TAG_LEN: usize = 20;

/// One subscription; never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct SubKey(pub(crate) u64);

/// Why a subscription ends (RFC 6665 section 4.1.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// It ran out, or the subscriber ended it.
    Timeout,
    /// What was watched is no more.
    NoResource,
    /// The subscriber may not watch it any more.
    Rejected,
    /// Subscribe again at once: the state has moved.
    Deactivated,
}

impl Reason {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Reason::Timeout => "timeout",
            Reason::NoResource => "noresource",
            Reason::Rejected => "rejected",
            Reason::Deactivated => "deactivated",
        }
    }
}

/// What the next NOTIFY shall say; a later one says more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Want {
    Nothing,
    Change,
    Full,
}

/// One watched resource, and what the subscriber knows of it.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pub(crate) key: ResourceKey,
    pub(crate) uri: String,
    pub(crate) name: String,
    /// The generation told last.
    pub(crate) seen: Option<u64>,
    /// How many documents about it were sent.
    pub(crate) version: u32,
}

impl Watch {
    pub(crate) fn new(member: Member) -> Watch {
        Watch { key: member.key, uri: member.uri, name: member.name, seen: None, version: 0 }
    }
}

/// One subscription.
///
/// # Invariants
/// `in_flight` is the one NOTIFY without a final response; while there is one, no other leaves. A subscription with an
/// `ending` leaves the table when its last NOTIFY is done.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) owner: AccountId,
    pub(crate) package: Package,
    /// The value of Event, as the subscriber matches it.
    pub(crate) event: String,
    /// The list, for a subscription to one.
    pub(crate) list: Option<Member>,
    pub(crate) watched: Vec<Watch>,
    pub(crate) dialog: Dialog,
    /// NOTIFYs sent that carried a list.
    pub(crate) version: u32,
    pub(crate) expires_at: Instant,
    /// The pace: no NOTIFY about a change leaves earlier.
    pub(crate) not_before: Instant,
    /// From then on a NOTIFY leaves even if the facts have not come.
    pub(crate) patience: Instant,
    pub(crate) in_flight: Option<ClientKey>,
    pub(crate) want: Want,
    pub(crate) ending: Option<Reason>,
    /// The last NOTIFY is out.
    pub(crate) told_end: bool,
    /// Its place in the timer queue.
    pub(crate) armed: Option<Instant>,
}

impl Subscription {
    /// When it wants to act by itself; never while a NOTIFY is out, whose transaction has a deadline of its own.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.in_flight.is_some() {
            return None;
        }
        match self.want {
            Want::Nothing => Some(self.expires_at),
            Want::Change | Want::Full => Some(self.expires_at.min(self.not_before)),
        }
    }

    /// Whether `request` is one of the subscriber's within this subscription (RFC 3261 section 12.2.2).
    pub(crate) fn matches(&self, request: &Message) -> bool {
        let tag = request.from().ok().and_then(|from| from.tag().map(str::to_owned)).unwrap_or_default();
        request.call_id() == Ok(self.dialog.call_id.as_str()) && tag == self.dialog.remote_tag
    }

    /// Whether `request` names the event that this subscription is about.
    pub(crate) fn is_about(&self, request: &Message) -> bool {
        let event = request.header(Name::Event).and_then(|v| v.to_str().map(str::to_owned)).unwrap_or_default();
        Package::of_event(&event) == Some(self.package) && event_value(self.package, &event) == self.event
    }

    /// Seconds left, as Subscription-State says them.
    pub(crate) fn left_s(&self, now: Instant) -> u64 {
        self.expires_at.since(now).as_secs()
    }

    pub(crate) fn renew(&mut self, expires_s: u32, now: Instant) {
        self.expires_at = now + Duration::from_secs(u64::from(expires_s));
        self.want = Want::Full;
        // A subscriber is answered at once whatever the pace (RFC 6665 section 4.2.1.2).
        self.not_before = now;
    }
}

/// What a NOTIFY's Event says: the package and the subscriber's `id`.
pub(crate) fn event_value(package: Package, asked: &str) -> String {
    match event_id(asked) {
        Some(id) => format!("{};id={id}", package.token()),
        None => package.token().to_owned(),
    }
}

/// The dialog of a subscription, seen from us (RFC 3261 section 12).
#[derive(Debug)]
pub(crate) struct Dialog {
    pub(crate) call_id: String,
    pub(crate) local_tag: String,
    pub(crate) remote_tag: String,
    /// The subscriber's To with our tag: the From of our NOTIFYs.
    pub(crate) local: Vec<u8>,
    /// The subscriber's From.
    pub(crate) remote: Vec<u8>,
    pub(crate) local_cseq: u32,
    pub(crate) remote_cseq: u32,
    pub(crate) path: DialogPath,
    pub(crate) contact: String,
}

impl Dialog {
    /// The dialog that a SUBSCRIBE makes; `None` where it lacks what a dialog needs.
    pub(crate) fn of_request(request: &Message, flow: Flow, ids: &mut IdSource) -> Option<Dialog> {
        // RFC 6665 section 4.1.2.1: it must have a Contact, which is where NOTIFY goes.
        request.values(Name::Contact).next()?.name_addr().ok().filter(|contact| contact.uri().is_sip())?;
        let local_tag = ids.token(TAG_LEN);
        let raw = |name| request.header(name).map(|v| v.unfolded().into_owned());
        let mut local = raw(Name::To)?;
        local.extend_from_slice(format!(";tag={local_tag}").as_bytes());
        Some(Dialog {
            call_id: request.call_id().ok()?.to_owned(),
            local_tag,
            remote_tag: request.from().ok()?.tag().unwrap_or_default().to_owned(),
            local,
            remote: raw(Name::From)?,
            local_cseq: 0,
            remote_cseq: request.cseq().ok()?.number,
            path: DialogPath::of_request(request, flow),
            contact: own_contact(&flow),
        })
    }
}

/// The URI by which `flow`'s peer reaches us: the Contact of our dialogs.
fn own_contact(flow: &Flow) -> String {
    if flow.transport == Transport::Udp {
        return format!("<sip:{}>", flow.local);
    }
    format!("<sip:{};transport={}>", flow.local, flow.transport.uri_token())
}
