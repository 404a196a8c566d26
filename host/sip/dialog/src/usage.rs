//! One INVITE usage: its dialog, its phase, and the deadline that phase runs against (RFC 3261 section 12, RFC 5057).

use crate::ack::AckTable;
use crate::auth::Identities;
use crate::dialog::Dialog;
use crate::event::Event;
use crate::prack::Reliable;
use crate::reinvite::Offering;
use crate::request::Peer;
use crate::session_timer::SessionTimer;
use crate::{Config, DialogKey, InviteSpec, Transactions};
use bytes::Bytes;
use model::{Flow, IdMap, IdSource, Instant};
use sip_message::Message;
use sip_transaction::{ClientKey, ServerKey};
use std::collections::{HashMap, VecDeque};

/// Which side sent the INVITE that made the dialog; the UAC owns the Call-ID (section 14.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    Uac,
    Uas,
}

/// What an act works with beside its own usage.
pub(crate) struct Cx<'a> {
    pub(crate) config: &'a Config,
    pub(crate) ids: &'a mut IdSource,
    pub(crate) events: &'a mut VecDeque<Event>,
    pub(crate) index: &'a mut Index,
    pub(crate) acks: &'a mut AckTable,
    pub(crate) identities: &'a mut Identities,
    pub(crate) tx: &'a mut Transactions,
    pub(crate) now: Instant,
}

/// What a client transaction of ours is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// The INVITE that makes the dialog.
    Invite(DialogKey),
    /// A re-INVITE or an UPDATE.
    Reinvite(DialogKey),
    /// A PRACK: nothing depends on its response (RFC 3262 section 4).
    Prack(DialogKey),
    /// A request of the transaction user's own making.
    Asked(DialogKey, u64),
    /// The BYE that ends it.
    Bye(DialogKey),
}

/// From the keys of the layer below, and from our tags, to usages.
///
/// # Invariants
/// - A usage in the layer's table has exactly one entry in `tags`: our tag is 100 random bits, so the tag alone finds
///   the usage, and Call-ID and remote tag are compared there.
/// - An entry of `clients` lives as long as its client transaction has no final response.
/// - An entry of `servers` is in its usage's `Usage::servers` and goes with it.
#[derive(Default, Debug)]
pub(crate) struct Index {
    pub(crate) tags: HashMap<String, DialogKey>,
    pub(crate) clients: IdMap<ClientKey, Purpose>,
    pub(crate) servers: IdMap<ServerKey, DialogKey>,
}

impl Index {
    pub(crate) fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.clients.is_empty() && self.servers.is_empty()
    }
}

/// One INVITE usage.
///
/// # Invariants
/// - `dialog.remote_tag` is empty only while `Calling`, or where the remote is of RFC 2543 and has none.
/// - `armed` is the deadline under which the layer's timer set holds this usage.
#[derive(Debug)]
pub(crate) struct Usage {
    pub(crate) key: DialogKey,
    pub(crate) role: Role,
    pub(crate) dialog: Dialog,
    pub(crate) phase: Phase,
    pub(crate) servers: Vec<ServerKey>,
    /// Our 2xx to INVITEs without ACK, oldest first.
    pub(crate) unacked: Vec<Unacked>,
    /// The remote's offer, by re-INVITE, UPDATE or PRACK, that the transaction user has to answer.
    pub(crate) asked: Option<Asked>,
    /// Our own offer.
    pub(crate) offering: Offering,
    /// Requests of the remote that the transaction user has to answer.
    pub(crate) waiting: Vec<Waiting>,
    /// Our reliable provisional responses.
    pub(crate) reliable: Option<Box<Reliable>>,
    pub(crate) session: SessionTimer,
    pub(crate) peer: Peer,
    /// Our newest session description, for a refresh that has to repeat it.
    pub(crate) described: Option<Bytes>,
    pub(crate) armed: Option<Instant>,
}

/// A request of the remote, other than INVITE, that waits for the transaction user's answer.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) server: ServerKey,
    pub(crate) request: Message,
    pub(crate) flow: Flow,
}

