//! The words of `strowger mail`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Mail that the switch sends.
#[derive(Debug, Subcommand)]
pub(crate) enum Mail {
    /// List mails, the newest first
    List {
        /// At this: waiting, sending, sent or dead
        #[arg(long)]
        state: Option<String>,
        /// Of this company, by name or number
        #[arg(long)]
        company: Option<String>,
        #[command(flatten)]
        which: crate::cli_list::Which,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Try a mail that waits or is dead again at once
    Retry {
        /// The mail's number
        mail: i64,
    },
    /// Forget a mail; one that waits is not sent
    Delete {
        /// The mail's number
        mail: i64,
    },
    /// The hosts that take mail: the platform's, and those of brands that have their own
    #[command(subcommand)]
    Host(MailHost),
}

/// A mail host.
#[derive(Debug, Subcommand)]
pub(crate) enum MailHost {
    /// Show it
    Show {
        /// This brand's, by name or number [default: the platform's]
        #[arg(long)]
        brand: Option<String>,
    },
    /// Set it, whole
    Set(Box<HostSettings>),
    /// Send a mail by it at once, and say what it says
    Try {
        /// Where the mail goes
        to: String,
        /// The host that mail of this brand goes by, by name or number [default: the platform's]
        #[arg(long)]
        brand: Option<String>,
    },
    /// Take it away
    Delete {
        /// This brand's, by name or number [default: the platform's]
        #[arg(long)]
        brand: Option<String>,
    },
}

/// What a mail host is.
#[derive(Debug, Args)]
pub(crate) struct HostSettings {
    /// A name or an address
    pub(crate) host: String,
    /// The address that mail is from
    pub(crate) from: String,
    /// This brand's, by name or number [default: the platform's]
    #[arg(long)]
    pub(crate) brand: Option<String>,
    /// Its port [default: 587, with --tls tls 465, with --tls none 25]
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// starttls, tls or none
    #[arg(long, default_value = "starttls")]
    pub(crate) tls: String,
    /// Who we are for it
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// Its password, or - to read it from the standard input; without one, the one that is there stays
    #[arg(long)]
    pub(crate) password: Option<String>,
    /// The name beside the address
    #[arg(long)]
    pub(crate) from_name: Option<String>,
    /// Authorities of its certificate beside the system's, a PEM file
    #[arg(long)]
    pub(crate) ca: Option<PathBuf>,
    /// Words of mails by name, as {"voicemail": {"subject": "..", "text": ".."}}: JSON text, or @FILE
    #[arg(long, value_name = "JSON")]
    pub(crate) templates: Option<String>,
}
