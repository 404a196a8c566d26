//! The call engine: legs, ringing, bridges, hold, call apps and CDRs.
//!
//! Floor 3. It takes what the dialogs and the media report and what the plugins decided, and tells dialogs and media
//! what to do. It never mentions a socket, a row or wasmtime: questions and apps leave as [`Output`]s and come back as
//! arguments. A call is driven by exactly one [`stage`] at a time; see `host/ARCHITECTURE.md` for the walk.
//!
//! For whoever lights lamps or takes commands: [`Engine::pick_up`] answers, for an INVITE, a call that rings at an account
//! of the same company; [`Engine::park`] puts the other party of a bridged call into a slot, with music and a timeout back
//! to the parker; [`Engine::retrieve`] takes it back for an INVITE; [`Engine::parked`] says who is parked in a company;
//! [`Engine::snapshots`] shows every leg. The same is reached by dialled
//! services ([`model::StarService`]), and by INVITE with Replaces. [`Engine::summon`] makes a call for an account.
#![forbid(unsafe_code)]

mod announcing;
mod app;
mod arrival;
mod bridge;
mod call;
mod connect;
mod cross;
mod decide;
mod device;
mod engine;
mod explain;
mod fallback;
mod faxing;
mod filters;
mod floors;
mod forks;
mod holding;
mod hops;
mod hunt;
mod identity;
mod joining;
mod lamps;
mod leg;
mod locks;
mod outward;
mod park;
mod proving;
mod proxying;
mod rating;
mod recourse;
mod redirect;
mod relaying;
mod rooms;
mod routes;
mod rules;
mod security;
mod settle;
mod sound;
mod stage;
mod step;
mod summon;
mod tapes;
mod taping;
mod target;
mod transfer;
mod trunk;
mod webrtc;
mod within;

pub use arrival::{Arrival, FromTrunk, TurnedAway, visible_headers};
pub use engine::{Counters, Engine, Output};
pub use floors::{Carriers, Floors, Inside, Listener, Setup};
pub use hops::Hops;
pub use identity::wants_privacy;
pub use lamps::{Alias, LegPhase, LegView};
pub use park::ParkedParty;
pub use relaying::Anchors;
