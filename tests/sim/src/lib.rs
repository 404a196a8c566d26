//! The switch under deterministic simulation: a real [`switch::Core`], a virtual clock, a network that loses,
//! duplicates, delays and reorders, phones with their own SIP, a scripted plugin chain and call app, and rules that
//! are checked after every step.
//!
//! One seed picks everything ([`plan`]). Phase 1 runs with faults and new calls (safety); phase 2 without either,
//! first with calls standing, then with everybody hanging up, until nothing is left (liveness). A run gives a hash of
//! everything that left the switch, so that running a seed twice shows whether anything but the inputs decides.

mod audio;
mod carriers;
mod chain;
mod chance;
mod compose;
pub mod coverage;
mod dialog;
mod journal;
mod nat;
mod network;
mod node;
mod phone;
mod plan;
mod recordings;
mod rules;
mod script;
mod srtp;
mod swarm;
mod text;
mod trace;
mod transaction;
mod truth;
mod world;

pub use chain::run_chain;
pub use rules::Broken;
pub use trace::Tally;
pub use world::{Outcome, run, run_shards};
