//! A request in a dialog: order, extensions, method (RFC 3261 sections 8.2, 12.2.2), and requests of the transaction
//! user's own. INFO, MESSAGE and REFER are the transaction user's to answer; the rest is answered or begun here.

use crate::dialog::{from_tag, in_order};
use crate::usage::{Cx, Phase, Purpose, Usage, Waiting};
use crate::write::{Reply, answer, answer_with, dialog_request};
use crate::{Config, DialogError, Event, InDialog};
use model::Flow;
use sip_message::{Message, Method, Name};
use sip_transaction::{Failure, ServerKey};

/// Most requests of the remote that may wait for the transaction user; past it one is told to come again later.
const WAITING_MAX: usize = 32;

/// What the other side has said that it can do.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Peer {
    /// UPDATE is in its Allow.
    pub(crate) update: bool,
}

impl Peer {
    /// A message of the other side: one that carries Allow is the newest word (RFC 3261 section 20.5).
    pub(crate) fn learn(&mut self, message: &Message) {
        if message.header(Name::Allow).is_some() {
            self.update = message.has_token(Name::Allow, "UPDATE");
        }
    }
}

impl Usage {
    /// Whether a request with this Call-ID and From-tag is of this dialog; our own tag has found it already. While we
    /// call, any branch of the fork may speak: its tag is new to us where its 1xx was lost.
    pub(crate) fn matches(&self, call_id: &str, remote_tag: &str) -> bool {
        let branch = match &self.phase {
            Phase::Calling(_) => true,
            Phase::Ringing(_) | Phase::Confirmed(_) | Phase::Leaving(_) | Phase::Over => {
                self.dialog.remote_tag == remote_tag
            }
        };
        branch && self.dialog.call_id == call_id
    }

    /// A request of the remote in this dialog.
    pub(crate) fn request_received(&mut self, cx: &mut Cx<'_>, server: ServerKey, flow: Flow, request: Message) {
        if !self.accept_cseq(cx.config, &request) {
            return answer(cx, server, &request, flow, &Reply::bare(500));
        }
        self.numbered_received(cx, server, flow, request);
    }

    /// The same for one whose number was in order when it came.
    pub(crate) fn numbered_received(&mut self, cx: &mut Cx<'_>, server: ServerKey, flow: Flow, request: Message) {
        let method = request.method().unwrap_or(Method::Other(""));
        let bye = method == Method::Bye;
        if matches!(self.phase, Phase::Leaving(_)) && !bye {
            return answer(cx, server, &request, flow, &Reply::bare(481));
        }
        if !bye && let Some(missing) = unsupported(cx.config, &request) {
            let headers = [("Unsupported".to_owned(), missing)];
            return answer(cx, server, &request, flow, &Reply { headers: &headers, ..Reply::bare(420) });
        }
        match method {
            Method::Bye => self.bye_received(cx, server, flow, &request),
            Method::Invite | Method::Update => self.offer_in_dialog(cx, server, flow, request),
            Method::Prack => self.prack_received(cx, server, flow, request),
            Method::Options => answer(cx, server, &request, flow, &Reply::bare(200)),
            Method::Info | Method::Message | Method::Refer if allows(cx.config, method) => {
                self.hand_up(cx, server, flow, request);
            }
            // A NOTIFY of a subscription that we never made (RFC 6665 section 4.1.3).
            Method::Notify => answer(cx, server, &request, flow, &Reply::bare(481)),
            // 405 carries Allow, as every answer here does.
            Method::Info
            | Method::Message
            | Method::Refer
            | Method::Ack
            | Method::Cancel
            | Method::Register
            | Method::Subscribe
            | Method::Publish
            | Method::Other(_) => answer(cx, server, &request, flow, &Reply::bare(405)),
        }
    }

    fn offer_in_dialog(&mut self, cx: &mut Cx<'_>, server: ServerKey, flow: Flow, request: Message) {
        if !request.body().is_empty() && !request.carries_session() {
            let headers = [("Accept".to_owned(), "application/sdp".to_owned())];
            return answer(cx, server, &request, flow, &Reply { headers: &headers, ..Reply::bare(415) });
        }
        if let Some(least) = crate::session_timer::too_short(cx.config, &request) {
            let headers = [("Min-SE".to_owned(), least.to_string())];
            return answer(cx, server, &request, flow, &Reply { headers: &headers, ..Reply::bare(422) });
        }
        if request.is_method(Method::Update) {
            self.update_received(cx, server, flow, request);
        } else {
            self.invite_received(cx, server, flow, request);
        }
    }