/// Where a usage stands. Each state runs against a timer of its own or has an owner that does.
#[derive(Debug)]
pub(crate) enum Phase {
    /// UAC, no final response. Owned by the client transaction (Timer B) and, once it rings, by the transaction user.
    Calling(Calling),
    /// UAS, no final response. Owned by the transaction user.
    Ringing(Ringing),
    /// A 2xx was sent or received.
    Confirmed(Box<Confirmed>),
    /// Hung up. Owned by the client transactions that still run.
    Leaving(Leaving),
    /// Nothing is left to do; the layer drops the usage at the end of the act.
    Over,
}

/// An INVITE of ours that waits for its final response.
#[derive(Debug)]
pub(crate) struct Calling {
    pub(crate) client: ClientKey,
    /// Whether the INVITE carried the offer.
    pub(crate) offered: bool,
    pub(crate) withdrawn: Withdrawn,
    pub(crate) early: Vec<Early>,
    /// What was asked for: sent again where the remote wants a longer session interval (RFC 4028 section 7.3).
    pub(crate) spec: Box<InviteSpec>,
    /// How many times it was sent again.
    pub(crate) retries: u8,
    /// When silence of a carrier counts as failure; `None` once anything was heard.
    pub(crate) silent_until: Option<Instant>,
}

/// Whether an INVITE of ours is still wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Withdrawn {
    /// It is.
    No,
    /// The transaction user hung up: nothing but the end is reported.
    Cancelled,
    /// The end was reported already: the remote sent BYE on the early dialog.
    Told,
}

/// What still runs after the end of a usage: it is over when both are done and no 2xx of ours waits for its ACK.
#[derive(Default, Debug)]
pub(crate) struct Leaving {
    /// Our BYE (Timer F).
    pub(crate) bye: Option<ClientKey>,
    /// Our re-INVITE, cancelled: a 2xx that crossed still gets its ACK (Timer B, or 64*T1 after the CANCEL).
    pub(crate) reinvite: Option<ClientKey>,
    /// The BYE went again with credentials.
    pub(crate) again: bool,
}

/// One early dialog of a fork (section 12.1.2).
#[derive(Debug)]
pub(crate) struct Early {
    pub(crate) remote_tag: String,
    pub(crate) remote_cseq: Option<u32>,
    /// The newest session description it sent.
    pub(crate) sdp: Option<Bytes>,
    /// The dialog with this branch; `None` while only a request of it was seen.
    pub(crate) dialog: Option<Box<Dialog>>,
    /// The newest reliable provisional response that was taken (RFC 3262 section 4).
    pub(crate) rseq: Option<u32>,
    /// Whether our offer was answered reliably, so that either side may offer anew (RFC 3311 section 5.1).
    pub(crate) answered: bool,
    pub(crate) peer: Peer,
}

/// A received INVITE that waits for our final response.
#[derive(Debug)]
pub(crate) struct Ringing {
    pub(crate) server: ServerKey,
    pub(crate) request: Message,
    /// The flow the INVITE came on: its responses' `received` and our Contact follow it.
    pub(crate) flow: Flow,
    /// The newest provisional response and when it is due again.
    pub(crate) provisional: Option<(Said, Instant)>,
    /// A 2xx that may not leave yet (RFC 3262 section 3).
    pub(crate) accept: Option<Said>,
}

/// A response as the transaction user wanted it.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) sdp: Option<Bytes>,
    pub(crate) headers: Vec<(String, String)>,
}

/// A confirmed dialog.
#[derive(Default, Debug)]
pub(crate) struct Confirmed {
    /// UAC without an offer in its INVITE: the answer, and with it the ACK, is awaited from the transaction user.
    pub(crate) late: Option<Late>,
    /// The transaction user hung up before the ACK: the BYE waits (section 15.1.1), with this Reason.
    pub(crate) leaving: Option<Option<String>>,
}

/// A 2xx of ours that is repeated until its ACK (section 13.3.1.4).
#[derive(Debug)]
pub(crate) struct Unacked {
    pub(crate) server: ServerKey,
    pub(crate) cseq: u32,
    pub(crate) response: Bytes,
    /// Whether it answered the INVITE that made the dialog.
    pub(crate) initial: bool,
    /// Whether it carried the offer, so that its ACK carries the answer.
    pub(crate) offered: bool,
    pub(crate) interval: core::time::Duration,
    pub(crate) resend_at: Instant,
    pub(crate) give_up_at: Instant,
}

