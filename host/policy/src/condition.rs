//! Conditional routes: the first whose criteria hold.

use crate::calendar;
use model::{CompanyId, Condition, ConditionalRoute, Directory, Local, Way};

/// Where a call of this caller (E.164) goes now. Within a sort of criteria any will do, every sort that is named must
/// hold, and one that is not named holds. A rule that is gone meanwhile holds never.
#[must_use]
pub fn conditional<'r>(
    directory: &Directory,
    company: CompanyId,
    route: &'r ConditionalRoute,
    (caller, now): (&str, &Local),
) -> &'r Way {
    let any = |names: &[String], holds: &dyn Fn(&str) -> bool| names.is_empty() || names.iter().any(|n| holds(n));
    let holds = |condition: &&Condition| {
        any(&condition.match_lists, &|n| directory.match_list(company, n).is_some_and(|l| l.has(caller)))
            && any(&condition.schedules, &|n| directory.schedule(company, n).is_some_and(|s| calendar::is_open(s, now)))
            && any(&condition.calendars, &|n| {
                directory.calendar(company, n).is_some_and(|c| calendar::holiday(c, now).is_some())
            })
            && any(&condition.locks, &|n| directory.route_lock(company, n).is_some_and(|lock| lock.open))
    };
    route.conditions.iter().find(holds).map_or(&route.otherwise, |condition| &condition.way)
}
