//! Every torture message gets the verdict its RFC asks for, and the accepted ones are read right.
#![allow(clippy::unwrap_used, reason = "a test")]

use bytes::Bytes;
use sip_message::{Contacts, Framed, Message, Name, ParseLimits, ResponseWriter, StreamFramer};
use torture::{Case, Verdict, all, find};

fn judge(case: &Case) -> Verdict {
    match Message::parse(Bytes::from(case.wire.clone()), &ParseLimits::default()) {
        Ok(message) => match message.validate() {
            Ok(()) => Verdict::Accept,
            Err(error) if message.is_answerable() => error.status().map_or(Verdict::Drop, Verdict::Refuse),
            Err(_) => Verdict::Drop,
        },
        Err(rejected) => match (rejected.error.status(), rejected.answerable) {
            (Some(status), Some(_)) => Verdict::Refuse(status),
            _ => Verdict::Drop,
        },
    }
}

fn message(name: &str) -> Message {
    Message::parse(Bytes::from(find(name).unwrap().wire), &ParseLimits::default()).unwrap()
}

#[test]
fn every_message_gets_its_verdict() {
    let wrong: Vec<String> = all()
        .iter()
        .filter(|case| judge(case) != case.verdict)
        .map(|case| format!("{} {}: {:?}, not {:?}", case.section, case.name, judge(case), case.verdict))
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(all().len(), 49 + 12);
}

#[test]
fn fixtures_have_the_length_they_say() {
    for case in all() {
        let odd = ["clerr", "dblreq", "mcl01", "ncl"].contains(&case.name);
        let split = case.wire.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&case.wire[..split]).to_lowercase();
        let says = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            ["content-length", "l"].contains(&name.trim()).then(|| value.trim().parse::<usize>().unwrap_or(0))
        });
        assert!(odd || says.is_none_or(|says| says == case.wire.len() - split - 4), "{}", case.name);
    }
}

#[test]
fn what_is_refused_can_be_answered() {
    for case in all().into_iter().filter(|case| matches!(case.verdict, Verdict::Refuse(_))) {
        let request = match Message::parse(Bytes::from(case.wire), &ParseLimits::default()) {
            Ok(message) => message,
            Err(rejected) => rejected.answerable.unwrap(),
        };
        let bytes = ResponseWriter::to(&request, 400, "", "192.0.2.9:5060".parse().unwrap()).to_tag("x").finish();
        let response = Message::parse(bytes, &ParseLimits::default()).unwrap();
        assert_eq!(response.status(), Some(400), "{}", case.name);
        assert_eq!(response.call_id(), request.call_id(), "{}", case.name);
    }
}

#[test]
fn a_stream_gives_the_same_messages() {
    for case in all().into_iter().filter(|case| case.verdict == Verdict::Accept && case.name != "inv2543") {
        let mut framer = StreamFramer::new(ParseLimits::default());
        framer.push(&case.wire);
        let Ok(Some(Framed::Message(bytes))) = framer.next() else { panic!("{}", case.name) };
        assert_eq!(&bytes, message(case.name).bytes(), "{}", case.name);
    }
}

#[test]
fn wsinv_is_read_through_its_white_space() {
    let m = message("wsinv");
    assert_eq!(m.to().unwrap().tag(), Some("1918181833n"));
    assert_eq!(m.from().unwrap().display().unwrap(), "J Rosenberg \\\"");
    assert_eq!(m.from().unwrap().tag(), Some("98asjd8"));
    assert_eq!((m.max_forwards(), m.cseq().unwrap().number), (Some(68), 9));
    let vias: Vec<_> = m.vias().map(|via| via.map(|v| (v.transport(), v.host(), v.branch())).unwrap()).collect();
    assert_eq!(
        vias,
        [
            ("UDP", "192.0.2.2", Some("390skdjuw")),
            ("TCP", "spindle.example.com", Some("z9hG4bK9ikj8")),
            ("UDP", "192.168.255.111", Some("z9hG4bK30239")),
        ]
    );
    assert_eq!(m.header("subject").unwrap().as_bytes(), b"");
    assert_eq!(m.header("newfangledheader").unwrap().text(), "newfangled value continued newfangled value");
    let Ok(Contacts::List(contacts)) = m.contacts() else { panic!() };
    assert_eq!(contacts[0].display().unwrap(), "Quoted string \"\"");
    assert_eq!((contacts[0].param("newparam"), contacts[0].q()), (Some("newvalue"), Some(330)));
    assert_eq!(m.body().len(), 150);
}

