//! What the layer reports upward.

use bytes::Bytes;
use model::{Edge, Flow};
use sip_message::Message;

/// Names a server transaction; never reused by a layer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServerKey(pub(crate) u64);

/// Names a client transaction; never reused by a layer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClientKey(pub(crate) u64);

/// Names one message of ours that waits to be let go; never given twice by a layer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Held {
    /// The INVITE of this transaction.
    Request(ClientKey),
    /// One of the responses of this transaction, by its number.
    Response(ServerKey, u32),
}

/// Why a transaction failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// Nothing came in time.
    Timeout,
    /// The transport could not deliver.
    Transport,
    /// It was not let go: nothing was sent.
    Withheld,
}

/// The server transaction cannot be answered: it is over, or its final response was given before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the server transaction can no longer be answered")]
pub struct Gone;

/// What happened in the layer.
#[derive(Clone, Debug)]
pub enum Event {
    /// A new request; answer it with [`crate::Layer::respond`]. Every method but ACK and CANCEL.
    Request {
        /// The new server transaction.
        key: ServerKey,
        /// Where it came from.
        flow: Flow,
        /// The request.
        request: Message,
    },
    /// An ACK for a 2xx; each copy of it.
    Ack {
        /// Where it came from.
        flow: Flow,
        /// The ACK.
        request: Message,
    },
    /// The caller cancelled an INVITE that has no final response yet. The CANCEL was answered 200 here; the INVITE
    /// wants its 487 from above.
    Cancelled {
        /// The INVITE's transaction.
        invite: ServerKey,
        /// The CANCEL.
        request: Message,
    },
    /// A response other than 100: each provisional one, each copy of a 2xx to an INVITE, any other final one once.
    Response {
        /// Whose response it is.
        key: ClientKey,
        /// The response.
        response: Message,
        /// Where it came from.
        flow: Flow,
        /// Where it entered, if the request is a watched INVITE. The transaction may be over: a failure ends one that
        /// went by a stream at once.
        edge: Option<Edge>,
    },
    /// A message of ours is about to leave by a watched transaction: [`crate::Layer::let_go`] or
    /// [`crate::Layer::withhold`] must follow. Those of one transaction come one after the other.
    Leaving {
        /// Which.
        held: Held,
        /// Where it leaves.
        edge: Edge,
        /// Whether it is within a dialog.
        within: bool,
        /// It.
        wire: Bytes,
    },
    /// A request got no final response. The transaction is gone.
    ClientFailed {
        /// Which.
        key: ClientKey,
        /// Why.
        why: Failure,
    },
    /// A response could not be delivered, or its ACK did not come. Should the final response still be owed after
    /// [`Failure::Transport`], it may be given for 64*T1, so that repeated requests stay absorbed.
    ServerFailed {
        /// Which.
        key: ServerKey,
        /// Why.
        why: Failure,
    },
}
