//! The finer rules: intervals, order, limits, flows, URIs, restarts.

use crate::{Registrar, Registration, Snapshot};
use bytes::Bytes;
use core::time::Duration;
use model::{Account, AccountId, CallEvent, CompanyId, ConnectionId, Flow, Ha1, Instant, Limits, Transport};
use sip_message::{Message, ParseLimits};

const ALICE: AccountId = AccountId(7);

fn at(seconds: u64) -> Instant {
    Instant::from_unix_nanos((1_000_000 + seconds) * 1_000_000_000)
}

fn account(id: i64, username: &str) -> Account {
    Account {
        id: AccountId(id),
        company: CompanyId(1),
        username: username.to_owned(),
        display_name: String::new(),
        ha1: Ha1 { md5: String::new(), sha256: String::new() },
        direct: None,
        media_security: None,
        enabled: true,
    }
}

fn udp(port: u16) -> Flow {
    Flow {
        transport: Transport::Udp,
        local: "192.0.2.1:5060".parse().expect("address"),
        remote: ([198, 51, 100, 9], port).into(),
        connection: None,
        name: None,
    }
}

fn tcp(connection: u64) -> Flow {
    Flow { transport: Transport::Tcp, connection: Some(ConnectionId(connection)), ..udp(40_000) }
}

/// A REGISTER of alice: Call-ID, CSeq and further header lines.
fn request(call_id: &str, cseq: u32, lines: &[&str]) -> Message {
    let mut text = format!(
        "REGISTER sip:acme.example SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.9;branch=z9hG4bK1\r\n\
         From: <sip:alice@acme.example>;tag=1\r\nTo: <sip:alice@acme.example>\r\nCall-ID: {call_id}\r\n\
         CSeq: {cseq} REGISTER\r\nUser-Agent: Phone/1\r\n"
    );
    for line in lines {
        text.push_str(line);
        text.push_str("\r\n");
    }
    text.push_str("Content-Length: 0\r\n\r\n");
    Message::parse(Bytes::from(text), &ParseLimits::default()).expect("a message")
}

struct Bed {
    registrar: Registrar,
    cseq: u32,
}

impl Bed {
    fn new(limits: Limits) -> Bed {
        Bed { registrar: Registrar::new(&limits), cseq: 0 }
    }

    /// Registers in order on a UDP flow.
    fn register(&mut self, lines: &[&str], now: Instant) -> Registration {
        self.cseq += 1;
        let request = request("one", self.cseq, lines);
        self.registrar.register(&account(7, "alice"), &request, &udp(5060), now)
    }

    fn contacts(&self, now: Instant) -> Vec<String> {
        self.registrar.bindings(ALICE, now).iter().map(|b| b.contact.clone()).collect()
    }

    fn events(&mut self) -> Vec<String> {
        core::iter::from_fn(|| self.registrar.poll_event())
            .map(|event| match event {
                CallEvent::Registered { contact, expires_s, .. } => format!("+{contact} {expires_s}"),
                CallEvent::Unregistered { contact, .. } => format!("-{contact}"),
                CallEvent::CallStarted { .. }
                | CallEvent::CallAnswered { .. }
                | CallEvent::CallEnded { .. }
                | CallEvent::Trunk { .. } => "?".to_owned(),
            })
            .collect()
    }
}

fn bed() -> Bed {
    Bed::new(Limits::default())
}

#[test]
fn a_contact_is_bound_refreshed_listed_and_removed() {
    let mut bed = bed();
    let first = bed.register(&["Contact: <sip:alice@10.0.0.5>;expires=600"], at(0));
    assert_eq!((first.status, first.contacts), (200, vec![("sip:alice@10.0.0.5".to_owned(), 600)]));
    let binding = bed.registrar.bindings(ALICE, at(0))[0].clone();
    assert_eq!((binding.user_agent.as_str(), binding.q, binding.flow), ("Phone/1", 1000, udp(5060)));
    let asked = bed.register(&[], at(100));
    assert_eq!(asked.contacts, vec![("sip:alice@10.0.0.5".to_owned(), 500)]);
    let again = bed.register(&["Contact: <sip:alice@10.0.0.5>", "Expires: 300"], at(100));
    assert_eq!(again.contacts[0].1, 300);
    assert_eq!(bed.registrar.len(), 1);
    let gone = bed.register(&["Contact: <sip:alice@10.0.0.5>;expires=0"], at(101));
    assert_eq!((gone.status, gone.contacts.len()), (200, 0));
    assert_eq!(bed.events(), ["+sip:alice@10.0.0.5 600", "+sip:alice@10.0.0.5 300", "-sip:alice@10.0.0.5"]);
    assert!(bed.registrar.is_clean());
    // Removing what is not there is no fault.
    assert_eq!(bed.register(&["Contact: <sip:alice@10.0.0.5>;expires=0"], at(102)).status, 200);
}

