//! Memory of parked attendant calls through the whole switch: caller, dialog, stream with its ports, plugin instance.

use crate::report::Report;
use crate::world::World;
use interop::Ua;
use serde_json::json;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

const STEPS: [usize; 2] = [1_000, 5_000];

/// `parked`.
pub(crate) fn run() -> Report {
    let mut report = Report::default();
    let more = "[limits]\nmedia_timeout_s = 3600\n[plugins]\napps_max = 6000\nbrand_share_percent = 100\nbinding_share_percent = 100\n";
    let mut world = World::new(5_001, more);
    let tenant = world.tenant("park", "anchor");
    let ua = Ua::new(world.switch.sip());
    world.account(tenant, "caller", ua.address());
    // The router leads to the attendant, which collects a digit that never comes, again and again.
    world.route(tenant, &json!({}));
    let plugin = world.rest.install("attendant", "1.0.0", shipped::ATTENDANT);
    let config = json!({ "menu": "tick", "invalid": "tick", "attempts": 1_000_000 });
    world.bind(tenant, "attendant", plugin, "call/app", &config);
    let extension =
        json!({ "company": tenant.company, "number": "100", "target": { "kind": "app", "name": "attendant" } });
    world.rest.write("POST", "/extensions", &extension);
    // Nobody listens: what is played ends in this port.
    let rtp = UdpSocket::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let mut open = 0;
    let mut call = |count: usize| {
        while open < count {
            let mut dialog = ua.invite("100", rtp);
            assert_eq!(ua.answered(&mut dialog), 200, "call {open}");
            open += 1;
        }
    };
    call(1);
    let base = world.usage().rss_kib;
    report.measure("resident memory, one call", base as f64 / 1_024.0, "MiB");
    for count in STEPS {
        let begun = Instant::now();
        call(count);
        report.measure(&format!("{count} calls set up in"), begun.elapsed().as_secs_f64(), "s");
        let before = (world.usage(), Instant::now());
        std::thread::sleep(Duration::from_secs(10));
        let after = world.usage();
        let cpu = (after.cpu.0 - before.0.cpu.0).as_secs_f64() / before.1.elapsed().as_secs_f64();
        report.measure(&format!("{count} calls: resident memory"), after.rss_kib as f64 / 1_024.0, "MiB");
        report.measure(
            &format!("{count} calls: memory per call"),
            (after.rss_kib - base) as f64 / (count - 1) as f64,
            "KiB",
        );
        report.measure(&format!("{count} calls: CPU while parked"), cpu * 100.0, "% of a core");
        let alive = world.rest.metric("strowger_calls ");
        report.measure(&format!("{count} calls: alive"), alive, "");
        report.must(&format!("{count} calls are alive"), alive == count as f64);
        let apps = world.rest.metric("strowger_plugin_instances{engine=\"apps\"}");
        report.must(&format!("{count} instances are alive"), apps == count as f64);
    }
    report
}
