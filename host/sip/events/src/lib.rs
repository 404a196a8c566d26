//! Event notification: subscriptions, notifications and published state (RFC 6665, RFC 3903), and page-mode messages.
//!
//! Floor 2. [`Notifier`] holds the subscriptions and the resources they watch. A resource's state is computed once,
//! from facts that the switch gives it, and written to every watcher: [`dialog_info`] (RFC 4235), [`summary`]
//! (RFC 3842), [`reg_info`] (RFC 3680), [`presence`] (RFC 3856, RFC 3863), and lists of the first and the last
//! (RFC 4662, [`list`]). [`Publications`] keeps what phones publish about themselves. [`Messages`] carries MESSAGE
//! (RFC 3428). Everything is pure: who may subscribe to what was decided by admission and by the switch before.
//!
//! Nothing survives a restart and nothing has to: the facts are computed anew, a subscriber's refresh is answered 481
//! and it subscribes again, a publisher's is answered 412 and it publishes again.
#![forbid(unsafe_code)]

pub mod dialog_info;
mod document;
pub mod list;
mod messages;
mod notifier;
mod notify;
mod package;
pub mod presence;
mod publications;
pub mod reg_info;
mod resource;
mod subscription;
pub mod summary;
mod unsolicited;
mod xml;

#[cfg(test)]
mod tests;

pub use document::Document;
pub use messages::{Messages, Page, Place};
pub use notifier::{Config, Counters, Event, Member, Notifier, Target, Wish};
pub use package::{ALLOW_EVENTS, Package};
pub use publications::{Publications, Published};
pub use resource::{Facts, ResourceKey};
pub use subscription::Reason;
pub use unsolicited::summary_notify;
