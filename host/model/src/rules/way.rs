//! Where a call goes: what filters, forwards, groups, conditions and numbers lead to.

use super::{BadRule, RuleKind};
use serde::{Deserialize, Serialize};

/// Where a call goes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "name")]
pub enum Way {
    /// To nobody: the caller gets 403, Q.850 cause 21.
    Refuse,
    /// To an account, by user name.
    Account(String),
    /// To an extension, by number.
    Extension(String),
    /// To a call app, by the name of its binding.
    App(String),
    /// To a public number, in E.164.
    Number(String),
    /// To a hunt group, by name.
    HuntGroup(String),
    /// Where a conditional route says, by its name.
    ConditionalRoute(String),
    /// To the voicemail of an account, by user name: the app bound as `voicemail`.
    Voicemail(String),
    /// To a queue, by name: the app bound as `queue`.
    Queue(String),
    /// To a conference room, by name: the app bound as `conference`.
    Conference(String),
}

/// What of a company's something names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Used<'r> {
    /// A rule.
    Rule(RuleKind, &'r str),
    /// An account, by user name.
    Account(&'r str),
    /// An extension, by number.
    Extension(&'r str),
    /// A public number, in E.164.
    Ddi(&'r str),
}

impl Way {
    /// The name within it; none for [`Way::Refuse`].
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Way::Refuse => None,
            Way::Account(name)
            | Way::Extension(name)
            | Way::App(name)
            | Way::Number(name)
            | Way::HuntGroup(name)
            | Way::ConditionalRoute(name)
            | Way::Voicemail(name)
            | Way::Queue(name)
            | Way::Conference(name) => Some(name),
        }
    }

    pub(crate) fn check(&self, field: &'static str) -> Result<(), BadRule> {
        let Some(name) = self.name() else { return Ok(()) };
        // Rules are called as people like; what is dialled or bound has no blanks.
        let is_rule = matches!(self, Way::HuntGroup(_) | Way::ConditionalRoute(_));
        let wrong = |c: char| c.is_control() || (c.is_whitespace() && !is_rule);
        if name.is_empty() || name.len() > 64 || name.contains(wrong) {
            return Err(BadRule::new(field, "the name of where calls go needs 1 to 64 characters and no blanks"));
        }
        if matches!(self, Way::Number(_)) && !is_e164(name) {
            return Err(BadRule::new(field, format!("expected a number as +34944048182, found {name:?}")));
        }
        Ok(())
    }

    /// What of the company's it names. Apps, queues and rooms are plugins' own.
    #[must_use]
    pub fn uses(&self) -> Option<Used<'_>> {
        match self {
            Way::Account(name) | Way::Voicemail(name) => Some(Used::Account(name)),
            Way::Extension(number) => Some(Used::Extension(number)),
            Way::HuntGroup(name) => Some(Used::Rule(RuleKind::HuntGroup, name)),
            Way::ConditionalRoute(name) => Some(Used::Rule(RuleKind::ConditionalRoute, name)),
            Way::Refuse | Way::App(_) | Way::Number(_) | Way::Queue(_) | Way::Conference(_) => None,
        }
    }
}

/// Whether this is a public number: `+` and 2 to 15 digits.
pub(crate) fn is_e164(number: &str) -> bool {
    let digits = number.strip_prefix('+').unwrap_or_default();
    (2..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}
