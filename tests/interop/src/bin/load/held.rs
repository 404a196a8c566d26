//! Memory of calls that are held without media: what the whole process takes for each, every transaction over.

use crate::report::Report;
use crate::world::{World, address};
use interop::{Sipp, within};
use serde_json::json;
use std::time::Duration;

const CALLS: u32 = 10_000;
const RATE: u32 = 200;
/// Longer than it takes to set them up and for the last INVITE's transactions to end.
const HOLD: Duration = Duration::from_secs(110);
const PATIENCE: Duration = Duration::from_secs(120);
/// How calls are handled, and the most KiB that one may take.
const KINDS: [(&str, f64); 2] = [("proxy", 12.0), ("b2bua", 24.0)];

/// `held`.
pub(crate) fn run() -> Report {
    let mut report = Report::default();
    for (handling, most) in KINDS {
        let each = hold(handling, &mut report);
        report.must(&format!("{handling}: at most {most} KiB a call"), each <= most);
    }
    report
}

fn hold(handling: &str, report: &mut Report) -> f64 {
    let mut world = World::new(50, "");
    let tenant = world.tenant("load", "direct");
    world.rest.write("PATCH", &format!("/companies/{}", tenant.company), &json!({ "handling": handling }));
    let (caller, callee) = (address(), address());
    world.leads_to(tenant, "500", callee);
    world.account(tenant, "sipp", caller);
    let _answering = Sipp::callee(callee);
    // What is paid for once.
    let warm = Sipp::caller(caller, world.switch.sip(), "500", (RATE * 5, RATE, Duration::from_secs(1)))
        .finish(Duration::from_secs(60));
    report.zero(&format!("{handling}: failed before"), warm.failed);
    settled(&world, 0);
    let base = world.usage().rss_kib;
    let mut calling = Sipp::caller(caller, world.switch.sip(), "500", (CALLS, RATE, HOLD));
    settled(&world, CALLS);
    let held = world.usage().rss_kib;
    let each = (held.saturating_sub(base)) as f64 / f64::from(CALLS);
    report.figure(&format!("{handling}: calls held"), CALLS, "");
    report.measure(&format!("{handling}: resident memory before"), base as f64 / 1_024.0, "MiB");
    report.measure(&format!("{handling}: resident memory with them"), held as f64 / 1_024.0, "MiB");
    report.measure(&format!("{handling}: memory of a call"), each, "KiB");
    let figures = calling.finish(HOLD + PATIENCE);
    report.zero(&format!("{handling}: failed"), figures.failed);
    each
}

/// Waits until so many calls stand, and nothing else goes on.
fn settled(world: &World, calls: u32) {
    let stands = || {
        let alive = world.rest.metric("strowger_calls ");
        let open = world.rest.metric("strowger_sip_transactions ");
        (alive == f64::from(calls) && open == 0.0).then_some(())
    };
    within(PATIENCE, &format!("{calls} calls that stand"), stands, || world.rest.metrics());
}
