//! What the parser takes and what it refuses.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use bytes::Bytes;
use common::{parse, request};
use sip_message::{Contacts, Message, Method, Name, ParseError, ParseLimits};

fn refuse(text: &str) -> (ParseError, bool) {
    let rejected = Message::parse(Bytes::from(text.to_owned()), &ParseLimits::default()).unwrap_err();
    (rejected.error, rejected.answerable.is_some())
}

#[test]
fn the_invite_is_read() {
    let message = Message::parse(common::invite(), &ParseLimits::default()).unwrap();
    message.validate().unwrap();
    assert_eq!(message.method(), Some(Method::Invite));
    assert_eq!(message.request_uri().unwrap().user(), Some("+442079460123"));
    assert_eq!(message.top_via().unwrap().rport(), Some(None));
    assert_eq!(message.top_via().unwrap().branch(), Some("z9hG4bK74bf9a1c2e"));
    assert_eq!(message.from().unwrap().display().as_deref(), Some("Alice Example"));
    assert_eq!(message.from().unwrap().tag(), Some("9fxced76sl"));
    assert_eq!(message.to().unwrap().tag(), None);
    assert_eq!(message.cseq().unwrap().number, 314_159);
    assert_eq!(message.max_forwards(), Some(70));
    assert!(message.has_token(Name::Supported, "100REL"));
    assert!(message.is_content_type("Application/SDP"));
    assert!(message.body().starts_with(b"v=0"));
    assert_eq!(message.all_headers().count(), 13);
}

#[test]
fn folds_compact_forms_and_odd_spacing_are_taken() {
    let text = "OPTIONS sip:b@example.net SIP/2.0\r\nv : SIP / 2.0 / TCP  host.example.net : 5070 ;\r\n  branch = z9hG4bKx ,\r\n \
                SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKy\r\nF:\"A \\\"B\\\" \\\\C\" <sip:a@example.net>\r\n ;tag = 1\r\nt: sip:b@example.net;x=y\r\n\
                i:   c1 \r\nCSeq:  0009\r\n   OPTIONS\r\nMAX-forwards:\t 0068\r\nSubject: one\r\n\t\r\n  two\r\nL: 0\r\n\r\n";
    let message = parse(text);
    message.validate().unwrap();
    let via = message.top_via().unwrap();
    assert_eq!((via.transport(), via.host(), via.port()), ("TCP", "host.example.net", Some(5070)));
    assert_eq!(via.branch(), Some("z9hG4bKx"));
    assert_eq!(message.vias().count(), 2);
    assert_eq!(message.from().unwrap().display().as_deref(), Some("A \"B\" \\C"));
    assert_eq!(message.from().unwrap().tag(), Some("1"));
    assert_eq!(message.to().unwrap().param("x"), Some("y"));
    assert_eq!(message.call_id(), Ok("c1"));
    assert_eq!(message.cseq().unwrap().number, 9);
    assert_eq!(message.max_forwards(), Some(68));
    assert_eq!(message.header("subject").unwrap().text(), "one two");
}

#[test]
fn bytes_that_are_not_utf8_are_kept() {
    let mut bytes = request("INVITE", "sip:b@example.net", "").into_bytes();
    let at = bytes.windows(5).position(|w| w == b"From:").unwrap();
    bytes.splice(at..at, b"X-Odd: caf\xe9\r\n".iter().copied());
    let at = bytes.windows(7).position(|w| w == b"<sip:a@").unwrap();
    bytes.splice(at..at, b"\"J\xf6rg\" ".iter().copied());
    let message = Message::parse(Bytes::from(bytes), &ParseLimits::default()).unwrap();
    message.validate().unwrap();
    assert_eq!(message.header("x-odd").unwrap().as_bytes(), b"caf\xe9");
    assert_eq!(message.from().unwrap().display().unwrap(), "J\u{fffd}rg");
    assert_eq!(message.from().unwrap().display_raw(), b"\"J\xf6rg\"");
}

