//! An INVITE that admission let in.

use model::{Account, Attr, CallInfo, Company, Flow, Header, Instant, Party};
use sip_message::Message;
use sip_transaction::ServerKey;
use std::sync::Arc;

/// Header fields a plugin never sees: routing that is ours, and credentials.
const HIDDEN: &[&str] = &[
    "via",
    "v",
    "route",
    "record-route",
    "contact",
    "m",
    "cseq",
    "call-id",
    "i",
    "from",
    "f",
    "to",
    "t",
    "max-forwards",
    "content-length",
    "l",
    "content-type",
    "c",
    "authorization",
    "proxy-authorization",
    "allow",
    "supported",
    "k",
    "accept",
];

/// An admitted out-of-dialog INVITE: whose it is, and what it asks for.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The server transaction to answer.
    pub key: ServerKey,
    /// The flow it came on.
    pub flow: Flow,
    /// The INVITE.
    pub request: Arc<Message>,
    /// The tenant.
    pub company: Arc<Company>,
    /// The brand's name.
    pub brand_name: String,
    /// The calling account.
    pub account: Arc<Account>,
    /// What vouches for the caller: `digest` or `address`.
    pub verified: &'static str,
    /// The user part that was called.
    pub callee_user: String,
}

impl Arrival {
    /// Whether From shows the account itself, or somebody whom an address vouches for: then it may stand as it is.
    pub(crate) fn speaks_for_itself(&self) -> bool {
        let own = |user: &str| sip_message::unescape(user) == self.account.username.as_str();
        self.verified == "address"
            || self.request.from().is_ok_and(|from| from.uri().is_sip() && from.uri().user().is_some_and(own))
    }

    /// The call as a plugin sees it.
    pub(crate) fn call_info(&self, call: model::CallId, now: Instant) -> CallInfo {
        let company = &self.company;
        CallInfo {
            call,
            brand: company.brand,
            brand_name: self.brand_name.clone(),
            company: company.id,
            company_name: company.name.clone(),
            account: Some(self.account.username.clone()),
            source_ip: self.flow.remote.ip().to_string(),
            caller: Party {
                uri: format!("sip:{}@{}", self.account.username, company.domain),
                user: self.account.username.clone(),
                display: Some(self.account.display_name.clone()).filter(|d| !d.is_empty()),
                verified: Some(self.verified.to_owned()),
            },
            callee: callee_party(&self.callee_user, &company.domain),
            headers: visible_headers(&self.request),
            received_at: now,
            attrs: Vec::<Attr>::new(),
        }
    }
}

/// The party of a dialled user part.
pub(crate) fn callee_party(user: &str, domain: &str) -> Party {
    Party { uri: format!("sip:{user}@{domain}"), user: user.to_owned(), display: None, verified: None }
}

fn visible_headers(request: &Message) -> Vec<Header> {
    request
        .all_headers()
        .filter(|(name, _)| !HIDDEN.iter().any(|h| h.eq_ignore_ascii_case(name)))
        .map(|(name, value)| Header { name: name.to_owned(), value: value.into_owned() })
        .collect()
}
