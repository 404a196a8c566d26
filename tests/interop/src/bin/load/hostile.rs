//! Another brand's router misbehaves under load; the others' INVITEs are timed with and without it, in one run.

use crate::probe::{Probe, Times};
use crate::report::{Report, quantile};
use crate::world::{Tenant, World};
use interop::Ua;
use serde_json::json;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Where the other brand's phone is: a plan may not lead to another brand's address (decision 0289).
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// The other brand's calls a second.
const RATE: u32 = 20;
/// INVITEs timed in a round.
const PROBES: usize = 200;
/// Rounds for each deed; in each a good router's turn and the hostile one's, so that what else the machine does falls on
/// both alike. A new binding also closes the breaker again, so that the deed is done in every round.
const ROUNDS: usize = 8;
/// What the other brand's router does.
const DEEDS: [&str; 8] = ["next", "spin", "hog", "recurse", "trap", "late", "nonsense", "flood"];

/// How hooks may end.
const OUTCOMES: [&str; 5] = ["begun", "trap", "timeout", "invalid", "tripped"];

/// `hostile`.
pub(crate) fn run() -> Report {
    let mut report = Report::default();
    let world = World::new(50, "");
    let good = world.tenant("good", "direct");
    let probe = Probe::new(&world, good);
    world.route(good, &probe.routes());
    let plugin = world.rest.install("hostile", "1.0.0", interop::HOSTILE);
    let other = world.tenant("other", "direct");
    let ua = Ua::on(OTHER, world.switch.sip());
    world.account(other, "other", ua.address());
    probe.times(100);
    let mut arena = Arena { world, probe, other, plugin, ua: Some(ua) };
    // One deed alone, for whoever looks into it.
    let only = std::env::var("HOSTILE_DEED").ok();
    for deed in DEEDS.into_iter().filter(|d| only.as_ref().is_none_or(|only| only == d)) {
        arena.compare(deed, &mut report);
    }
    report
}

/// Who meets whom.
struct Arena {
    world: World,
    probe: Probe,
    other: Tenant,
    plugin: i64,
    /// The other brand's phone, while no load has it.
    ua: Option<Ua>,
}

impl Arena {
    fn compare(&mut self, deed: &str, report: &mut Report) {
        let (mut with_good, mut with_deed, mut answers) = (Times::default(), Times::default(), Answers::default());
        let mut ends = [0.0; OUTCOMES.len()];
        for _ in 0..ROUNDS {
            with_good.add(self.turn("next").0);
            let (times, own) = self.turn(deed);
            with_deed.add(times);
            answers.add(own);
            // The breaker stops asking a router that fails again and again: these say how often it was asked.
            ends.iter_mut().zip(OUTCOMES).for_each(|(sum, name)| *sum += outcomes(&self.world, name));
        }
        for times in [&mut with_good.us, &mut with_deed.us, &mut answers.times_ms] {
            times.sort_by(f64::total_cmp);
        }
        let p99 = (quantile(&with_good.us, 0.99), quantile(&with_deed.us, 0.99));
        report.measure(
            &format!("{deed}: others' INVITE p50, beside a good router"),
            quantile(&with_good.us, 0.5),
            "us",
        );
        report.measure(&format!("{deed}: others' INVITE p50"), quantile(&with_deed.us, 0.5), "us");
        report.measure(&format!("{deed}: others' INVITE p99, beside a good router"), p99.0, "us");
        report.measure(&format!("{deed}: others' INVITE p99"), p99.1, "us");
        report.measure(&format!("{deed}: p99 ratio"), p99.1 / p99.0.max(1.0), "");
        if !with_deed.refused.is_empty() || !with_good.refused.is_empty() {
            let statuses = format!("{:?} beside a good router {:?}", with_deed.refused, with_good.refused);
            report.figure(&format!("{deed}: others' INVITEs answered"), statuses, "");
        }
        report.zero(&format!("{deed}: others' INVITEs that did not arrive"), with_deed.refused.len() as u64);
        let ends: Vec<String> = OUTCOMES.iter().zip(ends).map(|(name, n)| format!("{name} {n}")).collect();
        report.figure(&format!("{deed}: own hooks"), ends.join(", "), "");
        report.figure(&format!("{deed}: own calls answered"), format!("{:?}", answers.statuses), "");
        report.measure(&format!("{deed}: own verdict p99"), quantile(&answers.times_ms, 0.99), "ms");
        report.zero(&format!("{deed}: own calls without a verdict"), answers.unanswered);
    }

    /// One round: the other brand's calls go on while ours are timed.
    fn turn(&mut self, deed: &str) -> (Times, Answers) {
        let config = json!({ "do": deed, "ms": 500 });
        self.world.bind(self.other, "router", self.plugin, "routing/router", &config);
        let load = Load::begin(self.ua.take().expect("no other load runs"));
        let times = self.probe.times(PROBES);
        let (ua, answers) = load.end();
        self.ua = Some(ua);
        (times, answers)
    }
}

/// What became of the hostile plugin's hooks since it was bound.
fn outcomes(world: &World, outcome: &str) -> f64 {
    let page = world.rest.metrics();
    let label = format!("outcome=\"{outcome}\"");
    let ours = |l: &&str| {
        l.starts_with("strowger_hook_outcomes_total") && l.contains("plugin=\"hostile") && l.contains(&label)
    };
    page.lines().filter(ours).filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok()).sum()
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

impl Answers {
    fn add(&mut self, more: Answers) {
        more.statuses.iter().for_each(|(status, n)| *self.statuses.entry(*status).or_default() += n);
        self.times_ms.extend(more.times_ms);
        self.unanswered += more.unanswered;
    }
}

impl Load {
    fn begin(ua: Ua) -> Load {
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
    answers
}
