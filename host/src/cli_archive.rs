//! The words of `strowger archive`.

use clap::{Subcommand, ValueEnum};
use std::path::PathBuf;

/// Files of records that left the database.
#[derive(Debug, Subcommand)]
pub(crate) enum Archive {
    /// List archives, those of the newest records first
    List {
        /// Of this brand, by name or number
        #[arg(long)]
        brand: Option<String>,
        /// Of these records
        #[arg(long)]
        kind: Option<Records>,
        /// With records of then or later, as 2026-03-01
        #[arg(long)]
        from: Option<String>,
        /// With records of before then, as 2026-04-01
        #[arg(long)]
        until: Option<String>,
        #[command(flatten)]
        which: crate::cli_list::Which,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Show an archive
    Show {
        /// The archive's number
        archive: i64,
    },
    /// Fetch the file of an archive: JSON, a record a line, compressed by zstd
    Fetch {
        /// The archive's number
        archive: i64,
        /// Where to; a file that is there is not written over
        file: PathBuf,
    },
    /// Remove an archive: its records are gone for good
    Remove {
        /// The archive's number
        archive: i64,
    },
}

/// What is archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Records {
    /// Call detail records
    Cdrs,
    /// Why calls went where they went
    Explanations,
}

impl Records {
    /// The API's word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Records::Cdrs => "cdrs",
            Records::Explanations => "explanations",
        }
    }
}
