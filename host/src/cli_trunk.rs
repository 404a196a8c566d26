//! The words of `strowger trunk`.

use clap::{Args, Subcommand};

/// Trunks.
#[derive(Debug, Subcommand)]
pub(crate) enum Trunk {
    /// List trunks
    List(crate::cli_list::Listing),
    /// Show one trunk with everything that is set
    Show {
        /// The trunk's name, or its number
        trunk: String,
    },
    /// Show how a trunk is just now: its registration, its servers, its calls
    Status {
        /// The trunk's name, or its number
        trunk: String,
    },
    /// Add a trunk
    Add {
        /// Its name, unique within the brand; what routing plugins call it
        name: String,
        /// The brand, by name or number [default: the only one there is]
        #[arg(long)]
        brand: Option<String>,
        #[command(flatten)]
        settings: Box<Settings>,
    },
    /// Change a trunk: only what is named changes; a list is replaced whole
    Set {
        /// The trunk's name, or its number
        trunk: String,
        /// A new name
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        settings: Box<Settings>,
    },
    /// Remove a trunk; calls under way go on
    Remove {
        /// The trunk's name, or its number
        trunk: String,
    },
}

/// What can be set. `none` takes a value away.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// A carrier's server: HOST or HOST:PORT, then ;transport=udp ;priority=0 ;weight=1 as wanted; may be repeated
    #[arg(long = "server", value_name = "SERVER")]
    pub(crate) servers: Vec<String>,
    /// Calls come from this network: NETWORK or NETWORK@LISTENER (our address and port); may be repeated
    #[arg(long = "source", value_name = "SOURCE")]
    pub(crate) sources: Vec<String>,
    /// The digest user name, or none
    #[arg(long)]
    pub(crate) username: Option<String>,
    /// The password, or `-` to read it from standard input
    #[arg(long, requires = "username")]
    pub(crate) password: Option<String>,
    /// The carrier's realm; with it only a digest of the password is kept
    #[arg(long, requires = "username")]
    pub(crate) realm: Option<String>,
    /// Register USER or USER@DOMAIN with the carrier, or none
    #[arg(long, value_name = "USER")]
    pub(crate) register: Option<String>,
    /// The registration's time in seconds
    #[arg(long, value_name = "S", requires = "register")]
    pub(crate) expires: Option<u32>,
    /// The user part of From, or none
    #[arg(long, value_name = "USER")]
    pub(crate) from_user: Option<String>,
    /// The host part of From, or none
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) from_domain: Option<String>,
    /// Most calls at once, or none
    #[arg(long, value_name = "N")]
    pub(crate) calls_max: Option<String>,
    /// Most new calls in a second, or none
    #[arg(long, value_name = "N")]
    pub(crate) cps_max: Option<String>,
    /// How long a server may take to answer at all, in milliseconds
    #[arg(long, value_name = "MS")]
    pub(crate) answer_ms: Option<u32>,
    /// Ask each server by OPTIONS every so many seconds, or none
    #[arg(long, value_name = "S")]
    pub(crate) ping: Option<String>,
    /// The translation set, by name or number, or none
    #[arg(long, value_name = "SET")]
    pub(crate) translation_set: Option<String>,
    /// Media passes through the switch, whatever company and plan say
    #[arg(long)]
    pub(crate) anchor: Option<bool>,
    /// Whether calls to it are signed with the brand's key (STIR/SHAKEN)
    #[arg(long)]
    pub(crate) sign: Option<bool>,
    /// What is done about the Identity of calls from it: `off`, `tag` or `refuse`
    #[arg(long, value_name = "HOW")]
    pub(crate) verify: Option<String>,
    /// Whether it may be used
    #[arg(long)]
    pub(crate) enabled: Option<bool>,
}
