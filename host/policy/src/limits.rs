//! Limits of a tenant: calls at once by brand, company and account, and money by day.

use model::{Cause, Date, Instant};

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

/// What a company has spent today, in its own zone's days (IvozProvider counts the server's; that is not inherited).
///
/// # Invariants
/// `spent` is of `day`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DaySpending {
    day: Date,
    spent_micros: i64,
}

impl DaySpending {
    /// Nothing spent as yet.
    #[must_use]
    pub fn new(zone: Option<&str>, now: Instant) -> DaySpending {
        DaySpending { day: crate::local(zone, now).date, spent_micros: 0 }
    }

    /// What was spent on the day of `now`, in millionths of the tenant's currency.
    #[must_use]
    pub fn spent(&self, zone: Option<&str>, now: Instant) -> i64 {
        if crate::local(zone, now).date == self.day { self.spent_micros } else { 0 }
    }

    /// Adds a cost of this moment.
    #[must_use]
    pub fn spend(self, zone: Option<&str>, now: Instant, micros: i64) -> DaySpending {
        DaySpending {
            day: crate::local(zone, now).date,
            spent_micros: self.spent(zone, now).saturating_add(micros.max(0)),
        }
    }

    /// Whether the cap is reached: then every call of the company ends and no new one begins. A cap that is raised counts
    /// at once.
    #[must_use]
    pub fn is_reached(&self, zone: Option<&str>, now: Instant, cap_micros: Option<i64>) -> bool {
        cap_micros.is_some_and(|cap| self.spent(zone, now) >= cap)
    }
}
