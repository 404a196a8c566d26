//! Plugins for Strowger, in Rust: a thin, hand-made layer over bindings generated from `wit/`.
//!
//! A plugin is a `cdylib` for `wasm32-unknown-unknown`, linked by `wasm-component-ld`. It implements [`Router`] or
//! [`App`] (or both) and exports it with [`export_router!`] or [`export_app!`]; [`Registration`], [`Feature`] and
//! [`EventSink`], [`filter::SipFilter`], [`billing::Rater`] and [`lifecycle::Lifecycle`] likewise:
//!
//! ```ignore
//! use strowger_sdk::prelude::*;
//!
//! struct Reception;
//!
//! impl App for Reception {
//!     fn run(call: Call) -> Result<Ended> {
//!         call.leg.answer()?;
//!         call.leg.play(&[file("welcome")])?;
//!         let desk = dial(&call.leg, Dial::to(["1001"]).ring(seconds(20)))?;
//!         bridge(&call.leg, &desk)?;
//!         Ok(Ended::default())
//!     }
//! }
//!
//! export_app!(Reception);
//! ```
//!
//! `wit/README.md` tells who calls what, when, and what it costs.

mod app;
#[cfg(any(feature = "arena", test))]
mod arena;
pub mod billing;
mod config;
mod directory;
pub mod filter;
#[doc(hidden)]
pub mod generated;
mod hooks;
mod http;
mod kv;
pub mod lifecycle;
mod log;
mod mail;
pub mod mailbox;
mod metrics;
mod numbers;
mod router;
mod sound;
mod voice;

pub use app::{
    App, Call, Collect, Dial, Ended, Leg, beep, bridge, bridge_for, dial, file, is_hung_up, prompt, ringback, silence,
    sleep, speech, tone, url,
};
pub use config::{config, config_json};
pub use directory::{Account, Number, Target, account, ddi, extension, longest_prefix, prefixes};
pub use generated::app::strowger::call::control::{Bridged, Collected, Prompt};
pub use generated::router::strowger::host::clock::{Local, local_time, monotonic_ns, now_ms};
pub use generated::router::strowger::host::secrets::get as secret;
pub use generated::router::strowger::types::types::{Attr, CallInfo, Cause, Error, ErrorInfo, Header, HeaderOp, Party};
pub use hooks::{Action, Attempt, EventSink, Feature, Item, Registration, Verdict, no_objection};
pub use http::{Http, Response};
pub use kv::Bucket;
pub use log::{log, log_panics};
pub use mail::Mail;
pub use metrics::{count, observe};
pub use numbers::public_number;
pub use router::{
    Decision, Handling, MediaPath, Plan, Router, RouterGuest, Step, app, header, next, redirect, refuse, reroute,
};

pub use sound::{
    Channels, Floor, Heard, Listened, Member, PlayList, Seat, Tape, Taped, digits, members, number, remove_member,
    set_member,
};

pub use voice::{LineEnd, LineSpec};

#[doc(hidden)]
pub use app::{AppGuest, run as __run_app};
#[doc(hidden)]
pub use billing::RaterGuest;
#[doc(hidden)]
pub use hooks::{EventSinkGuest, FeatureGuest, RegistrationGuest};

#[cfg(all(feature = "arena", target_arch = "wasm32"))]
#[global_allocator]
static ARENA: arena::Arena = arena::Arena::new();

/// What plugin code gives back.
pub type Result<T> = core::result::Result<T, Error>;

/// Log levels.
pub use generated::router::strowger::host::log::Level;

/// `s` seconds, in milliseconds, which is what every time of the API is in.
#[must_use]
pub const fn seconds(s: u32) -> u32 {
    s.saturating_mul(1_000)
}

/// An [`Error`] of the plugin's own.
#[must_use]
pub fn failure(code: &str, message: &str) -> Error {
    Error::Other(ErrorInfo { code: code.to_owned(), message: message.to_owned(), retryable: false })
}

/// Everything a plugin usually needs.
pub mod prelude {
    pub use crate::{
        App, Call, CallInfo, Collect, Decision, Dial, Ended, Error, Handling, Leg, MediaPath, Plan, Prompt, Result,
        Router, Step, app, bridge, config, dial, export_app, export_router, file, next, prompt, refuse, ringback,
        seconds, tone,
    };
}
