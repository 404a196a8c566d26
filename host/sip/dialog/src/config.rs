//! What the layer is told: its configuration, the wish for a new dialog, the handle of one, and why it says no.

use bytes::Bytes;
use core::time::Duration;
use model::Flow;
use thiserror::Error;

/// The layer below, lent for every act.
pub type Transactions = sip_transaction::Layer;

/// One INVITE usage: a leg. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DialogKey(pub(crate) u64);

impl core::fmt::Display for DialogKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

/// How the layer speaks and how long it waits. No duration may be zero.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// RFC 3261 T1: first interval of a repeated 2xx; 64*T1 is how long an ACK is waited for.
    pub t1: Duration,
    /// RFC 3261 T2: longest interval of a repeated 2xx.
    pub t2: Duration,
    /// User part of our Contact; empty for none.
    pub contact_user: String,
    /// User-Agent in requests and Server in responses; empty for none.
    pub user_agent: String,
    /// Methods of the Allow header, which is also what is answered in a dialog with anything but 405.
    pub allow: String,
    /// Option tags of the Supported header, comma separated; empty for none.
    pub supported: String,
    /// RFC 4028: the session interval we ask for, in seconds; 0 asks for none.
    pub session_interval_s: u32,
    /// RFC 4028: the shortest session interval we take, in seconds; never under 90.
    pub session_min_se_s: u32,
    /// Interval at which a provisional answer is repeated, lest a proxy gives up (RFC 3261 section 13.3.1.1).
    pub provisional_refresh: Duration,
    /// Longest wait for the final answer to a re-INVITE of ours; then it is cancelled.
    pub reinvite_timeout: Duration,
    /// How many times a re-INVITE is sent again after 491 (RFC 3261 section 14.1).
    pub glare_retries_max: u8,
    /// Most early dialogs remembered of one INVITE of ours, and most late 2xx of its fork that are acknowledged.
    pub forks_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            contact_user: String::new(),
            user_agent: "Strowger".to_owned(),
            allow: "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, MESSAGE".to_owned(),
            supported: "100rel, replaces, timer, norefersub".to_owned(),
            session_interval_s: 1_800,
            session_min_se_s: 90,
            provisional_refresh: Duration::from_secs(60),
            reinvite_timeout: Duration::from_secs(60),
            glare_retries_max: 10,
            forks_max: 16,
        }
    }
}

impl Config {
    /// 64*T1: how long an ACK is waited for, and how long a 2xx may still come again (RFC 6026 Timer L and M).
    pub(crate) fn patience(&self) -> Duration {
        self.t1.saturating_mul(64)
    }
}

/// An INVITE to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InviteSpec {
    /// The flow to send it on; in-dialog requests follow it where the peer's own address cannot be trusted.
    pub flow: Flow,
    /// The Request-URI, or the remote target where `route_set` is not empty.
    pub request_uri: String,
    /// Route header values, each a name-addr.
    pub route_set: Vec<String>,
    /// The From value: a name-addr without a tag.
    pub from: String,
    /// The To value: a name-addr without a tag.
    pub to: String,
    /// The Call-ID; one is made where this is `None`.
    pub call_id: Option<String>,
    /// More headers, in order.
    pub headers: Vec<(String, String)>,
    /// The session description; `None` asks the remote for its offer, which [`crate::Layer::ack`] answers.
    pub offer: Option<Bytes>,
    /// Where it goes to a carrier: who answers its challenges, and how long it may be silent.
    pub carrier: Option<crate::Carrier>,
    /// Where it leaves, if filters are to be asked about this dialog's INVITEs.
    pub edge: Option<model::Edge>,
}

/// Why an act could not be carried out. Nothing was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum DialogError {
    /// The usage is over, or never was.
    #[error("the dialog is over")]
    Gone,
    /// The usage is not in a state for this act.
    #[error("the dialog is not in a state for this")]
    WrongState,
    /// An offer is under way already: wait for its event (RFC 3261 section 14.1).
    #[error("an offer is under way already")]
    Pending,
    /// The status is not of the class this act sends.
    #[error("status {0} does not fit this act")]
    Status(u16),
}

/// A request within a dialog, of the transaction user's own making.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InDialog {
    /// INFO, MESSAGE or NOTIFY.
    pub method: String,
    /// Its header fields beyond those of the dialog, in order.
    pub headers: Vec<(String, String)>,
    /// Content type and body.
    pub body: Option<(String, Bytes)>,
}

/// The answer to a request that the layer handed up.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct InDialogAnswer {
    /// The final status.
    pub status: u16,
    /// Header fields beyond those of the dialog, in order.
    pub headers: Vec<(String, String)>,
    /// Content type and body.
    pub body: Option<(String, Bytes)>,
}

impl InDialogAnswer {
    /// A status and nothing else.
    #[must_use]
    pub fn bare(status: u16) -> InDialogAnswer {
        InDialogAnswer { status, ..InDialogAnswer::default() }
    }
}
