//! What a file is to become: its nouns, their columns and their other names in files of the references.
//!
//! The column names are the API's own. Files of IvozProvider and sipXecs are taken as they are: their headings are other
//! names of the same columns, whatever their case, blanks and dashes. Of a heading that means nothing here the report says
//! so.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the lines of a file are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Of {
    /// People with all they need: account, extensions, public number, login.
    Users,
    /// SIP accounts.
    Accounts,
    /// Extensions.
    Extensions,
    /// Public numbers.
    Ddis,
    /// Prices: a prefix table.
    Rates,
}

/// A column: its name, and its other names, in lower case without blanks, dashes and the like.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    others: &'static [&'static str],
}

const fn column(name: &'static str, others: &'static [&'static str]) -> Column {
    Column { name, others }
}

const ENABLED: Column = column("enabled", &["active"]);
const PASSWORD: Column = column("password", &["sippassword", "terminalpassword"]);
const KIND: Column = column("target_kind", &["routetype", "targettype", "route"]);
const TARGET: Column = column("target", &["targetname", "routetarget", "destination"]);

const USERS: &[Column] = &[
    column("username", &["terminalname", "terminal", "user"]),
    PASSWORD,
    column("first_name", &["name"]),
    column("last_name", &["surname"]),
    column("display_name", &[]),
    column("extension", &["extensionnumber"]),
    column("aliases", &["useralias", "useraliases", "alias"]),
    column("ddi", &["ddinumber"]),
    column("login_password", &["portalpassword"]),
    ENABLED,
];
const ACCOUNTS: &[Column] = &[
    column("username", &["terminalname", "name", "user"]),
    PASSWORD,
    column("display_name", &["description"]),
    ENABLED,
];
const EXTENSIONS: &[Column] = &[column("number", &["extension", "extensionnumber"]), KIND, TARGET];
const DDIS: &[Column] = &[
    column("e164", &["ddi", "number", "ddie164", "didnumber"]),
    KIND,
    TARGET,
    column("call_filter", &["externalcallfilter"]),
    column("record", &["recordcalls"]),
    column("display_name", &[]),
    column("description", &[]),
];
const RATES: &[Column] = &[
    column("prefix", &["destinationprefix"]),
    column("name", &["destinationname", "destination", "description"]),
    column("per_minute", &["rate", "perminuterate", "cost", "price"]),
    column("connect", &["connectfee", "connectioncharge", "connectioncost"]),
    column("increment", &["rateincrement", "chargeperiod", "interval"]),
    column("initial", &["initialincrement", "firstinterval"]),
    column("start", &["groupintervalstart", "intervalstart"]),
];

impl Of {
    /// All of them.
    pub(crate) const ALL: [Of; 5] = [Of::Users, Of::Accounts, Of::Extensions, Of::Ddis, Of::Rates];

    /// Its word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Of::Users => "users",
            Of::Accounts => "accounts",
            Of::Extensions => "extensions",
            Of::Ddis => "ddis",
            Of::Rates => "rates",
        }
    }

    /// What a word means.
    pub(crate) fn from_word(word: &str) -> Option<Of> {
        Of::ALL.into_iter().find(|of| of.word() == word)
    }

    /// The nouns whose rights are needed.
    pub(crate) const fn nouns(self) -> &'static [&'static str] {
        match self {
            Of::Users => &["accounts", "extensions", "ddis", "people"],
            Of::Accounts => &["accounts"],
            Of::Extensions => &["extensions"],
            Of::Ddis => &["ddis"],
            Of::Rates => &["prefix-tables"],
        }
    }

    /// The columns that are understood.
    pub(crate) const fn columns(self) -> &'static [Column] {
        match self {
            Of::Users => USERS,
            Of::Accounts => ACCOUNTS,
            Of::Extensions => EXTENSIONS,
            Of::Ddis => DDIS,
            Of::Rates => RATES,
        }
    }

    /// Those without which there is no telling what a line means.
    pub(crate) const fn needed(self) -> &'static [&'static str] {
        match self {
            Of::Users | Of::Accounts => &["username"],
            Of::Extensions => &["number"],
            Of::Ddis => &["e164"],
            Of::Rates => &["prefix", "per_minute"],
        }
    }

    /// The column that a heading means.
    pub(crate) fn column(self, heading: &str) -> Option<&'static str> {
        let plain: String =
            heading.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        let own = |c: &&Column| c.name.chars().filter(char::is_ascii_alphanumeric).eq(plain.chars());
        let columns = self.columns();
        let found = columns.iter().find(own).or_else(|| columns.iter().find(|c| c.others.contains(&plain.as_str())));
        found.map(|c| c.name)
    }
}

/// How a file is to be taken in: what is kept of the request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) of: Of,
    pub(crate) brand: i64,
    /// Of what belongs to a company.
    pub(crate) company: Option<i64>,
    /// Of rates: the table.
    pub(crate) table: Option<String>,
    /// Look, and change nothing.
    pub(crate) dry_run: bool,
    /// All lines or none.
    pub(crate) atomic: bool,
    /// Of rates: forget what is not in the file.
    pub(crate) replace: bool,
    /// The columns in their order; the file has no heading then.
    pub(crate) columns: Option<Vec<String>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_of_the_references_are_understood() {
        for (of, heading, column) in [
            (Of::Users, "User name", Some("username")),
            (Of::Users, "SIP password", Some("password")),
            (Of::Users, "First name", Some("first_name")),
            (Of::Users, "User alias", Some("aliases")),
            (Of::Users, "Terminal name", Some("username")),
            (Of::Users, "lastname", Some("last_name")),
            (Of::Users, "Phone model", None),
            (Of::Rates, "per-minute", Some("per_minute")),
            (Of::Rates, "Connection charge", Some("connect")),
            (Of::Rates, "PREFIX", Some("prefix")),
            (Of::Ddis, "DDI", Some("e164")),
        ] {
            assert_eq!(of.column(heading), column, "{heading}");
        }
    }

    #[test]
    fn no_heading_means_two_things() {
        for of in Of::ALL {
            let mut names: Vec<String> = of.columns().iter().map(|c| c.name.replace('_', "")).collect();
            names.extend(of.columns().iter().flat_map(|c| c.others.iter().map(|o| (*o).to_owned())));
            let all = names.len();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), all, "{of:?}");
        }
    }
}
