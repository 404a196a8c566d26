//! What the layer reports upward.

use crate::DialogKey;
use bytes::Bytes;
use sip_message::Message;
use sip_transaction::ServerKey;

/// Something the transaction user has to know.
#[derive(Clone, Debug)]
pub enum Event {
    /// UAC: a provisional response above 100.
    Progress {
        /// The usage.
        key: DialogKey,
        /// 101 to 199.
        status: u16,
        /// The session description it carried.
        sdp: Option<Bytes>,
        /// The response.
        response: Message,
    },
    /// UAC: the first 2xx. It is acknowledged already, unless our INVITE carried no offer: then [`crate::Layer::ack`]
    /// must follow with the answer to `sdp`.
    Answered {
        /// The usage, confirmed now.
        key: DialogKey,
        /// Its session description; where the 2xx has none, the newest one of the same early dialog.
        sdp: Option<Bytes>,
        /// The response.
        response: Message,
    },
    /// UAC: the INVITE ended without a dialog. The usage is gone.
    Failed {
        /// The usage.
        key: DialogKey,
        /// The final status, or the one that stands for the failure.
        status: u16,
        /// Why.
        why: Failed,
    },
    /// UAS: the caller gave up before our final answer, which the layer has sent (487). The usage is gone.
    Cancelled {
        /// The usage.
        key: DialogKey,
    },
    /// UAS: a 2xx that had to wait ([`crate::Layer::holds_2xx`]) has left.
    Accepted {
        /// The usage, confirmed now.
        key: DialogKey,
    },
    /// UAS: our 2xx is acknowledged.
    Confirmed {
        /// The usage.
        key: DialogKey,
        /// The ACK's session description: the answer where our 2xx carried the offer.
        sdp: Option<Bytes>,
    },
    /// The remote offers anew, by re-INVITE, UPDATE or PRACK; `answer_reinvite` or `reject_reinvite` must follow, at
    /// once unless it was a re-INVITE.
    Reinvited {
        /// The usage.
        key: DialogKey,
        /// The offer; `None` asks for ours, and its answer comes as [`Event::ReinviteAnswered`].
        offer: Option<Bytes>,
        /// Whether it was an UPDATE.
        update: bool,
    },
    /// The remote withdrew its re-INVITE before our answer; the layer has sent 487.
    ReinviteCancelled {
        /// The usage.
        key: DialogKey,
    },
    /// Our offer was answered: by the 2xx to our re-INVITE, or by the ACK where our 2xx carried the offer.
    ReinviteAnswered {
        /// The usage.
        key: DialogKey,
        /// The answer; empty where the remote broke the rule and sent none.
        sdp: Bytes,
    },
    /// Our re-INVITE was refused; the dialog goes on as it was.
    ReinviteFailed {
        /// The usage.
        key: DialogKey,
        /// The final status, or the one that stands for the failure.
        status: u16,
    },
    /// The remote sent INFO, MESSAGE or REFER; [`crate::Layer::respond`] must follow.
    Request {
        /// The usage.
        key: DialogKey,
        /// Which request.
        server: ServerKey,
        /// The request.
        request: Message,
    },
    /// A request that [`crate::Layer::send`] sent has its final response.
    Response {
        /// The usage.
        key: DialogKey,
        /// What `send` gave.
        id: u64,
        /// The final status; 408 or 503 where none came.
        status: u16,
        /// The response, if one came.
        response: Option<Message>,
    },
    /// The remote or a failure ended the usage. It is gone.
    Ended {
        /// The usage.
        key: DialogKey,
        /// Why.
        why: Ended,
    },
}

impl Event {
    /// The usage it is about.
    #[must_use]
    pub const fn key(&self) -> DialogKey {
        match self {
            Event::Progress { key, .. }
            | Event::Answered { key, .. }
            | Event::Failed { key, .. }
            | Event::Cancelled { key }
            | Event::Accepted { key }
            | Event::Confirmed { key, .. }
            | Event::Reinvited { key, .. }
            | Event::ReinviteCancelled { key }
            | Event::ReinviteAnswered { key, .. }
            | Event::ReinviteFailed { key, .. }
            | Event::Request { key, .. }
            | Event::Response { key, .. }
            | Event::Ended { key, .. } => *key,
        }
    }
}

/// Why an INVITE of ours came to nothing.
#[derive(Clone, Debug)]
pub enum Failed {
    /// A final response from 300 up.
    Response(Message),
    /// No response in time (Timer B), or the remote hung up an early dialog.
    Timeout,
    /// The transport failed.
    Transport,
    /// A filter did not let it go: nothing was sent.
    Withheld,
    /// We cancelled it. A 2xx that crossed the CANCEL was acknowledged and hung up by the layer.
    Cancelled,
}

/// Why a usage ended by other than our own wish.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ended {
    /// The remote sent BYE.
    Bye {
        /// Its Reason header (RFC 3326).
        reason: Option<String>,
    },
    /// Our 2xx was not acknowledged in 64*T1 (RFC 3261 section 13.3.1.4).
    AckTimeout,
    /// A request of ours in the dialog was answered with a status that ends it, or not at all: 408
    /// (RFC 3261 section 12.2.1.2, RFC 5057 section 5.1).
    Gone(u16),
    /// The transport failed.
    Transport,
    /// A reliable provisional response of ours was not acknowledged in 64*T1; the layer has sent 504 (RFC 3262 section 3).
    NoPrack,
    /// Nobody refreshed the session in time (RFC 4028 section 10).
    SessionExpired,
}
