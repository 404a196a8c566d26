//! The call engine: legs, ringing, bridges, hold, call apps and CDRs.
//!
//! Floor 3. It takes what the dialogs and the media report and what the plugins decided, and tells dialogs and media
//! what to do. It never mentions a socket, a row or wasmtime: questions and apps leave as [`Output`]s and come back as
//! arguments. A call is driven by exactly one [`stage`] at a time; see `host/ARCHITECTURE.md` for the walk.
#![forbid(unsafe_code)]

mod app;
mod arrival;
mod bridge;
mod call;
mod connect;
mod decide;
mod engine;
mod fallback;
mod floors;
mod hunt;
mod leg;
mod sound;
mod stage;
mod step;
mod target;

pub use arrival::Arrival;
pub use engine::{Counters, Engine, Output};
pub use floors::{Floors, Listener, Setup};
