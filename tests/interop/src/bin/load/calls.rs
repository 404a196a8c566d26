//! sipp to sipp through the router plugin.

use crate::report::{Report, quantile};
use crate::talk::Talk;
use crate::world::{World, address};
use interop::{Figures, Sipp};
use serde_json::json;
use std::time::{Duration, Instant};

const RATE: u32 = 100;
const SECONDS: u32 = 60;
const HOLD: Duration = Duration::from_secs(1);
const RELAYED: usize = 200;
/// Seconds of calls, calls a second, and calls with RTP of the training.
const TRAINED: u32 = 30;
const TRAINED_RATE: u32 = 50;
const TALKERS: usize = 20;

/// `calls`.
pub(crate) fn direct() -> Report {
    let mut world = World::new(50, "");
    let mut report = Report::default();
    let tenant = world.tenant("load", "direct");
    load(&mut world, tenant, &mut report);
    report
}

/// `relay`.
pub(crate) fn relayed() -> Report {
    // 400 that talk, 220 that sipp holds, 400 whose ports rest.
    let mut world = World::new(1_500, "");
    let mut report = Report::default();
    let tenant = world.tenant("load", "anchor");
    let talkers = world.tenant("talk", "anchor");
    let talk = Talk::begin(&world, talkers, RELAYED);
    let before = (world.usage(), Instant::now());
    load(&mut world, tenant, &mut report);
    let after = world.usage();
    report.measure(
        "CPU of all",
        (after.cpu.0 - before.0.cpu.0).as_secs_f64() / before.1.elapsed().as_secs_f64() * 100.0,
        "% of a core",
    );
    let heard = talk.end();
    report.figure("relayed calls with RTP", RELAYED, "");
    report.figure("RTP sent", heard.sent, "packets");
    report.figure("RTP received", heard.received, "packets");
    report.zero("RTP lost", heard.sent - heard.received);
    report.zero("RTP out of order", heard.disordered);
    report.zero("talkers not hung up with 200", heard.hangups_failed);
    report.measure("RTP delay p50, read each ms", quantile(&heard.delays_us, 0.5), "us");
    report.measure("RTP delay p99, read each ms", quantile(&heard.delays_us, 0.99), "us");
    report
}

/// `train`: what `cargo xtask dist` shows the switch that counts. It must end by itself, since it writes its counts then;
/// how well it keeps up is no verdict.
pub(crate) fn train() -> Report {
    let mut world = World::new(1_000, "");
    let mut report = Report::default();
    let tenant = world.tenant("load", "direct");
    let talk = Talk::begin(&world, world.tenant("talk", "anchor"), TALKERS);
    let (caller, callee) = (address(), address());
    world.account(tenant, "sipp", caller);
    world.route(tenant, &json!({ "5*": format!("sip:{{number}}@{callee}") }));
    let _answering = Sipp::callee(callee);
    let mut calling = Sipp::caller(caller, world.switch.sip(), "500", (TRAINED * TRAINED_RATE, TRAINED_RATE, HOLD));
    let figures = calling.finish(Duration::from_secs(u64::from(TRAINED) * 3));
    if figures.failed > 0 {
        print!("{}", calling.errors());
    }
    report.figure("calls", figures.successful, "");
    let heard = talk.end();
    report.figure("RTP sent", heard.sent, "packets");
    report.figure("RTP received", heard.received, "packets");
    let switch = world.switch.child();
    switch.terminate();
    report.must("the switch ends by itself", switch.wait_for(Duration::from_secs(90)).success());
    report
}

/// 100 calls a second for 60 s.
fn load(world: &mut World, tenant: crate::world::Tenant, report: &mut Report) {
    let (caller, callee) = (address(), address());
    world.account(tenant, "sipp", caller);
    world.route(tenant, &json!({ "5*": format!("sip:{{number}}@{callee}") }));
    let answering = Sipp::callee(callee);
    let before = world.usage();
    let mut calling = Sipp::caller(caller, world.switch.sip(), "500", (RATE * SECONDS, RATE, HOLD));
    let figures = calling.finish(Duration::from_secs(u64::from(SECONDS) * 3));
    let after = world.usage();
    count(report, &figures, &answering);
    if figures.failed > 0 {
        print!("{}", calling.errors());
    }
    let cpu = (after.cpu.0 - before.cpu.0).as_secs_f64() * 1_000.0;
    report.measure("CPU per call", cpu / figures.created.max(1) as f64, "ms");
    report.measure("resident memory", after.rss_kib as f64 / 1_024.0, "MiB");
    let (p50, p99) = world.ask_ms();
    report.measure("question to answer p50 <=", p50, "ms");
    report.measure("question to answer p99 <=", p99, "ms");
    let cdrs = interop::until("every CDR", || {
        let stored = world.rest.metric("strowger_call_records_total{what=\"stored\"");
        (stored >= (2 * figures.created) as f64).then_some(stored)
    });
    report.measure("CDRs stored", cdrs, "");
}

/// What must hold of a caller and a callee.
pub(crate) fn count(report: &mut Report, caller: &Figures, answering: &Sipp) {
    // The callee writes its figures once a second.
    let callee = interop::until("the callee's figures", || {
        Some(answering.figures()).filter(|f| f.created >= caller.successful && f.current == 0)
    });
    report.figure("calls", caller.created, "");
    report.figure("successful", caller.successful, "");
    report.zero("failed at the caller", caller.failed);
    report.zero("failed at the callee", callee.failed);
    report.zero("retransmitted by the caller", caller.retransmissions);
    report.zero("retransmitted by the callee", callee.retransmissions);
}
