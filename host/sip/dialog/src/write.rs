//! The messages of a dialog: requests by section 12.2.1.1, responses by sections 12.1.1 and 8.2.6 of RFC 3261.

use crate::dialog::Dialog;
use crate::usage::{By, Cx};
use crate::{Config, InDialog, InviteSpec, Transactions};
use bytes::Bytes;
use model::Flow;
use sip_message::{Hop, Message, Method, Name, RequestWriter, ResponseWriter};
use sip_transaction::ServerKey;

const SDP: &str = "application/sdp";
const MAX_FORWARDS: &str = "70";

/// What a response says beyond what it copies from its request.
#[derive(Clone, Debug)]
pub(crate) struct Reply<'a> {
    pub(crate) status: u16,
    /// Empty for the usual phrase.
    pub(crate) reason: &'a str,
    pub(crate) sdp: Option<Bytes>,
    pub(crate) headers: &'a [(String, String)],
}

impl Reply<'_> {
    /// A status and nothing else.
    pub(crate) fn bare(status: u16) -> Self {
        Reply { status, reason: "", sdp: None, headers: &[] }
    }
}

/// The INVITE that may make a dialog, with the fields of the session timer.
pub(crate) fn initial_invite(
    config: &Config,
    dialog: &mut Dialog,
    spec: &InviteSpec,
    session: &[(String, String)],
) -> (Flow, RequestWriter) {
    dialog.next_cseq();
    // The first request goes where the transaction user says; the path only learns from it.
    let hop = Hop { flow: spec.flow, ..dialog.path.hop() };
    let own_limit = spec.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Max-Forwards"));
    let mut request = request(dialog, &hop, Method::Invite, (dialog.local_cseq, !own_limit));
    request = invite_headers(request, config, dialog);
    for (name, value) in session.iter().chain(&spec.headers) {
        request = request.header(name.as_str(), value);
    }
    (hop.flow, with_sdp(request, spec.offer.clone()))
}

/// A re-INVITE or an UPDATE, with the fields of the session timer.
pub(crate) fn offer_request(
    config: &Config,
    dialog: &mut Dialog,
    (by, offer): (By, Option<Bytes>),
    session: &[(String, String)],
) -> (Flow, RequestWriter) {
    let cseq = dialog.next_cseq();
    let hop = dialog.path.hop();
    let method = if by == By::Invite { Method::Invite } else { Method::Update };
    let mut request = invite_headers(request(dialog, &hop, method, (cseq, true)), config, dialog);
    for (name, value) in session {
        request = request.header(name.as_str(), value);
    }
    (hop.flow, with_sdp(request, offer))
}

/// The PRACK of the reliable provisional response `rseq` to the INVITE `cseq` (RFC 3262 section 4).
pub(crate) fn prack_request(config: &Config, dialog: &mut Dialog, (rseq, invite): (u32, u32)) -> (Flow, RequestWriter) {
    let cseq = dialog.next_cseq();
    let hop = dialog.path.hop();
    let request = user_agent(request(dialog, &hop, Method::Prack, (cseq, true)), config);
    (hop.flow, request.header("RAck", format!("{rseq} {invite} INVITE")))
}

/// A request of the transaction user's own.
pub(crate) fn dialog_request(config: &Config, dialog: &mut Dialog, asked: &InDialog) -> (Flow, RequestWriter) {
    let cseq = dialog.next_cseq();
    let hop = dialog.path.hop();
    let method = Method::new(&asked.method);
    let mut request = user_agent(request(dialog, &hop, method, (cseq, true)), config);
    if method == Method::Notify {
        // It may refresh the target (RFC 6665 section 8.3.2).
        request = request.header("Contact", format!("<{}>", dialog.contact));
    }
    for (name, value) in &asked.headers {
        request = request.header(name.as_str(), value);
    }
    match &asked.body {
        Some((kind, body)) => (hop.flow, request.body(kind, body.clone())),
        None => (hop.flow, request),
    }
}

/// A BYE.
pub(crate) fn bye_request(config: &Config, dialog: &mut Dialog, reason: Option<&str>) -> (Flow, RequestWriter) {
    let cseq = dialog.next_cseq();
    let hop = dialog.path.hop();
    let mut request = user_agent(request(dialog, &hop, Method::Bye, (cseq, true)), config);
    if let Some(reason) = reason {
        request = request.header("Reason", reason);
    }
    (hop.flow, request)
}

