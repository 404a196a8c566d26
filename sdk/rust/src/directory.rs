//! The calling company's facts.

use crate::generated::router::strowger::host::directory as host;
use crate::{Attr, Error, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// An enabled account.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Account {
    /// The SIP user name.
    pub username: String,
    /// Shown to the callee.
    pub display_name: String,
    /// It is not to be disturbed.
    #[serde(default)]
    pub do_not_disturb: bool,
}

/// Where a number leads.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "name")]
pub enum Target {
    /// An account, by user name.
    Account(String),
    /// A call app, by the name of its binding.
    App(String),
    /// An extension, by number.
    Extension(String),
    /// A hunt group, by name. For this and what follows a router answers `next`: the switch knows what to do.
    HuntGroup(String),
    /// Where a conditional route says, by its name.
    ConditionalRoute(String),
    /// The voicemail of an account, by user name.
    Voicemail(String),
    /// A queue, by name.
    Queue(String),
    /// A conference room, by name.
    Conference(String),
    /// A public number, in E.164.
    Number(String),
}

impl Target {
    /// The account that it is, and nobody else.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        if let Target::Account(name) = self { Some(name) } else { None }
    }
}

/// An extension or DDI.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Number {
    /// Where it leads.
    pub target: Target,
}

fn find<T: DeserializeOwned>(kind: &str, key: &str) -> Result<Option<T>> {
    let json = host::find(kind, key)?;
    json.map(|j| serde_json::from_str(&j)).transpose().map_err(|e| Error::Unavailable(format!("directory: {e}")))
}

/// The enabled account of that user name.
///
/// # Errors
/// As `host/directory` says.
pub fn account(username: &str) -> Result<Option<Account>> {
    find("account", username)
}

/// The extension of that number.
///
/// # Errors
/// As `host/directory` says.
pub fn extension(number: &str) -> Result<Option<Number>> {
    find("extension", number)
}

/// The DDI of that E.164 number, with `+`.
///
/// # Errors
/// As `host/directory` says.
pub fn ddi(e164: &str) -> Result<Option<Number>> {
    find("ddi", e164)
}

/// The longest prefix of `number` in a granted prefix table, with its row.
///
/// # Errors
/// `denied`, or `not-found` where the brand has no such table.
pub fn longest_prefix(table: &str, number: &str) -> Result<Option<(String, Vec<Attr>)>> {
    host::longest_prefix(table, number)
}

/// Every row whose prefix begins `number`, the longest first.
///
/// # Errors
/// As [`longest_prefix`].
pub fn prefixes(table: &str, number: &str) -> Result<Vec<(String, Vec<Attr>)>> {
    host::prefixes(table, number)
}
