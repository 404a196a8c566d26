//! Hunt groups: who rings for a group, in what order, and where calls go that nobody answers.

use super::way::is_e164;
use super::{BadRule, Used, Way};
use serde::{Deserialize, Serialize};

/// In what order the members of a group ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HuntStrategy {
    /// All together, once.
    RingAll,
    /// One after the other, by priority.
    Linear,
    /// The same, but each call begins with the member after the one the last call began with.
    RoundRobin,
    /// One after the other, shuffled for each call.
    Random,
}

/// Who a member is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "name")]
pub enum HuntParty {
    /// An account of the company, by user name.
    Account(String),
    /// Somebody outside, by public number in E.164: the routing chain says how it is reached, and the company pays.
    Number(String),
}

/// A member of a group.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HuntMember {
    /// Who.
    pub to: HuntParty,
    /// Lower rings first; of equals the one that stands first.
    #[serde(default)]
    pub priority: u16,
    /// How long it rings where members ring one after the other, in seconds.
    #[serde(default = "HuntGroup::default_ring")]
    pub ring_s: u16,
}

/// A group.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HuntGroup {
    /// The order.
    pub strategy: HuntStrategy,
    /// The members.
    pub members: Vec<HuntMember>,
    /// How long all of them ring together, in seconds.
    #[serde(default = "HuntGroup::default_ring")]
    pub ring_s: u16,
    /// How many times a round robin goes round: one that never ends would ring for ever.
    #[serde(default = "HuntGroup::once")]
    pub rounds: u8,
    /// Where calls go that no member answers; absent = the caller gets the best failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_answer: Option<Way>,
    /// Members whose phones rang in vain show no missed call even where nobody answered (RFC 3326, RFC 3261 section 9).
    /// Without it they show one only then.
    #[serde(default)]
    pub prevent_missed_calls: bool,
}

impl HuntGroup {
    /// Most members, as many as may ring at once.
    pub const MEMBERS_MAX: usize = 16;
    /// Most members outside: each is a question to the routing chain before the first phone rings.
    pub const NUMBERS_MAX: usize = 4;
    /// Most times that members ring one after the other, over all rounds.
    pub const RINGS_MAX: usize = 40;

    const fn default_ring() -> u16 {
        20
    }

    const fn once() -> u8 {
        1
    }

    pub(crate) fn check(&self) -> Result<(), BadRule> {
        let count = self.members.len();
        if !(1..=Self::MEMBERS_MAX).contains(&count) {
            return Err(BadRule::new("members", format!("1 to {} are allowed", Self::MEMBERS_MAX)));
        }
        if self.numbers().count() > Self::NUMBERS_MAX {
            return Err(BadRule::new("members", format!("at most {} outside are allowed", Self::NUMBERS_MAX)));
        }
        if let Some(wrong) = self.numbers().find(|number| !is_e164(number)) {
            return Err(BadRule::new("members", format!("expected a number as +34944048182, found {wrong:?}")));
        }
        let twice = |(at, member): (usize, &HuntMember)| self.members.iter().skip(at + 1).any(|m| m.to == member.to);
        if self.members.iter().enumerate().any(twice) {
            return Err(BadRule::new("members", "one of them is named twice"));
        }
        let rings = |s: u16| (1..=180).contains(&s);
        if !rings(self.ring_s) || !self.members.iter().all(|m| rings(m.ring_s)) {
            return Err(BadRule::new("ring_s", "1 to 180 seconds"));
        }
        if self.rounds == 0 || count * usize::from(self.rounds) > Self::RINGS_MAX {
            return Err(BadRule::new("rounds", format!("1 to {} rings over all rounds", Self::RINGS_MAX)));
        }
        self.no_answer.as_ref().map_or(Ok(()), |way| way.check("no_answer"))
    }

    /// Its members outside.
    pub fn numbers(&self) -> impl Iterator<Item = &str> {
        self.members.iter().filter_map(|member| match &member.to {
            HuntParty::Number(number) => Some(number.as_str()),
            HuntParty::Account(_) => None,
        })
    }

    pub(crate) fn uses(&self) -> Vec<Used<'_>> {
        let accounts = self.members.iter().filter_map(|member| match &member.to {
            HuntParty::Account(name) => Some(Used::Account(name)),
            HuntParty::Number(_) => None,
        });
        accounts.chain(self.no_answer.as_ref().and_then(Way::uses)).collect()
    }
}
