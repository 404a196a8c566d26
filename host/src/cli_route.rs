//! The words of `strowger route`, `route-pattern`, `route-group` and `route-tag`.

use clap::{Args, Subcommand, ValueEnum};

/// Routing patterns: numbers that begin alike.
#[derive(Debug, Subcommand)]
pub(crate) enum Pattern {
    /// List routing patterns
    List(crate::cli_list::Listing),
    /// Show one pattern
    Show {
        /// The pattern's name, or its number
        pattern: String,
    },
    /// Add a pattern
    Add {
        /// Its name, unique within the brand
        name: String,
        /// What its numbers begin with, as +34
        prefix: String,
        /// The brand, by name or number [default: the only one there is]
        #[arg(long)]
        brand: Option<String>,
        /// Calls to its numbers are neither rated nor recorded
        #[arg(long)]
        special: bool,
    },
    /// Change a pattern: only what is named changes
    #[command(group(clap::ArgGroup::new("change").required(true).multiple(true)))]
    Set {
        /// The pattern's name, or its number
        pattern: String,
        /// A new name
        #[arg(long, group = "change")]
        name: Option<String>,
        /// What its numbers begin with, as +34
        #[arg(long, group = "change")]
        prefix: Option<String>,
        /// Whether calls to its numbers are neither rated nor recorded
        #[arg(long, group = "change", value_name = "true|false")]
        special: Option<bool>,
    },
    /// Remove a pattern that no group and no route names
    Remove {
        /// The pattern's name, or its number
        pattern: String,
    },
}

/// Routing groups: patterns under one name.
#[derive(Debug, Subcommand)]
pub(crate) enum Group {
    /// List routing groups
    List(crate::cli_list::Listing),
    /// Show one group
    Show {
        /// The group's name, or its number
        group: String,
    },
    /// Add a group
    Add {
        /// Its name, unique within the brand
        name: String,
        /// The brand, by name or number [default: the only one there is]
        #[arg(long)]
        brand: Option<String>,
        /// A routing pattern of it, by name or number; may be repeated
        #[arg(long = "pattern", value_name = "PATTERN")]
        patterns: Vec<String>,
    },
    /// Change a group: its name, or all of its patterns
    #[command(group(clap::ArgGroup::new("change").required(true).multiple(true)))]
    Set {
        /// The group's name, or its number
        group: String,
        /// A new name
        #[arg(long, group = "change")]
        name: Option<String>,
        /// A routing pattern of it, by name or number, or none for no pattern at all; may be repeated
        #[arg(long = "pattern", value_name = "PATTERN", group = "change")]
        patterns: Vec<String>,
    },
    /// Remove a group that no route names
    Remove {
        /// The group's name, or its number
        group: String,
    },
}

/// Routing tags: what is dialled with # before a number for other routes.
#[derive(Debug, Subcommand)]
pub(crate) enum Tag {
    /// List routing tags
    List(crate::cli_list::Listing),
    /// Show one tag
    Show {
        /// The tag's name, or its number
        tag: String,
    },
    /// Add a tag
    Add {
        /// Its name, unique within the brand
        name: String,
        /// What is dialled: 1 to 3 digits
        digits: String,
        /// The brand, by name or number [default: the only one there is]
        #[arg(long)]
        brand: Option<String>,
        /// Every company of the brand may use it
        #[arg(long)]
        everybody: bool,
        /// A company that may use it, by name or number; may be repeated
        #[arg(long = "company", value_name = "COMPANY")]
        companies: Vec<String>,
    },
    /// Change a tag: only what is named changes; the companies are replaced whole
    #[command(group(clap::ArgGroup::new("change").required(true).multiple(true)))]
    Set {
        /// The tag's name, or its number
        tag: String,
        /// A new name
        #[arg(long, group = "change")]
        name: Option<String>,
        /// What is dialled: 1 to 3 digits
        #[arg(long, group = "change")]
        digits: Option<String>,
        /// Whether every company of the brand may use it
        #[arg(long, group = "change", value_name = "true|false")]
        everybody: Option<bool>,
        /// A company that may use it, by name or number, or none; may be repeated
        #[arg(long = "company", value_name = "COMPANY", group = "change")]
        companies: Vec<String>,
    },
    /// Remove a tag that no route names
    Remove {
        /// The tag's name, or its number
        tag: String,
    },
}

/// Outgoing routes: by which trunks whose calls to which numbers leave.
#[derive(Debug, Subcommand)]
pub(crate) enum Route {
    /// List outgoing routes
    List(crate::cli_list::Listing),
    /// Show one route with everything that is set
    Show {
        /// The route's name, or its number
        route: String,
    },
    /// Add a route: by one trunk, by several with prices, or by none
    Add {
        /// Its name, unique within the brand
        name: String,
        /// The brand, by name or number [default: the only one there is]
        #[arg(long)]
        brand: Option<String>,
        #[command(flatten)]
        settings: Box<Settings>,
    },
    /// Change a route: only what is named changes; the trunks are replaced whole
    Set {
        /// The route's name, or its number
        route: String,
        /// A new name
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        settings: Box<Settings>,
    },
    /// Remove a route; calls under way go on
    Remove {
        /// The route's name, or its number
        route: String,
    },
}

/// The kinds of companies.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Kind {
    /// Telephone systems
    Vpbx,
    /// Homes
    Residential,
    /// Telephone systems of others
    Retail,
    /// Carriers
    Wholesale,
    /// Any kind
    None,
}

/// What can be set. `none` takes a value away.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// Its calls go by this trunk, by name or number
    #[arg(long, conflicts_with_all = ["rated", "block"])]
    pub(crate) trunk: Option<String>,
    /// Its calls go by the cheapest of these: TRUNK=TABLE, the table being a prefix table with a column price; may be repeated
    #[arg(long = "rated", value_name = "TRUNK=TABLE", conflicts_with = "block")]
    pub(crate) rated: Vec<String>,
    /// Its calls are refused
    #[arg(long)]
    pub(crate) block: bool,
    /// Only for this company, by name or number, or none for all
    #[arg(long)]
    pub(crate) company: Option<String>,
    /// Only for companies of this kind
    #[arg(long)]
    pub(crate) kind: Option<Kind>,
    /// Only for calls with this routing tag, by name or number, or none for calls without any
    #[arg(long)]
    pub(crate) tag: Option<String>,
    /// Only to numbers of this routing pattern, by name or number, or none
    #[arg(long)]
    pub(crate) pattern: Option<String>,
    /// Only to numbers of this routing group, by name or number, or none
    #[arg(long)]
    pub(crate) group: Option<String>,
    /// 0 to 255; lower is tried first
    #[arg(long, value_name = "N")]
    pub(crate) priority: Option<u8>,
    /// 1 to 255: its share among routes of the same priority
    #[arg(long, value_name = "N")]
    pub(crate) weight: Option<u8>,
    /// Whether no route of a higher number is tried after it
    #[arg(long, value_name = "true|false")]
    pub(crate) stopper: Option<bool>,
    /// What stands before the number on the carrier's side, or none
    #[arg(long, value_name = "DIGITS")]
    pub(crate) prefix: Option<String>,
    /// The number that is shown instead of the caller's, as +34911234567, or none
    #[arg(long, value_name = "NUMBER")]
    pub(crate) caller: Option<String>,
}
