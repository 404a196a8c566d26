//! The words of `strowger brand`, `company`, `registration` and `mailbox`.

use clap::{Args, Subcommand};

/// Brands.
#[derive(Debug, Subcommand)]
pub(crate) enum Brand {
    /// List brands
    List,
    /// Add a brand: a reseller with its own plugins, carriers and companies
    Add {
        /// Its name, unique
        name: String,
        /// What becomes of a call that no plugin decides: `refuse` or `extensions` [default: refuse]
        #[arg(long, value_name = "VERDICT")]
        default_verdict: Option<String>,
    },
}

/// Companies.
#[derive(Debug, Subcommand)]
pub(crate) enum Company {
    /// List companies
    List,
    /// Add a company: whose phones call each other by its numbers
    Add {
        /// Its name, unique within the brand
        name: String,
        /// The SIP domain and digest realm, unique
        #[arg(long)]
        domain: String,
        /// The brand, by name or number [default: the only one there is]
        #[arg(long)]
        brand: Option<String>,
        #[command(flatten)]
        settings: CompanySettings,
    },
    /// Change a company: only what is named changes
    Set {
        /// The company's name, or its number
        company: String,
        #[command(flatten)]
        settings: CompanySettings,
        /// SRTP on its legs: `forbid`, `allow` or `require`
        #[arg(long, value_name = "POLICY")]
        media_security: Option<String>,
        /// A format its calls may have, best first, as PCMA; may be repeated, `none` alone for whatever parties like
        #[arg(long = "codec", value_name = "NAME")]
        codecs: Vec<String>,
        /// Time zone, call ACL, number shown outside and emergency numbers, all of it: JSON text, or @FILE
        #[arg(long, value_name = "JSON")]
        rules: Option<String>,
    },
}

/// What a company may have from the beginning.
#[derive(Debug, Args)]
pub(crate) struct CompanySettings {
    /// Where media flows: `anchor` = through the switch, `direct` = straight between the parties
    #[arg(long)]
    pub(crate) media: Option<String>,
    /// How calls are handled: `b2bua` or `proxy`
    #[arg(long)]
    pub(crate) handling: Option<String>,
    /// Whether a 6xx of one phone ends a proxied call for all that ring with it
    #[arg(long)]
    pub(crate) decline_ends_all: Option<bool>,
    /// Most calls at once
    #[arg(long, value_name = "N")]
    pub(crate) calls_max: Option<u32>,
}

/// Registrations.
#[derive(Debug, Subcommand)]
pub(crate) enum Registration {
    /// List the phones that are there now
    List,
}

/// Mailboxes.
#[derive(Debug, Subcommand)]
pub(crate) enum Mailbox {
    /// Say what waits for an account: its phones' lamps show it
    Set {
        /// The account's user name, or its number
        account: String,
        /// Voice messages, as NEW or NEW/OLD
        #[arg(long, value_name = "COUNTS")]
        voice: Option<String>,
        /// Fax messages, as NEW or NEW/OLD
        #[arg(long, value_name = "COUNTS")]
        fax: Option<String>,
        /// The account's company, by name or number
        #[arg(long)]
        company: Option<String>,
    },
}
