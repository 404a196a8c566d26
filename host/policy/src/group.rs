//! Hunt groups: who rings, in what order, how long.

use core::time::Duration;
use model::{HuntGroup, HuntMember, HuntParty, HuntStrategy, IdSource};

/// Members that ring together, and for how long.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ring<'g> {
    /// Who.
    pub members: Vec<&'g HuntParty>,
    /// How long.
    pub time: Duration,
}

/// The rings of one call, in order. `turn` counts the group's calls: a round robin begins with the next member each time
/// and goes round as often as the group says, never for ever. `chance` shuffles.
#[must_use]
pub fn order<'g>(group: &'g HuntGroup, turn: u64, chance: &mut IdSource) -> Vec<Ring<'g>> {
    let mut members: Vec<&HuntMember> = group.members.iter().collect();
    members.sort_by_key(|member| member.priority);
    let seconds = |s: u16| Duration::from_secs(u64::from(s));
    let alone = |member: &&'g HuntMember| Ring { members: vec![&member.to], time: seconds(member.ring_s) };
    match group.strategy {
        HuntStrategy::RingAll if members.is_empty() => Vec::new(),
        HuntStrategy::RingAll => {
            vec![Ring { members: members.iter().map(|m| &m.to).collect(), time: seconds(group.ring_s) }]
        }
        HuntStrategy::Linear => members.iter().map(alone).collect(),
        HuntStrategy::RoundRobin => {
            let first = usize::try_from(turn % u64::try_from(members.len().max(1)).unwrap_or(1)).unwrap_or(0);
            members.rotate_left(first);
            let rounds = usize::from(group.rounds.max(1));
            members.iter().cycle().take(members.len() * rounds).map(alone).collect()
        }
        HuntStrategy::Random => {
            // Fisher and Yates: each order is as likely as any other, but for a bias below 2^-32.
            for last in (1..members.len()).rev() {
                let bound = u64::try_from(last + 1).unwrap_or(1);
                members.swap(last, usize::try_from(chance.u64() % bound).unwrap_or(0));
            }
            members.iter().map(alone).collect()
        }
    }
}