#[test]
fn odd_but_valid_messages_keep_their_meaning() {
    let m = message("intmeth");
    assert_eq!(m.method().unwrap().as_str(), "!interesting-Method0123456789_*+`.%indeed'~");
    let uri = m.request_uri().unwrap();
    assert_eq!(uri.user(), Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
    assert_eq!(uri.password(), Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"));
    assert_eq!(m.to().unwrap().display().unwrap(), "BEL:\x07 NUL:\x00 DEL:\x7f");
    assert_eq!(m.from().unwrap().tag(), Some("_token~1'+`*%!-."));
    let m = message("esc01");
    assert_eq!(m.request_uri().unwrap().user_unescaped().unwrap(), "sips:user@example.com");
    assert!(m.to().unwrap().uri().equivalent(&sip_message::UriRef::parse("sip:user@example.com").unwrap()));
    let m = message("esc02");
    assert_eq!(m.method().unwrap().as_str(), "RE%47IST%45R");
    assert_eq!(m.headers(Name::Contact).count(), 2);
    assert_eq!(message("lwsdisp").from().unwrap().display().unwrap(), "caller");
    assert_eq!(message("longreq").vias().count(), 34);
    assert_eq!(message("dblreq").body(), b"");
    assert_eq!(message("semiuri").request_uri().unwrap().user(), Some("user;par=u%40example.net"));
    assert_eq!(message("transports").vias().filter_map(Result::ok).nth(3).unwrap().transport(), "UNKNOWN");
    assert_eq!(message("noreason").reason(), "");
    assert!(message("unreason").reason().ends_with('\u{435}'));
    assert!(!message("badbranch").top_via().unwrap().has_magic_cookie());
    assert_eq!(message("bext01").unsupported_options(&[]).len(), 2);
    let m = message("cparam01");
    let Ok(Contacts::List(list)) = m.contacts() else { panic!() };
    assert_eq!((list[0].param("unknownparam"), list[0].uri().param("unknownparam")), (Some(""), None));
    let m = message("cparam02");
    let Ok(Contacts::List(list)) = m.contacts() else { panic!() };
    assert_eq!((list[0].param("unknownparam"), list[0].uri().param("unknownparam")), (None, Some("")));
    let m = message("regescrt");
    let Ok(Contacts::List(list)) = m.contacts() else { panic!() };
    assert_eq!(list[0].uri().header("Route").unwrap(), "<sip:sip.example.com>");
}

#[test]
fn ipv6_is_told_from_ports() {
    let uri = |name: &str| {
        let m = message(name);
        let uri = m.request_uri().unwrap();
        (uri.host_ip().unwrap().to_string(), uri.port())
    };
    assert_eq!(uri("port-ambiguous"), ("2001:db8::10:5070".to_owned(), None));
    assert_eq!(uri("port-unambiguous"), ("2001:db8::10".to_owned(), Some(5070)));
    assert_eq!(uri("ipv6-bug-abnf-3-colons"), uri("ipv6-correct-abnf-2-colons"));
    for name in ["via-received-param-with-delim", "via-received-param-no-delim"] {
        assert_eq!(message(name).top_via().unwrap().received_ip().unwrap().to_string(), "2001:db8::9:255");
    }
}
