//! What the proxy reports upward.

use core::time::Duration;
use model::Flow;
use sip_message::Message;

/// Names a response context: one proxied call; never reused by a layer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ContextKey(pub(crate) u64);

/// A side of a proxied call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Who sent the INVITE.
    Caller,
    /// Who answered it.
    Callee,
}

impl Side {
    pub(crate) const fn other(self) -> Side {
        match self {
            Side::Caller => Side::Callee,
            Side::Callee => Side::Caller,
        }
    }
}

/// Why a branch was cancelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Withdrawn {
    /// Another branch answered (section 16.7 step 10).
    Elsewhere,
    /// Another branch was declined for all of them (section 16.7 step 5).
    Declined,
    /// It rang as long as the plan lets it.
    Unanswered,
    /// The caller gave up (section 16.10).
    Caller,
    /// Timer C (section 16.8).
    TimerC,
    /// The user of the layer ended the call.
    Ended,
}

impl Event {
    /// The call it is of; `None` for an address.
    #[must_use]
    pub const fn context(&self) -> Option<ContextKey> {
        match self {
            Event::Started { context, .. }
            | Event::Ringing { context, .. }
            | Event::Answered { context, .. }
            | Event::Failed { context, .. }
            | Event::Spent { context, .. }
            | Event::CallerLost { context }
            | Event::Left { context, .. }
            | Event::Hung { context, .. } => Some(*context),
            Event::HopFailed { .. } => None,
        }
    }
}

/// What happened to a call. `token` is the target's own, as it was given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// An INVITE left for this target.
    Started {
        /// The call.
        context: ContextKey,
        /// The target.
        token: u16,
    },
    /// A provisional response, 101 to 199; it was passed on.
    Ringing {
        /// The call.
        context: ContextKey,
        /// The target.
        token: u16,
        /// Its status.
        status: u16,
    },
    /// The first 2xx of this target; it is passed on, as are all others.
    Answered {
        /// The call.
        context: ContextKey,
        /// The target.
        token: u16,
    },
    /// This target is over without a 2xx.
    Failed {
        /// The call.
        context: ContextKey,
        /// The target.
        token: u16,
        /// Its final status; 408 or 503 where none came.
        status: u16,
        /// Whether the target itself said so.
        by_remote: bool,
        /// Why it was cancelled, if it was.
        withdrawn: Option<Withdrawn>,
        /// A 3xx: its Contacts may be followed with [`crate::Layer::follow`].
        redirect: Option<Message>,
    },
    /// Nothing rings any more, nothing waits, and nobody answered: more targets, or an end.
    Spent {
        /// The call.
        context: ContextKey,
        /// Whether the caller has given up: then there is only an end.
        cancelled: bool,
    },
    /// The caller cannot be reached any more.
    CallerLost {
        /// The call.
        context: ContextKey,
    },
    /// A party hung up one of several dialogs of this target.
    Left {
        /// The call.
        context: ContextKey,
        /// The target.
        token: u16,
        /// The callee's tag.
        tag: Box<str>,
    },
    /// A party hung up; this target has no dialog left.
    Hung {
        /// The call.
        context: ContextKey,
        /// The target.
        token: u16,
        /// Who sent the BYE.
        by: Side,
    },
    /// An address did not answer, could not be reached, or answered 503.
    HopFailed {
        /// How it was tried.
        flow: Flow,
        /// How long it asked to be left alone (section 21.5.4).
        retry_after: Option<Duration>,
    },
}
