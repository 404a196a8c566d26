//! The words of `strowger job`.

use clap::Subcommand;
use std::path::PathBuf;

/// Work that is done in the background.
#[derive(Debug, Subcommand)]
pub(crate) enum Job {
    /// List jobs, the newest first
    List {
        /// At this: loading, waiting, running, done, failed or cancelled
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
    /// Show a job: how far it is, what came of it, and what it says about lines of its file
    Show {
        /// The job's number
        job: i64,
    },
    /// Fetch the file that an export of a timetable wrote
    File {
        /// The job's number
        job: i64,
        /// Where to; a file that is there is not written over
        file: PathBuf,
    },
    /// Call a job off; what it has done stays done
    Cancel {
        /// The job's number
        job: i64,
    },
    /// Try a job again that failed or was called off
    Retry {
        /// The job's number
        job: i64,
    },
}
