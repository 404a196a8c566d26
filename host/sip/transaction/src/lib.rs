//! The transaction layer: the four machines of RFC 3261 section 17 as corrected by RFC 6026, and what surrounds them.
//!
//! [`Layer`] absorbs retransmissions, sends again what got no answer, acknowledges failures of INVITEs, carries
//! CANCELs, and reports each request and response once as an [`Event`]. It is pure: messages and time come in by
//! `handle_*`, bytes and events go out by `poll_*`. One file holds one machine; a timer lives in the state where it
//! runs. Matching is RFC 3261 section 17.1.3 and 17.2.3, with the fallback for branches without the magic cookie.
//!
//! Floor 1: no socket, no clock, no randomness but the [`model::IdSource`] that is given.
#![forbid(unsafe_code)]

mod class;
mod clients;
mod config;
mod counters;
mod event;
mod gate;
mod invite_client;
mod invite_server;
mod large;
mod layer;
mod matching;
mod non_invite_client;
mod non_invite_server;
mod servers;
mod shared;
mod step;
mod timers;
mod write;

#[cfg(test)]
mod tests;

pub use config::Config;
pub use counters::Counters;
pub use event::{ClientKey, Event, Failure, Gone, Held, ServerKey};
pub use layer::Layer;
