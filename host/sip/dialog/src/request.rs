//! A request in a dialog: order, extensions, method (RFC 3261 sections 8.2, 12.2.2; RFC 6086 section 4 for bare INFO).

use crate::Config;
use crate::Event;
use crate::dialog::{body, from_tag, in_order};
use crate::usage::{Cx, Phase, Usage};
use crate::write::{Reply, answer};
use model::Flow;
use sip_message::{Message, Method};
use sip_transaction::ServerKey;
use std::sync::Arc;

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
    pub(crate) fn request_received(&mut self, cx: &mut Cx<'_>, server: ServerKey, flow: Flow, request: Arc<Message>) {
        let method = request.method().unwrap_or(Method::Other(""));
        let (invite, bye) = (method == Method::Invite, method == Method::Bye);
        if !self.accept_cseq(cx.config, &request, invite) {
            return answer(cx, server, &request, flow, &Reply::bare(500));
        }
        if matches!(self.phase, Phase::Leaving(_)) && !bye {
            return answer(cx, server, &request, flow, &Reply::bare(481));
        }
        if !bye && let Some(missing) = unsupported(cx.config, &request) {
            let headers = [("Unsupported".to_owned(), missing)];
            return answer(cx, server, &request, flow, &Reply { headers: &headers, ..Reply::bare(420) });
        }
        if bye {
            self.bye_received(cx, server, flow, &request);
        } else if invite {
            self.invite_in_dialog(cx, server, flow, request);
        } else if method == Method::Options {
            answer(cx, server, &request, flow, &Reply::bare(200));
        } else if method == Method::Info {
            self.info(cx, server, flow, request);
        } else {
            // 405 carries Allow, as every answer here does.
            answer(cx, server, &request, flow, &Reply::bare(405));
        }
    }

    fn invite_in_dialog(&mut self, cx: &mut Cx<'_>, server: ServerKey, flow: Flow, request: Arc<Message>) {
        if body(&request).is_some() && !content_type_is(&request, &["application/sdp"]) {
            return refuse_body(cx, server, flow, &request, "application/sdp");
        }
        self.invite_received(cx, server, flow, request);
    }

    fn info(&mut self, cx: &mut Cx<'_>, server: ServerKey, flow: Flow, request: Arc<Message>) {
        const TYPES: [&str; 2] = ["application/dtmf-relay", "application/dtmf"];
        if body(&request).is_some() && !content_type_is(&request, &TYPES) {
            return refuse_body(cx, server, flow, &request, "application/dtmf-relay, application/dtmf");
        }
        answer(cx, server, &request, flow, &Reply::bare(200));
        if self.confirmed().is_some_and(|confirmed| confirmed.leaving.is_none()) {
            cx.events.push_back(Event::Info { key: self.key, request });
        }
    }

    /// Section 12.2.2, in the dialog the request is of.
    fn accept_cseq(&mut self, config: &Config, request: &Message, invite: bool) -> bool {
        let Some(cseq) = crate::dialog::cseq(request) else { return false };
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

/// The option tags that a request requires and we lack (section 8.2.2.3).
pub(crate) fn unsupported(config: &Config, request: &Message) -> Option<String> {
    let supported: Vec<&str> = config.supported.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect();
    let missing = request.unsupported_options(&supported);
    (!missing.is_empty()).then(|| missing.join(", "))
}

fn refuse_body(cx: &mut Cx<'_>, server: ServerKey, flow: Flow, request: &Message, accept: &str) {
    let headers = [("Accept".to_owned(), accept.to_owned())];
    answer(cx, server, request, flow, &Reply { headers: &headers, ..Reply::bare(415) });
}

fn content_type_is(request: &Message, wanted: &[&str]) -> bool {
    wanted.iter().any(|wanted| request.is_content_type(wanted))
}
