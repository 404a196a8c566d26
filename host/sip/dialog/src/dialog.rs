//! A dialog's state: identity, sequence numbers, and the path to the peer (RFC 3261 section 12).

use crate::{Config, InviteSpec};
use model::{Flow, IdSource, Transport};
use sip_message::{DialogPath, Message, Name, push_address};

/// The characters of a tag of ours: 100 random bits, so that a tag alone names a usage.
const TAG_LEN: usize = 20;

/// The state of section 12: what both sides must agree on to understand each other's requests.
#[derive(Clone, Debug)]
pub(crate) struct Dialog {
    pub(crate) call_id: String,
    pub(crate) local_tag: String,
    /// Empty before a response, and for a remote of RFC 2543 that has none.
    pub(crate) remote_tag: String,
    /// Our side as we write it in From, tag included.
    pub(crate) local: Vec<u8>,
    /// The other side as we write it in To, tag included.
    pub(crate) remote: Vec<u8>,
    /// The number of our newest request; 0 before the first.
    pub(crate) local_cseq: u32,
    /// The number of the remote's newest request.
    pub(crate) remote_cseq: Option<u32>,
    pub(crate) path: DialogPath,
    /// The URI of our Contact.
    pub(crate) contact: String,
    /// Who answers the peer's challenges.
    pub(crate) identity: Option<crate::IdentityKey>,
    /// The credentials of our newest INVITE, which its ACK repeats.
    pub(crate) credentials: Vec<(&'static str, String)>,
    /// Where our INVITEs leave, if filters are asked about them.
    pub(crate) edge: Option<model::Edge>,
}

impl Dialog {
    /// The UAS side of a dialog that `request` may make (section 12.1.1).
    pub(crate) fn of_request(request: &Message, flow: Flow, config: &Config, ids: &mut IdSource) -> Dialog {
        let local_tag = ids.token(TAG_LEN);
        Dialog {
            call_id: call_id(request).to_owned(),
            local: tagged(raw(request, Name::To), &local_tag),
            local_tag,
            remote_tag: from_tag(request),
            remote: raw(request, Name::From),
            local_cseq: 0,
            remote_cseq: cseq(request),
            path: DialogPath::of_request(request, flow),
            contact: contact_uri(config, &flow),
            identity: None,
            credentials: Vec::new(),
            edge: None,
        }
    }

    /// The UAC side before any response: what every branch of the fork shares (section 12.1.2).
    pub(crate) fn of_spec(spec: &InviteSpec, config: &Config, ids: &mut IdSource) -> Dialog {
        let local_tag = ids.token(TAG_LEN);
        Dialog {
            call_id: spec.call_id.clone().unwrap_or_else(|| ids.token(26)),
            local: tagged(spec.from.clone().into_bytes(), &local_tag),
            local_tag,
            remote_tag: String::new(),
            remote: spec.to.clone().into_bytes(),
            local_cseq: 0,
            remote_cseq: None,
            path: DialogPath::to(&spec.request_uri, &spec.route_set, spec.flow),
            contact: contact_uri(config, &spec.flow),
            identity: spec.carrier.map(|carrier| carrier.identity),
            credentials: Vec::new(),
            edge: spec.edge,
        }
    }

    /// The dialog that `response` makes of this template (section 12.1.2).
    pub(crate) fn joined(&self, response: &Message, flow: Flow) -> Dialog {
        Dialog {
            remote_tag: to_tag(response),
            remote: raw(response, Name::To),
            path: self.path.of_response(response, flow),
            ..self.clone()
        }
    }

    /// The number of the next request of ours.
    pub(crate) fn next_cseq(&mut self) -> u32 {
        self.local_cseq = self.local_cseq.wrapping_add(1);
        self.local_cseq
    }
}

/// Whether a request numbered `cseq` may follow `newest` (section 12.2.2). An equal number is let pass for a method
/// other than INVITE: some phones do not count their BYE, and repetitions never climb here.
pub(crate) fn in_order(newest: &mut Option<u32>, cseq: u32, invite: bool) -> bool {
    let fits = newest.is_none_or(|newest| if invite { cseq > newest } else { cseq >= newest });
    if fits {
        *newest = Some(cseq);
    }
    fits
}

/// The CSeq number.
pub(crate) fn cseq(message: &Message) -> Option<u32> {
    message.cseq().ok().map(|cseq| cseq.number)
}

/// The Call-ID; empty where there is none, which matches no dialog.
pub(crate) fn call_id(message: &Message) -> &str {
    message.call_id().unwrap_or_default()
}

/// The To-tag; empty where there is none.
pub(crate) fn to_tag(message: &Message) -> String {
    message.to().ok().and_then(|to| to.tag().map(str::to_owned)).unwrap_or_default()
}

/// The From-tag; empty where there is none.
pub(crate) fn from_tag(message: &Message) -> String {
    message.from().ok().and_then(|from| from.tag().map(str::to_owned)).unwrap_or_default()
}

/// The body, where there is one.
pub(crate) fn body(message: &Message) -> Option<bytes::Bytes> {
    message.session_body()
}

fn contact_uri(config: &Config, flow: &Flow) -> String {
    let mut uri = Vec::with_capacity(64 + config.contact_user.len());
    uri.extend_from_slice(b"sip:");
    if !config.contact_user.is_empty() {
        uri.extend_from_slice(config.contact_user.as_bytes());
        uri.push(b'@');
    }
    push_address(&mut uri, flow.local);
    if flow.transport != Transport::Udp {
        uri.extend_from_slice(b";transport=");
        uri.extend_from_slice(flow.transport.uri_token().as_bytes());
    }
    String::from_utf8(uri).unwrap_or_default()
}

/// The first value of a header as it is, unfolded: a display name may hold any bytes.
fn raw(message: &Message, name: Name<'_>) -> Vec<u8> {
    message.header(name).map(|value| value.unfolded().into_owned()).unwrap_or_default()
}

fn tagged(mut name_addr: Vec<u8>, tag: &str) -> Vec<u8> {
    name_addr.extend_from_slice(b";tag=");
    name_addr.extend_from_slice(tag.as_bytes());
    name_addr
}
