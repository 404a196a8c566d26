//! The words of `strowger timetable`.

use clap::{Args, Subcommand};

/// Jobs that come again and again.
#[derive(Debug, Subcommand)]
pub(crate) enum Timetable {
    /// List timetables: when each comes next, and what came of the last time
    List(crate::cli_list::Listing),
    /// Show a timetable
    Show {
        /// The timetable's name, or its number
        timetable: String,
    },
    /// Write a file again and again: what `export` of the noun writes, kept until `job file JOB FILE` fetches it
    Add {
        /// Its name, unique within its tenant
        name: String,
        /// What is written: users, accounts, extensions, ddis or rates
        #[arg(long, value_name = "NOUN")]
        export: String,
        /// Of all but rates: the company, by name or number [default: the only one there is]
        #[arg(long)]
        company: Option<String>,
        /// For rates: the brand, by name or number [default: the only one there is]
        #[arg(long, conflicts_with = "company")]
        brand: Option<String>,
        /// For rates: the name of the prefix table
        #[arg(long)]
        table: Option<String>,
        #[command(flatten)]
        when: When,
    },
    /// Change a timetable; its jobs have your rights from then on
    Set {
        /// The timetable's name, or its number
        timetable: String,
        /// Its new name
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        when: When,
        /// Whether it comes at all
        #[arg(long)]
        enabled: Option<bool>,
    },
    /// Remove a timetable; its jobs stay
    Remove {
        /// The timetable's name, or its number
        timetable: String,
    },
}

/// When it comes.
#[derive(Debug, Args)]
pub(crate) struct When {
    /// Minute, hour, day, month, weekday, as cron has them: "30 2 * * mon-fri"
    #[arg(long, conflicts_with = "every")]
    pub(crate) cron: Option<String>,
    /// The zone on whose wall --cron is read, as Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE", conflicts_with = "every")]
    pub(crate) zone: Option<String>,
    /// Every so many seconds, at least 60
    #[arg(long, value_name = "SECONDS")]
    pub(crate) every: Option<u64>,
    /// How many of its jobs that ended are kept, with their files [default: 7, or what it was]
    #[arg(long, value_name = "N")]
    pub(crate) keep: Option<u32>,
}
