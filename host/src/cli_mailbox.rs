//! The words of `strowger mailbox`.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Whose mailbox.
#[derive(Debug, Args)]
pub(crate) struct Owner {
    /// The account's user name, or its number
    pub(crate) account: String,
    /// The account's company, by name or number
    #[arg(long)]
    pub(crate) company: Option<String>,
}

/// Where messages lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Folder {
    New,
    Saved,
    Deleted,
}

impl Folder {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Folder::New => "new",
            Folder::Saved => "saved",
            Folder::Deleted => "deleted",
        }
    }
}

/// Mailboxes.
#[derive(Debug, Subcommand)]
pub(crate) enum Mailbox {
    /// Show how an account's voice mailbox is kept
    Show {
        #[command(flatten)]
        owner: Owner,
    },
    /// Change how it is kept
    Keep {
        #[command(flatten)]
        owner: Owner,
        /// Whether callers may leave messages
        #[arg(long, value_name = "true|false")]
        enabled: Option<bool>,
        /// The longest message, 3 to 1200
        #[arg(long, value_name = "SECONDS")]
        message_max: Option<u32>,
        /// Most messages that are not deleted, 1 to 5000
        #[arg(long, value_name = "N")]
        messages_max: Option<u32>,
        /// After so many days a message is forgotten, 1 to 3650
        #[arg(long, value_name = "DAYS")]
        keep: Option<u32>,
        /// Tell the owner of new messages by mail to this address
        #[arg(long, value_name = "ADDRESS")]
        mail: Option<String>,
        /// With --mail: the sound goes with it
        #[arg(long, requires = "mail")]
        attach: bool,
        /// With --attach: the message is put among the deleted ones once the mail was taken
        #[arg(long, requires = "attach")]
        delete: bool,
        /// No mail any more
        #[arg(long, conflicts_with = "mail")]
        no_mail: bool,
        /// A new PIN, 4 to 12 digits; opens a locked box
        #[arg(long, value_name = "DIGITS")]
        pin: Option<String>,
        /// Take the PIN away: the account's phone chooses one
        #[arg(long, conflicts_with = "pin")]
        no_pin: bool,
    },
    /// List the messages of an account
    List {
        #[command(flatten)]
        owner: Owner,
        /// Only of this folder
        #[arg(long)]
        folder: Option<Folder>,
    },
    /// Write a message's sound to a WAV file
    Fetch {
        #[command(flatten)]
        owner: Owner,
        /// The message's number
        message: i64,
        /// The file, which must not be there
        file: PathBuf,
    },
    /// Put a message into another folder
    Move {
        #[command(flatten)]
        owner: Owner,
        /// The message's number
        message: i64,
        /// The folder
        folder: Folder,
    },
    /// Forget a message and its sound for good
    Delete {
        #[command(flatten)]
        owner: Owner,
        /// The message's number
        message: i64,
    },
    /// Say what waits for an account whose messages are kept elsewhere: its phones' lamps show it
    Set {
        #[command(flatten)]
        owner: Owner,
        /// Voice messages, as NEW or NEW/OLD
        #[arg(long, value_name = "COUNTS")]
        voice: Option<String>,
        /// Fax messages, as NEW or NEW/OLD
        #[arg(long, value_name = "COUNTS")]
        fax: Option<String>,
    },
}
