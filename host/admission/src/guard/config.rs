//! What the guard is told once.

use super::{Rate, SCANNERS};
use core::time::Duration;
use model::Cidr;
use serde::{Deserialize, Serialize};

/// What is done with a request for a domain that is nobody's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownDomain {
    /// 403.
    #[default]
    Refuse,
    /// No answer.
    Drop,
}

/// The settings of the guard. The defaults are what `serve` runs with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GuardConfig {
    /// Off trusts every source.
    pub enabled: bool,
    /// Whether the machine itself is trusted.
    pub trust_loopback: bool,
    /// Blocks that are never banned and have no rates, besides the addresses of direct accounts and of carriers.
    pub trusted: Vec<Cidr>,
    /// What is done with a request for a domain that is nobody's.
    pub unknown_domain: UnknownDomain,
    /// Parts of User-Agents that are never listened to, in lower case.
    pub scanners: Vec<String>,
    /// Requests outside a dialog of one source; past it they are dropped.
    pub source_requests: Rate,
    /// INVITEs outside a dialog of one source; past it they are dropped.
    pub source_invites: Rate,
    /// Dropped requests of one source; past it the source is banned.
    pub overflows: Rate,
    /// Requests outside a dialog of one account; past it 503.
    pub account_requests: Rate,
    /// INVITEs outside a dialog of one account; past it 503.
    pub account_invites: Rate,
    /// Wrong credentials of one account from one source; past it they are not looked at.
    pub account_failures: Rate,
    /// Wrong credentials from one source; past it the source is banned.
    pub source_failures: Rate,
    /// Requests of one source for domains that are nobody's; past it the source is banned.
    pub strangers: Rate,
    /// The first ban, in seconds; each later one of the same source is four times as long.
    pub ban_first_s: u32,
    /// The longest ban, in seconds.
    pub ban_max_s: u32,
    /// Most sources whose rates are known; past it the one not heard for longest is forgotten.
    pub sources_max: usize,
    /// Most accounts whose rates are known.
    pub accounts_max: usize,
    /// Most bans; past it the one that ends first is let off.
    pub bans_max: usize,
}

impl Default for GuardConfig {
    fn default() -> GuardConfig {
        GuardConfig {
            enabled: true,
            trust_loopback: true,
            trusted: Vec::new(),
            unknown_domain: UnknownDomain::Refuse,
            scanners: SCANNERS.iter().map(|s| (*s).to_owned()).collect(),
            source_requests: Rate::new(6_000, 600),
            source_invites: Rate::new(1_200, 120),
            overflows: Rate::new(60, 300),
            account_requests: Rate::new(1_200, 200),
            account_invites: Rate::new(600, 60),
            account_failures: Rate::new(5, 5),
            source_failures: Rate::new(10, 20),
            strangers: Rate::new(10, 20),
            ban_first_s: 60,
            ban_max_s: 86_400,
            sources_max: 65_536,
            accounts_max: 65_536,
            bans_max: 16_384,
        }
    }
}

impl GuardConfig {
    pub(crate) fn ban_first(&self) -> Duration {
        Duration::from_secs(u64::from(self.ban_first_s.max(1)))
    }

    pub(crate) fn ban_max(&self) -> Duration {
        Duration::from_secs(u64::from(self.ban_max_s)).max(self.ban_first())
    }
}