/// The ACK of the 2xx to the INVITE `cseq`: a request of its own, outside any transaction (section 13.2.2.4).
pub(crate) fn ack_request(
    tx: &mut Transactions,
    config: &Config,
    dialog: &Dialog,
    cseq: u32,
    answer: Option<Bytes>,
) -> (Flow, Bytes) {
    let hop = dialog.path.hop();
    let branch = tx.stateless_branch();
    let request = user_agent(request(dialog, &hop, Method::Ack, (cseq, true)), config);
    (hop.flow, with_sdp(request, answer).via(hop.flow.transport, hop.flow.local, &branch).finish())
}

/// A response to an INVITE: 101 to 199 and 2xx make or refresh the dialog and carry its path (section 12.1.1).
pub(crate) fn invite_reply(
    config: &Config,
    dialog: &Dialog,
    request: &Message,
    flow: Flow,
    reply: &Reply<'_>,
) -> Bytes {
    let mut response = response(config, request, flow, reply).to_tag(&dialog.local_tag);
    if reply.status < 300 {
        response = response.copy(request, Name::RecordRoute).header("Contact", format!("<{}>", dialog.contact));
    }
    response = common_headers(response, config);
    for (name, value) in reply.headers {
        response = response.header(name.as_str(), value);
    }
    match &reply.sdp {
        Some(sdp) if !sdp.is_empty() => response.body(SDP, sdp.clone()).finish(),
        Some(_) | None => response.finish(),
    }
}

/// Answers a request of the dialog.
pub(crate) fn answer(cx: &mut Cx<'_>, server: ServerKey, request: &Message, flow: Flow, reply: &Reply<'_>) {
    answer_with(cx, server, request, flow, reply, None);
}

/// Answers a request of the dialog, with a body of any type.
pub(crate) fn answer_with(
    cx: &mut Cx<'_>,
    server: ServerKey,
    request: &Message,
    flow: Flow,
    reply: &Reply<'_>,
    body: Option<(String, Bytes)>,
) {
    let mut writer = common_headers(response(cx.config, request, flow, reply), cx.config);
    for (name, value) in reply.headers {
        writer = writer.header(name.as_str(), value);
    }
    if request.method() == Some(Method::Options) && reply.status == 200 {
        writer = writer.header("Accept", SDP);
    }
    if let Some((kind, body)) = body {
        writer = writer.body(&kind, body);
    }
    // Should the transaction be gone, nobody waits for the answer.
    let _ = cx.tx.respond(server, writer.finish(), cx.now);
}

/// A response to a request no dialog knows.
pub(crate) fn stray_reply(config: &Config, request: &Message, flow: Flow, status: u16) -> Bytes {
    response(config, request, flow, &Reply::bare(status)).finish()
}

fn request(dialog: &Dialog, hop: &Hop, method: Method<'_>, numbers: (u32, bool)) -> RequestWriter {
    let (cseq, max_forwards) = numbers;
    let mut request = RequestWriter::new(method.as_str(), &hop.request_uri);
    for route in &hop.routes {
        request = request.header("Route", route);
    }
    if max_forwards {
        request = request.header("Max-Forwards", MAX_FORWARDS);
    }
    if method == Method::Ack {
        for (name, value) in &dialog.credentials {
            request = request.header(*name, value);
        }
    }
    request
        .header("From", &dialog.local)
        .header("To", &dialog.remote)
        .header("Call-ID", &dialog.call_id)
        .header("CSeq", format!("{cseq} {method}"))
}

fn invite_headers(request: RequestWriter, config: &Config, dialog: &Dialog) -> RequestWriter {
    let request = request.header("Contact", format!("<{}>", dialog.contact)).header("Allow", &config.allow);
    let request = if config.supported.is_empty() { request } else { request.header("Supported", &config.supported) };
    user_agent(request, config)
}

fn user_agent(request: RequestWriter, config: &Config) -> RequestWriter {
    if config.user_agent.is_empty() { request } else { request.header("User-Agent", &config.user_agent) }
}

fn with_sdp(request: RequestWriter, sdp: Option<Bytes>) -> RequestWriter {
    match sdp {
        Some(sdp) if !sdp.is_empty() => request.body(SDP, sdp),
        Some(_) | None => request,
    }
}

fn response(config: &Config, request: &Message, flow: Flow, reply: &Reply<'_>) -> ResponseWriter {
    let response = ResponseWriter::to(request, reply.status, reply.reason, flow.remote);
    if config.user_agent.is_empty() { response } else { response.header("Server", &config.user_agent) }
}

fn common_headers(response: ResponseWriter, config: &Config) -> ResponseWriter {
    let response = response.header("Allow", &config.allow);
    if config.supported.is_empty() { response } else { response.header("Supported", &config.supported) }
}