#[test]
fn several_bindings_are_tried_by_q_and_then_the_youngest_first() {
    let mut bed = bed();
    bed.register(&["Contact: <sip:a@10.0.0.1>;q=0.5, <sip:b@10.0.0.2>;q=0.7"], at(0));
    bed.register(&["Contact: <sip:c@10.0.0.3>;q=0.5"], at(1));
    bed.register(&["Contact: <sip:d@10.0.0.4>"], at(2));
    assert_eq!(bed.contacts(at(3)), ["sip:d@10.0.0.4", "sip:b@10.0.0.2", "sip:c@10.0.0.3", "sip:a@10.0.0.1"]);
}

#[test]
fn contacts_are_compared_as_uris() {
    let mut bed = bed();
    bed.register(&["Contact: <sip:alice@Phone.Example:5070;transport=UDP>"], at(0));
    bed.register(&["Contact: <sip:%61lice@phone.example:5070;transport=udp>"], at(1));
    assert_eq!(bed.contacts(at(2)), ["sip:%61lice@phone.example:5070;transport=udp"]);
    bed.register(&["Contact: <sip:alice@phone.example>"], at(2));
    assert_eq!(bed.registrar.len(), 2, "a written port is another contact");
}

#[test]
fn the_interval_has_bounds_and_a_default() {
    let mut bed = bed();
    let brief = bed.register(&["Contact: <sip:a@10.0.0.1>;expires=59"], at(0));
    assert_eq!((brief.status, brief.headers), (423, vec![("Min-Expires", "60".to_owned())]));
    assert_eq!(bed.register(&["Contact: <sip:a@10.0.0.1>;expires=999999"], at(0)).contacts[0].1, 7200);
    assert_eq!(bed.register(&["Contact: <sip:a@10.0.0.1>"], at(0)).contacts[0].1, 3600);
    assert_eq!(bed.register(&["Contact: <sip:a@10.0.0.1>;expires=soon", "Expires: 90"], at(0)).contacts[0].1, 3600);
    assert_eq!(bed.register(&["Contact: <sip:a@10.0.0.1>;expires=80", "Expires: 90"], at(0)).contacts[0].1, 80);
}

#[test]
fn a_star_removes_everything_and_stands_alone() {
    let mut bed = bed();
    bed.register(&["Contact: <sip:a@10.0.0.1>, <sip:b@10.0.0.2>"], at(0));
    assert_eq!(bed.register(&["Contact: *"], at(1)).status, 400);
    assert_eq!(bed.register(&["Contact: *", "Expires: 60"], at(1)).status, 400);
    assert_eq!(bed.register(&["Contact: *, <sip:a@10.0.0.1>", "Expires: 0"], at(1)).status, 400);
    assert_eq!(bed.registrar.len(), 2);
    assert_eq!(bed.register(&["Contact: *", "Expires: 0"], at(1)).status, 200);
    assert!(bed.registrar.is_clean());
}

#[test]
fn an_older_request_of_the_same_call_id_changes_nothing() {
    let mut bed = bed();
    let alice = account(7, "alice");
    bed.register(&["Contact: <sip:a@10.0.0.1>"], at(0));
    bed.register(&["Contact: <sip:a@10.0.0.1>"], at(1));
    for (cseq, lines) in [
        (1, &["Contact: <sip:a@10.0.0.1>;expires=0"][..]),
        (2, &["Contact: <sip:b@10.0.0.2>, <sip:a@10.0.0.1>"]),
        (2, &["Contact: *", "Expires: 0"]),
    ] {
        let old = request("one", cseq, lines);
        assert_eq!(bed.registrar.register(&alice, &old, &udp(5060), at(2)).status, 500);
        assert_eq!(bed.contacts(at(2)), ["sip:a@10.0.0.1"]);
    }
    // Another Call-ID is a phone that started anew.
    let anew = request("two", 1, &["Contact: <sip:a@10.0.0.1>"]);
    assert_eq!(bed.registrar.register(&alice, &anew, &udp(5060), at(2)).status, 200);
    assert_eq!(bed.registrar.len(), 1);
}

