//! Emergency numbers: known before anything else is asked, carried by the brand's own trunks, one after the other.

use core::time::Duration;
use model::{CompanyRules, EmergencyNumber, Endpoint, Handling, MediaPath, RingPlan, RingStep, Target};

/// How long one trunk is given to ring.
const RING: Duration = Duration::from_secs(120);

/// The emergency number that this is, as dialled.
#[must_use]
pub fn emergency<'c>(rules: &'c CompanyRules, dialled: &str) -> Option<&'c EmergencyNumber> {
    rules.emergency.iter().find(|e| e.number == dialled)
}

/// Whom to ring for it. Any failure of a trunk leads to the next one, even a 6xx: a carrier's refusal is no reason to
/// give up.
#[must_use]
pub fn emergency_plan(number: &EmergencyNumber) -> RingPlan {
    let dials = number.dials.as_ref().unwrap_or(&number.number);
    let step = |trunk: &String| RingStep {
        targets: vec![Target {
            to: Endpoint::Trunk { name: trunk.clone(), number: dials.clone(), prefix: String::new() },
            caller_id: None,
            header_ops: Vec::new(),
        }],
        ring_timeout: RING,
        advance_on: (300..700).collect(),
    };
    RingPlan {
        steps: number.trunks.iter().map(step).collect(),
        handling: Handling::B2bua,
        media: MediaPath::Anchor,
        header_ops: Vec::new(),
        max_duration: None,
        attrs: vec![("emergency".to_owned(), number.number.clone())],
    }
}
