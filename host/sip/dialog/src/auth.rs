//! A carrier's demands on our requests: credentials for its challenges, and an answer within its time.
//!
//! A 401 or 407 to an INVITE, re-INVITE or BYE of ours is answered here once the identity knows how (RFC 3261 section
//! 22.2): the request goes again in the same dialog with the next CSeq, and nothing of it is reported. Later requests,
//! those of other dialogs with the same identity included, bring their credentials along. The ACK of a 2xx repeats
//! those of its INVITE (section 22.1).

use crate::dialog::Dialog;
use crate::usage::{Cx, Phase, Purpose, Usage, Withdrawn};
use crate::write::bye_request;
use crate::{Event, Failed};
use core::time::Duration;
use model::Flow;
use sip_auth::Answers;
use sip_message::{Message, Method, Name, RequestWriter};
use sip_transaction::ClientKey;
use std::collections::BTreeMap;

/// Who we are to a carrier; the shard's owner chooses the number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IdentityKey(pub i64);

/// What an INVITE to a carrier needs beyond its words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Carrier {
    /// Who answers challenges: [`crate::Layer::set_identity`] has said how.
    pub identity: IdentityKey,
    /// Without any response for so long the INVITE has failed: a short Timer B. Should the carrier answer later after
    /// all, the call is cancelled or hung up.
    pub patience: Duration,
}

/// The identities and what carriers last asked of them.
pub(crate) type Identities = BTreeMap<IdentityKey, Answers>;

/// How many times an INVITE is sent again: for a challenge, and for a nonce that is stale.
const RETRIES_MAX: u8 = 2;

impl Cx<'_> {
    /// Sends a request of this dialog, with credentials where its carrier has asked for some before.
    pub(crate) fn send(&mut self, dialog: &mut Dialog, flow: Flow, mut request: RequestWriter) -> ClientKey {
        if let Some(answers) = dialog.identity.and_then(|identity| self.identities.get_mut(&identity)) {
            let method = request.method().as_str().to_owned();
            let uri = request.uri().to_owned();
            let credentials = answers.sign(&method, &uri, &self.ids.token(16));
            for (name, value) in &credentials {
                request = request.header(*name, value);
            }
            if method == "INVITE" {
                dialog.credentials = credentials;
            }
        }
        match dialog.edge {
            Some(edge) if request.method() == Method::Invite => {
                let within = !dialog.remote_tag.is_empty();
                self.tx.request_held(flow, request, (edge, within), self.now)
            }
            Some(_) | None => self.tx.request(flow, request, self.now),
        }
    }

    /// Whether a challenge can be answered: then the identity knows it from now on.
    fn learns(&mut self, dialog: &Dialog, response: &Message) -> bool {
        let status = response.status().unwrap_or_default();
        let values = |name: Name<'static>| -> Vec<String> {
            response.headers(name).map(|value| value.text().into_owned()).collect()
        };
        let (www, proxy) = match status {
            401 => (values(Name::WwwAuthenticate), Vec::new()),
            407 => (Vec::new(), values(Name::ProxyAuthenticate)),
            _ => return false,
        };
        let www: Vec<&str> = www.iter().map(String::as_str).collect();
        let proxy: Vec<&str> = proxy.iter().map(String::as_str).collect();
        let answers = dialog.identity.and_then(|identity| self.identities.get_mut(&identity));
        answers.is_some_and(|answers| answers.learn(&www, &proxy).is_ok())
    }
}

impl Usage {
    /// Whether the INVITE that got this final response has gone again, with credentials.
    pub(crate) fn invites_again(&mut self, cx: &mut Cx<'_>, client: ClientKey, response: &Message) -> bool {
        let Phase::Calling(calling) = &self.phase else { return false };
        let wanted = calling.withdrawn == Withdrawn::No && calling.retries < RETRIES_MAX;
        if !wanted || !cx.learns(&self.dialog, response) {
            return false;
        }
        cx.index.clients.remove(&client);
        if let Phase::Calling(calling) = core::mem::replace(&mut self.phase, Phase::Over) {
            self.send_invite(cx, calling.spec, calling.retries + 1);
        }
        true
    }

    /// Whether a re-INVITE that got this final response may go again, with credentials.
    pub(crate) fn may_offer_again(&self, cx: &mut Cx<'_>, response: &Message) -> bool {
        cx.learns(&self.dialog, response)
    }

    /// Whether the BYE that got this final response has gone again, with credentials.
    pub(crate) fn byes_again(&mut self, cx: &mut Cx<'_>, response: &Message) -> bool {
        let Phase::Leaving(leaving) = &mut self.phase else { return false };
        if leaving.again || !cx.learns(&self.dialog, response) {
            return false;
        }
        leaving.again = true;
        let (flow, request) = bye_request(cx.config, &mut self.dialog, None);
        let bye = cx.send(&mut self.dialog, flow, request);
        leaving.bye = Some(bye);
        cx.index.clients.insert(bye, Purpose::Bye(self.key));
        true
    }

    /// Nothing was heard of an INVITE to a carrier in its time. It is taken back as far as that can be done: a
    /// provisional response that comes later meets a CANCEL, a 2xx a BYE (RFC 3261 section 9.1).
    pub(crate) fn expire_silence(&mut self, cx: &mut Cx<'_>) {
        let Phase::Calling(calling) = &mut self.phase else { return };
        if calling.silent_until.is_none_or(|at| at > cx.now) {
            return;
        }
        calling.silent_until = None;
        if calling.withdrawn != Withdrawn::No || cx.tx.was_answered(calling.client) {
            return;
        }
        calling.withdrawn = Withdrawn::Told;
        cx.tx.cancel(calling.client, &[], cx.now);
        cx.events.push_back(Event::Failed { key: self.key, status: 408, why: Failed::Timeout });
    }
}
