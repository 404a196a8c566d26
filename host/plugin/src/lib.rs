//! The plugin host: compiles WebAssembly components, binds them to tenants, asks them, parks them, and survives them.
//!
//! Floor 5. Knows the nouns of `model` and the WIT packages under `wit/`; knows no dialog, no call state and no row.
//! Two engines: `hooks` answers questions in microseconds ([`Host::ask`]), `apps` holds one parked script per call
//! ([`Host::start_app`]). Both run on threads of their own; a guest that
//! computes moves to threads that get only spare CPU (`tiers`), so that it delays nobody.
//! Everything a guest may use up has a name in [`HostConfig`], and everything it answers is checked before it leaves.
// Only `code` may: it loads the machine code that this node made.
#![deny(unsafe_code)]

mod artifact;
mod binding;
mod bindings;
mod breaker;
mod brought;
mod cache;
mod capability;
mod chain;
mod code;
mod compiler;
mod config;
mod control;
mod convert;
mod engine;
mod error;
mod events;
mod filter;
mod fork;
mod guest;
mod guest_log;
mod hook;
mod host;
mod lifecycle;
mod live;
mod mailbox;
mod metrics;
mod notice;
mod rater;
mod reach;
mod recorder;
mod register;
mod replay;
mod rules;
mod script;
mod shape;
mod shares;
mod sound;
mod tape;
mod ticker;
mod tiers;
mod trial;
mod warm;
mod wire;
mod worker;

pub use artifact::{Artifact, Digest, Point};
pub use binding::{BindingSpec, Scope};
pub use breaker::Tripped;
pub use brought::{SoundAnswer, Sounds};
pub use bundle::{Grants, Reuse};
pub use cache::{CODE_FOLDER, CODE_KEY, CodeCache, CodeFigures};
pub use capability::{
    GuestClock, HttpAnswer, HttpAsked, HttpClients, HttpScript, Ledger, LedgerTold, MailDoor, Mailer, PrefixTables,
    Secret,
};
pub use compiler::{CodeShape, CompileError, Compiler, EngineKind, InProcess};
pub use config::HostConfig;
pub use error::{ArtifactError, BindError, HostError};
pub use guest_log::GuestLog;
pub use host::{AppMessage, Host};
pub use lifecycle::LifecycleError;
pub use live::{LiveEvents, Since};
pub use mailbox::{BoxAnswer, Mailboxes};
pub use metrics::{BindingMetrics, BindingState, EventFigures, GuestSeries, HostMetrics, TrialFigures, WarmFigures};
pub use notice::{Notice, NoticeKind, Notices};
pub use rater::Quote;
pub use reach::{Guarded, NOT_PUBLIC, is_public};
pub use recorder::{RECORDINGS_MAX, RecordRefusal, Recording, RecordingError, RecordingState, Sample, TAKES_MAX};
pub use replay::Replayed;
pub use shares::{Pool, PoolUse};
pub use tiers::take_spare_cpu_only;
pub use trial::TrialSpec;
pub use worker::{WORKER, WorkerLimits, WorkerProcess, compile_worker};
