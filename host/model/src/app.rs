//! The verbs of a call app: what a parked script asks of the call engine, and what it gets back. Twins of `wit/call`.

use crate::{Attr, CallInfo, CauseInfo, Channels, HeaderOp};
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
    /// A tone by name (`dial`, `ring`, `busy`, `congestion`, `call-waiting`, `info`, `beep`; as in a country: `busy@gb`), or
    /// `FREQ[+FREQ][/ON_MS[/OFF_MS]]`, parts joined by commas.
    Tone(String),
    /// Silence of this many milliseconds.
    SilenceMs(u32),
    /// Digits, one by one.
    Digits {
        /// The prompt pack: `en`, `de-anna`.
        pack: String,
        /// `0`-`9`, `*`, `#`, `+`, letters; at most 64.
        text: String,
    },
    /// A number, as it is said.
    Number {
        /// The prompt pack.
        pack: String,
        /// From a billion on it is read digit by digit.
        value: u64,
    },
    /// Sound that the script has opened: a message of a mailbox.
    Clip {
        /// As the script names it.
        name: String,
        /// The sound itself; whoever carries the verb puts it in.
        #[serde(skip)]
        sound: crate::Clip,
    },
    /// Sound that somebody brings before the verb sets out: from a URL, or spoken.
    Brought {
        /// From where.
        from: SoundSource,
        /// The sound itself; whoever carries the verb puts it in.
        #[serde(skip)]
        sound: crate::Clip,
    },
}

/// Where a prompt comes from that is neither stored nor made here.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SoundSource {
    /// A WAV or Ogg Opus file at this URL.
    Url(String),
    /// A text that is read aloud.
    Speech(Speech),
}

/// A text that is read aloud.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Speech {
    /// Its language, as `en` or `pt-BR`.
    pub language: String,
    /// By whom: a word of whoever speaks; absent = its usual voice.
    pub voice: Option<String>,
    /// What is said.
    pub text: String,
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

/// A list that its party can steer by keys.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PlaybackSpec {
    /// Played in order.
    pub prompts: Vec<Prompt>,
    /// Where in the whole list to begin.
    pub from: Duration,
    /// Each of these ends it.
    pub stop_on: String,
    /// Halts it, and lets it go on.
    pub pause: Option<char>,
    /// Goes back by a step.
    pub back: Option<char>,
    /// Goes forward by a step.
    pub forward: Option<char>,
    /// Begins again.
    pub again: Option<char>,
    /// How far one step goes.
    pub step: Duration,
}

/// How a playback ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PlayedTo {
    /// The key of `stop_on` that ended it.
    pub digit: Option<String>,
    /// How far it had come.
    pub position: Duration,
}

/// What to record of a leg.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RecordSpec {
    /// Which sides.
    pub channels: Channels,
    /// So long a silence of the party ends it.
    pub silence_end: Option<Duration>,
    /// Its greatest length; the switch has one of its own.
    pub max: Option<Duration>,
    /// Each of these keys ends it, where the verb waits for it.
    pub stop_on: String,
}

/// A recording that has ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RecordingDone {
    /// Its name.
    pub name: String,
    /// How long it is.
    pub length: Duration,
    /// `digit`, `silence`, `max`, `stopped`, `hung-up`.
    pub ended_by: String,
    /// The key that ended it.
    pub digit: Option<String>,
}

/// What to wait for in a party's sound.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ListenSpec {
    /// The end of a beep.
    pub beep: bool,
    /// A silence of this length.
    pub silence: Option<Duration>,
    /// The longest wait.
    pub max: Duration,
}

/// What came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Sounded {
    /// A beep of this frequency, in Hz.
    Beep(u16),
    /// The silence.
    Silence,
    /// Neither, in time.
    Nothing,
}

/// How to be in a conference room.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ConferSpec {
    /// The room, by name within the company; the first one in opens it, the last one out closes it.
    pub room: String,
    /// The others do not hear it.
    pub muted: bool,
    /// It does not hear the others.
    pub deaf: bool,
    /// How loud the others hear it, in 256ths, up to 1,024.
    pub gain: u16,
    /// Each of these keys gives the script the floor; the leg stays in the room.
    pub stop_on: String,
    /// The longest time.
    pub max: Option<Duration>,
}

/// Why a leg's time in a room gave the script the floor.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Conferred {
    /// `digit`: the leg is still in the room; `max`, `removed`: it is not.
    pub ended_by: String,
    /// The key.
    pub digit: Option<String>,
}

/// Somebody in a room.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RoomMember {
    /// The call.
    pub call: crate::CallId,
    /// The leg within it.
    pub leg: LegHandle,
    /// Who it is: a number or user part.
    pub party: String,
    /// Since when.
    pub since: crate::Instant,
    /// The others do not hear it.
    pub muted: bool,
    /// It does not hear the others.
    pub deaf: bool,
    /// How loud the others hear it, in 256ths.
    pub gain: u16,
    /// It spoke last.
    pub speaking: bool,
}

/// What happens to somebody in a room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum MemberChange {
    /// It leaves, and its script is told.
    Remove,
    /// As it shall be from now on.
    Set {
        /// The others do not hear it.
        muted: bool,
        /// It does not hear the others.
        deaf: bool,
        /// How loud the others hear it, in 256ths.
        gain: u16,
    },
}

/// A leg's line to a WebSocket; never reused by a process. Whoever holds the connection gives it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ForkId(pub u64);

/// What of a leg's sound goes to the other end of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ForkSpec {
    /// Which line.
    pub fork: ForkId,
    /// Which sides.
    pub channels: Channels,
    /// Samples per second and channel, both ways: 8,000 or 16,000.
    pub rate: u32,
    /// The other end is a fax machine: it may go over to T.38, and wants sound without a gap rather than without delay.
    #[serde(default)]
    pub fax: bool,
}

