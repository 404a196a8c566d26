//! A leg: our dialog with one party and its media, within a call.

use crate::call::Call;
use crate::identity::Forwarded;
use crate::security::Security;
use crate::tapes::Taping;
use crate::trunk::OnTrunk;
use model::{AccountId, Cause, Cdr, EndedBy, Instant, LegRole, LegState};
use sdp::Description;
use sip_dialog::DialogKey;
use std::sync::Arc;

/// A leg's number within its call; 0 is the caller's.
pub(crate) type LegNo = u16;

/// A digit typed ahead of the verb that wants it is kept; so many at most.
pub(crate) const TYPED_MAX: usize = 32;

/// One party of a call.
///
/// # Invariants
/// `dialog` is `Some` until the dialog layer reported the end or we ended it; `stream` is `Some` from the moment the
/// leg's media was opened until the leg ends; an ended leg has neither, and its CDR was written exactly once.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) no: LegNo,
    pub(crate) role: LegRole,
    pub(crate) account: Option<AccountId>,
    /// The number or user part this leg stands for.
    pub(crate) party: String,
    /// What the caller of this leg is shown as.
    pub(crate) caller_shown: String,
    pub(crate) sip_call_id: String,
    pub(crate) dialog: Option<DialogKey>,
    /// The trunk it goes by or came by; its place there is given back when the leg ends.
    pub(crate) trunk: Option<Box<OnTrunk>>,
    /// Where its signalling comes from: its media is expected from there too.
    pub(crate) signalling: core::net::IpAddr,
    pub(crate) stream: Option<media::StreamId>,
    /// Where we receive its media.
    pub(crate) address: Option<sdp::MediaAddr>,
    pub(crate) progress: Progress,
    pub(crate) started_at: Instant,
    pub(crate) ringing_at: Option<Instant>,
    pub(crate) answered_at: Option<Instant>,
    /// The peer's latest session description.
    pub(crate) theirs: Option<Arc<Description>>,
    /// Ours, as last sent to the peer.
    pub(crate) ours: Option<Arc<Description>>,
    /// What stood before an offer that is out, and whether that passed by the switch: it stands again where the offer is
    /// refused.
    pub(crate) former: Option<(Arc<Description>, bool)>,
    /// Whether `ours` names the other party's own address and keys: media that passes by the switch. The party is then no
    /// business of `stream`, which may be open already for the offer that comes next.
    pub(crate) passes_by: bool,
    /// The offer of a re-INVITE that the other party is being asked about.
    pub(crate) offered: Option<Arc<Description>>,
    /// The codec agreed with the peer, where the switch itself speaks to the leg.
    pub(crate) spoken: Option<sdp::Negotiated>,
    /// The `o=` line of our descriptions to the peer.
    pub(crate) origin: sdp::Origin,
    /// Digits that came while no verb wanted them.
    pub(crate) typed: String,
    /// Whether its party is to be recorded from the answer on.
    pub(crate) taped: bool,
    /// Its recording, while there is one.
    pub(crate) taping: Option<Taping>,
    /// Keys of its party while it talks, as far as they may become a code.
    pub(crate) pressed: String,
    /// The conference room it is in.
    pub(crate) room: Option<String>,
    /// Whether the peer has put us on hold.
    pub(crate) held: bool,
    /// Whether it has done so of its own accord, and not by answering a hold of the other party's.
    pub(crate) holds: bool,
    /// Who sent the call on to this leg, in order.
    pub(crate) forwarded: Vec<Forwarded>,
    /// Whether the party has sent a REFER that made a subscription: the next one is told apart by its id.
    pub(crate) referred: bool,
    /// How its media went, once it has ended.
    pub(crate) quality: Option<model::MediaQuality>,
    /// Who vouches for the caller's number: of the caller's leg whoever it was, of a carrier's we.
    pub(crate) vouched: Option<model::Vouched>,
    /// Whether its media is SRTP, and under which keys.
    pub(crate) security: Security,
    /// Whether its party and the other one have agreed on SRTP between themselves, which passes here.
    pub(crate) sealed: bool,
    /// What was authorised for it, and until when it may last.
    pub(crate) granted: Option<Box<crate::rating::Granted>>,
    /// The number that it rings for, where that has to be paid for.
    pub(crate) pays_for: Option<Box<str>>,
    /// The device's other flows, while it rings (RFC 5626).
    pub(crate) flows: Option<Box<crate::device::Flows>>,
}

/// How far a leg has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// INVITE received or sent.
    Trying,
    /// 18x.
    Ringing,
    /// 2xx sent to a caller, whose ACK is awaited.
    Accepted,
    /// 2xx received, or sent and acknowledged.
    Answered,
    /// Gone.
    Ended,
}

