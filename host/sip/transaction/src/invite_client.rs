//! The INVITE client transaction: RFC 3261 section 17.1.1, figure 5, as replaced by RFC 6026 figure 4.
//!
//! ```text
//!                            | INVITE from TU
//!         Timer A fires      | INVITE sent         Timer B fires or
//!         Reset A,           V                     transport error
//!         INVITE sent  +-----------+               inform TU
//!            +---------|  Calling  |-----------------------------+
//!            +-------->|           |------------------+          |
//!                      +-----------+  2xx             |          |
//!                 1xx     |     | 300-699             |          |
//!              1xx to TU  |     | ACK sent,           |          |
//!                 +-------+     | resp. to TU         |          |
//!                 V             |                     |          |
//!          +------------+       |                     |          |
//!     +----| Proceeding |-------)--------------+      |          |
//!  1xx+--->|            |-------)------+       |      | 2xx to   |
//!  to TU   +------------+       |      | 2xx   |      | TU       |
//!                 | 300-699     |      | 2xx   |      |          |
//!                 | ACK sent,   |      | to TU |      |          |
//!                 | resp. to TU |      |       | cancelled, and  |
//!                 V             V      |       | 64*T1 passed,   |
//!              +----------------+      |       | inform TU       |
//!     +--------|   Completed    |      |       | (section 9.1)   |
//!     +------->|                |      V       +-----------------+
//!   300-699    +----------------+   +----------+                 |
//!   ACK sent            |           | Accepted |--+ 2xx          |
//!               Timer D |           |          |<-+ 2xx to TU    |
//!             or transp.|           +----------+                 |
//!                 error |                | Timer M               |
//!                       V                V                       |
//!                    +----------------------+                    |
//!                    |      Terminated      |<-------------------+
//!                    +----------------------+
//! ```
//!
//! Timer B runs in Calling only: a call that rings lives until somebody ends it. The one addition to the figure is
//! section 9.1's: once a CANCEL was sent, the final response has 64*T1 to come.

use crate::Failure;
use crate::class::Class;
use crate::config::{Resend, Timing};
use crate::step::ClientStep;
use model::Instant;

/// One INVITE client transaction.
#[derive(Debug)]
pub(crate) struct InviteClient {
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Timer A: `resend`; Timer B: `give_up_at`.
    Calling {
        resend: Option<Resend>,
        give_up_at: Instant,
    },
    /// No timer, unless cancelled: then section 9.1's 64*T1.
    Proceeding {
        give_up_at: Option<Instant>,
    },
    /// Timer D: `until`.
    Completed {
        until: Instant,
    },
    /// Timer M: `until`.
    Accepted {
        until: Instant,
    },
    Terminated,
}

/// Whether an INVITE can be cancelled (section 9.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cancellable {
    /// A provisional response came.
    Now,
    /// Not before a provisional response.
    Later,
    /// It has its final response, or was cancelled before.
    No,
}

impl InviteClient {
    /// Section 17.1.1.2: the request is sent, timers A and B start.
    pub(crate) fn new(timing: Timing, now: Instant) -> Self {
        let (resend, give_up_at) = (timing.first_resend(now), timing.give_up(now));
        InviteClient { state: State::Calling { resend, give_up_at } }
    }

    pub(crate) fn on_response(&mut self, class: Class, timing: Timing, now: Instant) -> ClientStep {
        let completed = timing.d(now).map_or(State::Terminated, |until| State::Completed { until });
        let accepted = State::Accepted { until: timing.give_up(now) };
        let (next, step) = match (self.state, class) {
            // 17.1.1.2: the request is no longer sent again, and Timer B is off.
            (State::Calling { .. }, Class::Provisional) => {
                (State::Proceeding { give_up_at: None }, ClientStep::Deliver)
            }
            (state @ State::Proceeding { .. }, Class::Provisional) => (state, ClientStep::Deliver),
            // RFC 6026 section 7.2: Timer M keeps the transaction for repeated and forked 2xx.
            (State::Calling { .. } | State::Proceeding { .. }, Class::Success) => (accepted, ClientStep::Deliver),
            (state @ State::Accepted { .. }, Class::Success) => (state, ClientStep::Deliver),
            // 17.1.1.2: Timer D, zero on reliable transports.
            (State::Calling { .. } | State::Proceeding { .. }, Class::Failure) => {
                (completed, ClientStep::DeliverAndAcknowledge)
            }
            (state @ State::Completed { .. }, Class::Failure) => (state, ClientStep::Acknowledge),
            // A provisional response that was overtaken.
            (state @ (State::Completed { .. } | State::Accepted { .. }), Class::Provisional) => {
                (state, ClientStep::Nothing)
            }
            // One INVITE is either refused or accepted: a peer that says both is heard once.
            (state @ State::Completed { .. }, Class::Success) => (state, ClientStep::Stray),
            (state @ State::Accepted { .. }, Class::Failure) => (state, ClientStep::Stray),
            (State::Terminated, Class::Provisional | Class::Success | Class::Failure) => {
                (State::Terminated, ClientStep::Stray)
            }
        };
        self.state = next;
        step
    }

