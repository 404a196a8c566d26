//! One binding.

use model::{AccountId, Flow, Instant};
use serde::{Deserialize, Serialize};
use sip_message::UriRef;

/// An address an account can be reached at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Binding {
    /// The Contact URI: the Request-URI of requests to it.
    pub contact: String,
    /// The flow the REGISTER came on: how requests to it travel, through any NAT.
    pub flow: Flow,
    /// The REGISTER's Call-ID and CSeq, against disorder (RFC 3261 section 10.3 step 7).
    pub call_id: String,
    /// See `call_id`.
    pub cseq: u32,
    /// When it runs out.
    pub expires_at: Instant,
    /// Preference, in thousandths.
    pub q: u16,
    /// The phone's User-Agent, as it said.
    pub user_agent: String,
}

/// A binding and its number: a higher one is newer.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) number: u64,
    pub(crate) binding: Binding,
}

impl Held {
    /// Whether it is the binding of this contact, by the URI rules of RFC 3261 section 19.1.4.
    pub(crate) fn is_for(&self, contact: &str) -> bool {
        match (UriRef::parse(&self.binding.contact), UriRef::parse(contact)) {
            (Ok(ours), Ok(theirs)) => ours.equivalent(&theirs),
            (Ok(_) | Err(_), _) => self.binding.contact == contact,
        }
    }
}

/// Bindings to be kept over a restart.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// Each with its account.
    pub bindings: Vec<(AccountId, Binding)>,
}
