//! Call semantics that stand beside a plugin's decision: pure functions over the directory's rules.
//!
//! Floor 1. Each takes facts and gives a verdict; none knows a clock, a socket, randomness or a call. Time is an argument
//! and is read in the tenant's zone; chance is an argument where an order is shuffled. `call` asks them:
//! [`emergency`] and [`filter`] before a plugin, [`acl`], [`forward`], [`outgoing`] and [`limits`] after one. [`Cron`] is
//! asked beside calls: when a tenant's jobs come again.
#![forbid(unsafe_code)]

mod acl;
mod boss;
mod calendar;
mod condition;
mod cron;
mod emergency;
mod filter;
mod forward;
mod group;
mod inbound;
mod limits;
mod number;
mod outgoing;
mod route;
mod zone;

pub use acl::{company_may_call, may_call};
pub use boss::goes_to_assistant;
pub use calendar::{holiday, is_open, period};
pub use condition::conditional;
pub use cron::Cron;
pub use emergency::{emergency, emergency_plan};
pub use filter::{Answer, Filtered, Why, filter};
pub use forward::{Coming, Origin, forward, ring_at_most, what_happened};
pub use group::{Ring, order};
pub use inbound::{Inbound, inbound};
pub use limits::{Direction, full};
pub use number::{Dialled, classify, external};
pub use outgoing::{chosen, outgoing_ddi, shown_to};
pub use route::{Leaving, NoSuchTag, WayOut, WaysOut, dialled_tag, outgoing_route};
pub use zone::{is_zone, local};

#[cfg(test)]
mod tests;
