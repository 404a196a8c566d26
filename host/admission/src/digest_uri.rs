//! Whether the answer to a challenge was given for what is asked. The digest covers a URI of the client's own writing
//! (RFC 7616 section 3.4.6); whoever takes it away and puts another number into the request calls at the client's cost.
//!
//! Clients write it in many ways: without parameters, with the domain where the request has an address (or the other way
//! round, where a gateway has changed it), only the domain, with separators in a number. So only who is called is held
//! against it, and only where both say so.

use model::CompanyRules;
use sip_message::{Message, Method, UriRef};

/// Whether the digest's `uri` names nobody else than the Request-URI does.
pub(crate) fn means(uri: &str, request: &Message) -> bool {
    // It says whose the registrar is; who registers is in the field To, and known by the digest's user.
    if uri == request.request_uri_str().unwrap_or_default() || matches!(request.method(), Some(Method::Register)) {
        return true;
    }
    let asked = request.request_uri().and_then(|uri| called(&uri));
    let signed = UriRef::parse(uri).ok().and_then(|uri| called(&uri));
    match (signed, asked) {
        (Some(signed), Some(asked)) => signed == asked,
        (None, _) | (_, None) => true,
    }
}

/// Whether the request calls for help. A gateway that took a prefix off the number may have changed what the phone signed,
/// and nobody gains by calling for help at another's cost.
pub(crate) fn is_urgent(rules: &CompanyRules, request: &Message) -> bool {
    let called = request.request_uri().and_then(|uri| called(&uri));
    called.is_some_and(|number| rules.emergency.iter().any(|e| e.number == number))
}

/// Whom a URI calls, in one form.
fn called(uri: &UriRef<'_>) -> Option<String> {
    let user = if uri.is_tel() { crate::identity::tel_number(*uri) } else { uri.user_unescaped()?.into_owned() };
    // A telephone-subscriber may have parameters of its own (RFC 3261 section 19.1.6).
    let user = user.split(';').next().unwrap_or_default();
    let is_number = |c: char| c.is_ascii_digit() || "+*#-.()".contains(c);
    let number = user.chars().all(is_number);
    let text: String = user.chars().filter(|c| !number || !"-.()".contains(*c)).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sip_message::ParseLimits;

    fn request(method: &str, uri: &str) -> Message {
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP y;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:a@x>\r\n\
             Call-ID: 1\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
        );
        Message::parse(text.into(), &ParseLimits::default()).expect("a message")
    }

    #[test]
    fn an_answer_for_one_number_is_none_for_another_however_it_is_written() {
        for (signed, asked, same) in [
            ("sip:1002@acme.test", "sip:1002@acme.test", true),
            ("sip:1002@acme.test", "sip:1002@192.0.2.1:5070;transport=tcp", true),
            ("sip:1002", "sip:1002@acme.test", true),
            ("sip:acme.test", "sip:1002@acme.test", true),
            ("sip:+44-20-7946@acme.test", "sip:+44207946;phone-context=x@acme.test;user=phone", true),
            ("sip:*21%23@acme.test", "sip:*21#@acme.test", true),
            ("tel:+44-20-7946", "sip:+44207946@acme.test", true),
            ("/", "sip:1002@acme.test", true),
            ("sip:1002@acme.test", "sip:1003@acme.test", false),
            ("sip:1002@acme.test", "sip:+8816@acme.test", false),
            ("sip:anna@acme.test", "sip:Anna@acme.test", false),
            ("tel:112", "sip:113@acme.test", false),
        ] {
            assert_eq!(means(signed, &request("INVITE", asked)), same, "{signed} for {asked}");
        }
        let emergency = vec![model::EmergencyNumber { number: "112".to_owned(), dials: None, trunks: Vec::new() }];
        let rules = CompanyRules { emergency, ..CompanyRules::default() };
        for (asked, urgent) in [("sip:112@acme.test", true), ("sip:0112@acme.test", false), ("tel:112", true)] {
            assert_eq!(is_urgent(&rules, &request("INVITE", asked)), urgent, "{asked}");
        }
        assert!(means("sip:1002@acme.test", &request("REGISTER", "sip:acme.test")));
    }
}
