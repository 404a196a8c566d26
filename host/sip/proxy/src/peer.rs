//! What is kept of a dialog that passes through: enough to send its requests on, and to end it from here.

use crate::bodies::{Says, describes};
use crate::claim::value_mark;
use crate::event::Side;
use crate::mark::Mark;
use bytes::Bytes;
use model::Flow;
use sip_message::{Message, Method, Name};

/// One dialog of the call: the callee's end of it. Several where a fork answered more than once.
///
/// # Invariants
/// `tag` is the callee's. `answer` is its first 2xx; without one the dialog is early.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) tag: Box<str>,
    /// The index of its branch.
    pub(crate) branch: u16,
    /// How the callee is reached: the way its responses come.
    pub(crate) flow: Flow,
    pub(crate) answer: Option<Message>,
    pub(crate) over: bool,
    /// The caller's ACK has passed: before, nobody may send it a BYE (section 15).
    pub(crate) acked: bool,
    /// The highest CSeq number each side has used in a request within the dialog.
    pub(crate) caller_cseq: u32,
    pub(crate) callee_cseq: u32,
    /// The message with each side's newest Contact, where it moved since.
    pub(crate) caller_moved: Option<Message>,
    pub(crate) callee_moved: Option<Message>,
    /// The body of its 2xx as it was passed on, where the media is anchored: repetitions have the same.
    pub(crate) said: Option<Bytes>,
    /// An offer in a response, and whose: what answers it comes in PRACK or ACK.
    pub(crate) offer: Option<(Side, Message)>,
}

impl Peer {
    pub(crate) fn is_up(&self) -> bool {
        self.answer.is_some() && !self.over
    }

    /// What the body of a request of `from` is: what ends an offer's way is its answer (RFC 3264, RFC 3262 section 5).
    pub(crate) fn says(&self, from: Side, request: &Message) -> Says<'_> {
        if !describes(request) {
            return Says::Nothing;
        }
        let ends = request.is_method(Method::Ack) || request.is_method(Method::Prack);
        match &self.offer {
            Some((by, offer)) if ends && *by != from => Says::Answer(offer),
            Some(_) | None => Says::Offer,
        }
    }

    /// A request of `from` within the dialog goes on; whether its body is an offer.
    pub(crate) fn passes(&mut self, from: Side, request: &Message, offers: bool) {
        self.heard(from, request);
        let invite = request.is_method(Method::Invite);
        if invite || request.is_method(Method::Update) {
            self.moved(from, request);
        }
        if request.is_method(Method::Prack) && describes(request) && !offers || invite {
            // Answered by this PRACK, or over with the INVITE before.
            self.offer = None;
        }
    }

    /// Notes what a request of `from` within the dialog says.
    fn heard(&mut self, from: Side, request: &Message) {
        let number = request.cseq().map_or(0, |cseq| cseq.number);
        match from {
            Side::Caller => self.caller_cseq = self.caller_cseq.max(number),
            Side::Callee => self.callee_cseq = self.callee_cseq.max(number),
        }
    }

    /// A target refresh of `side` (section 12.2): its Contact is in `message`.
    pub(crate) fn moved(&mut self, side: Side, message: &Message) {
        if message.header(Name::Contact).is_none() {
            return;
        }
        match side {
            Side::Caller => self.caller_moved = Some(message.clone()),
            Side::Callee => self.callee_moved = Some(message.clone()),
        }
    }

    /// The remote target of `side`: its newest Contact.
    pub(crate) fn contact(&self, side: Side, invite: &Message) -> Option<String> {
        let message: &Message = match side {
            Side::Caller => self.caller_moved.as_ref().unwrap_or(invite),
            Side::Callee => self.callee_moved.as_ref().or(self.answer.as_ref())?,
        };
        Some(message.contact()?.uri().as_str().to_owned())
    }

    /// The routes from us to `side`, nearest first: the Record-Routes beyond ours (section 12.1).
    pub(crate) fn routes(&self, side: Side, mark: Mark, invite: &Message) -> Vec<String> {
        let answer = self.answer.as_ref();
        let all = |message: &Message| -> Vec<(bool, String)> {
            let values = message.values(Name::RecordRoute);
            values.map(|value| (value_mark(&value) == Some(mark), value.text().into_owned())).collect()
        };
        let recorded = answer.map(all).unwrap_or_default();
        let first = recorded.iter().position(|(ours, _)| *ours);
        let last = recorded.iter().rposition(|(ours, _)| *ours);
        let texts = |values: &[(bool, String)]| values.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>();
        match (side, first, last) {
            (Side::Callee, Some(first), _) => {
                let mut beyond = texts(&recorded[..first]);
                beyond.reverse();
                beyond
            }
            // A callee that dropped our Record-Route is spoken to straight.
            (Side::Callee, None, _) => Vec::new(),
            (Side::Caller, _, Some(last)) => texts(&recorded[last + 1..]),
            (Side::Caller, _, None) => texts(&all(invite)),
        }
    }
}
