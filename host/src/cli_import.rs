//! The words of `import` and `export`, which several nouns have, and of `strowger user`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// A file to be taken in.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The file: comma-separated values; its first line names the columns
    pub(crate) file: PathBuf,
    /// The company, by name or number [default: the only one there is]
    #[arg(long)]
    pub(crate) company: Option<String>,
    #[command(flatten)]
    pub(crate) how: How,
}

/// How a file is taken in.
#[derive(Debug, Args)]
pub(crate) struct How {
    /// Say what would become of it, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// All lines or none
    #[arg(long)]
    pub(crate) atomic: bool,
    /// The columns in their order, with commas between; the file has no heading then
    #[arg(long, value_name = "NAMES")]
    pub(crate) columns: Option<String>,
    /// Do not wait until it is done: `strowger job show` tells how it goes
    #[arg(long)]
    pub(crate) no_wait: bool,
}

/// A file to be written.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Where to; a file that is there is not written over
    pub(crate) file: PathBuf,
    /// The company, by name or number [default: the only one there is]
    #[arg(long)]
    pub(crate) company: Option<String>,
}

/// People with all they need: account, extensions, public number, login.
#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Take in a file with a line for each user, as IvozProvider and sipXecs write them too
    Import(Import),
    /// Write a file with a line for each user
    Export(Export),
}
