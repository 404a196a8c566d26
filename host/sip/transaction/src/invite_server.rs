//! The INVITE server transaction: RFC 3261 section 17.2.1, figure 7, as replaced by RFC 6026 figure 5.
//!
//! ```text
//!                              | INVITE
//!                              | pass INVITE to TU, send 100 if TU is silent for 200 ms
//!            INVITE            V
//!            send response +------------+
//!                 +--------|            |--------+ 101-199 from TU
//!                 |        | Proceeding |        | send response
//!                 +------->|            |<-------+
//!                          +------------+  transport error: inform TU, stay (64*T1)
//!          300-699 from TU    |      |   2xx from TU
//!          send response      |      |   send response
//!                 +-----------+      +-----------+
//!   INVITE        V                              V        INVITE: -
//!   send resp. +-----------+               +-----------+  2xx from TU: send it
//!      +-------| Completed |--------+      | Accepted  |------+
//!      +------>|           |<-------+      |           |<-----+
//!              +-----------+ Timer G       +-----------+  ACK: to TU
//!            ACK |     |    send resp.           | Timer L
//!             -  |     | Timer H: inform TU      |
//!                V     +----------------+        |
//!          +-----------+                |        |
//!      +---| Confirmed |                |        |
//!  ACK +-->|           |                |        |
//!          +-----------+                |        |
//!                | Timer I              |        |
//!                V                      V        V
//!          +------------------------------------------+
//!          |                Terminated                |
//!          +------------------------------------------+
//! ```
//!
//! Proceeding has no timer of the layer's own: how long a call may ring is the transaction user's business. A
//! transport error changes that: the user is told, and has 64*T1 to give the final response that nobody will hear,
//! while repeated INVITEs stay absorbed (RFC 6026 section 8.8 keeps the state).

use crate::class::Class;
use crate::config::{Resend, Timing};
use crate::step::{AckStep, ServerStep};
use crate::{Failure, Gone};
use bytes::Bytes;
use model::Instant;

/// One INVITE server transaction.
#[derive(Debug)]
pub(crate) struct InviteServer {
    state: State,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum State {
    /// `trying_at`: when a 100 is due; `give_up_at`: only after a transport error.
    Proceeding {
        last: Option<Bytes>,
        trying_at: Option<Instant>,
        give_up_at: Option<Instant>,
    },
    /// Timer G: `resend`; Timer H: `give_up_at`.
    Completed {
        response: Bytes,
        resend: Option<Resend>,
        give_up_at: Instant,
    },
    /// Timer I: `until`.
    Confirmed {
        until: Instant,
    },
    /// Timer L: `until`.
    Accepted {
        until: Instant,
    },
    Terminated,
}

impl InviteServer {
    /// Section 17.2.1: the INVITE goes up; a 100 follows if nothing comes down.
    pub(crate) fn new(timing: Timing, now: Instant) -> Self {
        let state = State::Proceeding { last: None, trying_at: Some(timing.trying(now)), give_up_at: None };
        InviteServer { state }
    }

