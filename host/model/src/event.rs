//! What the world is told about calls: live snapshots for the API, events for logs and metrics.

use crate::{AccountId, BrandId, CallId, Cause, CompanyId, Instant};
use serde::{Deserialize, Serialize};

/// Where a leg stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LegState {
    /// INVITE received or sent.
    Trying,
    /// 18x.
    Ringing,
    /// 2xx.
    Answered,
    /// Answered, and put on hold by its party.
    Held,
}

/// One leg of a live call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LegSnapshot {
    /// The leg's number within the call.
    pub leg: u16,
    /// The number or user part.
    pub party: String,
    /// Where it stands.
    pub state: LegState,
}

/// One live call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CallSnapshot {
    /// The call.
    pub call: CallId,
    /// The tenant's brand.
    pub brand: BrandId,
    /// The tenant.
    pub company: CompanyId,
    /// Who calls.
    pub caller: String,
    /// Who is called.
    pub callee: String,
    /// The call app that runs it, if one does.
    pub app: Option<String>,
    /// INVITE received.
    pub started_at: Instant,
    /// First answered.
    pub answered_at: Option<Instant>,
    /// The legs alive.
    pub legs: Vec<LegSnapshot>,
}

/// Something happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum CallEvent {
    /// An INVITE was admitted.
    CallStarted {
        /// The call.
        call: CallId,
        /// The tenant.
        company: CompanyId,
    },
    /// A callee answered.
    CallAnswered {
        /// The call.
        call: CallId,
    },
    /// The last leg ended.
    CallEnded {
        /// The call.
        call: CallId,
        /// Why.
        cause: Cause,
    },
    /// A binding was added or refreshed.
    Registered {
        /// The account.
        account: AccountId,
        /// The contact URI.
        contact: String,
        /// Granted, in seconds.
        expires_s: u32,
    },
    /// A binding was removed or ran out.
    Unregistered {
        /// The account.
        account: AccountId,
        /// The contact URI.
        contact: String,
    },
}