#[test]
fn a_request_that_fails_changes_nothing() {
    let mut bed = bed();
    bed.register(&["Contact: <sip:a@10.0.0.1>"], at(0));
    bed.events();
    for bad in [
        "Contact: <sip:b@10.0.0.2>, <sip:c@10.0.0.3>;expires=5",
        "Contact: <sip:a@10.0.0.1>;expires=0, <tel:+123>",
        "Contact: <sip:b@10.0.0.2>, <sips:c@10.0.0.3>",
        "Contact: <sip:b@10.0.0.2>, nonsense<",
    ] {
        assert_ne!(bed.register(&[bad], at(1)).status, 200, "{bad}");
        assert_eq!(bed.contacts(at(1)), ["sip:a@10.0.0.1"]);
    }
    assert!(bed.events().is_empty());
}

#[test]
fn one_request_may_name_a_contact_twice_and_the_last_word_holds() {
    let mut bed = bed();
    let twice = bed.register(&["Contact: <sip:a@10.0.0.1>;expires=100, <sip:a@10.0.0.1>;expires=200"], at(0));
    assert_eq!(twice.contacts, vec![("sip:a@10.0.0.1".to_owned(), 200)]);
    assert_eq!((bed.registrar.len(), bed.events().len()), (1, 2));
}

#[test]
fn nobody_registers_for_somebody_else() {
    let mut bed = bed();
    let request = request("one", 1, &["Contact: <sip:a@10.0.0.1>"]);
    assert_eq!(bed.registrar.register(&account(8, "bob"), &request, &udp(5060), at(0)).status, 403);
    assert!(bed.registrar.is_clean());
}

#[test]
fn accounts_and_the_shard_have_limits() {
    let limits = Limits { bindings_per_aor_max: 2, bindings_max: 3, ..Limits::default() };
    let mut bed = Bed::new(limits);
    bed.register(&["Contact: <sip:a@10.0.0.1>, <sip:b@10.0.0.2>"], at(0));
    assert_eq!(bed.register(&["Contact: <sip:c@10.0.0.3>"], at(0)).status, 403);
    let many: Vec<String> = (0..5).map(|i| format!("<sip:c{i}@10.0.0.3>;expires=0")).collect();
    assert_eq!(bed.register(&[&format!("Contact: {}", many.join(","))], at(0)).status, 403);
    // One out, one in is within the limit.
    let swap = bed.register(&["Contact: <sip:c@10.0.0.3>, <sip:a@10.0.0.1>;expires=0"], at(0));
    assert_eq!((swap.status, bed.registrar.len()), (200, 2));
    let bob = |contact: &str, cseq| {
        let text = format!("Contact: <sip:{contact}@10.0.0.9>");
        let alice = request("bob", cseq, &[&text]).bytes().clone();
        let text = String::from_utf8(alice.to_vec()).expect("text").replace("alice@", "bob@");
        Message::parse(Bytes::from(text), &ParseLimits::default()).expect("a message")
    };
    let account = account(8, "bob");
    assert_eq!(bed.registrar.register(&account, &bob("x", 1), &udp(5060), at(0)).status, 200);
    let full = bed.registrar.register(&account, &bob("y", 2), &udp(5060), at(0));
    assert_eq!((full.status, full.headers[0].0), (503, "Retry-After"));
    // A refresh needs no room.
    assert_eq!(bed.registrar.register(&account, &bob("x", 3), &udp(5060), at(0)).status, 200);
}

