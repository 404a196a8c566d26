//! Another brand's router misbehaves under load; the others' INVITEs are timed with and without it, in one run.

use crate::probe::Probe;
use crate::report::{Report, quantile};
use crate::world::{Tenant, World};
use interop::Ua;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The other brand's calls a second.
const RATE: u32 = 20;
/// INVITEs timed for each deed.
const PROBES: usize = 500;
/// What the other brand's router does; first what a good one does, with the same load, to compare with.
const DEEDS: [&str; 8] = ["next", "spin", "hog", "recurse", "trap", "late", "nonsense", "flood"];

/// `hostile`.
pub(crate) fn run() -> Report {
    let mut report = Report::default();
    let world = World::new(50, "");
    let good = world.tenant("good", "direct");
    let probe = Probe::new(&world, good);
    world.route(good, &probe.routes());
    let plugin = world.rest.install("hostile", "1.0.0", interop::HOSTILE);
    let other = world.tenant("other", "direct");
    let flood_from = Ua::new(world.switch.sip());
    world.account(other, "other", flood_from.address());
    let mut from = Some(flood_from);
    probe.times(100);
    let mut good_p99 = 0.0;
    for deed in DEEDS {
        world.bind(other, "router", plugin, "routing/router", &json!({ "do": deed, "ms": 500 }));
        let Some(ua) = from.take() else { break };
        let load = Load::begin(ua, other);
        let times = probe.times(PROBES);
        let (ua, answers) = load.end();
        from = Some(ua);
        let (p50, p99) = (quantile(&times, 0.5), quantile(&times, 0.99));
        if deed == "next" {
            good_p99 = p99;
        }
        report.measure(&format!("{deed}: others' INVITE p50"), p50, "us");
        report.measure(&format!("{deed}: others' INVITE p99"), p99, "us");
        report.measure(&format!("{deed}: p99 against a good router's"), p99 / good_p99.max(1.0), "times");
        report.figure(&format!("{deed}: own calls answered"), format!("{:?}", answers.statuses), "");
        report.measure(&format!("{deed}: own verdict p99"), quantile(&answers.times_ms, 0.99), "ms");
        report.zero(&format!("{deed}: own calls without a verdict"), answers.unanswered);
    }
    report
}

/// Calls of the other brand, each answered by whatever verdict.
struct Load {
    stop: Arc<AtomicBool>,
    running: JoinHandle<(Ua, Answers)>,
}

/// What they were answered.
#[derive(Default)]
struct Answers {
    statuses: BTreeMap<u16, u32>,
    times_ms: Vec<f64>,
    unanswered: u64,
}

impl Load {
    fn begin(ua: Ua, _tenant: Tenant) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let running = std::thread::spawn(move || {
            let answers = calls(&ua, &stopped);
            (ua, answers)
        });
        Load { stop, running }
    }

    fn end(self) -> (Ua, Answers) {
        self.stop.store(true, Ordering::Relaxed);
        self.running.join().expect("the load ends")
    }
}

/// INVITEs at the rate, without waiting for answers; finals are acknowledged.
fn calls(ua: &Ua, stop: &AtomicBool) -> Answers {
    let mut answers = Answers::default();
    let mut open = BTreeMap::new();
    let begun = Instant::now();
    let mut made = 0_u32;
    let mut quiet = Instant::now();
    while !stop.load(Ordering::Relaxed) || (!open.is_empty() && quiet.elapsed() < Duration::from_secs(3)) {
        if !stop.load(Ordering::Relaxed) {
            quiet = Instant::now();
            if begun.elapsed() >= Duration::from_secs(made.into()) / RATE {
                let call = ua.invite("999", ua.address());
                open.insert(call.call_id.clone(), (call, Instant::now()));
                made += 1;
            }
        }
        let Some(message) = ua.poll(Duration::from_millis(5)) else { continue };
        if message.status() >= 200
            && let Some((mut call, at)) = open.remove(message.header("Call-ID"))
        {
            *answers.statuses.entry(message.status()).or_default() += 1;
            answers.times_ms.push(at.elapsed().as_secs_f64() * 1_000.0);
            call.response = Some(message);
            ua.acknowledge(&call);
        }
    }
    answers.unanswered = open.len() as u64;
    answers.times_ms.sort_by(f64::total_cmp);
    answers
}
