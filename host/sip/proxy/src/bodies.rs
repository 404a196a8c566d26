//! Session descriptions of calls whose media is anchored: they are rewritten on their way by whoever owns the media.
//!
//! The proxy knows which message offers and which one answers what (RFC 3264; RFC 6337 section 2 has the list), and
//! nothing of media. It asks [`Bodies`] for what goes on instead, while the message passes.

use crate::event::{ContextKey, Side};
use bytes::Bytes;
use sip_message::Message;

/// A message of an anchored call on its way.
#[derive(Clone, Copy, Debug)]
pub struct Passage<'a> {
    /// The call.
    pub context: ContextKey,
    /// The target at whose side of the fork the dialog is.
    pub token: u16,
    /// The callee's tag, which names the dialog.
    pub tag: &'a str,
    /// Who sent it.
    pub from: Side,
    /// It.
    pub message: &'a Message,
    /// What its body is.
    pub says: Says<'a>,
    /// It is the first 2xx of this dialog.
    pub accepts: bool,
}

/// What the body of a message is.
#[derive(Clone, Copy, Debug)]
pub enum Says<'a> {
    /// No session description.
    Nothing,
    /// An offer.
    Offer,
    /// The answer to the offer in this message.
    Answer(&'a Message),
}

/// What becomes of a body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Carried {
    /// It passes as it is.
    AsItIs,
    /// This session description goes on instead; other parts of the body stay.
    Instead(Bytes),
    /// A request with it is refused with this status. A response passes as it is.
    Refused(u16),
}

/// Whoever owns the media of anchored calls.
pub trait Bodies {
    /// A message of an anchored call passes that has a session description, or is the first 2xx of its dialog.
    fn carry(&mut self, passage: &Passage<'_>) -> Carried;
}

/// Nothing is anchored.
#[derive(Clone, Copy, Debug)]
pub struct AsTheyAre;

impl Bodies for AsTheyAre {
    fn carry(&mut self, _: &Passage<'_>) -> Carried {
        Carried::AsItIs
    }
}

/// Whether a message has a session description, whatever else there is beside it: what is described is relayed or it is not.
pub(crate) fn describes(message: &Message) -> bool {
    !message.body().is_empty() && message.has_session()
}
