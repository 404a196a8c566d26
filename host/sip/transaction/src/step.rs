//! What a machine asks its owner to do after a transition.

use crate::Failure;
use bytes::Bytes;

/// A client machine's wish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ClientStep {
    /// Nothing: the input is absorbed by this state.
    Nothing,
    /// The input has no place in this state.
    Stray,
    /// Send the request again.
    Resend,
    /// Pass the response up.
    Deliver,
    /// Acknowledge the response, and pass it up.
    DeliverAndAcknowledge,
    /// Send the same ACK again.
    Acknowledge,
    /// Report the failure.
    Fail(Failure),
}

/// A server machine's wish.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ServerStep {
    /// Nothing: the input is absorbed by this state.
    Nothing,
    /// Send this response.
    Send(Bytes),
    /// The transaction user is silent: make a 100, and give it back to the machine.
    Trying,
    /// Report the failure.
    Fail(Failure),
}

/// What an ACK meant to an INVITE server machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AckStep {
    /// It ends the transaction's wait, or repeats one that did.
    Absorb,
    /// It is for a 2xx: pass it up.
    PassUp,
    /// No final response was sent that it could acknowledge.
    Stray,
}
