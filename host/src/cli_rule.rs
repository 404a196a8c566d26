//! The words of `strowger rule`, `strowger extension` and `strowger ddi`.

use clap::Subcommand;

/// Rules.
#[derive(Debug, Subcommand)]
pub(crate) enum Rule {
    /// List rules
    List {
        #[command(flatten)]
        asked: crate::cli_list::Listing,
        /// Of this kind: match-list, schedule, calendar, call-filter, call-acl, hunt-group, conditional-route, route-lock
        /// or outgoing-ddi-rules
        #[arg(long)]
        kind: Option<String>,
    },
    /// Show what a rule says
    Show {
        /// The rule's name (or KIND/NAME), or its number
        rule: String,
    },
    /// Add a rule
    Add {
        /// match-list, schedule, calendar, call-filter, call-acl, hunt-group, conditional-route, route-lock or
        /// outgoing-ddi-rules
        kind: String,
        /// Its name, unique among the company's rules of its kind
        name: String,
        /// What it says: JSON text, or @FILE
        body: String,
        /// Its company, by name or number [default: the only one there is]
        #[arg(long)]
        company: Option<String>,
    },
    /// Change what a rule says, all of it; the next call goes by it
    Set {
        /// The rule's name (or KIND/NAME), or its number
        rule: String,
        /// What it says: JSON text, or @FILE
        body: String,
    },
    /// Remove a rule that nobody names
    Remove {
        /// The rule's name (or KIND/NAME), or its number
        rule: String,
    },
}

/// Public numbers.
#[derive(Debug, Subcommand)]
pub(crate) enum Ddi {
    /// List public numbers
    List(crate::cli_list::Listing),
    /// Show a public number with everything that is set
    Show {
        /// The number, as +442079460000
        number: String,
    },
    /// Add a public number: to a company, or with no place to lead to, to a brand's stock
    #[command(group(clap::ArgGroup::new("change").multiple(true)))]
    Add {
        /// The number, as +442079460000
        number: String,
        /// Where it leads, as account:1001, hunt-group:sales, conditional-route:door, extension:200, voicemail:1001,
        /// queue:NAME, conference:NAME, number:+44..., app:NAME
        #[arg(long, value_name = "KIND:NAME")]
        to: Option<String>,
        /// Its company, by name or number [default: the only one there is]
        #[arg(long, requires = "to")]
        company: Option<String>,
        /// The brand in whose stock it comes, by name or number [default: the only one there is]
        #[arg(long, conflicts_with = "to")]
        brand: Option<String>,
        #[command(flatten)]
        said: DdiSaid,
    },
    /// Change a number: only what is named changes
    #[command(group(clap::ArgGroup::new("change").required(true).multiple(true)))]
    Set {
        /// The number, as +442079460000
        number: String,
        /// Where it leads, as account:1001 or hunt-group:sales
        #[arg(long, value_name = "KIND:NAME", group = "change")]
        to: Option<String>,
        /// Give a number that is in stock to this company, by name or number
        #[arg(long, group = "change", requires = "to")]
        company: Option<String>,
        /// Take it back into the brand's stock: it leads nowhere any more
        #[arg(long, group = "change", conflicts_with_all = ["to", "company", "call_filter"])]
        to_stock: bool,
        #[command(flatten)]
        said: DdiSaid,
    },
    /// Take in a file with a line for each public number
    Import(crate::cli_import::Import),
    /// Write a file with a line for each public number
    Export(crate::cli_import::Export),
    /// Remove a public number
    Remove {
        /// The number, as +442079460000
        number: String,
    },
}

/// What is said of a public number.
#[derive(Debug, clap::Args)]
pub(crate) struct DdiSaid {
    /// The call filter's name, or none
    #[arg(long, value_name = "NAME", group = "change")]
    pub(crate) call_filter: Option<String>,
    /// Record calls from outside, to outside, both or none: in, out, all, none
    #[arg(long, value_name = "WHICH", group = "change", value_parser = ["in", "out", "all", "none"])]
    pub(crate) record: Option<String>,
    /// The trunk that its calls come by where they may come by several, by name or number, or none
    #[arg(long, value_name = "TRUNK", group = "change")]
    pub(crate) trunk: Option<String>,
    /// The routing tag of calls that show it, by name or number, or none
    #[arg(long, value_name = "TAG", group = "change")]
    pub(crate) tag: Option<String>,
    /// The name that its called see in place of the caller's; empty for the caller's own
    #[arg(long, value_name = "NAME", group = "change")]
    pub(crate) display_name: Option<String>,
    /// Words about it
    #[arg(long, value_name = "TEXT", group = "change")]
    pub(crate) description: Option<String>,
}

/// Short numbers.
#[derive(Debug, Subcommand)]
pub(crate) enum Extension {
    /// List extensions
    List(crate::cli_list::Listing),
    /// Show an extension
    Show {
        /// The digits dialled
        number: String,
        /// Its company, by name or number
        #[arg(long)]
        company: Option<String>,
    },
    /// Add an extension
    Add {
        /// The digits dialled
        number: String,
        /// Where it leads, as account:1001, hunt-group:sales, conditional-route:door, voicemail:1001, queue:NAME,
        /// conference:NAME, number:+44..., app:NAME
        #[arg(long, value_name = "KIND:NAME")]
        to: String,
        /// Its company, by name or number [default: the only one there is]
        #[arg(long)]
        company: Option<String>,
    },
    /// Change where an extension leads; the next call goes by it
    Set {
        /// The digits dialled
        number: String,
        /// Where it leads, as account:1001 or hunt-group:sales
        #[arg(long, value_name = "KIND:NAME")]
        to: String,
        /// Its company, by name or number
        #[arg(long)]
        company: Option<String>,
    },
    /// Take in a file with a line for each extension
    Import(crate::cli_import::Import),
    /// Write a file with a line for each extension
    Export(crate::cli_import::Export),
    /// Remove an extension that no public number or rule names
    Remove {
        /// The digits dialled
        number: String,
        /// Its company, by name or number
        #[arg(long)]
        company: Option<String>,
    },
}
