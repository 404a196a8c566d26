//! The words of `strowger wallet` and `strowger settlement`.

use clap::{Args, Subcommand};

/// Wallets. Amounts are as 12.5, with at most six decimals.
#[derive(Debug, Subcommand)]
pub(crate) enum Wallet {
    /// List wallets
    List(crate::cli_list::Listing),
    /// Show what a company has
    Show {
        /// The company, by name or number [default: the only one there is]
        company: Option<String>,
    },
    /// Say how a company pays; what it has stays as it is
    Set(Pays),
    /// Put money in, or take it out; the same key again does nothing more
    TopUp {
        /// As 50, or -0.25 as a correction
        #[arg(allow_hyphen_values = true)]
        amount: String,
        /// The company, by name or number [default: the only one there is]
        #[arg(long)]
        company: Option<String>,
        /// Moves money once for ever: an invoice's or a payment's number
        #[arg(long)]
        key: String,
        /// For people
        #[arg(long, default_value = "")]
        memo: String,
    },
    /// List what was moved, newest first
    Movements {
        /// The company, by name or number [default: the only one there is]
        company: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Say what a call would cost; nothing is charged
    Price {
        /// The number as it is inside, with its +
        number: String,
        /// From answer to end
        seconds: u64,
        /// The company, by name or number [default: the only one there is]
        #[arg(long)]
        company: Option<String>,
        /// The trunk, where the price depends on it
        #[arg(long)]
        trunk: Option<String>,
        /// When it is answered, as 2026-11-22T20:00:00Z [default: now]
        #[arg(long)]
        at: Option<String>,
    },
    /// Compare every balance with its movements and reservations
    Audit,
}

/// How a company pays.
#[derive(Debug, Args)]
pub(crate) struct Pays {
    /// The company, by name or number [default: the only one there is]
    pub(crate) company: Option<String>,
    /// prepaid, postpaid or pseudo-prepaid
    #[arg(long)]
    pub(crate) method: String,
    /// The plan, as the rater's configuration names it
    #[arg(long)]
    pub(crate) plan: String,
    /// Three capitals, as EUR; never changes
    #[arg(long)]
    pub(crate) currency: String,
    /// How far below zero the balance may go [default: 0]
    #[arg(long)]
    pub(crate) credit: Option<String>,
    /// Most that may be charged in a day [default: no such limit]
    #[arg(long)]
    pub(crate) daily_cap: Option<String>,
    /// Event sinks are told below it [default: never]
    #[arg(long)]
    pub(crate) low_mark: Option<String>,
}

/// Answered legs that wait for their price.
#[derive(Debug, Subcommand)]
pub(crate) enum Settlement {
    /// List them, oldest first
    List {
        /// Those that have failed at least so often
        #[arg(long, default_value_t = 0)]
        tries: u32,
    },
    /// Try one again at once
    Retry {
        /// The call's id
        call: String,
        /// The leg's number
        leg: u16,
    },
}
