//! A switch with a brand, a company and routes, set up over its API.

use interop::{Rest, Run, Switch, Usage, free_port};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

/// A switch that serves.
pub(crate) struct World {
    pub(crate) switch: Switch,
    pub(crate) rest: Rest,
    _dir: tempfile::TempDir,
}

/// A brand with one company.
#[derive(Clone, Copy)]
pub(crate) struct Tenant {
    pub(crate) brand: i64,
    pub(crate) company: i64,
}

impl World {
    /// A release switch with room for so many streams. `more` is more configuration.
    pub(crate) fn new(streams: u16, more: &str) -> World {
        let dir = tempfile::tempdir().expect("a folder");
        let prompts = dir.path().join("prompts");
        std::fs::create_dir(&prompts).expect("a folder for prompts");
        interop::audio::write(&prompts.join("tick.wav"), &[0; 160]);
        let config = format!(
            "[sip]\nlisten = [\"udp:127.0.0.1:0\"]\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [media]\naddress = [\"127.0.0.1\"]\nports = \"0\"\nstreams_max = {streams}\nprompts = {:?}\n{more}",
            prompts.display().to_string()
        );
        let switch = Switch::start(&Run::Serve(config), &dir.path().join("data"));
        let rest = switch.rest().clone();
        World { switch, rest, _dir: dir }
    }

    /// A brand with one company; `media` is `direct` or `anchor`.
    pub(crate) fn tenant(&self, name: &str, media: &str) -> Tenant {
        let brand = id(&self.rest.write("POST", "/brands", &json!({ "name": name })));
        let body = json!({ "brand": brand, "name": name, "domain": format!("{name}.test"), "media": media });
        Tenant { brand, company: id(&self.rest.write("POST", "/companies", &body)) }
    }

    /// An account that is known by its address.
    pub(crate) fn account(&self, tenant: Tenant, name: &str, address: SocketAddr) {
        let body = json!({ "company": tenant.company, "username": name, "direct": address.to_string() });
        self.rest.write("POST", "/accounts", &body);
    }

    /// A number that leads to an address without a plugin: the brand's default verdict.
    pub(crate) fn leads_to(&self, tenant: Tenant, number: &str, address: SocketAddr) {
        let verdict = json!({ "default_verdict": "extensions" });
        self.rest.write("PATCH", &format!("/brands/{}", tenant.brand), &verdict);
        self.account(tenant, number, address);
        let target = json!({ "kind": "account", "name": number });
        let extension = json!({ "company": tenant.company, "number": number, "target": target });
        self.rest.write("POST", "/extensions", &extension);
    }

    /// Binds a plugin for the whole brand.
    pub(crate) fn bind(&self, tenant: Tenant, name: &str, plugin: i64, point: &str, config: &Value) -> i64 {
        let body = json!({ "brand": tenant.brand, "name": name, "plugin": plugin, "point": point, "config": config });
        id(&self.rest.write("PUT", "/bindings", &body))
    }

    /// Installs the router and binds it so that numbers lead to addresses.
    pub(crate) fn route(&self, tenant: Tenant, routes: &Value) {
        let plugin = self.rest.install("extensions", "1.0.0", shipped::EXTENSIONS);
        self.bind(tenant, "router", plugin, "routing/router", &json!({ "static": routes }));
    }

    /// What the switch has used.
    pub(crate) fn usage(&mut self) -> Usage {
        self.switch.child().usage()
    }

    /// Upper bounds, in milliseconds, of the p50 and p99 of question to answer, from the switch's own histogram.
    pub(crate) fn ask_ms(&self) -> (f64, f64) {
        let page = self.rest.metrics();
        let bucket = |line: &str| {
            let (bound, count) = line.strip_prefix("strowger_ask_seconds_bucket{le=\"")?.split_once("\"} ")?;
            Some((bound.parse::<f64>().unwrap_or(f64::INFINITY), count.trim().parse::<f64>().ok()?))
        };
        let buckets: Vec<(f64, f64)> = page.lines().filter_map(bucket).collect();
        let all = buckets.last().map_or(0.0, |b| b.1);
        let below = |share: f64| buckets.iter().find(|b| b.1 >= all * share).map_or(0.0, |b| b.0 * 1_000.0);
        (below(0.5), below(0.99))
    }
}

fn id(made: &Value) -> i64 {
    made["id"].as_i64().expect("an id")
}

/// A free address of this machine.
pub(crate) fn address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, free_port(Ipv4Addr::LOCALHOST.into())))
}

/// Holds a process, with all its threads, to one core.
pub(crate) fn pin(process: u32, core: u32) {
    let mut taskset = Command::new("taskset");
    let done = taskset.args(["-a", "-p", "-c", &core.to_string(), &process.to_string()]).output();
    assert!(done.expect("taskset runs").status.success(), "the process can be held to a core");
}