/// By which request an offer travels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum By {
    /// A re-INVITE (RFC 3261 section 14).
    Invite,
    /// An UPDATE (RFC 3311).
    Update,
    /// The PRACK of a reliable provisional response (RFC 3262 section 5).
    Prack,
}

/// An offer of the remote.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) by: By,
    pub(crate) server: ServerKey,
    pub(crate) request: Message,
    pub(crate) flow: Flow,
    pub(crate) cseq: u32,
}

/// A 2xx with an offer that waits for its ACK with our answer.
#[derive(Debug)]
pub(crate) struct Late {
    pub(crate) client: ClientKey,
    pub(crate) cseq: u32,
    pub(crate) until: Instant,
}

impl Usage {
    /// A usage in its first phase.
    pub(crate) fn new(key: DialogKey, role: Role, dialog: Dialog, phase: Phase) -> Usage {
        Usage {
            key,
            role,
            dialog,
            phase,
            servers: Vec::new(),
            unacked: Vec::new(),
            asked: None,
            offering: Offering::default(),
            waiting: Vec::new(),
            reliable: None,
            session: SessionTimer::default(),
            peer: Peer::default(),
            described: None,
            armed: None,
        }
    }

    /// The next point in time at which this usage has to act by itself.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let acks = self.unacked.iter().map(|u| u.resend_at.min(u.give_up_at));
        let of_phase = match &self.phase {
            Phase::Over => return None,
            Phase::Calling(calling) => calling.silent_until,
            Phase::Leaving(_) => None,
            Phase::Ringing(ringing) => {
                let again = ringing.provisional.as_ref().map(|(_, at)| *at);
                again.into_iter().chain(self.reliable.as_ref().and_then(|r| r.deadline())).min()
            }
            Phase::Confirmed(confirmed) => {
                let late = confirmed.late.as_ref().map(|late| late.until);
                late.into_iter().chain(self.session.deadline()).min()
            }
        };
        acks.chain(of_phase).chain(self.offering.deadline()).min()
    }

    /// Acts on every deadline that has passed.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Cx<'_>) {
        self.repeat_2xx(cx);
        match &mut self.phase {
            Phase::Leaving(_) | Phase::Over => {}
            Phase::Calling(_) => {
                self.expire_silence(cx);
                self.expire_offering(cx);
            }
            Phase::Ringing(_) => {
                self.refresh_provisional(cx);
                self.repeat_reliable(cx);
                self.expire_offering(cx);
            }
            Phase::Confirmed(_) => {
                self.expire_late_offer(cx);
                self.expire_offering(cx);
                self.session_due(cx);
            }
        }
    }

    /// Whether the transaction user has hung up and only the ACK keeps the BYE back.
    pub(crate) fn is_leaving(&self) -> bool {
        match &self.phase {
            Phase::Confirmed(confirmed) => confirmed.leaving.is_some(),
            Phase::Leaving(_) | Phase::Over => true,
            Phase::Calling(_) | Phase::Ringing(_) => false,
        }
    }

    /// The confirmed state, where there is one.
    pub(crate) fn confirmed(&mut self) -> Option<&mut Confirmed> {
        match &mut self.phase {
            Phase::Confirmed(confirmed) => Some(confirmed),
            Phase::Calling(_) | Phase::Ringing(_) | Phase::Leaving(_) | Phase::Over => None,
        }
    }

    /// Binds a server transaction to this usage, so that its CANCEL and its failure are found.
    pub(crate) fn own(&mut self, server: ServerKey, index: &mut Index) {
        index.servers.insert(server, self.key);
        self.servers.push(server);
    }

    /// Forgets a server transaction that has nothing left to tell.
    pub(crate) fn disown(&mut self, server: ServerKey, index: &mut Index) {
        index.servers.remove(&server);
        self.servers.retain(|own| *own != server);
    }
}
