//! Services by star code: what may be dialled to do something to calls. The platform has codes, a brand may have others,
//! a company others still; an empty one switches the service off.

use super::BadRule;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the switch itself does for who dials a code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StarService {
    /// Picks up what rings at the number that follows; alone, whatever rings in the company.
    Pickup,
    /// Picks up what rings at an account of one of the caller's pickup groups.
    GroupPickup,
    /// As the target of a blind transfer: parks the party in the slot that follows, else in that of the own account.
    Park,
    /// Takes back who is parked in the slot that follows, else in that of the own account.
    Retrieve,
    /// Opens the route lock whose code follows.
    LockOpen,
    /// Closes it.
    LockClose,
    /// Opens a closed one and closes an open one; whoever watches this shows with a lamp whether it is closed.
    LockToggle,
}

impl StarService {
    /// Every service.
    pub const ALL: [StarService; 7] = [
        StarService::Pickup,
        StarService::GroupPickup,
        StarService::Park,
        StarService::Retrieve,
        StarService::LockOpen,
        StarService::LockClose,
        StarService::LockToggle,
    ];

    /// The platform's code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            StarService::Pickup => "*8",
            StarService::GroupPickup => "*95",
            StarService::Park => "*68",
            StarService::Retrieve => "*69",
            StarService::LockOpen => "*71",
            StarService::LockClose => "*70",
            StarService::LockToggle => "*77",
        }
    }
}

/// Codes that differ from those of the level above. A code is `*` and 1 to 5 of 0 to 9 and `*`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServiceCodes(BTreeMap<StarService, String>);

impl ServiceCodes {
    /// None that differs.
    pub const NONE: ServiceCodes = ServiceCodes(BTreeMap::new());

    /// Whether none differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The code of this level; empty where the service is off, none where it is as above.
    #[must_use]
    pub fn code(&self, service: StarService) -> Option<&str> {
        self.0.get(&service).map(String::as_str)
    }

    pub(crate) fn check(&self) -> Result<(), BadRule> {
        let is_code = |code: &str| {
            let rest = code.strip_prefix('*').unwrap_or_default();
            (1..=5).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_digit() || b == b'*')
        };
        if self.0.values().any(|code| !code.is_empty() && !is_code(code)) {
            return Err(BadRule::new("services", "a code is * and 1 to 5 of 0 to 9 and *; an empty one is off"));
        }
        let mut codes: Vec<&String> = self.0.values().filter(|code| !code.is_empty()).collect();
        codes.sort();
        if codes.windows(2).any(|two| two[0] == two[1]) {
            return Err(BadRule::new("services", "two services have the same code"));
        }
        Ok(())
    }
}

/// The service that was dialled, with what follows its code: the longest code wins, and the company's is asked before
/// the brand's before the platform's.
#[must_use]
pub fn dialled_service<'d>(levels: &[&ServiceCodes], dialled: &'d str) -> Option<(StarService, &'d str)> {
    let code = |service: StarService| levels.iter().find_map(|level| level.code(service)).unwrap_or(service.code());
    let fits = |service: StarService| {
        let code = code(service);
        Some((code.len(), service, dialled.strip_prefix(code).filter(|_| !code.is_empty())?))
    };
    let longest = StarService::ALL.into_iter().filter_map(fits).max_by_key(|(length, ..)| *length);
    longest.map(|(_, service, rest)| (service, rest))
}
