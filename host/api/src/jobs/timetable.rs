//! When timetables' jobs come, and that they do (decision 0290).
//!
//! A time that was missed because no switch ran comes once when one runs again, however many were missed; then the times
//! go on as they would have.

use crate::Api;
use core::time::Duration;
use model::Instant;
use policy::Cron;
use store::{Cadence, StoreError, Timetable};

/// Times that come in one look; those that are left come with the next.
const LOOK_MAX: usize = 100;

/// The next time after `now`; `due` is a time that it came, or would have.
pub(crate) fn next(cadence: &Cadence, due: Instant, now: Instant) -> Option<Instant> {
    match cadence {
        Cadence::Cron(cron, zone) => Cron::parse(cron).ok()?.next(zone, now),
        Cadence::Every(every) => {
            let every = u64::try_from(every.as_nanos()).ok().filter(|n| *n > 0)?;
            let passed = u64::try_from(now.since(due).as_nanos()).ok()?;
            let turns = passed / every + 1;
            Some(due + Duration::from_nanos(turns.checked_mul(every)?))
        }
    }
}

/// Asks for the jobs whose times have come; how many it asked for.
pub(super) async fn come(api: &Api) -> Result<usize, StoreError> {
    let mut asked = 0;
    for _ in 0..LOOK_MAX {
        let now = api.switch.now();
        let Some(seen) = api.db.timetables().due(now).await? else { break };
        let next = seen.timing.next_at.and_then(|due| next(&seen.timing.cadence, due, now));
        if next.is_none() {
            tracing::warn!(
                timetable = seen.id,
                name = seen.timing.name,
                "a timetable has no next time and is switched off"
            );
        }
        match api.db.timetables().come(&seen, next, now).await? {
            Some(job) => {
                asked += 1;
                tracing::info!(job, timetable = seen.id, name = seen.timing.name, "a timetable's time came");
            }
            None => passed_over(&seen),
        }
    }
    Ok(asked)
}

fn passed_over(seen: &Timetable) {
    tracing::info!(timetable = seen.id, name = seen.timing.name, "a time was another node's, or its job is under way");
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Instant {
        Instant::from_unix_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn what_was_missed_is_one_turn_and_the_beat_is_kept() {
        let every = Cadence::Every(Duration::from_secs(60));
        for (now, then) in [(100, 160), (101, 160), (159, 160), (160, 220), (1_000_000, 1_000_060)] {
            assert_eq!(next(&every, at(100), at(now)), Some(at(then)), "{now}");
        }
        let daily = Cadence::Cron("0 3 * * *".to_owned(), "UTC".to_owned());
        assert_eq!(next(&daily, at(0), at(10 * 86_400)), Some(at(10 * 86_400 + 3 * 3_600)));
        for (cron, zone) in [("0 3 30 2 *", "UTC"), ("0 3 * * *", "Nowhere"), ("x", "UTC")] {
            assert_eq!(next(&Cadence::Cron(cron.to_owned(), zone.to_owned()), at(0), at(1)), None, "{cron} {zone}");
        }
    }
}
