//! What filters of messages are asked and say. Twins of `wit/hooks/sip-filter.wit`; closed on purpose.

use crate::{AccountId, BrandId, CallId, CompanyId, Header, HeaderOp, HookReport, Instant, Ticket, TrunkId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Where a message enters or leaves the switch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum EdgeAt {
    /// A carrier's trunk.
    Trunk(TrunkId),
    /// An account's terminals.
    Account(AccountId),
}

/// Whose filters a message of a call passes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Edge {
    /// The call.
    pub call: CallId,
    /// Its brand.
    pub brand: BrandId,
    /// Its company.
    pub company: CompanyId,
    /// Where the message enters or leaves.
    pub at: EdgeAt,
    /// Whether the party there withholds who it is: then no filter is told.
    pub withheld: bool,
}

/// Names that a binding is for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Names {
    /// None of them.
    #[default]
    None,
    /// Every one of the scope.
    All,
    /// These.
    Only(BTreeSet<String>),
}

impl Names {
    fn has(&self, name: &str) -> bool {
        match self {
            Names::None => false,
            Names::All => true,
            Names::Only(names) => names.contains(name),
        }
    }
}

/// Which trunks and terminals of its scope a filter is for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FilterReach {
    /// Trunks, by name.
    pub trunks: Names,
    /// Accounts, by user name.
    pub accounts: Names,
    /// The one account whose binding it is: then nothing else.
    pub account: Option<AccountId>,
    /// Whether a message that it failed to judge goes no further.
    pub mandatory: bool,
}

impl FilterReach {
    /// Whether it is for this trunk or account.
    #[must_use]
    pub fn covers(&self, at: EdgeAt, name: &str) -> bool {
        match (self.account, at) {
            (Some(own), EdgeAt::Account(id)) => own == id,
            (Some(_), EdgeAt::Trunk(_)) => false,
            (None, EdgeAt::Account(_)) => self.accounts.has(name),
            (None, EdgeAt::Trunk(_)) => self.trunks.has(name),
        }
    }
}

/// The filters of every scope, as far as the pure switch must know of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filters(pub BTreeMap<(BrandId, Option<CompanyId>), Vec<FilterReach>>);

/// What is known of the filters at an edge before they are asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FilterPolicy {
    /// Whether one of them is mandatory: then nobody's answer is a failure that closes.
    pub mandatory: bool,
}

impl Filters {
    /// Whether nobody has bound one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What holds at an edge of that name; `None` where no filter is for it.
    #[must_use]
    pub fn at(&self, (brand, company): (BrandId, CompanyId), at: EdgeAt, name: &str) -> Option<FilterPolicy> {
        let scopes = [(brand, None), (brand, Some(company))];
        let reaching =
            scopes.iter().filter_map(|scope| self.0.get(scope)).flatten().filter(|reach| reach.covers(at, name));
        reaching.fold(None, |known: Option<FilterPolicy>, reach| {
            Some(FilterPolicy { mandatory: reach.mandatory || known.is_some_and(|known| known.mandatory) })
        })
    }
}

/// A message, as filters see it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FilterMessage {
    /// Where it enters or leaves.
    pub edge: Edge,
    /// The brand's name.
    pub brand_name: String,
    /// The company's name.
    pub company_name: String,
    /// The trunk's name, or the account's user name.
    pub edge_name: String,
    /// The method; of a response that of its request.
    pub method: String,
    /// Of a response.
    pub status: Option<u16>,
    /// Whether it enters the switch.
    pub inbound: bool,
    /// Whether it is within a dialog: a re-INVITE, or a response to one.
    pub within: bool,
    /// The Request-URI of a request.
    pub request_uri: Option<String>,
    /// The URI of From, without its tag.
    pub from_uri: String,
    /// The URI of To, without its tag.
    pub to_uri: String,
    /// Header fields that a filter may see, and so change.
    pub headers: Vec<Header>,
}

impl FilterMessage {
    /// Whether a refusal of it can be sent: only an INVITE that begins a call, on its way in.
    #[must_use]
    pub fn is_refusable(&self) -> bool {
        self.inbound && !self.within && self.status.is_none()
    }
}

/// A question to the filters of an edge.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FilterQuestion {
    /// Names the question, and so the one message; the answer carries it back.
    pub ticket: Ticket,
    /// When nobody's answer is the answer.
    pub deadline: Instant,
    /// What is asked about.
    pub message: FilterMessage,
}

/// What the filters say together.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum FilterVerdict {
    /// It passes, changed so, in this order.
    Pass(Vec<HeaderOp>),
    /// The INVITE is refused with this status and reason.
    Refuse(u16, String),
    /// A mandatory filter failed, or said that it cannot judge.
    Closed,
}

/// The filters' answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FilterAnswer {
    /// The verdict.
    pub verdict: FilterVerdict,
    /// Every hook asked, in order.
    pub hooks: Vec<HookReport>,
}

