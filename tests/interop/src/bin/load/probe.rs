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

    /// One INVITE, refused by the callee; the time until the callee has it, or the status that came instead.
    pub(crate) fn once(&self) -> Result<Duration, u16> {
        let begun = Instant::now();
        let mut call = self.caller.invite("700", self.callee.address());
        // Longer than the routing deadline: whatever comes instead is there by then.
        while begun.elapsed() < Duration::from_millis(400) {
            let Some(message) = self.callee.poll(Duration::from_millis(400).saturating_sub(begun.elapsed())) else {
                break;
            };
            if message.method() == "INVITE" {
                let took = begun.elapsed();
                self.callee.respond(&message, 486, None);
                let status = self.caller.answered(&mut call);
                return if status == 486 { Ok(took) } else { Err(status) };
            }
        }
        Err(self.caller.answered(&mut call))
    }

    /// So many, 10 ms between them.
    pub(crate) fn times(&self, count: usize) -> Times {
        let mut times = Times::default();
        for _ in 0..count {
            std::thread::sleep(Duration::from_millis(10));
            match self.once() {
                Ok(took) => times.us.push(took.as_secs_f64() * 1e6),
                Err(status) => times.refused.push(status),
            }
        }
        times
    }
}

/// What probes found.
#[derive(Debug, Default)]
pub(crate) struct Times {
    /// Microseconds from caller to callee.
    pub(crate) us: Vec<f64>,
    /// The statuses of those that did not arrive.
    pub(crate) refused: Vec<u16>,
}

impl Times {
    /// And these.
    pub(crate) fn add(&mut self, more: Times) {
        self.us.extend(more.us);
        self.refused.extend(more.refused);
    }
}
