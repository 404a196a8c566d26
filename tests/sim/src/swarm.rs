//! Swarm seeds: in most runs some features are left out, so that those that stay meet more often and in other company.
//! A run with everything in it seldom has room for the rare things.

use crate::chance::Chance;
use crate::phone::Phone;
use crate::plan::{Deed, Plan, Temper};
use crate::srtp::Liking;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Runs that leave something out, in percent.
const SWARMS: u64 = 60;

/// Whether something is left out, and how that is done.
type Choice<T> = (bool, T);

/// Which deeds are meant.
type Which = fn(&Deed) -> bool;

/// Takes features out of a plan.
pub(crate) fn thin(plan: &mut Plan, seed: u64) {
    let c = &mut Chance::new(seed ^ 0x0053_5741_524d);
    if !c.percent(SWARMS) {
        return;
    }
    let mut off = || c.percent(50);
    let tempers: [Choice<fn(&mut Temper)>; 10] = [
        (off(), |t| t.hold = 0),
        (off(), |t| t.transfer = 0),
        (off(), |t| t.early = 0),
        (off(), |t| t.reliable = 0),
        (off(), |t| t.late_offer = 0),
        (off(), |t| t.digits = 0),
        (off(), |t| t.grid = 0),
        (off(), |t| t.mute = 0),
        (off(), |t| (t.busy, t.decline, t.fail) = (0, 0, 0)),
        (off(), |t| (t.forever, t.silent, t.slow) = (0, 0, 0)),
    ];
    let (srtp, lamps, nats, streams, codes) = (off(), off(), off(), off(), off());
    for phone in &mut plan.phones {
        tempers.iter().filter(|(off, _)| *off).for_each(|(_, change)| change(&mut phone.temper));
        if srtp {
            phone.liking = Liking::Plain;
        }
        if lamps {
            phone.watches.clear();
        }
        if let Some(IpAddr::V4(outside)) = phone.nat.filter(|_| nats) {
            let local = Ipv4Addr::new(10, 1, 0, outside.octets()[3]);
            phone.local = SocketAddr::new(IpAddr::V4(local), phone.local.port());
            phone.nat = None;
        }
        phone.tcp &= !streams;
        if codes {
            phone.numbers.retain(|number| !number.starts_with('*'));
        }
    }
    if off() {
        plan.carrier = None;
    }
    if off() {
        plan.taste.direct_media = 0;
    }
    if off() {
        // No call apps.
        plan.taste.weights[9] = 0;
        plan.phones.iter_mut().for_each(|phone| phone.numbers.retain(|number| number != "900"));
    }
    let deeds: [Choice<Which>; 4] = [
        (off(), |d| matches!(d, Deed::Restart)),
        (off() || streams, |d| matches!(d, Deed::Cut(_) | Deed::Reset(_))),
        (off(), |d| matches!(d, Deed::Operator)),
        (off(), |d| matches!(d, Deed::Directory)),
    ];
    plan.deeds.retain(|(_, deed)| !deeds.iter().any(|(off, is)| *off && is(deed)));
}

/// Marks of a run, for its ladder: what is in it.
pub(crate) fn features(phones: &[Phone]) -> String {
    let count = |has: fn(&Phone) -> bool| phones.iter().filter(|p| has(p)).count();
    format!(
        "{} phones: {} by NAT, {} by TCP, {} with SRTP, {} with lamps",
        phones.len(),
        count(|p| p.plan.nat.is_some()),
        count(|p| p.plan.tcp),
        count(|p| p.plan.liking != Liking::Plain),
        count(|p| !p.plan.watches.is_empty())
    )
}
