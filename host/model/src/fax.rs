//! Faxes that end at the switch: what a company says about them, and a call that sends one.

use crate::{BadRule, CompanyId, is_mail_address};
use serde::{Deserialize, Serialize};

/// The call app that is the switch's own fax machine: a number that leads to it receives faxes. No plugin is bound under
/// this name.
pub const FAX_APP: &str = "fax";

/// What a company says about its faxes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaxRules {
    /// Where a mail goes with each fax that comes, as a PDF; absent = nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail: Option<String>,
    /// So many days faxes are kept that came, were sent or failed; absent = until they are removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
    /// So many megabytes (1,000,000 bytes) of them are kept, the newest; absent = as many as the disk holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub megabytes: Option<u32>,
}

impl FaxRules {
    pub(crate) fn check(&self) -> Result<(), BadRule> {
        if !self.mail.as_deref().is_none_or(is_mail_address) {
            return Err(BadRule::new("fax", "mail is an address, as fax@example.com"));
        }
        if self.days == Some(0) || self.megabytes == Some(0) {
            return Err(BadRule::new("fax", "days and megabytes are at least 1: leave out what has no limit"));
        }
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == FaxRules::default()
    }
}

/// A call that the switch makes to send a fax, at the company's cost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FaxCall {
    /// Whose.
    pub company: CompanyId,
    /// The company's public number that it is from.
    pub from: String,
    /// What is called.
    pub to: String,
    /// What the app is told by which it knows the fax; nobody can guess it.
    pub ticket: String,
}

impl FaxCall {
    /// The argument of the app that holds [`FaxCall::ticket`].
    pub const TICKET: &str = "ticket";
    /// The argument of the app that holds the number of the leg which answered.
    pub const LEG: &str = "leg";
    /// The attribute by which plugins know such a call; its value is `sent`.
    pub const ATTRIBUTE: &str = "fax";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let of = |text: &str| serde_json::from_str::<FaxRules>(text).unwrap().check().is_ok();
        assert!(of("{}") && of(r#"{"mail":"fax@example.com","days":90,"megabytes":500}"#));
        assert!(!of(r#"{"mail":"fax@example.com\r\nbcc: x"}"#) && !of(r#"{"days":0}"#) && !of(r#"{"megabytes":0}"#));
        assert!(serde_json::from_str::<FaxRules>(r#"{"keep":1}"#).is_err());
    }
}
