//! The words of `strowger brand`, `company`, `registration` and `mailbox`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Brands.
#[derive(Debug, Subcommand)]
pub(crate) enum Brand {
    /// List brands
    List(crate::cli_list::Listing),
    /// Show a brand
    Show {
        /// The brand's name, or its number
        brand: String,
    },
    /// Change a brand: only what is named changes
    #[command(group(clap::ArgGroup::new("change").required(true).multiple(true)))]
    Set {
        /// The brand's name, or its number
        brand: String,
        /// A new name, unique
        #[arg(long, group = "change")]
        name: Option<String>,
        /// What becomes of a call that no plugin decides: `refuse` or `extensions`
        #[arg(long, value_name = "VERDICT", group = "change")]
        default_verdict: Option<String>,
    },
    /// Remove a brand that has nothing left
    Remove {
        /// The brand's name, or its number
        brand: String,
    },
    /// Add a brand: a reseller with its own plugins, carriers and companies
    Add {
        /// Its name, unique
        name: String,
        /// What becomes of a call that no plugin decides: `refuse` or `extensions` [default: refuse]
        #[arg(long, value_name = "VERDICT")]
        default_verdict: Option<String>,
    },
    /// Show what a brand says about its companies; with JSON, change it: most calls, kinds of companies, service codes
    Rules {
        /// The brand's name, or its number
        brand: String,
        /// All of it: JSON text, or @FILE
        rules: Option<String>,
    },
    /// Show who vouches for a brand's callers and whom it believes (STIR/SHAKEN); with options, change what is named
    Identity {
        /// The brand's name, or its number
        brand: String,
        /// Where others find the certificate, an https URL: `x5u` of what is signed
        #[arg(long, value_name = "URL", requires_all = ["certificate", "key"])]
        x5u: Option<String>,
        /// The certificate with its chain, PEM
        #[arg(long, value_name = "FILE", requires_all = ["x5u", "key"])]
        certificate: Option<PathBuf>,
        /// The certificate's private key, PEM
        #[arg(long, value_name = "FILE", requires_all = ["x5u", "certificate"])]
        key: Option<PathBuf>,
        /// Take the key away: nothing is signed any more
        #[arg(long, conflicts_with = "key")]
        no_key: bool,
        /// The certificates of the authorities whose word counts, PEM; an empty file for none
        #[arg(long, value_name = "FILE")]
        anchors: Option<PathBuf>,
    },
}

/// Companies.
#[derive(Debug, Subcommand)]
pub(crate) enum Company {
    /// List companies
    List(crate::cli_list::Listing),
    /// Show a company with everything that is set
    Show {
        /// The company's name, or its number
        company: String,
    },
    /// Remove a company that has nothing left
    Remove {
        /// The company's name, or its number
        company: String,
    },
    /// Add a company: whose phones call each other by its numbers
    Add {
        /// Its name, unique within the brand
        name: String,
        /// The SIP domain and digest realm, unique
        #[arg(long)]
        domain: String,
        /// What kind of client it is, for good: vpbx, residential, retail or wholesale [default: vpbx]
        #[arg(long, value_name = "KIND")]
        kind: Option<String>,
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
        /// A new name, unique within the brand
        #[arg(long)]
        name: Option<String>,
        /// Another SIP domain, while it has no accounts
        #[arg(long)]
        domain: Option<String>,
        #[command(flatten)]
        settings: CompanySettings,
        /// A format its calls may have, best first, as PCMA; may be repeated, `none` alone for whatever parties like
        #[arg(long = "codec", value_name = "NAME")]
        codecs: Vec<String>,
        /// Time zone, call ACL, number shown outside and emergency numbers, all of it: JSON text, or @FILE
        #[arg(long, value_name = "JSON")]
        rules: Option<String>,
    },
    /// Show how a company's phones register and from where it may be used; with options, change what is named
    Policy {
        /// The company's name, or its number
        company: String,
        #[command(flatten)]
        changes: Box<PolicyChanges>,
    },
}

/// Registration limits and source policy of a company. `default` gives a number back to the switch's own limit; `none`
/// alone empties a list.
#[derive(Debug, Args)]
pub(crate) struct PolicyChanges {
    /// Shortest registration granted, in seconds
    #[arg(long, value_name = "SECONDS")]
    pub(crate) min_expiry: Option<String>,
    /// Longest registration granted, in seconds
    #[arg(long, value_name = "SECONDS")]
    pub(crate) max_expiry: Option<String>,
    /// How much a granted registration may be shortened at random, in percent
    #[arg(long, value_name = "PERCENT")]
    pub(crate) spread: Option<String>,
    /// Most contacts of one account
    #[arg(long, value_name = "N")]
    pub(crate) contacts_max: Option<String>,
    /// Whether the newest contact of an account takes the place of all others
    #[arg(long)]
    pub(crate) single_contact: Option<bool>,
    /// A Service-Route of every 200, as `<sip:edge.example;lr>`; may be repeated
    #[arg(long = "service-route", value_name = "ROUTE")]
    pub(crate) service_routes: Vec<String>,
    /// How a phone behind a NAT is kept reachable over UDP: `off`, `crlf` or `options`
    #[arg(long, value_name = "HOW")]
    pub(crate) nat_ping: Option<String>,
    /// A block of addresses that may use the company, as 192.0.2.0/24; may be repeated
    #[arg(long = "allow", value_name = "BLOCK")]
    pub(crate) allow: Vec<String>,
    /// A block of addresses that may not; may be repeated
    #[arg(long = "deny", value_name = "BLOCK")]
    pub(crate) deny: Vec<String>,
    /// A country that may use the company, by its two letters; may be repeated
    #[arg(long = "country", value_name = "CODE")]
    pub(crate) countries: Vec<String>,
}

/// What a company may have from the beginning.
#[derive(Debug, Args)]
pub(crate) struct CompanySettings {
    /// Where media flows: `anchor` = through the switch, `direct` = straight between the parties
    #[arg(long)]
    pub(crate) media: Option<String>,
    /// How calls are handled: `b2bua`, `proxy`, or `relay` = as `proxy` with media through the switch
    #[arg(long)]
    pub(crate) handling: Option<String>,
    /// Whether a 6xx of one phone ends the call for all that ring with it
    #[arg(long)]
    pub(crate) decline_ends_all: Option<bool>,
    /// Most calls at once
    #[arg(long, value_name = "N")]
    pub(crate) calls_max: Option<u32>,
    /// SRTP on its legs: `forbid`, `allow` or `require`
    #[arg(long, value_name = "POLICY")]
    pub(crate) media_security: Option<String>,
}

/// Registrations.
#[derive(Debug, Subcommand)]
pub(crate) enum Registration {
    /// List the phones that are there now
    List {
        /// Of this company, by name or number
        #[arg(long)]
        company: Option<String>,
        /// Of this account, by its number in `account list`
        #[arg(long, value_name = "NUMBER")]
        account: Option<i64>,
    },
}
