//! Requests outside a dialog: the checks of RFC 3261 section 8.2, then INVITE to admission and the calls, REGISTER to
//! admission and the registrar, OPTIONS answered here.

use crate::core::Core;
use crate::registering::Attempt;
use admission::{Admission, Admitted};
use bytes::Bytes;
use call::Arrival;
use model::{CompanyKind, Flow, Instant, Transport};
use sip_message::{Message, Method, Name, ParseError, ResponseWriter, UriRef, reason_phrase};
use sip_transaction::ServerKey;
use std::sync::Arc;

/// What we take outside and inside a dialog (RFC 3261 section 20.5).
const ALLOW: &str =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, MESSAGE, REGISTER, SUBSCRIBE, NOTIFY, PUBLISH";
/// The one body type we read.
const ACCEPT: &str = "application/sdp";

/// The extensions a REGISTER may require (RFC 3327, RFC 5626, RFC 5627).
const REGISTER_OPTIONS: &[&str] = &["path", "outbound", "gruu"];

/// The extensions a SUBSCRIBE may require (RFC 4662).
const SUBSCRIBE_OPTIONS: &[&str] = &["eventlist"];

/// A refusal: status and header fields.
pub(crate) type Refusal = (u16, Vec<(&'static str, String)>);

impl Core {
    /// Answers a message that is not to be processed, where it can and may be answered.
    pub(crate) fn reject(&mut self, flow: &Flow, message: Option<&Message>, error: &ParseError, now: Instant) {
        let request = message.filter(|m| m.is_request() && !matches!(m.method(), Some(Method::Ack)));
        let (Some(request), Some(status)) = (request, error.status()) else {
            self.counters.sip_dropped += 1;
            return;
        };
        if self.drops(flow, request, now) {
            self.counters.sip_dropped += 1;
            return;
        }
        self.counters.sip_rejected += 1;
        let tag = self.ids.token(12);
        let response = ResponseWriter::to(request, status, &error.reason(), flow.remote).to_tag(&tag).finish();
        self.transactions.send(sip_message::respond_target(request, flow), response);
    }

    /// A request outside any dialog.
    pub(crate) fn front_desk(&mut self, key: ServerKey, flow: Flow, request: &Message, now: Instant) {
        // A neighbour that speaks RFC 7339 reads in the Via how much to send, and is not sent away for good.
        let told = request.top_via().is_ok_and(|via| via.offers_overload_control());
        self.overload_told |= told;
        if let Err(retry_s) = self.shedder.take() {
            let later = [("Retry-After", retry_s.to_string())];
            let headers = if told { &[][..] } else { &later[..] };
            return self.answer(key, &flow, request, 503, headers, now);
        }
        let screened =
            screen(request).and_then(|()| self.screen_loops(request)).and_then(|()| self.extensions(request));
        if let Err((status, headers)) = screened {
            return self.answer(key, &flow, request, status, &headers, now);
        }
        match request.method() {
            Some(Method::Invite) => self.invite(key, flow, request, now),
            Some(Method::Register) => self.register(key, flow, request, now),
            Some(Method::Options) => {
                let headers = [
                    ("Allow", ALLOW.to_owned()),
                    ("Accept", ACCEPT.to_owned()),
                    ("Allow-Events", sip_events::ALLOW_EVENTS.to_owned()),
                ];
                self.answer(key, &flow, request, 200, &headers, now);
            }
            Some(Method::Subscribe) => self.subscribe(key, flow, request, now),
            Some(Method::Publish) => self.publish(key, &flow, request, now),
            Some(Method::Message) => self.page(key, flow, request, now),
            // A BYE or another in-dialog method without a To-tag belongs to no dialog (section 12.2.2).
            Some(Method::Bye | Method::Info | Method::Notify | Method::Prack | Method::Update) => {
                self.answer(key, &flow, request, 481, &[], now);
            }
            Some(Method::Ack | Method::Cancel | Method::Refer | Method::Other(_)) | None => {
                self.answer(key, &flow, request, 405, &[("Allow", ALLOW.to_owned())], now)
            }
        }
    }

    /// Option tags (section 8.2.2.3) and the session interval of an INVITE (RFC 4028 section 5).
    fn extensions(&self, request: &Message) -> Result<(), Refusal> {
        let invite = request.is_method(Method::Invite);
        let unsupported = if invite {
            self.dialogs.unsupported(request)
        } else {
            let known = match request.method() {
                Some(Method::Register) => REGISTER_OPTIONS,
                Some(Method::Subscribe) => SUBSCRIBE_OPTIONS,
                _ => &[],
            };
            let unknown = request.unsupported_options(known);
            (!unknown.is_empty()).then(|| unknown.join(", "))
        };
        if let Some(tags) = unsupported {
            return Err((420, vec![("Unsupported", tags)]));
        }
        match self.dialogs.session_too_short(request).filter(|_| invite) {
            Some(least) => Err((422, vec![("Min-SE", least.to_string())])),
            None => Ok(()),
        }
    }

    pub(crate) fn admit(&mut self, key: ServerKey, flow: &Flow, request: &Message, now: Instant) -> Option<Admitted> {
        match self.doorkeeper.admit(&self.directory, flow, request, now) {
            Admission::Admitted(admitted) => match of_carrier(&admitted, flow, request) {
                Ok(()) => {
                    self.counters.astray += u64::from(!self.others.shards().owns(admitted.company().brand));
                    Some(admitted)
                }
                Err(status) => {
                    self.answer(key, flow, request, status, &[], now);
                    None
                }
            },
            Admission::Challenge(values) => {
                let headers: Vec<_> = values.into_iter().map(|v| ("WWW-Authenticate", v)).collect();
                self.answer(key, flow, request, 401, &headers, now);
                None
            }
            Admission::Refused(status) => {
                self.answer(key, flow, request, status, &[], now);
                None
            }
            Admission::TooMany(retry_s) => {
                self.answer(key, flow, request, 503, &[("Retry-After", retry_s.to_string())], now);
                None
            }
        }
    }

    fn invite(&mut self, key: ServerKey, flow: Flow, request: &Message, now: Instant) {
        if self.invite_from_trunk(key, &flow, request, now) {
            return;
        }
        let Some(admitted) = self.admit(key, &flow, request, now) else { return };
        let Some(uri) = request.request_uri() else { return self.answer(key, &flow, request, 400, &[], now) };
        let service = is_emergency_service(uri);
        if !service && uri.user().is_none_or(str::is_empty) {
            return self.answer(key, &flow, request, 484, &[], now);
        }
        // A tel URI names no domain: it is dialled within the caller's (RFC 3966 section 5.1.5).
        let without_domain = service || uri.is_tel();
        if !without_domain && !self.doorkeeper.serves(&self.directory, admitted.company(), uri.host()) {
            return self.answer(key, &flow, request, 404, &[], now);
        }
        let called = match service {
            // Whichever of its services is called: the first of the company's numbers for them.
            true => admitted.company().rules.emergency.first().map(|e| (e.number.clone(), None)),
            false => self.called(uri, admitted.company().id, now),
        };
        let Some((user, gruu)) = called else {
            return self.answer(key, &flow, request, 404, &[], now);
        };
        let presented = admission::presented(&self.directory, admitted.account(), request);
        let arrival = Arrival {
            key,
            flow,
            request: request.clone(),
            company: Arc::clone(admitted.company()),
            brand_name: admitted.brand_name().to_owned(),
            account: Some(Arc::clone(admitted.account())),
            trunk: None,
            caller_user: presented.user,
            presents_own: presented.all_owned,
            verified: admitted.verified(),
            callee_user: user,
            gruu,
            id: None,
            edge: None,
            refused: None,
        };
        self.arrive(arrival, now);
    }

    fn register(&mut self, key: ServerKey, flow: Flow, request: &Message, now: Instant) {
        let Some(admitted) = self.admit(key, &flow, request, now) else { return };
        self.begin_register(Attempt { key, flow, request: request.clone(), admitted }, now);
    }

    /// The registrar's turn. `at_most_s` is the longest time that plugins allow.
    pub(crate) fn finish_register(&mut self, attempt: &Attempt, at_most_s: Option<u32>, now: Instant) {
        let Attempt { key, flow, request, admitted } = attempt;
        let policy = &self.directory.policy(admitted.company().id).registration;
        let domain = &admitted.company().domain;
        let who = registrar::Registrant { account: admitted.account(), domain, policy, at_most_s };
        let registration = self.registrar.register(&who, request, flow, now);
        if registration.status == 200 {
            self.counters.registered += 1;
            let longest = registration.contacts.iter().map(|listed| listed.expires_s).max().unwrap_or(0);
            let until = now + core::time::Duration::from_secs(u64::from(longest));
            if flow.transport == model::Transport::Udp {
                self.transactions.keep_to(flow.remote, until, now);
            }
        }
        let mut headers: Vec<(&str, String)> =
            registration.headers.iter().map(|(name, value)| (*name, value.clone())).collect();
        headers.extend(registration.contacts.iter().map(|listed| ("Contact", listed.value())));
        headers.push(("Supported", REGISTER_OPTIONS.join(", ")));
        self.answer(*key, flow, request, registration.status, &headers, now);
    }

    /// A refusal in a plugin's words.
    pub(crate) fn refusal(&mut self, flow: &Flow, request: &Message, status: u16, reason: &str) -> Bytes {
        let tag = self.ids.token(12);
        ResponseWriter::to(request, status, reason, flow.remote).to_tag(&tag).finish()
    }

    /// Answers a request that opened no dialog.
    pub(crate) fn answer(
        &mut self,
        key: ServerKey,
        flow: &Flow,
        request: &Message,
        status: u16,
        headers: &[(&str, String)],
        now: Instant,
    ) {
        let response = self.response(flow, request, status, headers);
        // A transaction whose transport failed meanwhile needs no answer.
        let _ = self.transactions.respond(key, response, now);
    }

    fn response(&mut self, flow: &Flow, request: &Message, status: u16, headers: &[(&str, String)]) -> Bytes {
        let tag = self.ids.token(12);
        let mut writer = ResponseWriter::to(request, status, reason_phrase(status), flow.remote).to_tag(&tag);
        for (name, value) in headers {
            writer = writer.header(*name, value);
        }
        if !self.server_name.is_empty() {
            writer = writer.header("Server", &self.server_name);
        }
        writer.finish()
    }
}

/// What a client that is a carrier may ask: it calls, from an address that is known, and nothing else.
fn of_carrier(admitted: &Admitted, flow: &Flow, request: &Message) -> Result<(), u16> {
    if admitted.company().kind != CompanyKind::Wholesale {
        return Ok(());
    }
    if matches!(flow.transport, Transport::Ws | Transport::Wss) {
        return Err(400);
    }
    if !request.is_method(Method::Invite) {
        return Err(501);
    }
    if admitted.verified() == "address" { Ok(()) } else { Err(403) }
}

/// Whether a URI is the emergency service, or one of its parts such as `urn:service:sos.fire` (RFC 5031 section 4.2).
fn is_emergency_service(uri: UriRef<'_>) -> bool {
    const SOS: &str = "urn:service:sos";
    let text = uri.as_str();
    let rest =
        text.get(..SOS.len()).filter(|start| start.eq_ignore_ascii_case(SOS)).and_then(|_| text.get(SOS.len()..));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The checks of RFC 3261 section 8.2 that need no state.
fn screen(request: &Message) -> Result<(), Refusal> {
    let scheme = request.request_uri().map_or("", |uri| uri.scheme());
    let service = request.is_method(Method::Invite) && request.request_uri().is_some_and(is_emergency_service);
    if !service && !["sip", "sips", "tel"].iter().any(|s| scheme.eq_ignore_ascii_case(s)) {
        return Err((416, Vec::new()));
    }
    if request.max_forwards() == Some(0) && !matches!(request.method(), Some(Method::Options | Method::Register)) {
        return Err((483, Vec::new()));
    }
    if matches!(request.method(), Some(Method::Invite)) && !request.body().is_empty() && !request.carries_session() {
        return Err((415, vec![("Accept", ACCEPT.to_owned())]));
    }
    if matches!(request.method(), Some(Method::Invite)) && !takes_sdp(request) {
        return Err((406, vec![("Accept", ACCEPT.to_owned())]));
    }
    Ok(())
}

/// Whether the caller would read our session description (RFC 4475 section 3.3.15): no Accept means that it would.
fn takes_sdp(request: &Message) -> bool {
    let ranges: Vec<String> = request.values(Name::Accept).map(|v| v.text().into_owned()).collect();
    let bare = |range: &str| range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    ranges.is_empty() || ranges.iter().any(|r| ["application/sdp", "application/*", "*/*"].contains(&bare(r).as_str()))
}