/// Header fields that carry the transaction, the dialog, the body or credentials, what dialogs, reliable responses and session
/// timers agree on, and who vouches for the caller; with the compact forms of RFC 3261 section 7.3.3.
const OWN: [&str; 37] = [
    "via",
    "v",
    "route",
    "record-route",
    "contact",
    "m",
    "from",
    "f",
    "to",
    "t",
    "call-id",
    "i",
    "cseq",
    "max-forwards",
    "content-length",
    "l",
    "content-type",
    "c",
    "content-encoding",
    "e",
    "content-disposition",
    "authorization",
    "proxy-authorization",
    "www-authenticate",
    "proxy-authenticate",
    "path",
    "require",
    "supported",
    "k",
    "session-expires",
    "x",
    "min-se",
    "rack",
    "rseq",
    "replaces",
    "identity",
    "y",
];

/// Header fields that no filter sees or changes, besides those and `Content-*`: what else the protocol's machines agree on.
const KEPT: [&str; 25] = [
    "service-route",
    "max-breadth",
    "mime-version",
    "authentication-info",
    "proxy-authentication-info",
    "proxy-require",
    "unsupported",
    "allow",
    "allow-events",
    "u",
    "accept",
    "join",
    "target-dialog",
    "refer-to",
    "r",
    "refer-sub",
    "event",
    "o",
    "subscription-state",
    "date",
    "recv-info",
    "expires",
    "timestamp",
    "retry-after",
    "privacy",
];

/// Whether a header field of this name is the switch's own, in whatever form it is written: no plugin writes it.
#[must_use]
pub fn is_switchs_own(name: &str) -> bool {
    OWN.iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// Whether filters may see and change header fields of this name, in whatever form it is written.
#[must_use]
pub fn is_filterable(name: &str) -> bool {
    let content = name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("content-"));
    !content && !is_switchs_own(name) && !KEPT.iter().any(|kept| kept.eq_ignore_ascii_case(name))
}

/// Header fields after these changes, for whoever is asked next.
pub fn apply_ops(headers: &mut Vec<Header>, ops: &[HeaderOp]) {
    for op in ops {
        match op {
            HeaderOp::Add(header) => headers.push(header.clone()),
            HeaderOp::Set(header) => {
                headers.retain(|kept| !kept.name.eq_ignore_ascii_case(&header.name));
                headers.push(header.clone());
            }
            HeaderOp::Remove(name) => headers.retain(|kept| !kept.name.eq_ignore_ascii_case(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRAND: BrandId = BrandId(1);

    #[test]
    fn a_filter_reaches_what_its_scope_and_its_names_say() {
        let only = |name: &str| Names::Only(BTreeSet::from([name.to_owned()]));
        let filters = Filters(BTreeMap::from([
            ((BRAND, None), vec![FilterReach { trunks: only("carrier"), ..FilterReach::default() }]),
            (
                (BRAND, Some(CompanyId(7))),
                vec![
                    FilterReach { accounts: Names::All, mandatory: true, ..FilterReach::default() },
                    FilterReach { account: Some(AccountId(3)), ..FilterReach::default() },
                ],
            ),
        ]));
        let (trunk, account) = (EdgeAt::Trunk(TrunkId(1)), EdgeAt::Account(AccountId(3)));
        let at = |company: i64, at, name: &str| filters.at((BRAND, CompanyId(company)), at, name).map(|p| p.mandatory);
        assert_eq!(at(8, trunk, "carrier"), Some(false), "the brand's trunk, whatever company calls by it");
        assert_eq!(at(8, trunk, "other"), None);
        assert_eq!(at(8, account, "alice"), None, "another company's accounts");
        assert_eq!(at(7, account, "alice"), Some(true));
        assert_eq!(filters.at((BrandId(2), CompanyId(7)), account, "alice"), None, "another brand");
        let own = FilterReach { account: Some(AccountId(3)), trunks: Names::All, ..FilterReach::default() };
        assert!(own.covers(account, "") && !own.covers(EdgeAt::Account(AccountId(4)), "") && !own.covers(trunk, "x"));
    }

    #[test]
    fn what_carries_dialog_body_and_credentials_is_out_of_reach_in_every_form() {
        for kept in [
            "Via",
            "v",
            "CALL-ID",
            "i",
            "CSeq",
            "Contact",
            "m",
            "Record-Route",
            "Content-Length",
            "l",
            "content-anything",
            "Proxy-Authorization",
            "From",
            "t",
            "RSeq",
            "Session-Expires",
            "Date",
        ] {
            assert!(!is_filterable(kept), "{kept}");
        }
        for free in ["Subject", "X-Account", "P-Asserted-Identity", "User-Agent", "Diversion", "Server", "Contents"] {
            assert!(is_filterable(free), "{free}");
        }
    }

    #[test]
    fn who_is_asked_next_sees_the_changes() {
        let header = |name: &str, value: &str| Header { name: name.to_owned(), value: value.to_owned() };
        let mut headers = vec![header("X-One", "1"), header("x-one", "2"), header("Subject", "s")];
        let ops = [
            HeaderOp::Set(header("X-ONE", "3")),
            HeaderOp::Add(header("X-Two", "4")),
            HeaderOp::Remove("subject".to_owned()),
        ];
        apply_ops(&mut headers, &ops);
        assert_eq!(headers, vec![header("X-ONE", "3"), header("X-Two", "4")]);
    }
}
