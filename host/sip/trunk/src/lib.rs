//! Trunks towards carriers: registration, health, caps, and which server comes first.
//!
//! Floor 2. [`Layer`] keeps one line for each enabled trunk of the directory and follows its changes live. A line
//! registers with its carrier (RFC 3261 section 10.2, RFC 5626 section 4.5 for the waits), asks each server by OPTIONS
//! (RFC 3261 section 11), opens a circuit breaker for one that fails, counts calls, and gives the servers of a new call
//! in order (RFC 2782 weights). Names are looked up ahead, so that no call ever waits for DNS. The layer is lent the
//! transactions for every act, and is pure: time and identifiers come in.
//!
//! ```text
//!  registration:   Waiting --send--> Sent --2xx--> Registered --70..90 % of the time--> Sent
//!                     ^                |  401/407, 423: again, at once
//!                     +-- backoff -----+  408, 5xx, transport: the next server, then backoff
//!
//!  breaker:        Closed --N failures in a row, failed OPTIONS, 503 with Retry-After--> Open
//!                     ^                                                                   | time, or OPTIONS due
//!                     +----- an answer ------- Trying (one call or one OPTIONS) <---------+
//! ```
#![forbid(unsafe_code)]

mod breaker;
mod caps;
mod choose;
mod config;
mod layer;
mod line;
mod register;
mod registration;
mod throttle;
mod transact;

pub use caps::Full;
pub use config::{Config, Event, Figures, Lookup, LookupId, Outcome, Route};
pub use layer::Layer;
pub use line::token as line_token;

#[cfg(test)]
mod tests;
