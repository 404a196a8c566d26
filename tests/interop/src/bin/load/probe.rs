//! How long an INVITE takes from a caller to its callee: admission, router plugin, the second leg.

use crate::world::{Tenant, World};
use interop::Ua;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A caller and its callee, both ours.
pub(crate) struct Probe {
    pub(crate) caller: Ua,
    pub(crate) callee: Ua,
}

impl Probe {
    /// With an account for the caller; [`Probe::routes`] is for the router.
    pub(crate) fn new(world: &World, tenant: Tenant) -> Probe {
        let probe = Probe { caller: Ua::new(world.switch.sip()), callee: Ua::new(world.switch.sip()) };
        world.account(tenant, "probe", probe.caller.address());
        probe
    }

    /// Where the router sends 700.
    pub(crate) fn routes(&self) -> Value {
        json!({ "700": format!("sip:700@{}", self.callee.address()) })
    }

    /// One INVITE, refused by the callee; the time until the callee has it.
    pub(crate) fn once(&self) -> Duration {
        let begun = Instant::now();
        let mut call = self.caller.invite("700", self.callee.address());
        let invite = self.callee.expect("the probe's INVITE", |m| m.method() == "INVITE");
        let took = begun.elapsed();
        self.callee.respond(&invite, 486, None);
        assert_eq!(self.caller.answered(&mut call), 486);
        took
    }

    /// So many, 10 ms between them; the times in microseconds, sorted.
    pub(crate) fn times(&self, count: usize) -> Vec<f64> {
        let one = |_| {
            std::thread::sleep(Duration::from_millis(10));
            self.once().as_secs_f64() * 1e6
        };
        let mut times: Vec<f64> = (0..count).map(one).collect();
        times.sort_by(f64::total_cmp);
        times
    }
}
