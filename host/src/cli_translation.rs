//! The words of `strowger translation`.

use clap::{Args, Subcommand};

/// Translation sets: how carriers write numbers.
#[derive(Debug, Subcommand)]
pub(crate) enum Translation {
    /// List translation sets
    List(crate::cli_list::Listing),
    /// Show one set with its rules
    Show {
        /// The set's name, or its number
        set: String,
    },
    /// Add a set, made from how a country writes numbers, or of rules
    Add {
        /// Its name, unique within the brand
        name: String,
        /// The brand, by name or number [default: the only one there is]
        #[arg(long)]
        brand: Option<String>,
        #[command(flatten)]
        numbering: Numbering,
        /// A rule LIST:PATTERN=REPLACEMENT, LIST being caller-in, caller-out, callee-in or callee-out; may be repeated
        #[arg(long = "rule", value_name = "RULE", conflicts_with = "country")]
        rules: Vec<String>,
    },
    /// Change a set: its name, or all rules of the lists that are named
    #[command(group(clap::ArgGroup::new("change").required(true).multiple(true)))]
    Set {
        /// The set's name, or its number
        set: String,
        /// A new name, unique within the brand
        #[arg(long, group = "change")]
        name: Option<String>,
        /// A rule LIST:PATTERN=REPLACEMENT, or LIST:none for an empty list; may be repeated. Lists that no rule names stay
        #[arg(long = "rule", value_name = "RULE", group = "change")]
        rules: Vec<String>,
    },
    /// Remove a set that no trunk uses
    Remove {
        /// The set's name, or its number
        set: String,
    },
}

/// Countries: the switch brings them.
#[derive(Debug, Subcommand)]
pub(crate) enum Country {
    /// List the countries, with what their numbers begin with and their first time zone
    List,
    /// Show one country
    Show {
        /// Its two letters, as DE
        code: String,
    },
}

/// How numbers are written in a country.
#[derive(Debug, Args)]
pub(crate) struct Numbering {
    /// The country: two letters (`country list` has them), or its code without +, as 49
    #[arg(long, value_name = "CODE")]
    pub(crate) country: Option<String>,
    /// What is dialled before a number of another country, as 00; known of a country of two letters, as is the rest
    #[arg(long, value_name = "PREFIX", requires = "country")]
    pub(crate) international: Option<String>,
    /// What is dialled before a number of another area, as 0
    #[arg(long, value_name = "PREFIX", requires = "country")]
    pub(crate) national: Option<String>,
    /// The area whose numbers are dialled without it
    #[arg(long, value_name = "CODE", requires = "country")]
    pub(crate) area: Option<String>,
    /// How many digits a national number has, area code included and prefix not
    #[arg(long, value_name = "N", requires = "country")]
    pub(crate) length: Option<u8>,
}
