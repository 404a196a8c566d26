//! The words of `strowger rule` and `strowger ddi`.

use clap::Subcommand;

/// Rules.
#[derive(Debug, Subcommand)]
pub(crate) enum Rule {
    /// List rules
    List {
        /// Of this company, by name or number
        #[arg(long)]
        company: Option<String>,
        /// Of this kind: match-list, schedule, calendar, call-filter or call-acl
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
        /// match-list, schedule, calendar, call-filter or call-acl
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
    List {
        /// Of this company, by name or number
        #[arg(long)]
        company: Option<String>,
    },
    /// Change which call filter the calls for a number go through
    Set {
        /// The number, as +442079460000
        number: String,
        /// The call filter's name, or none
        #[arg(long, value_name = "NAME")]
        call_filter: String,
    },
}
