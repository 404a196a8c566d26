//! The non-INVITE client transaction: RFC 3261 section 17.1.2, figure 6.
//!
//! ```text
//!                                | Request from TU
//!                                | send request
//!             Timer E            V
//!             send request  +-----------+
//!                 +---------|           |-------------------+
//!                 |         |  Trying   |  Timer F          |
//!                 +-------->|           |  or transport     |
//!                           +-----------+  error            |
//!              200-699         |  |         inform TU      |
//!              resp. to TU     |  | 1xx                    |
//!              +---------------+  | resp. to TU            |
//!              |                  V                        |
//!              |  Timer E   +-----------+  Timer F or      |
//!              |  send req. |           |  transport error  |
//!              |     +------|Proceeding |------------------>|
//!              |     +----->|           |--+ 1xx            |
//!              |            +-----------+<-+ resp. to TU    |
//!              |                  | 200-699                 |
//!              |                  | resp. to TU             |
//!              |                  V                         |
//!              |            +-----------+                   |
//!              +----------->| Completed |                   |
//!                           +-----------+                   |
//!                                 | Timer K                 |
//!                                 V                         |
//!                           +-----------+                   |
//!                           |Terminated |<------------------+
//!                           +-----------+
//! ```

use crate::Failure;
use crate::class::Class;
use crate::config::{Resend, Timing};
use crate::step::ClientStep;
use model::Instant;

/// One non-INVITE client transaction.
#[derive(Debug)]
pub(crate) struct NonInviteClient {
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Timer E: `resend`; Timer F: `give_up_at`.
    Trying {
        resend: Option<Resend>,
        give_up_at: Instant,
    },
    /// Timers E and F go on.
    Proceeding {
        resend: Option<Resend>,
        give_up_at: Instant,
    },
    /// Timer K: `until`.
    Completed {
        until: Instant,
    },
    Terminated,
}

impl NonInviteClient {
    /// Section 17.1.2.2: the request is sent, timers E and F start.
    pub(crate) fn new(timing: Timing, now: Instant) -> Self {
        let (resend, give_up_at) = (timing.first_resend(now), timing.give_up(now));
        NonInviteClient { state: State::Trying { resend, give_up_at } }
    }

    pub(crate) fn on_response(&mut self, class: Class, timing: Timing, now: Instant) -> ClientStep {
        let completed = timing.t4(now).map_or(State::Terminated, |until| State::Completed { until });
        let (next, step) = match (self.state, class) {
            // 17.1.2.2: Timer E, when it fires next, is T2 from then on.
            (State::Trying { resend, give_up_at }, Class::Provisional) => {
                (State::Proceeding { resend, give_up_at }, ClientStep::Deliver)
            }
            (state @ State::Proceeding { .. }, Class::Provisional) => (state, ClientStep::Deliver),
            // 17.1.2.2: Timer K, zero on reliable transports.
            (State::Trying { .. } | State::Proceeding { .. }, Class::Success | Class::Failure) => {
                (completed, ClientStep::Deliver)
            }
            // What Timer K is for: repeated responses are absorbed.
            (state @ State::Completed { .. }, Class::Provisional | Class::Success | Class::Failure) => {
                (state, ClientStep::Nothing)
            }
            (State::Terminated, Class::Provisional | Class::Success | Class::Failure) => {
                (State::Terminated, ClientStep::Stray)
            }
        };
        self.state = next;
        step
    }

    pub(crate) fn on_timeout(&mut self, timing: Timing, now: Instant) -> ClientStep {
        let (next, step) = match self.state {
            // 17.1.2.2: Timer F.
            State::Trying { give_up_at, .. } | State::Proceeding { give_up_at, .. } if give_up_at <= now => {
                (State::Terminated, ClientStep::Fail(Failure::Timeout))
            }
            // 17.1.2.2: Timer E doubles up to T2.
            State::Trying { resend: Some(resend), give_up_at } if resend.at <= now => {
                let resend = Some(timing.double_to_t2(resend, now));
                (State::Trying { resend, give_up_at }, ClientStep::Resend)
            }
            // 17.1.2.2: in Proceeding, Timer E is T2.
            State::Proceeding { resend: Some(resend), give_up_at } if resend.at <= now => {
                let resend = Some(timing.every_t2(now));
                (State::Proceeding { resend, give_up_at }, ClientStep::Resend)
            }
            // 17.1.2.2: Timer K.
            State::Completed { until } if until <= now => (State::Terminated, ClientStep::Nothing),
            // Woken early.
            state @ (State::Trying { .. } | State::Proceeding { .. } | State::Completed { .. } | State::Terminated) => {
                (state, ClientStep::Nothing)
            }
        };
        self.state = next;
        step
    }

    /// Section 17.1.4.
    pub(crate) fn on_transport_error(&mut self) -> ClientStep {
        let (next, step) = match self.state {
            State::Trying { .. } | State::Proceeding { .. } => {
                (State::Terminated, ClientStep::Fail(Failure::Transport))
            }
            // It has its response.
            state @ (State::Completed { .. } | State::Terminated) => (state, ClientStep::Nothing),
        };
        self.state = next;
        step
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Trying { resend, give_up_at } | State::Proceeding { resend, give_up_at } => {
                Some(resend.map_or(give_up_at, |r| r.at.min(give_up_at)))
            }
            State::Completed { until } => Some(until),
            State::Terminated => None,
        }
    }

    pub(crate) fn is_terminated(&self) -> bool {
        self.state == State::Terminated
    }
}

#[cfg(test)]
#[path = "tests/non_invite_client.rs"]
mod tests;
