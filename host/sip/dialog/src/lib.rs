//! Dialogs and their INVITE usages: RFC 3261 sections 12 to 15, with RFC 6026, RFC 5057 and RFC 3326.
//!
//! One [`DialogKey`] names one INVITE usage, that is one leg of a call. The layer sits on the transaction layer, which
//! it is lent by `&mut` for every act, and reports upward by [`Layer::poll_event`]. It hides what the transaction user
//! need not know: early dialogs of a fork and their late 2xx, the ACK and its repetitions, the 2xx and its
//! repetitions, glare, the wait of a BYE for an ACK, crossing BYEs. Session descriptions are opaque bytes here.
//!
//! ```text
//!            invite()                        incoming()
//!               v                                v
//!           +-------+                       +---------+
//!           |Calling| 3xx-6xx, Timer B      | Ringing | reject(), CANCEL, early BYE
//!           +-------+------------+          +---------+---------------------+
//!               | 2xx: ACK       |               | accept(): 2xx until ACK  |
//!               v                |               v                          |
//!           +-------------------------------------------+                   |
//!           | Confirmed: re-INVITE either way, one at a |  BYE from remote  |
//!           | time; every 2xx of ours waits for its ACK |------------------>|
//!           +-------------------------------------------+                   |
//!               | hangup(), no ACK in 64*T1, dead re-INVITE                 |
//!               v                                                           v
//!           +-------+  BYE answered or timed out                         +------+
//!           |Leaving|--------------------------------------------------> | Over |
//!           +-------+                                                    +------+
//! ```
#![forbid(unsafe_code)]

mod ack;
mod auth;
mod bye;
mod config;
mod dialog;
mod event;
mod layer;
mod prack;
mod refer;
mod reinvite;
mod replaces;
mod request;
mod session_timer;
mod uac;
mod uas;
mod usage;
mod write;

pub use auth::{Carrier, IdentityKey};
pub use config::{Config, DialogError, DialogKey, InDialog, InDialogAnswer, InviteSpec, Transactions};
pub use event::{Ended, Event, Failed};
pub use layer::Layer;
pub use refer::Refer;
pub use replaces::{BadReplaces, Named, Replaces};

#[cfg(test)]
mod tests;