    /// The INVITE came again.
    pub(crate) fn on_repeat(&self) -> ServerStep {
        match &self.state {
            // 17.2.1: the most recent provisional response, or the final one.
            State::Proceeding { last: Some(response), .. } | State::Completed { response, .. } => {
                ServerStep::Send(response.clone())
            }
            State::Proceeding { last: None, .. } => ServerStep::Nothing,
            // 17.2.1; RFC 6026 section 7.1: absorbed, the transaction user repeats its 2xx by itself.
            State::Confirmed { .. } | State::Accepted { .. } | State::Terminated => ServerStep::Nothing,
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
        match (&mut self.state, class) {
            (State::Proceeding { last, trying_at, .. }, Class::Provisional) => {
                *last = Some(response.clone());
                *trying_at = None;
            }
            // RFC 6026 section 7.1: Timer L, on every transport.
            (State::Proceeding { .. }, Class::Success) => {
                self.state = State::Accepted { until: timing.give_up(now) };
            }
            (State::Accepted { .. }, Class::Success) => {}
            // 17.2.1: timers G and H.
            (State::Proceeding { .. }, Class::Failure) => {
                let (resend, give_up_at) = (timing.first_resend(now), timing.give_up(now));
                self.state = State::Completed { response: response.clone(), resend, give_up_at };
            }
            // 17.2.1: at most one final response.
            (State::Accepted { .. }, Class::Provisional | Class::Failure)
            | (
                State::Completed { .. } | State::Confirmed { .. } | State::Terminated,
                Class::Provisional | Class::Success | Class::Failure,
            ) => return Err(Gone),
        }
        Ok(ServerStep::Send(response))
    }

    /// An ACK that matches this INVITE.
    pub(crate) fn on_ack(&mut self, timing: Timing, now: Instant) -> AckStep {
        match self.state {
            State::Proceeding { .. } | State::Terminated => AckStep::Stray,
            // 17.2.1: Timer I, zero on reliable transports.
            State::Completed { .. } => {
                self.state = timing.t4(now).map_or(State::Terminated, |until| State::Confirmed { until });
                AckStep::Absorb
            }
            State::Confirmed { .. } => AckStep::Absorb,
            // RFC 6026 section 7.1: some phones use the INVITE's branch for it.
            State::Accepted { .. } => AckStep::PassUp,
        }
    }

    pub(crate) fn on_timeout(&mut self, timing: Timing, now: Instant) -> ServerStep {
        match &mut self.state {
            // The transport failed long ago, and no final response came.
            State::Proceeding { give_up_at: Some(at), .. } if *at <= now => {
                self.state = State::Terminated;
                ServerStep::Nothing
            }
            State::Proceeding { trying_at, .. } if trying_at.is_some_and(|at| at <= now) => {
                *trying_at = None;
                ServerStep::Trying
            }
            // 17.2.1: Timer H.
            State::Completed { give_up_at, .. } if *give_up_at <= now => {
                self.state = State::Terminated;
                ServerStep::Fail(Failure::Timeout)
            }
            // 17.2.1: Timer G doubles up to T2.
            State::Completed { response, resend: Some(resend), .. } if resend.at <= now => {
                *resend = timing.double_to_t2(*resend, now);
                ServerStep::Send(response.clone())
            }
            // 17.2.1: Timer I; RFC 6026 section 7.1: Timer L.
            State::Confirmed { until } | State::Accepted { until } if *until <= now => {
                self.state = State::Terminated;
                ServerStep::Nothing
            }
            // Woken early.
            State::Proceeding { .. }
            | State::Completed { .. }
            | State::Confirmed { .. }
            | State::Accepted { .. }
            | State::Terminated => ServerStep::Nothing,
        }
    }

    /// Section 17.2.4 as changed by RFC 6026 section 8.8: tell, and stay.
    pub(crate) fn on_transport_error(&mut self, timing: Timing, now: Instant) -> ServerStep {
        match &mut self.state {
            State::Proceeding { give_up_at: at @ None, trying_at, .. } => {
                *at = Some(timing.give_up(now));
                *trying_at = None;
                ServerStep::Fail(Failure::Transport)
            }
            State::Proceeding { give_up_at: Some(_), .. } => ServerStep::Nothing,
            // The final response is out: Timer H tells if no ACK comes, and of a 2xx the user itself keeps watch.
            State::Completed { .. } | State::Accepted { .. } => ServerStep::Nothing,
            State::Confirmed { .. } | State::Terminated => ServerStep::Nothing,
        }
    }

    /// The 100 that [`ServerStep::Trying`] asked for.
    pub(crate) fn tried(&mut self, response: Bytes) {
        match &mut self.state {
            State::Proceeding { last: last @ None, .. } => *last = Some(response),
            State::Proceeding { last: Some(_), .. }
            | State::Completed { .. }
            | State::Confirmed { .. }
            | State::Accepted { .. }
            | State::Terminated => {}
        }
    }

    /// Whether the transaction user still owes the final response.
    pub(crate) fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
    }

    /// The response that was sent last, while it is kept.
    pub(crate) fn last_response(&self) -> Option<&Bytes> {
        match &self.state {
            State::Proceeding { last, .. } => last.as_ref(),
            State::Completed { response, .. } => Some(response),
            State::Confirmed { .. } | State::Accepted { .. } | State::Terminated => None,
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Proceeding { trying_at, give_up_at, .. } => earlier(*trying_at, *give_up_at),
            State::Completed { resend, give_up_at, .. } => earlier(resend.map(|r| r.at), Some(*give_up_at)),
            State::Confirmed { until } | State::Accepted { until } => Some(*until),
            State::Terminated => None,
        }
    }

    pub(crate) fn is_terminated(&self) -> bool {
        self.state == State::Terminated
    }
}

fn earlier(one: Option<Instant>, two: Option<Instant>) -> Option<Instant> {
    [one, two].into_iter().flatten().min()
}

#[cfg(test)]
#[path = "tests/invite_server.rs"]
mod tests;
