//! The words of `strowger person`, `login`, `token`, `audit` and `db`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// People who log in.
#[derive(Debug, Subcommand)]
pub(crate) enum Person {
    /// List people
    List(crate::cli_list::Listing),
    /// Show a person
    Show {
        /// The person's number
        person: i64,
    },
    /// Add a person; the password is read from standard input
    Add {
        /// The login name, unique within brand and company
        name: String,
        /// `admin`, `reader`, or `user` with an account
        #[arg(long, default_value = "admin")]
        role: String,
        #[command(flatten)]
        place: Place,
        /// A user's account, by its number in `account list`
        #[arg(long, value_name = "NUMBER")]
        account: Option<i64>,
        /// What may be done with which noun, as `accounts=write,ddis=read` [default: all that the role has]
        #[arg(long)]
        rights: Option<String>,
    },
    /// Change a person: only what is named changes
    Set {
        /// The person's number
        person: i64,
        /// `admin` or `reader`
        #[arg(long)]
        role: Option<String>,
        /// As in `add`; `all` = all that the role has
        #[arg(long)]
        rights: Option<String>,
        /// Whether the person may log in
        #[arg(long)]
        enabled: Option<bool>,
        /// Read a new password from standard input; every login of the person ends
        #[arg(long)]
        password: bool,
    },
    /// Remove a person
    Remove {
        /// The person's number
        person: i64,
    },
    /// Act as a person: prints a token that is good for an hour; the audit log names you beside the person
    ActAs {
        /// The person's number
        person: i64,
    },
}

/// Where somebody belongs.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The brand, by name or number [default: your own place]
    #[arg(long, conflicts_with = "company")]
    pub(crate) brand: Option<String>,
    /// The company, by name or number
    #[arg(long)]
    pub(crate) company: Option<String>,
}

/// Open logins.
#[derive(Debug, Subcommand)]
pub(crate) enum Login {
    /// List the logins that are open
    List,
    /// End a login: its tokens are worth nothing from now on
    Remove {
        /// The login's number
        login: i64,
    },
}

/// API tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// List tokens
    List(crate::cli_list::Listing),
    /// Show a token, without its secret
    Show {
        /// The token's number
        #[arg(value_name = "TOKEN")]
        number: i64,
    },
    /// Add a token; prints its secret once
    Add {
        /// Its name, unique within its scope
        name: String,
        /// `admin` or `reader`
        #[arg(long, default_value = "admin")]
        role: String,
        #[command(flatten)]
        place: Place,
        /// What may be done with which noun, as `accounts=write,ddis=read` [default: all that the role has]
        #[arg(long)]
        rights: Option<String>,
        /// When it is good no more, RFC 3339 or a date [default: never]
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
    },
    /// Revoke a token
    Remove {
        /// The token's number
        #[arg(value_name = "TOKEN")]
        number: i64,
    },
}

/// The audit log.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// List changes, newest first
    List {
        /// Of paths that begin with this, as /api/v1/accounts/5
        #[arg(long)]
        path: Option<String>,
        /// Of actors that begin with this, as "person 7 "
        #[arg(long)]
        actor: Option<String>,
        /// At or after this time (RFC 3339 or a date)
        #[arg(long)]
        from: Option<String>,
        /// Before this time
        #[arg(long)]
        until: Option<String>,
        #[command(flatten)]
        which: crate::cli_list::Which,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
}

/// The database, by itself: these commands need no running switch, and do not mind one.
#[derive(Debug, Subcommand)]
pub(crate) enum Database {
    /// Say what it holds and what is wrong with it
    Check {
        #[command(flatten)]
        which: Which,
    },
    /// Bring its schema up to date, as `serve` does when it starts
    Migrate {
        #[command(flatten)]
        which: Which,
    },
    /// Write all of it, as it is at one moment, to a new SQLite file
    Backup {
        /// The file to be
        file: PathBuf,
        #[command(flatten)]
        which: Which,
    },
    /// Fill a new, empty database from a backup
    Restore {
        /// The backup
        file: PathBuf,
        #[command(flatten)]
        which: Which,
    },
}

/// Which database.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Which {
    /// That of this configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// `sqlite:PATH` or `postgres://USER@HOST/DATABASE`
    #[arg(long, value_name = "URL")]
    pub(crate) store: Option<String>,
}
