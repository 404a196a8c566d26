//! Public numbers, as the switch has them: those that a company has. What a brand has in stock, calls know nothing of.

use crate::{CompanyId, DdiId, DdiRecording, RouteTagId, RouteTarget, TrunkId};
use serde::{Deserialize, Serialize};

/// A public number of a company.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ddi {
    /// The row.
    pub id: DdiId,
    /// Its company.
    pub company: CompanyId,
    /// `+` and digits, unique on the platform.
    pub e164: String,
    /// Where it leads.
    pub target: RouteTarget,
    /// The call filter that its calls from outside go through.
    #[serde(default)]
    pub call_filter: Option<String>,
    /// Which of its calls are recorded.
    #[serde(default)]
    pub record: DdiRecording,
    /// The trunk of its brand that brings its calls, where several might have.
    #[serde(default)]
    pub trunk: Option<TrunkId>,
    /// The routing tag of calls that show it and have dialled none.
    #[serde(default)]
    pub tag: Option<RouteTagId>,
    /// The name that its called see in place of the caller's; empty = the caller's own.
    #[serde(default)]
    pub display_name: String,
}

impl Ddi {
    /// A number that leads there, and nothing more.
    #[must_use]
    pub fn to(id: i64, company: CompanyId, e164: &str, target: RouteTarget) -> Ddi {
        Ddi {
            id: DdiId(id),
            company,
            e164: e164.to_owned(),
            target,
            call_filter: None,
            record: DdiRecording::None,
            trunk: None,
            tag: None,
            display_name: String::new(),
        }
    }
}
