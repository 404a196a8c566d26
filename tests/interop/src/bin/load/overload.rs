//! More than the switch can do.
//!
//! A machine of two cores cannot offer a free shard twice what it can do. So the switch is held to the first core and
//! shares it with processes that only compute, which leaves it a known part of one; sipp has the other core. There are so
//! many of them that twice what the switch can do is about [`OFFERED`].

use crate::report::Report;
use crate::world::{Tenant, World, address, pin};
use interop::{Child, Figures, Sipp};
use std::process::Command;
use std::time::Duration;

/// Calls a second that are to be offered.
const OFFERED: u32 = 1_000;
/// Processes that share the switch's core, at most.
const BRAKES_MAX: u32 = 11;
/// The rates that are tried, in calls a second: from the first on, each this much above the last.
const FIRST_RATE: u32 = 100;
const STEP_PERCENT: u32 = 120;
const RATE_MAX: u32 = 1_500;
/// How long a rate is tried, and how long twice the capacity is offered, in seconds.
const TRY_S: u32 = 4;
const OVERLOAD_S: u32 = 20;
const HOLD: Duration = Duration::from_secs(1);
/// Calls that are up before, and end in the midst of it.
const HELD: u32 = 50;
const HELD_FOR: Duration = Duration::from_secs(12);
/// What has to be left of the most that could be done, in percent.
const GOODPUT_MIN: u64 = 80;

/// `overload`.
pub(crate) fn run() -> Report {
    let mut report = Report::default();
    let mut world = World::new(50, "");
    let tenant = world.tenant("load", "direct");
    let callee = address();
    // No plugin: a part of a core with the pauses that come with it is not what its deadlines are for.
    world.leads_to(tenant, "500", callee);
    let mut answering = Sipp::callee(callee);
    pin(answering.child().id(), 1);
    let before = world.usage();
    let first = offer(&world, tenant, FIRST_RATE, TRY_S, HOLD).finish(Duration::from_secs(120));
    let cost = (world.usage().cpu.0 - before.cpu.0).as_secs_f64() / first.successful.max(1) as f64;
    let brakes = brakes_for(cost);
    report.measure("CPU of a call at the first rate", cost * 1e6, "us");
    report.figure("processes that share its core", brakes, "");
    let _brakes = hold_back(world.switch.child().id(), brakes);

    let mut capacity = 0;
    let mut rate = FIRST_RATE;
    while rate <= RATE_MAX {
        let tried = offer(&world, tenant, rate, TRY_S, HOLD).finish(Duration::from_secs(120));
        if tried.failed > 0 || tried.retransmissions > 0 {
            break;
        }
        capacity = rate;
        rate = rate * STEP_PERCENT / 100;
    }
    report.figure("highest clean rate", capacity, "calls/s");
    report.must("a clean rate below the largest that is tried", capacity > 0 && rate <= RATE_MAX);

    // The last rate was too much: what it made the switch refuse has to be over.
    interop::until("a switch that takes everything again", || {
        (world.rest.metric("strowger_overload_share") >= 1_000.0).then_some(())
    });
    let mut held = offer(&world, tenant, HELD / 2, 2, HELD_FOR);
    interop::until("the held calls", || (held.figures().current >= u64::from(HELD)).then_some(()));
    let figures = offer(&world, tenant, capacity * 2, OVERLOAD_S, HOLD).finish(Duration::from_secs(180));
    let held: Figures = held.finish(Duration::from_secs(60));
    let goodput = figures.successful / u64::from(OVERLOAD_S);
    report.figure("offered", capacity * 2, "calls/s");
    report.figure("answered and ended well", goodput, "calls/s");
    report.figure("refused or failed", figures.failed, "calls");
    report.figure("retransmitted", figures.retransmissions, "");
    report.figure("shed", world.rest.metric("strowger_sip_refused_total{why=\"overload\""), "");
    report.must("goodput of 80 % of the highest clean rate", goodput * 100 >= u64::from(capacity) * GOODPUT_MIN);
    report.figure("calls held through it that ended well", held.successful, "");
    report.must("every call that was up ended well", held.successful == u64::from(HELD) && held.failed == 0);
    report
}

/// How many must share the core of a switch to which a call costs so many seconds.
fn brakes_for(cost: f64) -> u32 {
    let share = (f64::from(OFFERED / 2) * cost).max(1e-3);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let with_it = (1.0 / share).round() as u32;
    with_it.saturating_sub(1).clamp(1, BRAKES_MAX)
}

/// A caller of its own account, on the second core.
pub(crate) fn offer(world: &World, tenant: Tenant, rate: u32, seconds: u32, hold: Duration) -> Sipp {
    let caller = address();
    world.account(tenant, &format!("sipp{}", caller.port()), caller);
    let mut sipp = Sipp::caller(caller, world.switch.sip(), "500", (rate * seconds, rate, hold));
    pin(sipp.child().id(), 1);
    sipp
}

/// Holds the switch to the first core, with so much company. They end when they are dropped.
fn hold_back(switch: u32, brakes: u32) -> Vec<Child> {
    pin(switch, 0);
    let one = || {
        let child = Child::start(Command::new("sh").args(["-c", "while :; do :; done"]));
        pin(child.id(), 0);
        child
    };
    (0..brakes).map(|_| one()).collect()
}
