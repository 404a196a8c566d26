//! Limits of a tenant: calls at once by brand, company and account. Money by day is the ledger's (`store::Ledger`).

use model::Cause;

/// Which way a call crosses the tenant's edge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// An account of the tenant calls: it gets 403.
    Out,
    /// Somebody calls the tenant: it is busy, 486, so that no carrier takes it for a broken switch.
    In,
}

/// Why there is no room for one more call: `levels` has, from the brand down to the account, how many calls are up and
/// how many may be.
#[must_use]
pub fn full(direction: Direction, levels: &[(usize, Option<u32>)]) -> Option<Cause> {
    let is_full =
        |(up, most): &(usize, Option<u32>)| most.is_some_and(|most| *up >= usize::try_from(most).unwrap_or(usize::MAX));
    levels.iter().any(is_full).then_some(match direction {
        Direction::Out => Cause::CallsMaxOut,
        Direction::In => Cause::CallsMaxIn,
    })
}
