//! A new version of the router under load, and back.

use crate::calls::count;
use crate::probe::Probe;
use crate::report::Report;
use crate::world::{World, address};
use interop::{Sipp, until};
use serde_json::json;
use std::time::{Duration, Instant};

const RATE: u32 = 100;
const SECONDS: u32 = 30;
/// Calls with which each change is looked at.
const LOOKS: usize = 50;

/// The same component as another version: a custom section more, so that its digest, its compiled form and its instances
/// are others.
fn next_version(component: &[u8]) -> Vec<u8> {
    [component, &[0, 3, 2, b'v', b'2']].concat()
}

/// `swap`.
pub(crate) fn run() -> Report {
    let mut report = Report::default();
    let world = World::new(50, "");
    let tenant = world.tenant("load", "direct");
    let (caller, callee) = (address(), address());
    world.account(tenant, "sipp", caller);
    let old = Probe::new(&world, tenant);
    let new = interop::Ua::new(world.switch.sip());
    let sipp = format!("sip:{{number}}@{callee}");
    let routes = |to: std::net::SocketAddr| json!({ "static": { "5*": sipp, "700": format!("sip:700@{to}") } });
    let first = world.rest.install("router", "1.0.0", shipped::EXTENSIONS);
    let binding = world.bind(tenant, "router", first, "routing/router", &routes(old.callee.address()));
    let old_only = |ua: &interop::Ua| (0..LOOKS).all(|_| lands(&old.caller, ua));
    report.must("the first version routes", old_only(&old.callee));

    let answering = Sipp::callee(callee);
    let mut calling = Sipp::caller(caller, world.switch.sip(), "500", (RATE * SECONDS, RATE, Duration::from_secs(1)));
    until("the load", || (calling.figures().created > u64::from(RATE) * 5).then_some(()));

    let installed = Instant::now();
    let second = world.rest.install("router", "2.0.0", &next_version(shipped::EXTENSIONS));
    report.measure("install under load", installed.elapsed().as_secs_f64() * 1_000.0, "ms");
    let bound = Instant::now();
    world.bind(tenant, "router", second, "routing/router", &routes(new.address()));
    report.measure("bind until live", bound.elapsed().as_secs_f64() * 1_000.0, "ms");
    report.must("the second version routes from its first call on", old_only(&new));
    report.must("the first version is out of the chain", !world.rest.metrics().contains("router@1.0.0"));
    until("more load", || (calling.figures().created > u64::from(RATE) * 15).then_some(()));

    let back = Instant::now();
    world.rest.write("POST", &format!("/bindings/{binding}/rollback"), &json!({}));
    report.measure("rollback until live", back.elapsed().as_secs_f64() * 1_000.0, "ms");
    report.must("the first version routes again from its first call on", old_only(&old.callee));
    report.must("the second version is out of the chain", !world.rest.metrics().contains("router@2.0.0"));

    let figures = calling.finish(Duration::from_secs(u64::from(SECONDS) * 3));
    count(&mut report, &figures, &answering);
    let instances = until("the last instance's end", || {
        Some(world.rest.metric("strowger_plugin_instances{engine=\"hooks\"}")).filter(|n| *n == 0.0)
    });
    report.measure("router instances alive afterwards", instances, "");
    report.measure("artifacts kept compiled", world.rest.metric("strowger_plugin_artifacts "), "");
    report
}

/// Whether a call to 700 comes to this phone.
fn lands(caller: &interop::Ua, callee: &interop::Ua) -> bool {
    let mut call = caller.invite("700", caller.address());
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        let Some(message) = callee.poll(Duration::from_secs(2)) else { break };
        if message.method() == "INVITE" {
            callee.respond(&message, 486, None);
            return caller.answered(&mut call) == 486;
        }
    }
    false
}
