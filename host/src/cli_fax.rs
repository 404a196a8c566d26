//! The words of `strowger fax`.

use clap::Subcommand;
use std::path::PathBuf;

/// Faxes that came, and those that are sent.
#[derive(Debug, Subcommand)]
pub(crate) enum Fax {
    /// List faxes, the newest first
    List {
        #[command(flatten)]
        asked: crate::cli_list::Listing,
        /// At this: received, queued, sending, sent or failed
        #[arg(long)]
        state: Option<String>,
        /// Of this call
        #[arg(long)]
        call: Option<String>,
    },
    /// Show a fax
    Show {
        /// The fax's number
        fax: i64,
    },
    /// Send a TIFF or a PDF
    Send {
        /// The pages
        file: PathBuf,
        /// The number, as the company's rules and routes know it
        to: String,
        /// One of the company's public numbers, as +4930123456
        #[arg(long)]
        from: String,
        /// The company, by name or number [default: the token's own]
        #[arg(long)]
        company: Option<String>,
    },
    /// Fetch the pages of a fax: a TIFF, or a PDF where the file's name ends so
    Fetch {
        /// The fax's number
        fax: i64,
        /// Where to; a file that is there is not written over
        file: PathBuf,
    },
    /// Remove a fax and its pages; one that is queued is not sent
    Remove {
        /// The fax's number
        fax: i64,
    },
}
