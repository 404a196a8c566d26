//! What the world is told about calls: live snapshots for the API, events for logs and metrics.

use crate::{AccountId, BrandId, CallId, Cause, CompanyId, HookReport, Instant, TrunkId};
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
    /// The account that calls; none for a call from a carrier.
    pub account: Option<AccountId>,
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

/// One question to the routing chain, and what came of it; kept with the call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Explained {
    /// The call.
    pub call: CallId,
    /// The tenant.
    pub company: CompanyId,
    /// When the answer came.
    pub at: Instant,
    /// `route` or `exhausted`; `app` where a call app failed.
    pub asked: String,
    /// Who was called at that time.
    pub callee: String,
    /// What was decided, in one line.
    pub decision: String,
    /// Every hook asked, in order.
    pub hooks: Vec<HookReport>,
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
        /// Who calls: the user part.
        caller: String,
        /// Who is called: the user part.
        callee: String,
    },
    /// A callee answered.
    CallAnswered {
        /// The call.
        call: CallId,
        /// The tenant.
        company: CompanyId,
    },
    /// Plugins were asked where the call shall go.
    Explained(Box<Explained>),
    /// The last leg ended.
    CallEnded {
        /// The call.
        call: CallId,
        /// The tenant.
        company: CompanyId,
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
        /// Whether it stood before.
        refreshed: bool,
    },
    /// A binding was removed or ran out.
    Unregistered {
        /// The account.
        account: AccountId,
        /// The contact URI.
        contact: String,
        /// Why.
        why: BindingGone,
    },
    /// A trunk is no longer as it was.
    Trunk {
        /// The trunk.
        trunk: TrunkId,
        /// What changed.
        change: TrunkChange,
    },
}

/// What changed about a trunk.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TrunkChange {
    /// The carrier granted its registration.
    Registered {
        /// When it ends unless it is renewed.
        until: Instant,
    },
    /// The carrier refused its registration, or did not answer (408), or could not be reached (503).
    RegistrationFailed {
        /// The status.
        status: u16,
    },
    /// Its registration has run out or was taken back.
    Unregistered,
    /// No call goes to this server until it answers again.
    ServerDown {
        /// Where it is.
        address: core::net::SocketAddr,
    },
    /// Calls go to this server again.
    ServerUp {
        /// Where it is.
        address: core::net::SocketAddr,
    },
}

/// Why a binding is no more, by the events of RFC 3680 section 3.2.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BindingGone {
    /// The phone removed it.
    Unregistered,
    /// Nobody refreshed it in time.
    Expired,
    /// The switch removed it, and the phone should register again at once: its connection ended, its flow failed.
    Deactivated,
    /// The switch removed it, and the phone should stay away: another took its place, or the account may not register.
    Rejected,
}

impl BindingGone {
    /// The `event` attribute of RFC 3680 section 5.1.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            BindingGone::Unregistered => "unregistered",
            BindingGone::Expired => "expired",
            BindingGone::Deactivated => "deactivated",
            BindingGone::Rejected => "rejected",
        }
    }
}
