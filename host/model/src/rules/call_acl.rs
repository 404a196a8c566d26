//! Whom an account may call outside: ordered match lists, first match decides.

use super::{BadRule, entries};
use serde::{Deserialize, Serialize};

/// Yes or no.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// It may.
    Allow,
    /// It may not: 403.
    #[default]
    Deny,
}

/// One line of an ACL.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallAclRule {
    /// The match list, on the number called.
    pub list: String,
    /// What holds for its numbers.
    pub permission: Permission,
}

/// An ACL.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallAcl {
    /// The lines, in order.
    #[serde(default)]
    pub rules: Vec<CallAclRule>,
    /// What holds for every other number.
    pub default: Permission,
}

impl CallAcl {
    pub(crate) fn check(&self) -> Result<(), BadRule> {
        entries("rules", self.rules.len())
    }
}
