//! What the switch asks a routing plugin, and what it may decide. Twins of `wit/routing`; closed on purpose.

use crate::{BrandId, CallId, CauseInfo, CompanyId, Instant, Ticket};
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// A name and a value.
pub type Attr = (String, String);

/// A header field.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Header {
    /// The field's name.
    pub name: String,
    /// Its value, unfolded.
    pub value: String,
}

/// A change to the header fields of an outgoing request or response.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum HeaderOp {
    /// Replaces every field of that name by one.
    Set(Header),
    /// Adds a field.
    Add(Header),
    /// Removes every field of that name.
    Remove(String),
}

/// A caller or callee.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Party {
    /// The SIP URI.
    pub uri: String,
    /// The user part of the URI: a short number, a public number, a name.
    pub user: String,
    /// The display name.
    pub display: Option<String>,
    /// What vouches for it: `digest`, `address`.
    pub verified: Option<String>,
}

/// One call attempt after admission: tenant and account are known and true.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CallInfo {
    /// The call.
    pub call: CallId,
    /// The tenant's brand.
    pub brand: BrandId,
    /// The brand's name.
    pub brand_name: String,
    /// The tenant.
    pub company: CompanyId,
    /// The company's name.
    pub company_name: String,
    /// The calling account's user name.
    pub account: Option<String>,
    /// The address the INVITE came from.
    pub source_ip: String,
    /// Who calls.
    pub caller: Party,
    /// Who is called.
    pub callee: Party,
    /// The INVITE's header fields that a plugin may see (no credentials).
    pub headers: Vec<Header>,
    /// When the INVITE came.
    pub received_at: Instant,
    /// Attributes that plugins of the chain have set.
    pub attrs: Vec<Attr>,
}

/// A question to the routing chain.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Question {
    /// Names the question; the answer carries it back.
    pub ticket: Ticket,
    /// When the default verdict stands instead.
    pub deadline: Instant,
    /// The call.
    pub call: CallInfo,
    /// What is asked.
    pub kind: QuestionKind,
}

/// What is asked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum QuestionKind {
    /// Where shall this call go?
    Route,
    /// The plan ran out; the endpoints tried and why each failed.
    Exhausted(Vec<(String, CauseInfo)>),
}

/// Whom to try.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Endpoint {
    /// An account of the same company by user name: every binding it has, or its direct address.
    Account(String),
    /// A SIP URI with a literal address.
    Uri(String),
    /// A number by a trunk of the call's brand: one server after the other.
    Trunk {
        /// The trunk's name.
        name: String,
        /// The number as it is inside, public ones with their `+`; the trunk's rules rewrite it.
        number: String,
        /// What stands before the number as the trunk's rules have written it; a `+` between them goes.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        prefix: String,
    },
}

/// One target of a step.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Target {
    /// Whom to try.
    pub to: Endpoint,
    /// The caller's number to present instead of the caller's own.
    pub caller_id: Option<String>,
    /// Changes to this target's INVITE.
    pub header_ops: Vec<HeaderOp>,
}

/// One hunting step: its targets ring together.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RingStep {
    /// Who rings.
    pub targets: Vec<Target>,
    /// How long, before the next step.
    pub ring_timeout: Duration,
    /// Final statuses that lead to the next step; empty means every failure but 6xx does.
    pub advance_on: Vec<u16>,
}

/// Whether media flows through the switch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum MediaPath {
    /// As the tenant's setting says.
    TenantDefault,
    /// Through the relay.
    Anchor,
    /// Straight between the parties.
    Direct,
}

/// How the switch takes part in a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Handling {
    /// As the tenant's setting says.
    #[default]
    TenantDefault,
    /// Between the parties (RFC 3261 section 16): one dialog from end to end, media straight between them.
    Proxy,
    /// The same, with media through the switch: what the parties describe is shown with the switch's address in it.
    Relay,
    /// A dialog with each party, and media as the plan says.
    B2bua,
}

/// Whom to try, in what order, how long.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RingPlan {
    /// The hunting steps, in order.
    pub steps: Vec<RingStep>,
    /// How the switch takes part.
    pub handling: Handling,
    /// Where media flows.
    pub media: MediaPath,
    /// Changes to every INVITE of the plan.
    pub header_ops: Vec<HeaderOp>,
    /// Longest answered time.
    pub max_duration: Option<Duration>,
    /// Kept with the call.
    pub attrs: Vec<Attr>,
}

/// A refusal with its words.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Refusal {
    /// The SIP status, 400 to 699.
    pub sip: u16,
    /// The reason phrase.
    pub reason: String,
    /// Changes to the response.
    pub header_ops: Vec<HeaderOp>,
}

/// What the chain decided. `next` never leaves the plugin host: a chain without opinion answers `None`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Decision {
    /// Ring these.
    Connect(RingPlan),
    /// Answer 302 with these contacts.
    Redirect(Vec<String>),
    /// Refuse.
    Refuse(Refusal),
    /// Hand the call to a call app, by the name of its binding.
    App {
        /// The binding's name.
        name: String,
        /// Arguments.
        args: Vec<Attr>,
    },
    /// Ask again with another callee.
    Reroute {
        /// The new callee's user part.
        callee: String,
        /// Attributes merged into the call.
        attrs: Vec<Attr>,
    },
}

/// One hook of the chain: who was asked, and how it went. Kept with the call for the explanation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HookReport {
    /// The binding's name.
    pub binding: String,
    /// The plugin's id and version, `extensions@0.1.0`.
    pub plugin: String,
    /// `next`, `connect`, ... or `trap: ...`, `timeout`, `denied: ...`.
    pub outcome: String,
    /// How long it took.
    pub took: Duration,
    /// Whether an instance that had answered before was asked, and no fresh one.
    #[serde(default)]
    pub warm: bool,
}

/// The chain's answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// The decision; `None` means that nobody had one and the default verdict stands.
    pub decision: Option<Decision>,
    /// Whether a plugin of the chain failed (trap, timeout, broken rule), so that the default is a failure's.
    pub failed: bool,
    /// Attributes that `next` answers left behind.
    pub attrs: Vec<Attr>,
    /// Every hook asked, in order.
    pub hooks: Vec<HookReport>,
}