impl Leg {
    /// A leg of nobody yet: number 0, no dialog, no media, trying since `now`.
    pub(crate) fn new(role: LegRole, signalling: core::net::IpAddr, now: Instant, origin: sdp::Origin) -> Leg {
        Leg {
            no: 0,
            role,
            account: None,
            party: String::new(),
            caller_shown: String::new(),
            sip_call_id: String::new(),
            dialog: None,
            trunk: None,
            signalling,
            stream: None,
            address: None,
            progress: Progress::Trying,
            started_at: now,
            ringing_at: None,
            answered_at: None,
            theirs: None,
            ours: None,
            former: None,
            passes_by: false,
            offered: None,
            spoken: None,
            origin,
            typed: String::new(),
            taped: false,
            taping: None,
            pressed: String::new(),
            room: None,
            held: false,
            holds: false,
            forwarded: Vec::new(),
            referred: false,
            quality: None,
            vouched: None,
            security: Security::default(),
            sealed: false,
            granted: None,
            pays_for: None,
            flows: None,
        }
    }

    /// Whether its media has to pass through the switch: it is to be recorded, or its trunk says so.
    pub(crate) fn wants_anchor(&self) -> bool {
        self.taped || self.trunk.as_ref().is_some_and(|on| on.anchor)
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.progress != Progress::Ended
    }

    /// An offer is about to be written: what stands is kept until the party has answered.
    pub(crate) fn keep_former(&mut self) {
        if self.former.is_none() {
            self.former = self.ours.clone().map(|ours| (ours, self.passes_by));
        }
    }

    /// The party has refused our offer, or never got it.
    pub(crate) fn offer_fell(&mut self) {
        if let Some((ours, passes_by)) = self.former.take() {
            (self.ours, self.passes_by) = (Some(ours), passes_by);
        }
    }

    /// Whether a 2xx has gone or come.
    pub(crate) fn is_answered(&self) -> bool {
        matches!(self.progress, Progress::Accepted | Progress::Answered)
    }

    pub(crate) fn state(&self) -> LegState {
        match self.progress {
            Progress::Trying | Progress::Ended => LegState::Trying,
            Progress::Ringing => LegState::Ringing,
            Progress::Accepted | Progress::Answered if self.held => LegState::Held,
            Progress::Accepted | Progress::Answered => LegState::Answered,
        }
    }

    /// The number or user part of who is at the other end of it.
    pub(crate) fn who(&self) -> &str {
        match self.role {
            LegRole::Caller => &self.caller_shown,
            LegRole::Callee => &self.party,
        }
    }

    /// Who ended it, seen from this leg's party.
    pub(crate) fn ended_by_party(&self) -> EndedBy {
        match self.role {
            LegRole::Caller => EndedBy::Caller,
            LegRole::Callee => EndedBy::Callee,
        }
    }

    /// The leg's CDR as of `now`.
    pub(crate) fn cdr(&self, call: &Call, ending: &Ending, now: Instant) -> Cdr {
        Cdr {
            call: call.id,
            leg: self.no,
            role: self.role,
            brand: call.info.brand,
            company: call.info.company,
            account: self.account,
            sip_call_id: self.sip_call_id.clone(),
            caller: self.caller_shown.clone(),
            callee: self.party.clone(),
            decided_by: call.decided_by.clone(),
            started_at: self.started_at,
            ringing_at: self.ringing_at,
            answered_at: self.answered_at,
            ended_at: now,
            cause: ending.cause,
            sip_status: if self.answered_at.is_some() { 200 } else { ending.refusal() },
            ended_by: ending.by,
            media: self.quality,
            identity: self.vouched,
            rated: self.granted.as_ref().map(|granted| granted.rated.clone()),
            charge: None,
        }
    }
}

/// Why and by whom a leg ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    pub(crate) cause: Cause,
    pub(crate) sip: u16,
    pub(crate) by: EndedBy,
}

impl Ending {
    /// The switch ends it, with the cause's own status.
    pub(crate) fn switch(cause: Cause) -> Ending {
        Ending { cause, sip: cause.sip_status(), by: EndedBy::Switch }
    }

    /// The status that refuses an INVITE for this ending: never a success.
    pub(crate) fn refusal(&self) -> u16 {
        if self.sip >= 300 { self.sip } else { 480 }
    }

    /// The value of the Reason header (RFC 3326 section 2).
    pub(crate) fn reason(&self) -> String {
        // What phones look for before they show a missed call (RFC 3326 section 2).
        if matches!(self.cause, Cause::AnsweredElsewhere | Cause::PickedUp) {
            return format!("SIP;cause=200;text=\"{}\"", self.cause.code());
        }
        format!("Q.850;cause={};text=\"{}\"", self.cause.q850(), self.cause.code())
    }
}
