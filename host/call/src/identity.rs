//! How a leg's INVITE says who calls and who forwarded, as the peer's [`HeaderPolicy`] has it (RFC 3323, 3325, 5806,
//! 7044). Everything is written anew from what the switch knows to be true: no identity field of the caller's INVITE is
//! ever passed on.

use model::{HeaderPolicy, TranslationLists, Trunk};
use sip_message::{Message, Name, NameAddrRef, name_addr};

/// RFC 3323 section 4.1.1.3.
const ANONYMOUS: &str = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";

/// Who calls, as a leg may be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Shown<'a> {
    pub(crate) user: &'a str,
    pub(crate) display: Option<&'a str>,
    pub(crate) domain: &'a str,
    /// The caller wants its number withheld.
    pub(crate) private: bool,
    /// Whether somebody vouched for the number.
    pub(crate) verstat: Option<&'static str>,
}

/// Who sent a call on, and why (RFC 5806 section 4.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Forwarded {
    /// The user part of who forwarded.
    pub(crate) by: String,
    /// `deflection`, `unconditional`, ...
    pub(crate) reason: &'static str,
    /// The SIP status that stands for it in History-Info (RFC 7044 section 10.2).
    pub(crate) status: u16,
}

/// The reason that stands for those that nobody knows.
const UNKNOWN: (&str, u16) = ("unknown", 404);

/// The reasons of RFC 5806 section 4.2, each with the status that stands for it in History-Info (RFC 4458 section 5).
const REASONS: [(&str, u16); 10] = [
    ("user-busy", 486),
    ("no-answer", 408),
    ("unavailable", 503),
    ("unconditional", 302),
    ("time-of-day", 302),
    ("do-not-disturb", 480),
    ("deflection", 480),
    ("follow-me", 302),
    ("out-of-service", 503),
    ("away", 480),
];

/// Who has sent a call on before it came by this trunk, oldest first, as far as the carrier is trusted: the newest
/// `most`. Who asks for privacy is left out (RFC 5806 section 4.2), and a reason that nobody knows is `unknown`.
pub(crate) fn diverted(trunk: &Trunk, lists: &TranslationLists, request: &Message, most: usize) -> Vec<Forwarded> {
    let read = |value: &[u8]| {
        let party = NameAddrRef::parse(value).ok()?;
        if party.param("privacy").is_some_and(|p| !p.trim_matches('"').eq_ignore_ascii_case("off")) {
            return None;
        }
        let by = lists.caller_in.apply(&party.uri().user_unescaped()?);
        let given = party.param("reason").unwrap_or_default().trim_matches('"').to_ascii_lowercase();
        let (reason, status) = REASONS.into_iter().find(|(reason, _)| *reason == given).unwrap_or(UNKNOWN);
        (!by.is_empty()).then_some(Forwarded { by, reason, status })
    };
    let values = request.values(Name::Diversion).take(if trunk.headers.trust_identity { most } else { 0 });
    let mut chain: Vec<Forwarded> = values.filter_map(|value| read(value.as_bytes())).collect();
    chain.reverse();
    chain
}

/// Whether a caller asks for privacy: by Privacy, or by an anonymous From (RFC 3323 section 4.2, RFC 3325 section 9.3).
#[must_use]
pub fn wants_privacy(request: &Message) -> bool {
    let asked = request.headers(Name::Privacy).any(|value| {
        let text = value.text().to_ascii_lowercase();
        text.split([';', ',']).any(|word| matches!(word.trim(), "id" | "user" | "header" | "session"))
    });
    asked || request.from().is_ok_and(|from| from.uri().host().eq_ignore_ascii_case("anonymous.invalid"))
}

/// The From value, without a tag, and the identity fields.
pub(crate) fn identity(policy: HeaderPolicy, shown: &Shown<'_>) -> (String, Vec<(String, String)>) {
    let verstat = shown.verstat.map(|verstat| format!(";verstat={verstat}")).unwrap_or_default();
    let own = name_addr(shown.display, format_args!("sip:{}{verstat}@{}", escaped(shown.user), shown.domain));
    let withheld = shown.private || policy.hide;
    let tell = !policy.hide && (!shown.private || policy.trusted);
    let mut fields = Vec::new();
    let mut field = |name: &str, value: String| fields.push((name.to_owned(), value));
    if tell && policy.pai {
        field("P-Asserted-Identity", own.clone());
    }
    if tell && policy.ppi {
        field("P-Preferred-Identity", own.clone());
    }
    if tell && policy.rpid {
        let privacy = if withheld { "full" } else { "off" };
        field("Remote-Party-ID", format!("{own};party=calling;screen=yes;privacy={privacy}"));
    }
    if withheld {
        field("Privacy", "id".to_owned());
    }
    (if withheld { ANONYMOUS.to_owned() } else { own }, fields)
}

