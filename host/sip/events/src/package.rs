//! The event packages (RFC 6665 section 5), by the first word of the Event header field.

/// What the 489 and the answer to OPTIONS say in Allow-Events.
pub const ALLOW_EVENTS: &str = "dialog, message-summary, presence, reg";

/// An event package.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Package {
    /// The calls of an account or a parking place (RFC 4235).
    Dialog,
    /// Waiting messages of a mailbox (RFC 3842).
    MessageSummary,
    /// Whether somebody can be reached (RFC 3856).
    Presence,
    /// The bindings of an account (RFC 3680).
    Reg,
}

impl Package {
    /// The package that an Event value names, in any case (RFC 6665 section 8.2.1 compares octets; some phones do not).
    #[must_use]
    pub fn of_event(value: &str) -> Option<Package> {
        let name = value.split(';').next().unwrap_or_default().trim();
        [Package::Dialog, Package::MessageSummary, Package::Presence, Package::Reg]
            .into_iter()
            .find(|p| name.eq_ignore_ascii_case(p.token()))
    }

    /// Its name in the Event header field.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Package::Dialog => "dialog",
            Package::MessageSummary => "message-summary",
            Package::Presence => "presence",
            Package::Reg => "reg",
        }
    }

    /// The media type of its documents.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Package::Dialog => "application/dialog-info+xml",
            Package::MessageSummary => "application/simple-message-summary",
            Package::Presence => "application/pidf+xml",
            Package::Reg => "application/reginfo+xml",
        }
    }

    /// Whether a list of resources may be subscribed to as one (RFC 4662).
    #[must_use]
    pub const fn has_lists(self) -> bool {
        matches!(self, Package::Dialog | Package::Presence)
    }
}

/// The `id` parameter of an Event value, which tells subscriptions of one dialog apart (RFC 6665 section 4.5.2).
pub(crate) fn event_id(value: &str) -> Option<&str> {
    value.split(';').skip(1).find_map(|param| {
        let (name, id) = param.split_once('=')?;
        name.trim().eq_ignore_ascii_case("id").then(|| id.trim()).filter(|id| sip_message::is_token(id))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_names_a_package_and_may_have_an_id() {
        assert_eq!(Package::of_event("dialog"), Some(Package::Dialog));
        assert_eq!(Package::of_event(" Message-Summary ;id=7"), Some(Package::MessageSummary));
        assert_eq!(Package::of_event("dialog.winfo"), None);
        assert_eq!(Package::of_event(""), None);
        assert_eq!(event_id("dialog;call-id=a;id = 77"), Some("77"));
        assert_eq!(event_id("dialog;id=\"a b\""), None);
        assert_eq!(event_id("dialog"), None);
        for package in [Package::Dialog, Package::MessageSummary, Package::Presence, Package::Reg] {
            assert!(ALLOW_EVENTS.split(", ").any(|name| Package::of_event(name) == Some(package)));
        }
    }
}