#[test]
fn content_length_rules() {
    let with = |length: &str| request("OPTIONS", "sip:b@example.net", &format!("{length}\r\n")) + "12345";
    assert_eq!(parse(&with("Content-Length: 3")).body(), b"123");
    assert!(parse(&with("Content-Length: 3")).bytes().ends_with(b"\r\n\r\n123"));
    assert_eq!(parse(&with("X: 1")).body(), b"12345");
    assert_eq!(parse(&with("l:5\r\nContent-Length: 5")).body(), b"12345");
    assert_eq!(refuse(&with("Content-Length: 6")), (ParseError::BodyShort, true));
    assert_eq!(refuse(&with("Content-Length: -1")), (ParseError::Malformed(Name::ContentLength), true));
    assert_eq!(refuse(&with("Content-Length: 5\r\nl: 4")), (ParseError::Repeated(Name::ContentLength), true));
    assert_eq!(refuse(&with("Content-Length: 99999999999999999999")).0, ParseError::Malformed(Name::ContentLength));
}

#[test]
fn broken_framing_is_refused_and_answerable_where_it_can_be() {
    let good = request("INVITE", "sip:b@example.net", "");
    assert_eq!(refuse("\r\n\r\n"), (ParseError::Empty, false));
    assert_eq!(refuse(""), (ParseError::Empty, false));
    assert_eq!(refuse("hello"), (ParseError::Truncated, false));
    assert_eq!(refuse(good.trim_end()), (ParseError::Truncated, true));
    assert_eq!(refuse(&good.replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia")), (ParseError::Version, true));
    assert_eq!(refuse(&good.replace("INVITE sip:", "INVITE  sip:")), (ParseError::RequestLine, true));
    assert_eq!(refuse(&good.replace("SIP/2.0\r\nVia", "SIP/2.0 \r\nVia")), (ParseError::RequestLine, true));
    assert_eq!(refuse(&good.replace("Call-ID: c1", "Call-ID: c1\rX: 1")), (ParseError::HeaderLine, false));
    assert_eq!(refuse(&good.replace("Max-Forwards: 70", "Max-Forwards 70")), (ParseError::HeaderLine, true));
    assert_eq!(refuse(&good.replace("SIP/2.0\r\nVia", "SIP/2.0\r\n Via")), (ParseError::HeaderLine, false));
    assert_eq!(
        refuse(&good.replace("INVITE", "ACK").replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia")),
        (ParseError::Version, false)
    );
    assert_eq!(refuse("SIP/2.0 4294967301 better not\r\n\r\n"), (ParseError::StatusLine, false));
    assert_eq!(refuse("SIP/3.0 200 OK\r\n\r\n"), (ParseError::StatusLine, false));
}

#[test]
fn line_ends_before_the_start_line_and_bare_lf_are_taken() {
    let good = request("INVITE", "sip:b@example.net", "");
    assert!(parse(&format!("\r\n\r\n{good}")).validate().is_ok());
    assert!(parse(&good.replace("\r\n", "\n")).validate().is_ok());
    assert_eq!(parse("SIP/2.0 200\r\n\r\n").status(), Some(200));
    assert_eq!(parse("SIP/2.0 486 Busy Here\r\n\r\n").reason(), "Busy Here");
}

#[test]
fn limits_hold_and_can_be_answered() {
    let limits = ParseLimits { message_bytes_max: 400, headers_max: 8 };
    let many = request("INVITE", "sip:b@example.net", &"X: 1\r\n".repeat(9));
    let rejected = Message::parse(Bytes::from(many), &limits).unwrap_err();
    assert_eq!((rejected.error, rejected.answerable.is_some()), (ParseError::TooManyHeaders, true));
    let long = request("INVITE", "sip:b@example.net", &format!("X: {}\r\n", "y".repeat(400)));
    let rejected = Message::parse(Bytes::from(long), &limits).unwrap_err();
    assert_eq!((rejected.error.status(), rejected.answerable.is_some()), (Some(513), true));
}

#[test]
fn the_validity_pass_judges() {
    let check = |from: &str, to: &str| parse(&request("INVITE", "sip:b@example.net", "").replace(from, to)).validate();
    assert_eq!(check("Call-ID: c1\r\n", ""), Err(ParseError::Missing(Name::CallId)));
    assert_eq!(check("Call-ID: c1", "Call-ID: c 1"), Err(ParseError::Malformed(Name::CallId)));
    assert_eq!(check("Call-ID: c1", "Call-ID: c1\r\nI: c2"), Err(ParseError::Repeated(Name::CallId)));
    assert_eq!(check("CSeq: 1 INVITE", "CSeq: 1 BYE"), Err(ParseError::MethodMismatch));
    assert_eq!(check("CSeq: 1 INVITE", "CSeq: 2147483648 INVITE"), Err(ParseError::Malformed(Name::CSeq)));
    assert_eq!(check("Forwards: 70", "Forwards: 300"), Err(ParseError::Malformed(Name::MaxForwards)));
    assert_eq!(check("sip:b@example.net SIP", "gopher:b SIP"), Err(ParseError::Scheme));
    assert_eq!(check("sip:b@example.net SIP", "urn:service:sos SIP"), Ok(()));
    assert_eq!(check("sip:b@example.net SIP", "tel:+44207 SIP"), Ok(()));
    assert_eq!(check("sip:b@example.net SIP", "sip:b@[::1]:5070;lr SIP"), Ok(()));
    assert_eq!(check("sip:b@example.net SIP", "sip:b@example.net?Route=x SIP"), Err(ParseError::RequestUri));
    assert_eq!(check("sip:b@example.net SIP", "<sip:b@example.net> SIP"), Err(ParseError::RequestUri));
    assert_eq!(check("<sip:a@example.net>;", "\"a <sip:a@example.net>;"), Err(ParseError::Malformed(Name::From)));
    assert_eq!(check(";rport", ";;rport"), Err(ParseError::Malformed(Name::Via)));
    assert_eq!(check("Max-", "Contact: *\r\nMax-"), Err(ParseError::Malformed(Name::Contact)));
    assert_eq!(check("Max-", "Route: <sip:x@y;lr>, <sip:\r\nMax-"), Err(ParseError::Malformed(Name::Route)));
    assert_eq!(check("Max-Forwards: 70\r\n", ""), Ok(()));
}

#[test]
fn hops_contacts_and_options() {
    let with = |extra: &str| parse(&request("REGISTER", "sip:example.net", extra));
    assert_eq!(with("").next_max_forwards(), Ok(69));
    let zero = request("OPTIONS", "sip:b@example.net", "").replace("Forwards: 70", "Forwards: 0");
    assert_eq!(parse(&zero).next_max_forwards(), Err(ParseError::TooManyHops));
    assert!(parse(&zero).validate().is_ok());
    assert_eq!(with("Contact: *\r\n").contacts(), Ok(Contacts::Star));
    assert_eq!(with("").contacts(), Ok(Contacts::List(vec![])));
    assert!(with("Contact: *, <sip:a@b>\r\n").contacts().is_err());
    let two = with("m: \"x, y\" <sip:a@192.0.2.1;p=1,2>;q=0.5;expires=60, sip:c@d;Expires=99999999999\r\n");
    let Ok(Contacts::List(list)) = two.contacts() else { panic!() };
    assert_eq!(list.len(), 2);
    assert_eq!((list[0].q(), list[0].expires()), (Some(500), Some(60)));
    assert_eq!((list[1].q(), list[1].expires()), (None, Some(u32::MAX)));
    assert_eq!(with("Require: path, nothing\r\nRequire: gruu\r\n").unsupported_options(&["path"]), ["nothing", "gruu"]);
    assert_eq!(with("Expires: 7200\r\n").expires(), Some(7200));
    assert_eq!(with("Expires: 1.5\r\n").expires(), None);
}
