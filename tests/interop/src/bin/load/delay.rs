//! What the switch adds to a call's setup while it does seven tenths of what it can.
//!
//! It has the first core to itself, the load the second one. Beside the load one INVITE after the other is timed from its
//! caller to its callee, both of this process; a datagram that a thread of this process sends back is timed in the same way
//! and at the same time: what the machine and the load take of it is no delay of the switch.

use crate::overload::offer;
use crate::probe::Probe;
use crate::report::{Report, quantile};
use crate::world::{World, address, pin};
use interop::{Sipp, until};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

/// The rates that are tried, in calls a second: from the first on, each this much above the last.
const FIRST_RATE: u32 = 200;
const STEP_PERCENT: u32 = 115;
const RATE_MAX: u32 = 3_000;
const TRY_S: u32 = 5;
const HOLD: Duration = Duration::from_secs(1);
/// Of the highest clean rate.
const LOAD_PERCENT: u32 = 70;
const LOAD_S: u32 = 40;
/// INVITEs that are timed, each with an echo before it.
const PROBES: usize = 1_000;
/// How long an INVITE is waited for: one that comes so late is a figure, and no end of the scenario.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most that may be added, in microseconds, at p99.
const ADDED_MAX: f64 = 5_000.0;

/// `delay`.
pub(crate) fn run() -> Report {
    let mut report = Report::default();
    let mut world = World::new(50, "");
    let tenant = world.tenant("load", "direct");
    let callee = address();
    world.leads_to(tenant, "500", callee);
    let probe = Probe::new(&world, tenant);
    world.leads_to(tenant, "700", probe.callee.address());
    let mut answering = Sipp::callee(callee);
    pin(answering.child().id(), 1);
    pin(world.switch.child().id(), 0);

    let mut capacity = 0;
    let mut rate = FIRST_RATE;
    while rate <= RATE_MAX {
        // One sipp has its own limit, so two call.
        let mut both = [(); 2].map(|()| offer(&world, tenant, rate / 2, TRY_S, HOLD));
        let tried = both.each_mut().map(|sipp| sipp.finish(Duration::from_secs(120)));
        if tried.iter().any(|figures| figures.failed > 0 || figures.retransmissions > 0) {
            break;
        }
        capacity = rate;
        rate = rate * STEP_PERCENT / 100;
    }
    report.figure("highest clean rate", capacity, "calls/s");
    report.must("a clean rate", capacity > 0);
    until("a switch that takes everything again", || {
        (world.rest.metric("strowger_overload_share") >= 1_000.0).then_some(())
    });

    let load = capacity * LOAD_PERCENT / 100;
    let before = (world.usage(), Instant::now());
    let mut both = [(); 2].map(|()| offer(&world, tenant, load / 2, LOAD_S, HOLD));
    until("the load", || both.iter().all(|sipp| sipp.figures().created > u64::from(load)).then_some(()));
    let (mut echoes, mut through) = (Vec::new(), Vec::new());
    let mut lost = 0;
    let echo = Echo::new();
    for _ in 0..PROBES {
        std::thread::sleep(Duration::from_millis(10));
        echoes.push(echo.once().as_secs_f64() * 1e6);
        match once(&probe) {
            Some(took) => through.push(took.as_secs_f64() * 1e6),
            None => lost += 1,
        }
    }
    let busy = (world.usage().cpu.0 - before.0.cpu.0).as_secs_f64() / before.1.elapsed().as_secs_f64();
    let tried = both.each_mut().map(|sipp| sipp.finish(Duration::from_secs(120)));
    echoes.sort_by(f64::total_cmp);
    through.sort_by(f64::total_cmp);
    report.figure("offered", load, "calls/s");
    report.measure("CPU of the switch", busy * 100.0, "% of a core");
    report.zero("calls of the load that failed", tried.iter().map(|figures| figures.failed).sum());
    report.zero("INVITEs that did not arrive", lost);
    for (what, times) in [("a datagram sent back", &echoes), ("an INVITE", &through)] {
        report.measure(&format!("{what}, p50"), quantile(times, 0.5), "us");
        report.measure(&format!("{what}, p99"), quantile(times, 0.99), "us");
    }
    let added = quantile(&through, 0.99) - quantile(&echoes, 0.5);
    report.measure("added at p99, over a datagram's p50", added, "us");
    report.must("p99 of the added delay below 5 ms", !through.is_empty() && added < ADDED_MAX);
    report
}

/// One INVITE, refused by the callee: the time until the callee has it, however late; `None` where it never came.
fn once(probe: &Probe) -> Option<Duration> {
    let begun = Instant::now();
    let mut call = probe.caller.invite("700", probe.callee.address());
    let left = || PATIENCE.saturating_sub(begun.elapsed());
    let arrived = core::iter::from_fn(|| probe.callee.poll(left())).find(|m| m.method() == "INVITE" && m.status() == 0);
    let (invite, took) = (arrived?, begun.elapsed());
    probe.callee.respond(&invite, 486, None);
    let ends = |m: &interop::Message| m.header("Call-ID") == call.call_id && m.status() >= 200;
    call.response = core::iter::from_fn(|| probe.caller.poll(left())).find(ends);
    if call.response.is_some() {
        probe.caller.acknowledge(&call);
    }
    Some(took)
}

/// A thread that sends back what it gets, as long as the process lives.
struct Echo(UdpSocket);

impl Echo {
    fn new() -> Echo {
        let [own, other] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").expect("a port"));
        own.connect(other.local_addr().expect("bound")).expect("connected");
        own.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        std::thread::spawn(move || {
            let mut buffer = [0; 2_048];
            while let Ok((length, from)) = other.recv_from(&mut buffer) {
                let _ = other.send_to(buffer.get(..length).unwrap_or_default(), from);
            }
        });
        Echo(own)
    }

    fn once(&self) -> Duration {
        let begun = Instant::now();
        self.0.send(&[0; 800]).expect("sent");
        let _ = self.0.recv(&mut [0; 2_048]).expect("it comes back");
        begun.elapsed()
    }
}