/// What the other end of a line says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ForkIn {
    /// Sound for the party: samples at the line's rate, one channel.
    Sound(Vec<i16>),
    /// A datagram of UDPTL for the party; nothing while the leg carries sound.
    Datagram(Vec<u8>),
    /// Forget what was not heard yet.
    Clear,
    /// To be told back when all that came before it was heard.
    Mark(String),
    /// So much sound, either way, was not carried.
    Dropped(Duration),
    /// It ends once what came before is heard (`end`, `hangup`, `closed`), or now (`failed`); with the last words.
    Over(&'static str, String),
}

/// What the other end of a line is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ForkOut {
    /// 20 ms of the leg; of two channels in turns, what the party says first.
    Sound(Vec<i16>),
    /// A datagram of UDPTL from the party.
    Datagram(Vec<u8>),
    /// The leg carries a fax by T.38 from now on, or sound. The ticks of [`ForkOut::Sound`] go on, in silence.
    Medium {
        /// By T.38.
        t38: bool,
    },
    /// A key of the party.
    Digit(char),
    /// All that came before this mark was heard or cleared.
    Mark(String),
    /// So much of what came was not taken: too far ahead.
    Overflow(Duration),
    /// The line has ended; the last word.
    Over,
}

/// How a line stands or ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ForkEnd {
    /// `end`, `hangup`, `closed`, `failed`, `stopped`; or, of a line that goes on, `digit`, `max`.
    pub ended_by: String,
    /// The other end's last words, or why it failed.
    pub note: String,
    /// The key.
    pub digit: Option<String>,
    /// What was taken of the leg.
    pub sent: Duration,
    /// What the party heard.
    pub heard: Duration,
    /// What was lost, both ways.
    pub dropped: Duration,
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
    /// Offer T.38 to a leg whose line is a fax machine's; the line is told where the party agrees.
    FaxOffer(LegHandle),
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
    /// Play a list that the party steers.
    Playback(LegHandle, PlaybackSpec),
    /// Let the leg hear this over and over, whatever the script does meanwhile; nothing ends it.
    Music(LegHandle, Vec<Prompt>),
    /// Press keys towards the party.
    Press(LegHandle, String),
    /// Record until it ends by itself or by a key.
    Record(LegHandle, RecordSpec),
    /// Record from now on, whatever the script does meanwhile.
    RecordStart(LegHandle, RecordSpec),
    /// Halt the leg's recording, or let it go on.
    RecordPause(LegHandle, bool),
    /// End the leg's recording.
    RecordStop(LegHandle),
    /// Wait for a sound of the party.
    Listen(LegHandle, ListenSpec),
    /// Be in a conference room.
    Confer(LegHandle, ConferSpec),
    /// Leave the room.
    Leave(LegHandle),
    /// Who is in a room of the company.
    Members(String),
    /// Change somebody in a room of the company.
    Member(String, crate::CallId, LegHandle, MemberChange),
    /// Let a line that is open carry the leg's sound.
    Fork(LegHandle, ForkSpec),
    /// Wait for the end of the leg's line, for one of these keys, or so long.
    ForkAttend(LegHandle, String, Duration),
    /// End the leg's line.
    ForkStop(LegHandle),
}

impl AppVerb {
    /// What it would let be heard.
    pub fn prompts_mut(&mut self) -> &mut [Prompt] {
        match self {
            AppVerb::Play(_, prompts, _) | AppVerb::Music(_, prompts) => prompts,
            AppVerb::Collect(_, spec) => &mut spec.prompts,
            AppVerb::Dial(_, spec) => &mut spec.ringback,
            AppVerb::Playback(_, spec) => &mut spec.prompts,
            AppVerb::Ring(_)
            | AppVerb::Answer(..)
            | AppVerb::Refuse(..)
            | AppVerb::Hangup(_)
            | AppVerb::FaxOffer(_)
            | AppVerb::Echo(..)
            | AppVerb::Bridge(..)
            | AppVerb::Sleep(_)
            | AppVerb::Press(..)
            | AppVerb::Record(..)
            | AppVerb::RecordStart(..)
            | AppVerb::RecordPause(..)
            | AppVerb::RecordStop(_)
            | AppVerb::Listen(..)
            | AppVerb::Confer(..)
            | AppVerb::Leave(_)
            | AppVerb::Members(_)
            | AppVerb::Member(..)
            | AppVerb::Fork(..)
            | AppVerb::ForkAttend(..)
            | AppVerb::ForkStop(_) => &mut [],
        }
    }
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
    /// Playback ended.
    PlayedTo(PlayedTo),
    /// A recording began: its name.
    Recording(String),
    /// A recording ended.
    Recorded(RecordingDone),
    /// What was heard.
    Sounded(Sounded),
    /// The script has the floor again.
    Conferred(Conferred),
    /// Who is in the room.
    Members(Vec<RoomMember>),
    /// How the line stands or ended.
    Forked(ForkEnd),
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

/// What a caller gets whose call app fails; the app's binding says so.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Recourse {
    /// The plugin that failed: its id and version.
    pub plugin: String,
    /// The stored prompt that the caller hears; `None` = the one named [`APOLOGY`], empty = nothing. One that is not there
    /// is left out.
    pub apology: Option<String>,
    /// The number that is called for the caller then, as the company's chain and numbers know it; `None` = the call ends.
    pub fallback: Option<String>,
    /// The app is started once more, from its beginning, where it trapped or was late before anybody had answered.
    pub restart: bool,
}

/// The prompt that apologises for an app that failed, where its binding names none.
pub const APOLOGY: &str = "apology";

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
