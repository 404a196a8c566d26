//! The non-INVITE server transaction: RFC 3261 section 17.2.2, figure 8.
//!
//! ```text
//!                                  | Request received
//!                                  | pass to TU
//!                                  V
//!                            +-----------+
//!                       +----|  Trying   |-------------+ 64*T1 without a final
//!              Request: |    |           |             | response (RFC 4320)
//!              -        +--->+-----------+----+        | inform TU
//!                                  |          |        |
//!                     1xx from TU  |          |        |
//!                     send response|          |        |
//!        Request                   V          |        |
//!        send resp.          +-----------+    | 200-699 from TU
//!              +-------------|Proceeding |    | send response
//!              +------------>|           |----)------->|
//!              +-------------|           |    |        |
//!  1xx from TU +------------>+-----------+    |        |
//!  send response                   |          |        |
//!                  200-699 from TU |          |        |
//!                  send response   |          |        |
//!        Request                   V          |        |
//!        send resp.          +-----------+    |        |
//!              +-------------| Completed |<---+        |
//!              +------------>|           |             |
//!                            +-----------+             |
//!                                  | Timer J           |
//!                                  V                   |
//!                            +-----------+             |
//!                            |Terminated |<------------+
//!                            +-----------+
//! ```
//!
//! The client gives up after 64*T1 (Timer F), and RFC 4320 section 4.2 wants no final response after that. So this
//! machine lets go at the same time, and no request that its user forgot stays for ever.

use crate::class::Class;
use crate::config::Timing;
use crate::step::ServerStep;
use crate::{Failure, Gone};
use bytes::Bytes;
use model::Instant;

/// One non-INVITE server transaction.
#[derive(Debug)]
pub(crate) struct NonInviteServer {
    state: State,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum State {
    /// The client's Timer F: `give_up_at`; `failed` once a transport error was told.
    Trying {
        give_up_at: Instant,
        failed: bool,
    },
    /// The same, and the last provisional response.
    Proceeding {
        last: Bytes,
        give_up_at: Instant,
        failed: bool,
    },
    /// Timer J: `until`.
    Completed {
        response: Bytes,
        until: Instant,
    },
    Terminated,
}

impl NonInviteServer {
    /// Section 17.2.2: the request goes up.
    pub(crate) fn new(timing: Timing, now: Instant) -> Self {
        NonInviteServer { state: State::Trying { give_up_at: timing.give_up(now), failed: false } }
    }

    /// The request came again.
    pub(crate) fn on_repeat(&self) -> ServerStep {
        match &self.state {
            // 17.2.2: discarded.
            State::Trying { .. } | State::Terminated => ServerStep::Nothing,
            // 17.2.2: the most recent response.
            State::Proceeding { last: response, .. } | State::Completed { response, .. } => {
                ServerStep::Send(response.clone())
            }
        }
    }

    /// A response of the transaction user.
    pub(crate) fn on_response(
        &mut self,
        class: Class,
        response: Bytes,
        timing: Timing,
        now: Instant,
    ) -> Result<ServerStep, Gone> {
        match (&self.state, class) {
            (
                &State::Trying { give_up_at, failed } | &State::Proceeding { give_up_at, failed, .. },
                Class::Provisional,
            ) => {
                self.state = State::Proceeding { last: response.clone(), give_up_at, failed };
            }
            // 17.2.2: Timer J, zero on reliable transports.
            (State::Trying { .. } | State::Proceeding { .. }, Class::Success | Class::Failure) => {
                self.state = timing
                    .j(now)
                    .map_or(State::Terminated, |until| State::Completed { response: response.clone(), until });
            }
            // 17.2.2: at most one final response.
            (State::Completed { .. } | State::Terminated, Class::Provisional | Class::Success | Class::Failure) => {
                return Err(Gone);
            }
        }
        Ok(ServerStep::Send(response))
    }

    pub(crate) fn on_timeout(&mut self, now: Instant) -> ServerStep {
        match self.state {
            State::Trying { give_up_at, failed } | State::Proceeding { give_up_at, failed, .. }
                if give_up_at <= now =>
            {
                self.state = State::Terminated;
                if failed { ServerStep::Nothing } else { ServerStep::Fail(Failure::Timeout) }
            }
            // 17.2.2: Timer J.
            State::Completed { until, .. } if until <= now => {
                self.state = State::Terminated;
                ServerStep::Nothing
            }
            // Woken early.
            State::Trying { .. } | State::Proceeding { .. } | State::Completed { .. } | State::Terminated => {
                ServerStep::Nothing
            }
        }
    }

    /// Section 17.2.4 as changed by RFC 6026 section 8.8: tell, and stay.
    pub(crate) fn on_transport_error(&mut self) -> ServerStep {
        match &mut self.state {
            State::Trying { failed, .. } | State::Proceeding { failed, .. } if !*failed => {
                *failed = true;
                ServerStep::Fail(Failure::Transport)
            }
            // Told before, or the final response is out and nobody above waits.
            State::Trying { .. } | State::Proceeding { .. } | State::Completed { .. } | State::Terminated => {
                ServerStep::Nothing
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Trying { give_up_at, .. } | State::Proceeding { give_up_at, .. } => Some(give_up_at),
            State::Completed { until, .. } => Some(until),
            State::Terminated => None,
        }
    }

    pub(crate) fn is_terminated(&self) -> bool {
        self.state == State::Terminated
    }
}

#[cfg(test)]
#[path = "tests/non_invite_server.rs"]
mod tests;
