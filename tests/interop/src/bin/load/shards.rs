//! What a second shard is worth: the same calls of two brands are offered to a node of one shard and to one of two, in turn.
//!
//! Where switch and load share two cores, neither node can be shown at its limit. A shard's limit is what a core can do, so
//! what counts is the CPU time of a call: two cores do `2 x (time with one shard / time with two)` times the calls of one.

use crate::report::Report;
use crate::world::{World, address};
use interop::Sipp;
use std::time::Duration;

/// Calls a second of each caller, and for how long.
const RATE: u32 = 200;
const SECONDS: u32 = 10;
/// Each brand has so many callers, since a source's port decides which shard reads its messages.
const CALLERS: usize = 2;
const ROUNDS: usize = 3;
/// What two shards are to do of what one does.
const WORTH_MIN: f64 = 1.8;

/// `shards`.
pub(crate) fn run() -> Report {
    let mut report = Report::default();
    let mut costs = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (shards, costs) in (1_u8..).zip(&mut costs) {
            costs.push(cost(shards, &mut report));
        }
    }
    let [one, two] = costs.map(|mut all| {
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or_default()
    });
    report.figure("calls offered", RATE * (2 * CALLERS) as u32, "calls/s");
    report.measure("CPU of a call, one shard, median", one, "us");
    report.measure("CPU of a call, two shards, median", two, "us");
    let worth = 2.0 * one / two.max(1.0);
    report.measure("two shards do so many times the calls of one", worth, "");
    report.must("two shards are worth 1.8 of one", worth >= WORTH_MIN);
    report
}

/// Microseconds of CPU for each call.
fn cost(shards: u8, report: &mut Report) -> f64 {
    let mut world = World::new(50, &format!("[node]\nshards = {shards}\n"));
    let mut callers = Vec::new();
    let mut answering = Vec::new();
    // Brands that are made one after the other live on different shards.
    for name in ["one", "two"] {
        let tenant = world.tenant(name, "direct");
        for n in 0..CALLERS {
            let (caller, callee, number) = (address(), address(), format!("50{n}"));
            world.leads_to(tenant, &number, callee);
            world.account(tenant, &format!("sipp{n}"), caller);
            answering.push(Sipp::callee(callee));
            callers.push((caller, number));
        }
    }
    let sip = world.switch.sip();
    let all = |calls: u32| {
        let begin = |(caller, number): &(std::net::SocketAddr, String)| {
            Sipp::caller(*caller, sip, number, (calls, RATE, Duration::from_secs(1)))
        };
        let mut running: Vec<Sipp> = callers.iter().map(begin).collect();
        running.iter_mut().map(|sipp| sipp.finish(Duration::from_secs(120))).collect::<Vec<_>>()
    };
    // What is paid for once.
    let _ = all(RATE);
    let before = world.usage();
    let done = all(RATE * SECONDS);
    let spent = (world.usage().cpu.0 - before.cpu.0).as_secs_f64() * 1e6;
    let calls: u64 = done.iter().map(|figures| figures.successful).sum();
    report.zero(&format!("{shards} shards: failed"), done.iter().map(|figures| figures.failed).sum());
    report.figure(
        &format!("{shards} shards: retransmitted"),
        done.iter().map(|figures| figures.retransmissions).sum::<u64>(),
        "",
    );
    report.measure(&format!("{shards} shards: messages handed over"), handed_over(&world), "");
    report.zero(&format!("{shards} shards: astray"), world.rest.metric("strowger_shard_astray") as u64);
    let each = spent / calls.max(1) as f64;
    report.measure(&format!("{shards} shards: CPU of a call"), each, "us");
    each
}

fn handed_over(world: &World) -> f64 {
    world.rest.metric("strowger_shard_handed_over")
}