    pub(crate) fn on_timeout(&mut self, timing: Timing, now: Instant) -> ClientStep {
        let (next, step) = match self.state {
            // 17.1.1.2: Timer B.
            State::Calling { give_up_at, .. } if give_up_at <= now => {
                (State::Terminated, ClientStep::Fail(Failure::Timeout))
            }
            // 17.1.1.2: Timer A doubles.
            State::Calling { resend: Some(resend), give_up_at } if resend.at <= now => {
                let resend = Some(timing.double(resend, now));
                (State::Calling { resend, give_up_at }, ClientStep::Resend)
            }
            // 9.1: cancelled, and no final response came.
            State::Proceeding { give_up_at: Some(at) } if at <= now => {
                (State::Terminated, ClientStep::Fail(Failure::Timeout))
            }
            // 17.1.1.2: Timer D; RFC 6026 section 7.2: Timer M.
            State::Completed { until } | State::Accepted { until } if until <= now => {
                (State::Terminated, ClientStep::Nothing)
            }
            // Woken early.
            state @ (State::Calling { .. }
            | State::Proceeding { .. }
            | State::Completed { .. }
            | State::Accepted { .. }
            | State::Terminated) => (state, ClientStep::Nothing),
        };
        self.state = next;
        step
    }

    /// Section 17.1.4; `lost` tells a broken stream, on which no response can come, from a datagram's refusal.
    pub(crate) fn on_transport_error(&mut self, lost: bool) -> ClientStep {
        let (next, step) = match self.state {
            State::Calling { .. } => (State::Terminated, ClientStep::Fail(Failure::Transport)),
            State::Proceeding { .. } if lost => (State::Terminated, ClientStep::Fail(Failure::Transport)),
            // Nothing of ours was sent that could have been refused: it is about another message to that address.
            state @ State::Proceeding { .. } => (state, ClientStep::Nothing),
            // 17.1.1.2: the ACK failed. The transaction user has its response; there is nothing to tell.
            State::Completed { .. } => (State::Terminated, ClientStep::Nothing),
            // RFC 6026 section 7.2: stays for 2xx that come by another way.
            state @ (State::Accepted { .. } | State::Terminated) => (state, ClientStep::Nothing),
        };
        self.state = next;
        step
    }

    pub(crate) fn cancellable(&self) -> Cancellable {
        match self.state {
            State::Calling { .. } => Cancellable::Later,
            State::Proceeding { give_up_at: None } => Cancellable::Now,
            State::Proceeding { give_up_at: Some(_) }
            | State::Completed { .. }
            | State::Accepted { .. }
            | State::Terminated => Cancellable::No,
        }
    }

    /// Section 9.1: the CANCEL is on its way, the final response has 64*T1.
    pub(crate) fn cancelled(&mut self, timing: Timing, now: Instant) {
        self.state = match self.state {
            State::Proceeding { give_up_at } => {
                State::Proceeding { give_up_at: Some(give_up_at.unwrap_or_else(|| timing.give_up(now))) }
            }
            state @ (State::Calling { .. } | State::Completed { .. } | State::Accepted { .. } | State::Terminated) => {
                state
            }
        };
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Calling { resend, give_up_at } => Some(resend.map_or(give_up_at, |r| r.at.min(give_up_at))),
            State::Proceeding { give_up_at } => give_up_at,
            State::Completed { until } | State::Accepted { until } => Some(until),
            State::Terminated => None,
        }
    }

    pub(crate) fn is_terminated(&self) -> bool {
        self.state == State::Terminated
    }
}

#[cfg(test)]
#[path = "tests/invite_client.rs"]
mod tests;
