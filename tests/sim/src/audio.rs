//! Two people who talk hear each other: what flows, where the other rules say what must not.

use crate::dialog::{Dialog, Stage};
use crate::journal::Journal;
use crate::node::Node;
use crate::phone::{Phone, label_of};
use crate::rules::Broken;
use core::net::IpAddr;
use core::time::Duration;
use model::{CallSnapshot, Instant, LegState};

/// A call that has stood unchanged for so long has settled.
const SETTLED: Duration = Duration::from_secs(15);
/// Whoever speaks does so at least three times meanwhile, and in calm weather nothing is lost.
const DEAF: Duration = Duration::from_secs(13);

/// Checked in calm weather only. `switch` is where the switch's media ports are.
pub(crate) fn check(
    core: &Node,
    phones: &[Phone],
    journal: &Journal,
    (switch, now): (IpAddr, Instant),
) -> Result<(), Broken> {
    for call in core.calls() {
        let Some([one, other]) = parties(&call, phones, journal) else { continue };
        if ![one, other].iter().all(|(_, dialog)| is_settled(dialog, now)) {
            continue;
        }
        let relayed = |(_, dialog): (&Phone, &Dialog)| dialog.remote_media.is_some_and(|(to, _)| to.ip() == switch);
        if relayed(one) != relayed(other) {
            let words = format!("{} and {} are told different ways", one.1.call_id, other.1.call_id);
            return Err(Broken { rule: "half-relayed", words });
        }
        if !relayed(one) {
            continue;
        }
        for ((hearer, in_call), (speaker, of_call)) in [(one, other), (other, one)] {
            let labels = (label_of(speaker.index, of_call.port), label_of(hearer.index, in_call.port));
            let heard = hearer.heard.get(&labels);
            // Nobody finds the way to a mute phone behind a NAT.
            let reachable = in_call.speak_at.is_some() || hearer.plan.nat.is_none();
            if of_call.speak_at.is_some() && reachable && heard.is_none_or(|at| now.since(*at) > DEAF) {
                let words = format!("{} hears nothing of {}: {heard:?}, now {now:?}", in_call.call_id, of_call.call_id);
                return Err(Broken { rule: "deaf", words });
            }
        }
    }
    Ok(())
}

/// The two phones of a call that is nothing but a bridge.
fn parties<'p>(call: &CallSnapshot, phones: &'p [Phone], journal: &Journal) -> Option<[(&'p Phone, &'p Dialog); 2]> {
    let [one, other] = call.legs.as_slice() else { return None };
    if call.app.is_some() || one.state != LegState::Answered || other.state != LegState::Answered {
        return None;
    }
    let party = |leg: u16| {
        let entry = journal.legs.get(&(call.call, leg))?;
        phones.iter().find_map(|phone| Some((phone, phone.dialogs.get(&entry.sip_call_id)?)))
    };
    Some([party(one.leg)?, party(other.leg)?])
}

fn is_settled(dialog: &Dialog, now: Instant) -> bool {
    let old = |at: Instant| now.since(at) > SETTLED;
    dialog.stage == Stage::Up
        && old(dialog.since)
        && old(dialog.media_since)
        && !(dialog.excused || dialog.unacked || dialog.on_hold)
        && dialog.offering.is_none()
        && dialog.remote_media.is_some_and(|(_, flows)| flows)
}
