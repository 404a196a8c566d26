//! The reference model of the business: what the phones lived through, beside what was written down to be paid.

use crate::carriers::CarrierPlan;
use crate::journal::Journal;
use crate::phone::Phone;
use crate::plan::Plan;
use crate::rules::Broken;
use core::time::Duration;
use model::Instant;

/// Where nothing is lost, both sides of a message know of it within this time.
const SHARP: Duration = Duration::from_millis(400);
/// Where messages are lost, they are repeated: the ones that begin and end a call may each be late by so much.
const BLURRED: Duration = Duration::from_secs(25);

/// At rest: every phone's talking time is what the records say of its legs, whoever they belonged to.
pub(crate) fn check_durations(plan: &Plan, phones: &[Phone], journal: &Journal) -> Result<(), Broken> {
    let sharp = plan.weather.loss == 0;
    let tolerance = if sharp { SHARP } else { BLURRED };
    for phone in phones {
        for dialog in phone.dialogs.values().filter(|d| !d.excused) {
            let lived = match (dialog.up_at, dialog.down_at) {
                (Some(up), Some(down)) => down.since(up),
                (Some(_), None) | (None, _) => Duration::ZERO,
            };
            let Some(written) = journal.talked(&dialog.call_id) else { continue };
            if lived.abs_diff(written) > tolerance {
                let words =
                    format!("phone {} talked {lived:?} in {}, {written:?} is written", phone.index, dialog.call_id);
                return Err(Broken { rule: "cdr-duration", words });
            }
        }
    }
    Ok(())
}

/// No carrier was called more often than its trunk may: a second's worth at once, and after that the rate.
pub(crate) fn check_rate(plan: Option<&CarrierPlan>, journal: &Journal) -> Result<(), Broken> {
    let Some(rate) = plan.and_then(|plan| plan.cps_max) else { return Ok(()) };
    let mut began: Vec<Instant> = journal.carried.values().copied().collect();
    began.sort_unstable();
    for (at, first) in began.iter().enumerate() {
        for (count, last) in began[at..].iter().enumerate() {
            let most = u128::from(rate) * (1_000 + last.since(*first).as_millis() + 1) / 1_000;
            if count as u128 + 1 > most {
                let words = format!("{} calls to the carrier within {:?}", count + 1, last.since(*first));
                return Err(Broken { rule: "trunk-rate", words });
            }
        }
    }
    Ok(())
}
