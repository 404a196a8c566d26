//! The stateful proxy core (RFC 3261 section 16, RFC 5393, RFC 5658): response contexts, forks, Record-Route.
//!
//! Floor 2, a user of the transactions. Who may call whom is not its business: it is given targets and says how they
//! went. A message that passes is copied with splices, never written anew. The INVITE of a call opens a context; its
//! Record-Route carries a mark of ours by which requests within the dialog are known, trusted and sent on without any
//! look-up. Ending a call from our side is a BYE to both (section 16 forbids that to a bare proxy; a switch that
//! accounts for calls must).
#![forbid(unsafe_code)]

mod best;
mod bodies;
mod bye;
mod claim;
mod config;
mod context;
mod event;
mod layer;
mod loops;
mod mark;
mod pass;
mod peer;
mod splice;
mod target;

#[cfg(test)]
mod tests;

pub use bodies::{AsTheyAre, Bodies, Carried, Passage, Says};
pub use claim::shown_shard;
pub use config::Config;
pub use event::{ContextKey, Event, Side, Withdrawn};
pub use layer::{Below, Layer, Opening};
pub use loops::is_loop;
pub use target::Target;
