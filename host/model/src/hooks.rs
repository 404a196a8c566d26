//! What plugins are asked and told beside routing: registrations and events. Twins of `wit/hooks`; closed on purpose.

use crate::{BrandId, CallId, CompanyId, Filters, Header, HookReport, Instant, Ticket};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Which tenants have bindings that the pure switch must know of before it asks: whom to wait for longer, and which
/// message to park. A tenant that is not named costs nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Hooks {
    /// Scopes with a router that may wait.
    pub router_io: BTreeSet<(BrandId, Option<CompanyId>)>,
    /// Scopes with a registration hook.
    pub registration: BTreeSet<(BrandId, Option<CompanyId>)>,
    /// Scopes with a rater.
    pub rater: BTreeMap<(BrandId, Option<CompanyId>), RaterPolicy>,
    /// Filters of messages, and which trunks and terminals each is for.
    pub sip_filter: Filters,
}

/// What holds for a number that is to be paid for where its rater fails or is late.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RaterPolicy {
    /// It may be called all the same, for so many seconds; none: it may not.
    pub open_s: Option<u32>,
}

fn reaches(scopes: &BTreeSet<(BrandId, Option<CompanyId>)>, brand: BrandId, company: CompanyId) -> bool {
    !scopes.is_empty() && (scopes.contains(&(brand, None)) || scopes.contains(&(brand, Some(company))))
}

impl Hooks {
    /// Whether a company's routing chain has a router that may wait.
    #[must_use]
    pub fn routing_waits(&self, brand: BrandId, company: CompanyId) -> bool {
        reaches(&self.router_io, brand, company)
    }

    /// What holds where a company's rater fails; `None` where it has no rater.
    #[must_use]
    pub fn rater(&self, brand: BrandId, company: CompanyId) -> Option<RaterPolicy> {
        if self.rater.is_empty() {
            return None;
        }
        self.rater.get(&(brand, Some(company))).or_else(|| self.rater.get(&(brand, None))).copied()
    }

    /// Whether a company's registrations are asked about.
    #[must_use]
    pub fn asks_registration(&self, brand: BrandId, company: CompanyId) -> bool {
        reaches(&self.registration, brand, company)
    }
}

/// A REGISTER after authentication.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RegisterAttempt {
    /// The brand.
    pub brand: BrandId,
    /// Its name.
    pub brand_name: String,
    /// The company.
    pub company: CompanyId,
    /// Its name.
    pub company_name: String,
    /// The account's user name.
    pub account: String,
    /// The address of record.
    pub aor: String,
    /// The contacts, as they stand in the request.
    pub contacts: Vec<String>,
    /// Where it came from.
    pub source_ip: String,
    /// The phone's own word for itself.
    pub user_agent: String,
    /// What it asks for, in seconds.
    pub expires_s: Option<u32>,
    /// Header fields that a plugin may see.
    pub headers: Vec<Header>,
}

/// A question to the registration chain.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RegisterQuestion {
    /// Names the question; the answer carries it back.
    pub ticket: Ticket,
    /// When the registrar decides alone.
    pub deadline: Instant,
    /// What is asked about.
    pub attempt: RegisterAttempt,
}

/// What the registration chain says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RegisterVerdict {
    /// The registrar decides as ever.
    Pass,
    /// As ever, and at most so many seconds.
    AtMost(u32),
    /// Refuse with this status and reason.
    Refuse(u16, String),
}

/// The registration chain's answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RegisterAnswer {
    /// The verdict.
    pub verdict: RegisterVerdict,
    /// Every hook asked, in order.
    pub hooks: Vec<HookReport>,
}

/// Something happened, as event sinks are told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// `call-started`, `call-answered`, `call-ended`, `registered`, `unregistered`.
    pub kind: &'static str,
    /// When.
    pub at: Instant,
    /// The call.
    pub call: Option<CallId>,
    /// The brand.
    pub brand: BrandId,
    /// The company.
    pub company: CompanyId,
    /// Names and values, as `wit/hooks/event-sink.wit` lists them.
    pub attrs: Vec<(&'static str, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brands_hook_reaches_its_companies_and_a_companys_only_itself() {
        let registration = BTreeSet::from([(BrandId(1), None), (BrandId(2), Some(CompanyId(7)))]);
        let hooks = Hooks { registration, ..Hooks::default() };
        let asks = |b, c| hooks.asks_registration(BrandId(b), CompanyId(c));
        assert_eq!((asks(1, 3), asks(2, 7), asks(2, 8), asks(3, 7)), (true, true, false, false));
        assert!(!hooks.routing_waits(BrandId(1), CompanyId(3)));
    }
}