/// The fields that say who sent the call on; newest first in Diversion, oldest first in History-Info.
pub(crate) fn forwarding(
    policy: HeaderPolicy,
    chain: &[Forwarded],
    target: &str,
    domain: &str,
) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    if chain.is_empty() || policy.hide {
        return fields;
    }
    if policy.diversion {
        for one in chain.iter().rev() {
            let value = format!("<sip:{}@{domain}>;reason={}", escaped(&one.by), one.reason);
            fields.push(("Diversion".to_owned(), value));
        }
    }
    if policy.history_info {
        let mut index = "1".to_owned();
        let mut entries = Vec::new();
        for one in chain {
            let reason = format!("SIP%3Bcause%3D{}", one.status);
            entries.push(format!("<sip:{}@{domain}?Reason={reason}>;index={index}", escaped(&one.by)));
            index.push_str(".1");
        }
        let from = &index[..index.len() - 2];
        entries.push(format!("<sip:{}@{domain}>;index={index};mp={from}", escaped(target)));
        fields.push(("History-Info".to_owned(), entries.join(", ")));
    }
    fields
}

/// A user part as it may stand in a URI (RFC 3261 section 25.1).
pub(crate) fn escaped(user: &str) -> String {
    let mut out = String::with_capacity(user.len());
    for byte in user.bytes() {
        match byte {
            b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b'-'
            | b'_'
            | b'.'
            | b'!'
            | b'~'
            | b'*'
            | b'\''
            | b'('
            | b')'
            | b'&'
            | b'='
            | b'+'
            | b'$'
            | b','
            | b'/'
            | b'?'
            | b';' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: HeaderPolicy = HeaderPolicy {
        pai: false,
        ppi: false,
        rpid: false,
        diversion: true,
        history_info: false,
        trusted: false,
        hide: false,
    };

    fn told(policy: HeaderPolicy, private: bool) -> (String, String) {
        let shown = Shown { user: "1001", display: Some("Al \"x\""), domain: "demo.test", private, verstat: None };
        let (from, fields) = identity(policy, &shown);
        let fields: Vec<String> = fields.into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
        (from, fields.join("\n"))
    }

    #[test]
    fn the_number_is_where_the_peer_looks_for_it() {
        let own = "\"Al \\\"x\\\"\" <sip:1001@demo.test>";
        assert_eq!(told(PHONE, false), (own.to_owned(), String::new()));
        let carrier = HeaderPolicy { pai: true, ppi: true, rpid: true, ..PHONE };
        let (from, fields) = told(carrier, false);
        assert_eq!(from, own);
        assert_eq!(
            fields,
            format!(
                "P-Asserted-Identity: {own}\nP-Preferred-Identity: {own}\n\
                 Remote-Party-ID: {own};party=calling;screen=yes;privacy=off"
            )
        );
    }

    #[test]
    fn what_vouches_for_a_number_stands_beside_it() {
        let shown = Shown {
            user: "+4930123",
            display: None,
            domain: "demo.test",
            private: false,
            verstat: Some("TN-Validation-Passed"),
        };
        let (from, fields) = identity(HeaderPolicy { pai: true, ..PHONE }, &shown);
        assert_eq!(from, "<sip:+4930123;verstat=TN-Validation-Passed@demo.test>");
        assert_eq!(fields, [("P-Asserted-Identity".to_owned(), from)]);
        let (from, _) = identity(PHONE, &Shown { private: true, ..shown });
        assert_eq!(from, ANONYMOUS);
    }

    #[test]
    fn a_private_number_is_told_to_who_is_trusted_with_it_and_to_nobody_else() {
        let stranger = HeaderPolicy { pai: true, rpid: true, ..PHONE };
        assert_eq!(told(stranger, true), (ANONYMOUS.to_owned(), "Privacy: id".to_owned()));
        let (from, fields) = told(HeaderPolicy { trusted: true, ..stranger }, true);
        assert_eq!(from, ANONYMOUS);
        assert!(fields.contains("P-Asserted-Identity") && fields.contains("1001") && fields.contains("privacy=full"));
        let hidden = HeaderPolicy { trusted: true, hide: true, ..stranger };
        assert_eq!(told(hidden, false), (ANONYMOUS.to_owned(), "Privacy: id".to_owned()));
    }

    #[test]
    fn who_forwarded_is_told_in_the_peers_words() {
        let one = |by: &str| Forwarded { by: by.to_owned(), reason: "deflection", status: 302 };
        let chain = [one("1002"), one("10#3")];
        let old = forwarding(PHONE, &chain, "1004", "demo.test");
        assert_eq!(old.len(), 2);
        assert_eq!(old[0].1, "<sip:10%233@demo.test>;reason=deflection");
        let new =
            forwarding(HeaderPolicy { diversion: false, history_info: true, ..PHONE }, &chain, "1004", "demo.test");
        assert_eq!(
            new[0].1,
            "<sip:1002@demo.test?Reason=SIP%3Bcause%3D302>;index=1, \
             <sip:10%233@demo.test?Reason=SIP%3Bcause%3D302>;index=1.1, <sip:1004@demo.test>;index=1.1.1;mp=1.1"
        );
        assert_eq!(forwarding(HeaderPolicy { hide: true, ..PHONE }, &chain, "1004", "demo.test"), Vec::new());
    }
}
