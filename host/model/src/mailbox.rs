//! Waiting messages: what lights the lamp of a mailbox (RFC 3842).

use crate::CompanyId;
use serde::{Deserialize, Serialize};

/// Counts of one class of messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MessageCounts {
    /// Not heard yet.
    pub new: u32,
    /// Heard.
    pub old: u32,
    /// Urgent ones among the new.
    pub new_urgent: u32,
    /// Urgent ones among the old.
    pub old_urgent: u32,
}

/// What waits in the mailbox of an account, whole: it replaces what was said before.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mailbox {
    /// The tenant.
    pub company: CompanyId,
    /// The account's user name.
    pub account: String,
    /// Voice messages.
    pub voice: MessageCounts,
    /// Fax messages.
    pub fax: MessageCounts,
}
