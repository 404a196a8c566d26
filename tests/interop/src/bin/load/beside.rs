//! The same calls through Kamailio and through the switch, in turn, and what each of them costs.
//!
//! Absolute times mean nothing on a machine that is shared: what counts is one figure over the other, in one run, on the
//! same core. Kamailio does what a stateful proxy has to (transactions, Record-Route, loose routing) and keeps no records;
//! the switch writes its CDRs as it always does.

use crate::report::{Report, quantile};
use crate::world::{World, address, pin};
use interop::{Child, Sipp};
use serde_json::json;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

/// Calls a second, and for how long in each pass.
const RATE: u32 = 300;
const SECONDS: u32 = 10;
/// Calls before the figures begin: caches, pages and the pauses of a shard are as they stay.
const WARM_S: u32 = 2;
const PASSES: usize = 5;
const HOLD: Duration = Duration::from_millis(100);
/// The number that is called.
const NUMBER: &str = "500";

/// How the switch carries the calls: what it is called, the tenant's handling, and whether a router plugin is asked for
/// each of them in an instance of its own.
const WAYS: [(&str, &str, bool); 3] =
    [("proxied", "proxy", false), ("proxied, router asked", "proxy", true), ("two dialogs", "b2bua", false)];

/// `beside`.
pub(crate) fn run() -> Report {
    let mut report = Report::default();
    if Command::new("kamailio").arg("-v").output().is_err() {
        report.must("Kamailio is installed (Debian package kamailio)", false);
        return report;
    }
    let peer = Peer::start();
    let mut ways: Vec<(&str, Way)> =
        WAYS.iter().map(|(name, handling, asked)| (*name, Way::start(handling, *asked))).collect();
    let mut theirs = Vec::new();
    let mut ours = vec![Vec::new(); ways.len()];
    for _ in 0..PASSES {
        theirs.push(cost(&mut report, &peer.process, peer.caller, peer.address));
        for ((_, way), costs) in ways.iter_mut().zip(&mut ours) {
            let at = way.world.switch.sip();
            costs.push(cost(&mut report, way.world.switch.child(), way.caller, at));
        }
    }
    show(&mut report, "Kamailio", &theirs, "us CPU a call");
    for ((name, _), costs) in ways.iter().zip(&ours) {
        show(&mut report, name, costs, "us CPU a call");
        let ratios: Vec<f64> = costs.iter().zip(&theirs).map(|(own, peer)| own / peer).collect();
        show(&mut report, &format!("{name} / Kamailio"), &ratios, "");
    }
    report
}

/// The least, the middle and the most.
fn show(report: &mut Report, what: &str, values: &[f64], unit: &'static str) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    for (name, share) in [("least", 0.0), ("median", 0.5), ("most", 1.0)] {
        report.measure(&format!("{what}, {name}"), quantile(&sorted, share), unit);
    }
}

/// Microseconds of a peer's CPU for one call.
fn cost(report: &mut Report, peer: &Child, caller: SocketAddr, at: SocketAddr) -> f64 {
    let calls = |seconds: u32| {
        let mut calling = Sipp::caller(caller, at, NUMBER, (RATE * seconds, RATE, HOLD));
        pin(calling.child().id(), 0);
        let figures = calling.finish(Duration::from_secs(u64::from(seconds) * 3 + 30));
        if figures.failed > 0 {
            print!("{}", calling.errors());
        }
        figures
    };
    calls(WARM_S);
    let before = peer.usage_of_all();
    let figures = calls(SECONDS);
    let spent = peer.usage_of_all().cpu.0 - before.cpu.0;
    report.must("every call went through", figures.failed == 0 && figures.successful == u64::from(RATE * SECONDS));
    spent.as_secs_f64() * 1e6 / figures.successful.max(1) as f64
}

/// A switch and whom its calls lead to.
struct Way {
    world: World,
    caller: SocketAddr,
    _answering: Sipp,
}

impl Way {
    fn start(handling: &str, asked: bool) -> Way {
        let mut world = World::new(50, "[node]\nshards = 1\n");
        pin(world.switch.child().id(), 1);
        let tenant = world.tenant("beside", "direct");
        let company = format!("/companies/{}", tenant.company);
        world.rest.write("PATCH", &company, &json!({ "handling": handling }));
        let (caller, callee) = (address(), address());
        world.account(tenant, "sipp", caller);
        if asked {
            world.route(tenant, &json!({ "5*": format!("sip:{{number}}@{callee}") }));
        } else {
            world.leads_to(tenant, NUMBER, callee);
        }
        Way { world, caller, _answering: answering(callee) }
    }
}

fn answering(at: SocketAddr) -> Sipp {
    let mut answering = Sipp::callee(at);
    pin(answering.child().id(), 0);
    answering
}

/// Kamailio with two workers, and whom its calls lead to.
struct Peer {
    process: Child,
    address: SocketAddr,
    caller: SocketAddr,
    _answering: Sipp,
    _dir: tempfile::TempDir,
}

/// A proxy that keeps transactions and stays on the way; every new call goes to one address.
const KAMAILIO: &str = "#!KAMAILIO
debug=0
log_stderror=yes
fork=yes
children=2
disable_tcp=yes
auto_aliases=no
dns=no
rev_dns=no
mpath=\"/usr/lib/x86_64-linux-gnu/kamailio/modules/\"
loadmodule \"tm.so\"
loadmodule \"sl.so\"
loadmodule \"rr.so\"
loadmodule \"pv.so\"
loadmodule \"maxfwd.so\"
loadmodule \"siputils.so\"
loadmodule \"sanity.so\"
request_route {
    if (!mf_process_maxfwd_header(\"70\")) { sl_send_reply(\"483\", \"Too Many Hops\"); exit; }
    if (!sanity_check()) { exit; }
    if (has_totag()) {
        if (loose_route()) { t_relay(); }
        exit;
    }
    if (is_method(\"CANCEL\")) { if (t_check_trans()) { t_relay(); } exit; }
    t_check_trans();
    record_route();
    $du = \"sip:CALLEE\";
    t_relay();
}
";

impl Peer {
    fn start() -> Peer {
        let dir = tempfile::tempdir().expect("a folder");
        let (at, caller, callee) = (address(), address(), address());
        let file = dir.path().join("kamailio.cfg");
        std::fs::write(&file, KAMAILIO.replace("CALLEE", &callee.to_string())).expect("the configuration is written");
        let mut command = Command::new("taskset");
        command.args(["-c", "1", "kamailio", "-DD", "-E", "-m", "256", "-M", "16", "-x", "tlsf", "-X", "tlsf", "-f"]);
        command.arg(&file).arg("-Y").arg(dir.path()).args(["-l", &format!("udp:{at}")]);
        let process = Child::start(&mut command);
        Peer { process, address: at, caller, _answering: answering(callee), _dir: dir }
    }
}
