//! One shard of the switch, whole and pure: a function from inputs and time to outputs.
//!
//! Floor 4. [`Core`] owns every machine of its calls: transactions, dialogs, registrations, media and the call engine.
//! The shell drives it with sockets and a clock, the simulator with neither. It builds for wasm32-unknown-unknown with
//! an empty import list, which CI checks. `core.rs` is the whole walk.
#![forbid(unsafe_code)]

mod config;
mod core;
mod counters;
mod events;
mod filtering;
mod front;
mod gruu;
mod guarding;
mod io;
mod others;
mod owner;
mod pings;
mod proxying;
mod registering;
mod resolving;
mod trunks;
mod watching;

pub use crate::core::Core;
pub use admission::{GuardConfig, Load, ShedderConfig};
pub use call::{Inside, Listener};
pub use config::CoreConfig;
pub use counters::Counters;
pub use io::{Input, Output};
pub use media::{MediaPort, MediaTransmit, PacketKind, Prompts};
pub use others::Word;
pub use owner::{Around, Lines, owner};
pub use registrar::{Binding, Snapshot as RegistrarSnapshot};