#[test]
fn bindings_run_out() {
    let mut bed = bed();
    bed.register(&["Contact: <sip:a@10.0.0.1>;expires=100, <sip:b@10.0.0.2>;expires=200"], at(0));
    bed.events();
    assert_eq!(bed.registrar.poll_timeout(), Some(at(100)));
    assert_eq!(bed.contacts(at(100)), ["sip:b@10.0.0.2"], "even before the timer is served");
    bed.registrar.handle_timeout(at(100));
    assert_eq!(bed.registrar.poll_timeout(), Some(at(200)));
    bed.registrar.handle_timeout(at(500));
    assert_eq!(bed.events(), ["-sip:a@10.0.0.1", "-sip:b@10.0.0.2"]);
    assert!(bed.registrar.is_clean() && bed.registrar.poll_timeout().is_none());
}

#[test]
fn a_dead_stream_takes_its_bindings_with_it() {
    let mut bed = bed();
    let alice = account(7, "alice");
    for (cseq, connection, contact) in [(1, 1, "a"), (2, 2, "b")] {
        let request = request("one", cseq, &[&format!("Contact: <sip:{contact}@10.0.0.1;transport=tcp>")]);
        assert_eq!(bed.registrar.register(&alice, &request, &tcp(connection), at(0)).status, 200);
    }
    bed.register(&["Contact: <sip:c@10.0.0.1>"], at(0));
    bed.cseq = 10;
    bed.register(&["Contact: <sip:c@10.0.0.1>"], at(0));
    bed.events();
    bed.registrar.remove_flow(&udp(5060));
    bed.registrar.remove_flow(&tcp(9));
    assert_eq!(bed.registrar.len(), 3);
    bed.registrar.remove_flow(&tcp(1));
    assert_eq!(bed.events(), ["-sip:a@10.0.0.1;transport=tcp"]);
    bed.registrar.remove_flow(&tcp(2));
    bed.cseq = 20;
    bed.register(&["Contact: *", "Expires: 0"], at(1));
    assert!(bed.registrar.is_clean());
}

#[test]
fn a_phone_that_knows_its_address_is_called_at_its_port() {
    let mut bed = bed();
    bed.register(&["Contact: <sip:a@198.51.100.9:5072>, <sip:b@192.168.0.9:5072>"], at(0));
    let found = bed.registrar.bindings(ALICE, at(0));
    let port =
        |user: &str| found.iter().find(|b| b.contact.contains(user)).map(|b| (b.flow.remote.port(), b.received.port()));
    assert_eq!(port("a@"), Some((5072, 5060)));
    assert_eq!(port("b@"), Some((5060, 5060)));
}

#[test]
fn header_fields_of_a_contact_are_not_kept() {
    let mut bed = bed();
    bed.register(&["Contact: <sip:a@10.0.0.1;x=y?Route=%3Csip:evil.example%3E>"], at(0));
    assert_eq!(bed.contacts(at(0)), ["sip:a@10.0.0.1;x=y"]);
}

#[test]
fn bindings_outlive_a_restart() {
    let mut bed = bed();
    let alice = account(7, "alice");
    bed.register(&["Contact: <sip:short@10.0.0.1>;expires=60, <sip:long@10.0.0.1>;expires=600"], at(0));
    for (cseq, contact) in [(10, "sip:nat@10.0.0.1"), (11, "sip:open@198.51.100.9:5065")] {
        let request = request("two", cseq, &[&format!("Contact: <{contact};transport=tcp>")]);
        bed.registrar.register(&alice, &request, &tcp(3), at(0));
    }
    let kept = serde_json::to_string(&bed.registrar.snapshot()).expect("json");
    let kept: Snapshot = serde_json::from_str(&kept).expect("a snapshot");
    assert_eq!(kept.bindings.len(), 4);
    let mut next = Registrar::new(&Limits::default());
    next.restore(kept, at(100));
    let found = next.bindings(ALICE, at(100));
    let contacts: Vec<&str> = found.iter().map(|b| b.contact.as_str()).collect();
    assert_eq!(contacts, ["sip:open@198.51.100.9:5065;transport=tcp", "sip:long@10.0.0.1"]);
    let open = found[0].flow;
    assert_eq!((open.connection, open.remote.port()), (None, 5065));
    assert_eq!(next.poll_event(), None);
    // The same phone goes on with its CSeq.
    let old = request("one", 1, &["Contact: <sip:long@10.0.0.1>"]);
    assert_eq!(next.register(&alice, &old, &udp(5060), at(101)).status, 500);
    next.handle_timeout(at(100) + Duration::from_secs(9_999));
    assert!(next.is_clean());
}
