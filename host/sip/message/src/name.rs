//! Header field names (RFC 3261 section 20 and the registry), long and compact, found by a hash made at compile time.

use core::fmt;

macro_rules! names {
    ($($name:ident = $text:literal $($compact:literal)?;)*) => {
        /// A header field's name. Known ones are variants whatever form they had on the wire.
        #[derive(Clone, Copy)]
        pub enum Name<'a> {
            $(#[doc = concat!("`", $text, "`")] $name,)*
            /// Any other token.
            Other(&'a str),
        }

        #[repr(u8)]
        enum Index { Other, $($name,)* }

        /// Every known name by id; the first is never used.
        const KNOWN: &[(Name<'static>, &str)] = &[(Name::Other(""), ""), $((Name::$name, $text),)*];
        /// One more than the largest id.
        pub(crate) const COUNT: usize = KNOWN.len();
        const COMPACT: &[(u8, u8)] = &[$($(($compact, Index::$name as u8),)?)*];

        impl<'a> Name<'a> {
            /// The id under which a message's index holds it; 0 for others.
            pub(crate) const fn id(self) -> u8 {
                match self { $(Name::$name => Index::$name as u8,)* Name::Other(_) => Index::Other as u8 }
            }

            /// The canonical long spelling.
            #[must_use]
            pub const fn as_str(self) -> &'a str {
                match self { $(Name::$name => $text,)* Name::Other(text) => text }
            }
        }
    };
}
names! {
    Via = "Via" b'v';
    From = "From" b'f';
    To = "To" b't';
    CallId = "Call-ID" b'i';
    CSeq = "CSeq";
    Contact = "Contact" b'm';
    MaxForwards = "Max-Forwards";
    ContentLength = "Content-Length" b'l';
    ContentType = "Content-Type" b'c';
    ContentEncoding = "Content-Encoding" b'e';
    ContentDisposition = "Content-Disposition";
    ContentLanguage = "Content-Language";
    Route = "Route";
    RecordRoute = "Record-Route";
    Expires = "Expires";
    MinExpires = "Min-Expires";
    Authorization = "Authorization";
    ProxyAuthorization = "Proxy-Authorization";
    WwwAuthenticate = "WWW-Authenticate";
    ProxyAuthenticate = "Proxy-Authenticate";
    AuthenticationInfo = "Authentication-Info";
    Supported = "Supported" b'k';
    Require = "Require";
    ProxyRequire = "Proxy-Require";
    Unsupported = "Unsupported";
    Allow = "Allow";
    AllowEvents = "Allow-Events" b'u';
    Accept = "Accept";
    AcceptContact = "Accept-Contact" b'a';
    AcceptEncoding = "Accept-Encoding";
    AcceptLanguage = "Accept-Language";
    RejectContact = "Reject-Contact" b'j';
    RequestDisposition = "Request-Disposition" b'd';
    Event = "Event" b'o';
    SubscriptionState = "Subscription-State";
    Subject = "Subject" b's';
    ReferTo = "Refer-To" b'r';
    ReferredBy = "Referred-By" b'b';
    ReferSub = "Refer-Sub";
    Replaces = "Replaces";
    Join = "Join";
    TargetDialog = "Target-Dialog";
    Reason = "Reason";
    Warning = "Warning";
    UserAgent = "User-Agent";
    Server = "Server";
    Date = "Date";
    Timestamp = "Timestamp";
    RetryAfter = "Retry-After";
    SessionExpires = "Session-Expires" b'x';
    MinSe = "Min-SE";
    RSeq = "RSeq";
    RAck = "RAck";
    Path = "Path";
    ServiceRoute = "Service-Route";
    FlowTimer = "Flow-Timer";
    PAssertedIdentity = "P-Asserted-Identity";
    PPreferredIdentity = "P-Preferred-Identity";
    PCalledPartyId = "P-Called-Party-ID";
    PAccessNetworkInfo = "P-Access-Network-Info";
    PChargingVector = "P-Charging-Vector";
    RemotePartyId = "Remote-Party-ID";
    Privacy = "Privacy";
    Diversion = "Diversion";
    HistoryInfo = "History-Info";
    SipETag = "SIP-ETag";
    SipIfMatch = "SIP-If-Match";
    Identity = "Identity" b'y';
    InReplyTo = "In-Reply-To";
    MimeVersion = "MIME-Version";
    Organization = "Organization";
    Priority = "Priority";
    ReplyTo = "Reply-To";
    AlertInfo = "Alert-Info";
    CallInfo = "Call-Info";
    ErrorInfo = "Error-Info";
    InfoPackage = "Info-Package";
    RecvInfo = "Recv-Info";
    Geolocation = "Geolocation";
    MaxBreadth = "Max-Breadth";
    UserToUser = "User-to-User";
}

const SLOTS: usize = 256;

/// Spreads names over the table by length, first and last two letters; the factors were searched for, so that few
/// known names share a slot.
const fn slot(text: &[u8]) -> usize {
    let len = text.len();
    let (first, last, before) = (text[0] | 0x20, text[len - 1] | 0x20, text[len - 2] | 0x20);
    (len * 101 + first as usize * 51 + last as usize + before as usize * 97) % SLOTS
}

const TABLE: [u8; SLOTS] = {
    let mut table = [0_u8; SLOTS];
    let mut id = 1;
    while id < KNOWN.len() {
        let mut at = slot(KNOWN[id].1.as_bytes());
        while table[at] != 0 {
            at = (at + 1) % SLOTS;
        }
        table[at] = id as u8;
        id += 1;
    }
    table
};

const LETTERS: [u8; 26] = {
    let mut table = [0_u8; 26];
    let mut i = 0;
    while i < COMPACT.len() {
        table[(COMPACT[i].0 - b'a') as usize] = COMPACT[i].1;
        i += 1;
    }
    table
};

/// The id of the known name that `text` spells, in any case, long or compact; 0 if none.
pub(crate) fn lookup(text: &[u8]) -> u8 {
    match text {
        [] => 0,
        [letter] => letter
            .to_ascii_lowercase()
            .checked_sub(b'a')
            .and_then(|i| LETTERS.get(usize::from(i)))
            .copied()
            .unwrap_or(0),
        _ => {
            let mut at = slot(text);
            loop {
                let id = TABLE[at];
                let known = KNOWN[usize::from(id)].1.as_bytes();
                // Nearly all traffic spells names canonically, and `==` is one memcmp.
                if id == 0 || known == text || known.eq_ignore_ascii_case(text) {
                    return id;
                }
                at = (at + 1) % SLOTS;
            }
        }
    }
}

/// The known name of `id`, or `None` for 0.
pub(crate) fn by_id(id: u8) -> Option<Name<'static>> {
    if id == 0 { None } else { KNOWN.get(usize::from(id)).map(|known| known.0) }
}

impl<'a> Name<'a> {
    /// The name that `text` spells, in any case, long or compact.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        by_id(lookup(text.as_bytes())).unwrap_or(Name::Other(text))
    }
}

