//! The join: one thread per shard drives the pure switch with sockets, clock, plugins, store and journal.
//!
//! Floor 6. An `if` about a call here is a bug. [`Shell::start`] puts the parts together and gives a [`Handle`], which is
//! all that the faces (API, binary) know of a running switch.
//!
//! ```text
//!  net (epoll) --Incoming--> |       | --Record--> store::outbox::Journal   (on the disk before what follows)
//!  plugin::Host --Answer---> | Core  | --Transmit--> net
//!  resolver ---Resolved----> |       | --Resolve--> resolver (the runtime's threads)
//!  Handle --Command--------> |       | --Ask, AppStart, AppReply, AppStop--> plugin::Host (its own threads)
//!  Feed --Directory--------> |       | --Event--> log; registrations to a file; --Recording--> WAV files
//!  Bridge --Handed, Told---> |_______| --HandOver, Tell--> Bridge (the other shards of the node)
//! ```
#![forbid(unsafe_code)]

mod archive;
mod asks;
mod books;
mod boxes;
mod bridge;
mod bucket;
mod clock;
mod command;
mod config;
mod countries;
mod encoding;
mod error;
mod fax;
mod feed;
mod handle;
mod hands;
mod hops;
mod inboxes;
mod keep;
mod kept_metrics;
mod loader;
mod metrics;
mod notices;
mod post;
mod press;
mod prompts;
mod proofs;
mod published;
mod rates;
mod recorder;
mod recordings;
mod registrations;
mod scores;
mod shard;
mod sigv4;
mod sound_cache;
mod sounds;
mod speech;
mod start;
#[cfg(test)]
mod tenants_for_tests;
mod told;
mod uploads;

pub use archive::{Archive, ArchiveError, Sound};
pub use books::Books;
pub use bucket::{BucketError, BucketSettings};
pub use clock::Clock;
pub use config::ShellConfig;
pub use error::ShellError;
pub use fax::{FaxKind, FaxPaper, FaxRoom, NoPaper, drop_paper, fax_file, keep_paper, remove_fax};
pub use handle::{CallScope, Drained, Gone, Handle, Health, NotLive, Registration, ReloadError};
pub use net::{
    BoundListener, ClientCertificates, Dscp, ListenerConfig, MediaConfig, NetError, PortRange, TlsCertificate,
    TlsConfig,
};
pub use plugin::{BindingState, Tripped};
pub use plugin::{GuestLog, LiveEvents, Since};
pub use plugin::{LifecycleError, Quote};
pub use plugin::{RecordRefusal, RecordingState, Sample, TAKES_MAX};
pub use post::{MailSettings, MailTrialError};
pub use proofs::IdentitySettings;
pub use published::Figures;
pub use speech::SpeechSettings;
pub use start::Shell;
pub use switch::{GuardConfig, ShedderConfig};