    fn hand_up(&mut self, cx: &mut Cx<'_>, server: ServerKey, flow: Flow, request: Message) {
        if self.is_leaving() {
            return answer(cx, server, &request, flow, &Reply::bare(481));
        }
        if self.waiting.len() >= WAITING_MAX {
            let headers = [("Retry-After".to_owned(), "5".to_owned())];
            return answer(cx, server, &request, flow, &Reply { headers: &headers, ..Reply::bare(500) });
        }
        self.waiting.push(Waiting { server, request: request.clone(), flow });
        self.own(server, cx.index);
        cx.events.push_back(Event::Request { key: self.key, server, request });
    }

    /// Answers a request that was handed up.
    pub(crate) fn respond(
        &mut self,
        cx: &mut Cx<'_>,
        server: ServerKey,
        reply: &Reply<'_>,
        body: Option<(String, bytes::Bytes)>,
    ) -> Result<(), DialogError> {
        if !(200..=699).contains(&reply.status) {
            return Err(DialogError::Status(reply.status));
        }
        let at = self.waiting.iter().position(|w| w.server == server).ok_or(DialogError::WrongState)?;
        let waiting = self.waiting.remove(at);
        // The 2xx to a REFER makes a subscription, so that our Contact goes with it (RFC 3515 section 2.4.2).
        let refer = waiting.request.is_method(Method::Refer) && reply.status < 300;
        let mut headers = reply.headers.to_vec();
        if refer {
            headers.push(("Contact".to_owned(), format!("<{}>", self.dialog.contact)));
        }
        let reply = Reply { headers: &headers, ..reply.clone() };
        answer_with(cx, waiting.server, &waiting.request, waiting.flow, &reply, body);
        self.disown(server, cx.index);
        Ok(())
    }

    /// Sends a request of the transaction user's.
    pub(crate) fn send(&mut self, cx: &mut Cx<'_>, id: u64, request: &InDialog) -> Result<(), DialogError> {
        if self.is_leaving() {
            return Err(DialogError::Gone);
        }
        if matches!(&self.phase, Phase::Calling(calling) if calling.settled().is_none()) {
            return Err(DialogError::WrongState);
        }
        let (flow, writer) = dialog_request(cx.config, self.early_or_own(), request);
        let client = cx.send(self.early_or_own(), flow, writer);
        cx.index.clients.insert(client, Purpose::Asked(self.key, id));
        Ok(())
    }

    /// The final response to a request of the transaction user's.
    pub(crate) fn responded(&mut self, cx: &mut Cx<'_>, id: u64, status: u16, response: Option<Message>) {
        if !self.is_leaving() {
            cx.events.push_back(Event::Response { key: self.key, id, status, response });
        }
    }

    /// Section 12.2.2, in the dialog the request is of.
    pub(crate) fn accept_cseq(&mut self, config: &Config, request: &Message) -> bool {
        let Some(cseq) = crate::dialog::cseq(request) else { return false };
        let invite = request.is_method(Method::Invite);
        let newest = match &mut self.phase {
            Phase::Calling(calling) => match calling.branch(from_tag(request), config.forks_max) {
                Some(early) => &mut early.remote_cseq,
                None => return true,
            },
            Phase::Ringing(_) | Phase::Confirmed(_) | Phase::Leaving(_) | Phase::Over => &mut self.dialog.remote_cseq,
        };
        in_order(newest, cseq, invite)
    }
}

/// The status that stands for a request without a final response.
pub(crate) fn failure_status(why: Failure) -> u16 {
    match why {
        Failure::Timeout => 408,
        Failure::Transport | Failure::Withheld => 503,
    }
}

fn allows(config: &Config, method: Method<'_>) -> bool {
    config.allow.split(',').any(|allowed| allowed.trim() == method.as_str())
}

/// The option tags that a request requires and we lack (section 8.2.2.3).
pub(crate) fn unsupported(config: &Config, request: &Message) -> Option<String> {
    request.header(Name::Require)?;
    let supported: Vec<&str> = config.supported.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect();
    let missing = request.unsupported_options(&supported);
    (!missing.is_empty()).then(|| missing.join(", "))
}
