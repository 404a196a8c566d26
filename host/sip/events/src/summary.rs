//! Waiting messages (RFC 3842).

use crate::document::Document;
use crate::package::Package;
use core::fmt::Write;
use model::MessageCounts;

/// What waits in a mailbox.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// Voice messages.
    pub voice: MessageCounts,
    /// Fax messages.
    pub fax: MessageCounts,
}

impl Summary {
    /// Whether the lamp is lit.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.voice.new > 0 || self.fax.new > 0
    }

    /// The document; `account` is the mailbox's URI.
    #[must_use]
    pub fn document(&self, account: &str) -> Document {
        let waiting = if self.is_waiting() { "yes" } else { "no" };
        let account: String = account.chars().filter(|c| !c.is_control()).collect();
        let mut text = format!("Messages-Waiting: {waiting}\r\nMessage-Account: {account}\r\n");
        for (class, counts) in [("Voice-Message", self.voice), ("Fax-Message", self.fax)] {
            if class == "Voice-Message" || counts != MessageCounts::default() {
                let MessageCounts { new, old, new_urgent, old_urgent } = counts;
                let _ = write!(text, "{class}: {new}/{old} ({new_urgent}/{old_urgent})\r\n");
            }
        }
        Document::plain(Package::MessageSummary.media_type(), text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lamp_and_the_counts() {
        let empty = Summary::default().document("sip:1001@demo.test").body(0);
        assert_eq!(
            empty,
            "Messages-Waiting: no\r\nMessage-Account: sip:1001@demo.test\r\nVoice-Message: 0/0 (0/0)\r\n"
        );
        let fax = MessageCounts { new: 1, ..MessageCounts::default() };
        let voice = MessageCounts { new: 0, old: 8, new_urgent: 0, old_urgent: 2 };
        let some = Summary { voice, fax }.document("sip:1\r\nX: y@z").body(0);
        assert_eq!(
            some,
            "Messages-Waiting: yes\r\nMessage-Account: sip:1X: y@z\r\nVoice-Message: 0/8 (0/2)\r\nFax-Message: 1/0 (0/0)\r\n"
        );
    }
}
