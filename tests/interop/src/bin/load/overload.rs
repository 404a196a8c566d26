//! More than the switch can do, and how long a call takes to pass a switch that is busy.
//!
//! A machine of two cores cannot offer a free shard twice what it can do. So the switch is held to the first core and
//! shares it with processes that only compute, which leaves it a known part of one; sipp has the other core.

use crate::probe::Probe;
use crate::report::{Report, quantile};
use crate::world::{Tenant, World, address};
use interop::{Child, Figures, Sipp};
use serde_json::json;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Processes that share the switch's core.
const BRAKES: usize = 11;
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

/// The part of one core that is to be busy, in percent, and the requests a second to begin with.
const BUSY: f64 = 70.0;
const FIRST_OPTIONS: u32 = 4_000;
/// Turns of a second in which the load is set, and INVITEs that are timed then.
const SETTLE: usize = 8;
const PROBES: usize = 400;
const DELAY_MAX_US: f64 = 5_000.0;

/// `overload`.
pub(crate) fn run() -> Report {
    let mut report = Report::default();
    let mut world = World::new(50, "");
    let tenant = world.tenant("load", "direct");
    let callee = address();
    // No plugin: a twelfth of a core with the pauses that come with it is not what its deadlines are for.
    let verdict = json!({ "default_verdict": "extensions" });
    world.rest.write("PATCH", &format!("/brands/{}", tenant.brand), &verdict);
    world.account(tenant, "500", callee);
    let extension = json!({ "company": tenant.company, "number": "500", "target": { "kind": "account", "name": "500" } });
    world.rest.write("POST", "/extensions", &extension);
    let mut answering = Sipp::callee(callee);
    pin(answering.child().id(), 1);
    let _brakes = brakes(world.switch.child().id());

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

/// `delay`.
pub(crate) fn delay() -> Report {
    let mut report = Report::default();
    let mut world = World::new(50, "");
    let tenant = world.tenant("load", "direct");
    let probe = Probe::new(&world, tenant);
    world.route(tenant, &probe.routes());
    probe.times(100);
    let idle = sorted(probe.times(PROBES).us);
    let load = Load::begin(world.switch.sip());
    let mut busy = 0.0;
    for _ in 0..SETTLE {
        busy = load.turn(&mut world);
    }
    let before = (world.usage(), Instant::now());
    let loaded = probe.times(PROBES);
    let spent = (world.usage().cpu.0 - before.0.cpu.0).as_secs_f64();
    report.measure("switch busy while it settled", busy, "% of a core");
    report.measure("switch busy while INVITEs were timed", spent / before.1.elapsed().as_secs_f64() * 100.0, "%");
    report.figure("OPTIONS", load.rate.load(Ordering::Relaxed), "a second");
    report.zero("INVITEs that did not arrive", loaded.refused.len() as u64);
    let loaded = sorted(loaded.us);
    report.measure("caller to callee p50, idle", quantile(&idle, 0.5), "us");
    report.measure("caller to callee p99, idle", quantile(&idle, 0.99), "us");
    report.measure("caller to callee p50, loaded", quantile(&loaded, 0.5), "us");
    report.measure("caller to callee p99, loaded", quantile(&loaded, 0.99), "us");
    report.must("p99 below 5 ms", quantile(&loaded, 0.99) < DELAY_MAX_US);
    report
}

fn sorted(mut times: Vec<f64>) -> Vec<f64> {
    times.sort_by(f64::total_cmp);
    times
}

/// A caller of its own account, on the second core.
fn offer(world: &World, tenant: Tenant, rate: u32, seconds: u32, hold: Duration) -> Sipp {
    let caller = address();
    world.account(tenant, &format!("sipp{}", caller.port()), caller);
    let mut sipp = Sipp::caller(caller, world.switch.sip(), "500", (rate * seconds, rate, hold));
    pin(sipp.child().id(), 1);
    sipp
}

/// Holds a process, with all its threads, to one core.
fn pin(process: u32, core: u32) {
    let mut taskset = Command::new("taskset");
    let done = taskset.args(["-a", "-p", "-c", &core.to_string(), &process.to_string()]).output();
    assert!(done.expect("taskset runs").status.success(), "the process can be held to a core");
}

/// Holds the switch to the first core, with company. They end when they are dropped.
fn brakes(switch: u32) -> Vec<Child> {
    pin(switch, 0);
    let one = || {
        let child = Child::start(Command::new("sh").args(["-c", "while :; do :; done"]));
        pin(child.id(), 0);
        child
    };
    (0..BRAKES).map(|_| one()).collect()
}

/// OPTIONS from a thread of ours, as many as keep the switch as busy as it shall be.
struct Load {
    rate: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    fn begin(switch: SocketAddr) -> Load {
        let (rate, stop) = (Arc::new(AtomicU32::new(FIRST_OPTIONS)), Arc::new(AtomicBool::new(false)));
        let theirs = (Arc::clone(&rate), Arc::clone(&stop));
        let thread = std::thread::spawn(move || send(switch, &theirs.0, &theirs.1));
        Load { rate, stop, thread: Some(thread) }
    }

    /// One second, after which the rate is set anew; how busy the switch was, in percent of a core.
    fn turn(&self, world: &mut World) -> f64 {
        let (before, begun) = (world.usage(), Instant::now());
        std::thread::sleep(Duration::from_secs(1));
        let busy = (world.usage().cpu.0 - before.cpu.0).as_secs_f64() / begun.elapsed().as_secs_f64() * 100.0;
        let rate = f64::from(self.rate.load(Ordering::Relaxed)) * (BUSY / busy.max(1.0)).clamp(0.5, 2.0);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        self.rate.store(rate.clamp(100.0, 100_000.0) as u32, Ordering::Relaxed);
        busy
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Sends what a millisecond has, and reads the answers away.
fn send(switch: SocketAddr, rate: &AtomicU32, stop: &AtomicBool) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_nonblocking(true).expect("it need not wait");
    let own = socket.local_addr().expect("an address");
    let (mut sent, mut due, mut last) = (0_u64, 0.0, Instant::now());
    let mut buffer = [0; 2_048];
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(1));
        due += last.elapsed().as_secs_f64() * f64::from(rate.load(Ordering::Relaxed));
        last = Instant::now();
        while due >= 1.0 {
            due -= 1.0;
            sent += 1;
            let text = format!(
                "OPTIONS sip:{switch} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKload{sent}\r\nMax-Forwards: 70\r\n\
                 From: <sip:load@{own}>;tag=l{sent}\r\nTo: <sip:{switch}>\r\nCall-ID: load{sent}@{own}\r\n\
                 CSeq: 1 OPTIONS\r\nContact: <sip:load@{own}>\r\nContent-Length: 0\r\n\r\n"
            );
            let _ = socket.send_to(text.as_bytes(), switch);
        }
        while socket.recv(&mut buffer).is_ok() {}
    }
}
