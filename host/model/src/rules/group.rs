//! Hunt groups: who rings for a group, and in what order.

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

/// A member of a group.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HuntMember {
    /// An account's user name.
    pub account: String,
    /// Lower rings first; of equals the one that stands first.
    #[serde(default)]
    pub priority: u16,
    /// How long it rings where members ring one after the other, in seconds.
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
    pub ring_s: u16,
    /// How many times a round robin goes round: one that never ends would ring for ever.
    #[serde(default = "once")]
    pub rounds: u8,
}

const fn once() -> u8 {
    1
}
