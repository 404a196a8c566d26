//! The verbs of a call app: what a parked script asks of the call engine, and what it gets back. Twins of `wit/call`.

use crate::{Attr, CallInfo, CauseInfo, HeaderOp};
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// Arguments of a call app.
pub type AppArgs = Vec<Attr>;

/// A leg as one app names it: the leg's number within the call (0 is the caller's).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct LegHandle(pub u16);

/// Something to be heard.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Prompt {
    /// A stored prompt, by name.
    File(String),
    /// A tone by name: `ring`, `busy`, `beep`, or `FREQ[+FREQ]/ON_MS[/OFF_MS]`.
    Tone(String),
    /// Silence of this many milliseconds.
    SilenceMs(u32),
}

/// What to collect.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CollectSpec {
    /// Played before; a digit stops it (barge-in).
    pub prompts: Vec<Prompt>,
    /// At least so many digits make an answer.
    pub min_digits: u32,
    /// So many digits end the collection.
    pub max_digits: u32,
    /// Each of these ends the collection and is not part of it.
    pub terminators: String,
    /// Time for the first digit after the prompts ended.
    pub first_digit: Duration,
    /// Time between two digits.
    pub inter_digit: Duration,
}

/// What was collected.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Collected {
    /// The digits.
    pub digits: String,
    /// The terminator that ended it.
    pub terminator: Option<String>,
    /// Whether time ran out.
    pub timed_out: bool,
}

/// Whom to ring for the app.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DialSpec {
    /// Account user names or SIP URIs; tried together if `parallel`, else in order.
    pub targets: Vec<String>,
    /// All at once.
    pub parallel: bool,
    /// How long each attempt rings.
    pub ring_timeout: Duration,
    /// The caller's number to present.
    pub caller_id: Option<String>,
    /// Changes to the INVITE.
    pub header_ops: Vec<HeaderOp>,
    /// Heard by the parent leg meanwhile, over and over.
    pub ringback: Vec<Prompt>,
}

/// How to bridge.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BridgeSpec {
    /// Longest time.
    pub max: Option<Duration>,
}

/// How a bridge ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bridged {
    /// `a`, `b`: that leg ended; `max`: time ran out; `switch`.
    pub ended_by: String,
    /// How long it stood.
    pub duration: Duration,
    /// Why the leg that ended it ended.
    pub cause: Option<CauseInfo>,
}

/// One verb.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum AppVerb {
    /// Send 180.
    Ring(LegHandle),
    /// Send 200.
    Answer(LegHandle, Vec<HeaderOp>),
    /// Refuse with a final status before the answer.
    Refuse(LegHandle, u16, String),
    /// End a leg.
    Hangup(LegHandle),
    /// Play in order; a digit of the second value stops it.
    Play(LegHandle, Vec<Prompt>, String),
    /// Collect digits.
    Collect(LegHandle, CollectSpec),
    /// Send the leg its own audio back, for at most this long or until it ends.
    Echo(LegHandle, Duration),
    /// Ring others for this parent leg; gives the first answered leg.
    Dial(LegHandle, DialSpec),
    /// Join two legs until one ends or time runs out.
    Bridge(LegHandle, LegHandle, BridgeSpec),
    /// Wait.
    Sleep(Duration),
}

/// What a verb gives back.
#[allow(clippy::large_enum_variant, reason = "one at a time per app, moved twice")]
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum AppReply {
    /// Done.
    Done,
    /// Play ended; the digit that stopped it.
    Played(Option<String>),
    /// Collect ended.
    Collected(Collected),
    /// Dial gave this answered leg.
    Leg(LegHandle, Box<CallInfo>),
    /// Bridge ended.
    Bridged(Bridged),
}

/// Why a verb failed. Twin of `wit/types` `error`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum AppError {
    /// Not granted.
    Denied(String),
    /// The leg is not in a state for it.
    InvalidState(String),
    /// An argument breaks a rule.
    InvalidArgument(String),
    /// No such thing.
    NotFound,
    /// It took too long; for dial: nobody answered.
    Timeout,
    /// A limit of [`crate::Limits`] by name.
    LimitExceeded(String),
    /// The leg ended.
    HungUp(CauseInfo),
    /// Ended by another verb.
    Cancelled,
    /// The world failed.
    Unavailable(String),
}

/// Asks the shell to start a call app.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AppStart {
    /// The binding's name.
    pub name: String,
    /// Arguments from the router.
    pub args: AppArgs,
    /// The call.
    pub call: CallInfo,
}

/// How an app ended well.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum AppOutcome {
    /// It returned; legs left are released with this SIP status if it named one.
    Returned(Option<u16>),
    /// It returned a business error.
    Err(AppError),
}

/// How an app failed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum AppFailure {
    /// No such binding in this tenant's scope.
    NotBound,
    /// No instance could be had: the pool is full.
    Saturated,
    /// It trapped; the text is for the log.
    Trapped(String),
    /// It used more CPU or wall time than it may.
    Timeout,
}