impl<'a> From<&'a str> for Name<'a> {
    fn from(text: &'a str) -> Self {
        Name::new(text)
    }
}

impl<'a> From<&'a String> for Name<'a> {
    fn from(text: &'a String) -> Self {
        Name::new(text)
    }
}

impl PartialEq for Name<'_> {
    /// Names compare in any case (RFC 3261 section 7.3.1).
    fn eq(&self, other: &Self) -> bool {
        if self.id() != 0 && other.id() != 0 {
            return self.id() == other.id();
        }
        // Somebody may have spelt a known name as another one.
        let (one, two) = (Name::new(self.as_str()), Name::new(other.as_str()));
        one.id() == two.id() && (one.id() != 0 || one.as_str().eq_ignore_ascii_case(two.as_str()))
    }
}

impl Eq for Name<'_> {}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_found_in_any_case_and_compact_forms_too() {
        for (id, (name, text)) in KNOWN.iter().enumerate().skip(1) {
            assert_eq!(usize::from(name.id()), id);
            assert_eq!(usize::from(lookup(text.as_bytes())), id, "{text}");
            assert_eq!(usize::from(lookup(text.to_ascii_uppercase().as_bytes())), id, "{text}");
        }
        assert_eq!(Name::new("V"), Name::Via);
        assert_eq!(Name::new("m"), Name::Contact);
        assert_eq!(Name::new("Q"), Name::Other("q"));
        assert_eq!(Name::new("x-mine"), Name::Other("X-Mine"));
        assert_ne!(Name::new("x-mine"), Name::Other("X-Yours"));
    }

    #[test]
    fn probes_are_short() {
        let longest = KNOWN.iter().skip(1).map(|(name, text)| {
            let mut at = slot(text.as_bytes());
            let mut steps = 1;
            while TABLE[at] != name.id() {
                at = (at + 1) % SLOTS;
                steps += 1;
            }
            steps
        });
        assert!(longest.max() <= Some(3));
    }
}
