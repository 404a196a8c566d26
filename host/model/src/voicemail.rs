//! Mailboxes of accounts: what a plugin and the API ask of whoever keeps the messages. Twin of `wit/call/mailbox.wit`.

use crate::{BoxMail, BrandId, CompanyId};
use core::fmt;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Sound at 8 kHz, 16 bits, that somebody has brought from a disk.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Clip(pub Arc<[i16]>);

impl fmt::Debug for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clip({} ms)", self.0.len() / 8)
    }
}

/// Whose mailbox: nobody can name one of another company.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct BoxOwner {
    /// The brand.
    pub brand: BrandId,
    /// The company.
    pub company: CompanyId,
    /// The account's user name.
    pub account: String,
}

/// Where a message lies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Folder {
    /// Not dealt with yet.
    New,
    /// Heard and kept.
    Saved,
    /// To be forgotten after [`BoxSettings::DELETED_KEEP_DAYS`].
    Deleted,
}

impl Folder {
    /// Every folder.
    pub const ALL: [Folder; 3] = [Folder::New, Folder::Saved, Folder::Deleted];

    /// Its name in store and API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Folder::New => "new",
            Folder::Saved => "saved",
            Folder::Deleted => "deleted",
        }
    }

    /// The folder of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Folder> {
        Folder::ALL.into_iter().find(|f| f.name() == name)
    }
}

/// Sounds that the owner of a box has spoken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Greeting {
    /// Heard by callers whom nobody answered.
    Unavailable,
    /// Heard by callers while the owner talks.
    Busy,
    /// The owner's name.
    Name,
}

impl Greeting {
    /// Every kind.
    pub const ALL: [Greeting; 3] = [Greeting::Unavailable, Greeting::Busy, Greeting::Name];

    /// Its name in store and API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Greeting::Unavailable => "unavailable",
            Greeting::Busy => "busy",
            Greeting::Name => "name",
        }
    }
}

/// How a box is kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BoxSettings {
    /// Whether callers may leave messages.
    pub enabled: bool,
    /// The longest message, in seconds.
    pub message_max_s: u32,
    /// Most messages that are not deleted; the box is full with so many.
    pub messages_max: u32,
    /// After so many days a message is forgotten, heard or not.
    pub keep_days: u32,
    /// Where its owner is told of new messages by mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail: Option<BoxMail>,
}

impl BoxSettings {
    /// Deleted messages can be brought back for so many days.
    pub const DELETED_KEEP_DAYS: u32 = 7;
    /// What [`BoxSettings::message_max_s`] may be: three seconds to twenty minutes.
    pub const MESSAGE_S: core::ops::RangeInclusive<u32> = 3..=1_200;
    /// What [`BoxSettings::messages_max`] may be.
    pub const MESSAGES: core::ops::RangeInclusive<u32> = 1..=5_000;
    /// What [`BoxSettings::keep_days`] may be: a day to ten years.
    pub const DAYS: core::ops::RangeInclusive<u32> = 1..=3_650;
}

impl Default for BoxSettings {
    fn default() -> Self {
        BoxSettings { enabled: true, message_max_s: 180, messages_max: 100, keep_days: 90, mail: None }
    }
}

/// A mailbox as it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VoiceBox {
    /// Its owner's user name.
    pub account: String,
    /// Its owner's name.
    pub display_name: String,
    /// How it is kept.
    pub settings: BoxSettings,
    /// Whether a PIN was chosen.
    pub has_pin: bool,
    /// So many seconds nobody is let in, after too many wrong PINs.
    pub locked_s: u32,
    /// What its owner has spoken.
    pub greetings: Vec<Greeting>,
    /// New messages.
    pub new: u32,
    /// Urgent ones among them.
    pub new_urgent: u32,
    /// Saved messages.
    pub saved: u32,
    /// Urgent ones among them.
    pub saved_urgent: u32,
    /// Deleted messages that can be brought back.
    pub deleted: u32,
}

impl VoiceBox {
    /// Whether no message can be left any more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.new.saturating_add(self.saved) >= self.settings.messages_max
    }
}

/// A message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VoiceMessage {
    /// Its number: never given twice.
    pub id: i64,
    /// Where it lies.
    pub folder: Folder,
    /// Who left it: a number, or nothing for a caller who shows none.
    pub caller: String,
    /// The caller's name.
    pub caller_name: Option<String>,
    /// When, in milliseconds since the Unix epoch.
    pub received_ms: u64,
    /// How long it is.
    pub length_ms: u64,
    /// Whether its sender called it urgent.
    pub urgent: bool,
}

/// A message to be kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deposit {
    /// The recording's name, as its verb gave it.
    pub recording: String,
    /// Who speaks.
    pub caller: String,
    /// The caller's name.
    pub caller_name: Option<String>,
    /// Whether it is urgent.
    pub urgent: bool,
}

/// How a PIN was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PinCheck {
    /// It is the one.
    Right,
    /// It is not.
    Wrong,
    /// Too many were wrong: none is looked at for now.
    Locked,
    /// The box has none yet.
    Unset,
}

/// What is asked of a mailbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BoxVerb {
    /// How it stands. [`BoxReply::Opened`].
    Open,
    /// Changes how it is kept. [`BoxReply::Done`].
    Configure(BoxSettings),
    /// Is this the PIN? [`BoxReply::Pin`].
    CheckPin(String),
    /// Sets the PIN, or takes it away; opens a locked box. [`BoxReply::Done`].
    SetPin(Option<String>),
    /// Keeps a message. [`BoxReply::Kept`].
    Deposit(Deposit),
    /// What lies in a folder, or in all, the oldest first. [`BoxReply::Messages`].
    Messages(Option<Folder>),
    /// The sound of a message, to be played. [`BoxReply::Sound`].
    Hear(i64),
    /// The sound of a message as a file. [`BoxReply::File`].
    Fetch(i64),
    /// Puts a message elsewhere. [`BoxReply::Done`].
    Move(i64, Folder),
    /// Forgets a message and its sound. [`BoxReply::Done`].
    Erase(i64),
    /// Gives a copy to another account of the company. [`BoxReply::Kept`].
    Forward(i64, String),
    /// Sets a greeting, or takes it away. [`BoxReply::Done`].
    Greet(Greeting, Option<String>),
    /// The sound of a greeting, or of a recording of this call that is to become one. [`BoxReply::Sound`].
    HearGreeting(Greeting),
    /// The sound of a recording that is not kept yet. [`BoxReply::Sound`].
    HearRecording(String),
}

/// What it gives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BoxReply {
    /// Done.
    Done,
    /// The box.
    Opened(VoiceBox),
    /// How the PIN was found.
    Pin(PinCheck),
    /// The message's number.
    Kept(i64),
    /// Messages.
    Messages(Vec<VoiceMessage>),
    /// Sound; none where there is no such greeting.
    Sound(Option<Clip>),
    /// A WAV file.
    File(Vec<u8>),
}
