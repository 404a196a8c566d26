//! Registrations: granted, challenged, refused, renewed, changed, taken back.

use super::*;

const CHALLENGE: &str = r#"Digest realm="carrier.example", nonce="n1", qop="auth", algorithm=MD5"#;

fn contact_of(message: &Message) -> String {
    header(message, Name::Contact).trim_start_matches("<sip:").split('@').next().unwrap().to_owned()
}

#[test]
fn a_challenge_is_answered_and_the_nonce_used_again_for_the_renewal() {
    let mut bed = Bed::new();
    bed.dns.insert("sip.carrier.example".to_owned(), vec!["198.51.100.1:5060".parse().unwrap()]);
    bed.apply(vec![registering(1, vec![server("sip.carrier.example", 0)], "acme")]);
    bed.secs(2);
    let first = bed.one();
    assert_eq!(first.0, "198.51.100.1:5060".parse().unwrap());
    assert_eq!(first.1.request_uri_str(), Some("sip:carrier.example"));
    assert_eq!(header(&first.1, Name::To), "<sip:acme@carrier.example>");
    assert!(first.1.header(Name::Authorization).is_none());
    bed.answer(&first, 401, &[("WWW-Authenticate", CHALLENGE)]);
    let second = bed.one();
    assert_eq!(second.1.call_id(), first.1.call_id());
    assert_eq!(header(&second.1, Name::CSeq), "2 REGISTER");
    let credentials = header(&second.1, Name::Authorization);
    assert!(credentials.contains("nc=00000001") && credentials.contains(r#"username="acme""#), "{credentials}");
    let contact = header(&second.1, Name::Contact);
    let granted = format!("{};expires=120", contact.split(";expires").next().unwrap());
    let others = "<sip:acme@192.0.2.99>;expires=4000";
    bed.answer(&second, 200, &[("Contact", others), ("Contact", &granted), ("Expires", "3600")]);
    assert_eq!(
        bed.events.pop(),
        Some(Event::Registered { trunk: TrunkId(1), until: bed.now + Duration::from_secs(120) })
    );
    let status = bed.layer.status(TrunkId(1)).unwrap().registration.unwrap();
    assert_eq!((status.state.as_str(), status.last_status), ("registered", Some(200)));
    let token = contact_of(&second.1);
    assert_eq!(bed.layer.line_called(&token, "203.0.113.1".parse().unwrap()), Some(TrunkId(1)));
    assert_eq!(bed.layer.line_called("acme", "203.0.113.1".parse().unwrap()), None);

    bed.secs(83);
    assert!(bed.all().is_empty(), "not before 70 % of the time");
    bed.secs(26);
    let renewal = bed.one();
    assert_eq!(contact_of(&renewal.1), token);
    assert!(header(&renewal.1, Name::Authorization).contains("nc=00000002"), "no second challenge is needed");
    bed.answer(
        &renewal,
        401,
        &[("WWW-Authenticate", &CHALLENGE.replace("n1", "n2").replace("MD5", "MD5, stale=true"))],
    );
    let anew = bed.one();
    assert!(header(&anew.1, Name::Authorization).contains(r#"nonce="n2""#));
    bed.answer(&anew, 200, &[("Expires", "300")]);
    assert!(bed.layer.is_quiet());
}

#[test]
fn wrong_credentials_are_not_tried_for_ever() {
    let mut bed = Bed::new();
    bed.apply(vec![registering(1, vec![server("198.51.100.1", 0)], "acme")]);
    bed.secs(2);
    for n in 1..=4 {
        let request = bed.one();
        assert_eq!(header(&request.1, Name::CSeq), format!("{n} REGISTER"));
        let challenge = CHALLENGE.replace("n1", &format!("n{n}"));
        bed.answer(&request, 407, &[("Proxy-Authenticate", &challenge)]);
    }
    assert!(bed.all().is_empty());
    assert_eq!(bed.events, [Event::RegistrationFailed { trunk: TrunkId(1), status: 407 }]);
    let status = bed.layer.status(TrunkId(1)).unwrap().registration.unwrap();
    assert_eq!((status.state.as_str(), status.last_status), ("failed", Some(407)));
    bed.secs(14);
    assert!(bed.all().is_empty(), "at least half of 30 seconds");
    bed.secs(17);
    assert_eq!(bed.all().len(), 1);
}

#[test]
fn another_server_is_asked_when_one_is_silent_and_a_registration_lapses() {
    let mut bed = Bed::new();
    bed.apply(vec![registering(1, vec![server("198.51.100.2", 1), server("198.51.100.1", 0)], "acme")]);
    bed.secs(2);
    assert_eq!(bed.one().0.ip().to_string(), "198.51.100.1");
    bed.secs(32);
    let request = bed.one();
    assert_eq!(request.0.ip().to_string(), "198.51.100.2");
    bed.answer(&request, 200, &[("Expires", "60")]);
    assert!(
        matches!(bed.events[..], [Event::RegistrationFailed { status: 408, .. }, Event::Registered { .. }]),
        "{:?}",
        bed.events
    );
    bed.events.clear();
    bed.secs(120);
    assert!(bed.events.contains(&Event::Unregistered { trunk: TrunkId(1) }), "{:?}", bed.events);
    assert_eq!(bed.layer.status(TrunkId(1)).unwrap().registration.unwrap().until, None);
}

#[test]
fn a_longer_time_is_asked_for_and_a_retry_after_is_heeded() {
    let mut bed = Bed::new();
    bed.apply(vec![registering(1, vec![server("198.51.100.1", 0)], "acme")]);
    bed.secs(2);
    let request = bed.one();
    assert_eq!(header(&request.1, Name::Expires), "600");
    bed.answer(&request, 423, &[("Min-Expires", "1800")]);
    let request = bed.one();
    assert_eq!(header(&request.1, Name::Expires), "1800");
    bed.answer(&request, 503, &[("Retry-After", "200 (overload)")]);
    bed.secs(199);
    assert!(bed.all().is_empty());
    bed.secs(1);
    let request = bed.one();
    // A registrar that lists contacts without ours has not registered us.
    bed.answer(&request, 200, &[("Contact", "<sip:other@192.0.2.99>;expires=60")]);
    assert_eq!(bed.events.pop(), Some(Event::RegistrationFailed { trunk: TrunkId(1), status: 404 }));
}

#[test]
fn two_lines_on_one_carrier_are_told_apart_and_end_by_themselves() {
    let mut bed = Bed::new();
    let (one, two) =
        (registering(1, vec![server("198.51.100.1", 0)], "a"), registering(2, vec![server("198.51.100.1", 0)], "b"));
    bed.apply(vec![one.clone(), two.clone()]);
    bed.secs(2);
    let requests = bed.all();
    assert_eq!(requests.len(), 2);
    for request in &requests {
        bed.answer(request, 200, &[]);
    }
    let tokens: Vec<String> = requests.iter().map(|(_, m)| contact_of(m)).collect();
    assert_ne!(tokens[0], tokens[1]);
    let called = |bed: &Bed, token: &str| bed.layer.line_called(token, "203.0.113.1".parse().unwrap()).map(|t| t.0);
    let mut lines = [called(&bed, &tokens[0]), called(&bed, &tokens[1])];
    lines.sort_unstable();
    assert_eq!(lines, [Some(1), Some(2)]);
    // Nothing changes: nothing is sent.
    bed.apply(vec![one.clone(), two.clone()]);
    // A cap changes: the registration stays.
    let one = Trunk { calls_max: Some(3), ..one };
    bed.apply(vec![one.clone(), two]);
    assert!(bed.all().is_empty());
    // One goes: only its registration is taken back, with a challenge answered.
    bed.apply(vec![one]);
    let goodbye = bed.one();
    assert_eq!((header(&goodbye.1, Name::Expires).as_str(), contact_of(&goodbye.1).len()), ("0", 24));
    bed.answer(&goodbye, 401, &[("WWW-Authenticate", CHALLENGE)]);
    let again = bed.one();
    assert!(again.1.header(Name::Authorization).is_some());
    bed.answer(&again, 401, &[("WWW-Authenticate", &CHALLENGE.replace("n1", "n2"))]);
    assert!(bed.all().is_empty() && bed.layer.is_quiet(), "a farewell is not repeated for ever");
    assert_eq!(called(&bed, &contact_of(&goodbye.1)), None);
    bed.drain();
    let goodbye = bed.one();
    assert_eq!(header(&goodbye.1, Name::Expires), "0");
    bed.answer(&goodbye, 200, &[]);
    bed.secs(7_200);
    assert!(bed.all().is_empty() && bed.layer.poll_timeout().is_none());
}

#[test]
fn changed_credentials_register_anew_and_a_disabled_trunk_not_at_all() {
    let mut bed = Bed::new();
    let one = registering(1, vec![server("198.51.100.1", 0)], "a");
    bed.apply(vec![one.clone()]);
    bed.secs(2);
    let request = bed.one();
    bed.answer(&request, 200, &[]);
    let other = Trunk { credentials: registering(1, vec![], "b").credentials, ..one.clone() };
    bed.apply(vec![other.clone()]);
    bed.secs(2);
    let requests = bed.all();
    let expires: Vec<String> = requests.iter().map(|(_, m)| header(m, Name::Expires)).collect();
    assert_eq!(expires, ["0", "600"]);
    assert_ne!(contact_of(&requests[0].1), contact_of(&requests[1].1));
    for request in &requests {
        bed.answer(request, 200, &[]);
    }
    bed.apply(vec![Trunk { enabled: false, ..other }]);
    assert_eq!(header(&bed.one().1, Name::Expires), "0");
    bed.secs(3_600);
    assert!(bed.all().is_empty());
    assert!(bed.layer.status(TrunkId(1)).is_none());
}

#[test]
fn a_name_without_an_address_is_waited_for_and_an_address_that_is_known_outlives_its_name_server() {
    let mut bed = Bed::new();
    bed.apply(vec![registering(1, vec![server("sip.carrier.example", 0)], "acme")]);
    bed.secs(2);
    assert!(bed.all().is_empty());
    let status = bed.layer.status(TrunkId(1)).unwrap();
    assert_eq!((status.servers[0].breaker.as_str(), status.servers[0].place), ("unknown", None));
    bed.dns.insert("sip.carrier.example".to_owned(), vec!["198.51.100.1:5060".parse().unwrap()]);
    bed.secs(60);
    let request = bed.one();
    bed.answer(&request, 200, &[("Expires", "3600")]);
    bed.dns.clear();
    bed.secs(600);
    assert_eq!(bed.layer.routes(TrunkId(1), bed.now).len(), 1);
}
