//! The finer rules: intervals, order, limits, flows, URIs, restarts.

use crate::{Registrant, Registrar, Registration, Snapshot};
use bytes::Bytes;
use core::time::Duration;
use model::{Account, AccountId, BindingGone, CallEvent, CompanyId, CompanyPolicy, ConnectionId, Flow, Ha1, IdSource};
use model::{Instant, Limits, RegistrationPolicy, Transport};
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
        rules: Default::default(),
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

static PLAIN: CompanyPolicy = CompanyPolicy::DEFAULT;

fn says(registrar: &mut Registrar, account: &Account, request: &Message, flow: &Flow, now: Instant) -> Registration {
    let who = Registrant { account, domain: "acme.example", policy: &PLAIN.registration, at_most_s: None };
    registrar.register(&who, request, flow, now)
}

fn listed(registration: &Registration) -> Vec<(String, u32)> {
    registration.contacts.iter().map(|c| (c.contact.clone(), c.expires_s)).collect()
}

struct Bed {
    registrar: Registrar,
    cseq: u32,
    policy: RegistrationPolicy,
}

impl Bed {
    fn new(limits: Limits) -> Bed {
        Bed {
            registrar: Registrar::new(&limits, IdSource::new([1; 32])),
            cseq: 0,
            policy: RegistrationPolicy::default(),
        }
    }

    /// Registers in order on a UDP flow.
    fn register(&mut self, lines: &[&str], now: Instant) -> Registration {
        self.cseq += 1;
        let request = request("one", self.cseq, lines);
        self.on(&request, &udp(5060), now)
    }

    fn on(&mut self, request: &Message, flow: &Flow, now: Instant) -> Registration {
        let account = account(7, "alice");
        let who = Registrant { account: &account, domain: "acme.example", policy: &self.policy, at_most_s: None };
        self.registrar.register(&who, request, flow, now)
    }

    fn contacts(&self, now: Instant) -> Vec<String> {
        self.registrar.bindings(ALICE, now).iter().map(|b| b.contact.clone()).collect()
    }

    fn events(&mut self) -> Vec<String> {
        core::iter::from_fn(|| self.registrar.poll_event())
            .map(|event| match event {
                CallEvent::Registered { contact, expires_s, refreshed: false, .. } => format!("+{contact} {expires_s}"),
                CallEvent::Registered { contact, expires_s, .. } => format!("={contact} {expires_s}"),
                CallEvent::Unregistered { contact, why: BindingGone::Unregistered, .. } => format!("-{contact}"),
                CallEvent::Unregistered { contact, why, .. } => format!("-{contact} {}", why.token()),
                CallEvent::CallStarted { .. }
                | CallEvent::CallAnswered { .. }
                | CallEvent::CallEnded { .. }
                | CallEvent::Explained(_)
                | CallEvent::Trunk { .. } => "?".to_owned(),
            })
            .collect()
    }
}

fn bed() -> Bed {
    Bed::new(exact())
}

/// Limits without spread, so that what is granted is what is asked.
fn exact() -> Limits {
    Limits { registration_spread_percent: 0, ..Limits::default() }
}

#[test]
fn a_contact_is_bound_refreshed_listed_and_removed() {
    let mut bed = bed();
    let first = bed.register(&["Contact: <sip:alice@10.0.0.5>;expires=600"], at(0));
    assert_eq!((first.status, listed(&first)), (200, vec![("sip:alice@10.0.0.5".to_owned(), 600)]));
    let binding = bed.registrar.bindings(ALICE, at(0))[0];
    assert_eq!((&*binding.user_agent, binding.q, binding.flow), ("Phone/1", 1000, udp(5060)));
    let asked = bed.register(&[], at(100));
    assert_eq!(listed(&asked), vec![("sip:alice@10.0.0.5".to_owned(), 500)]);
    let again = bed.register(&["Contact: <sip:alice@10.0.0.5>", "Expires: 300"], at(100));
    assert_eq!(again.contacts[0].expires_s, 300);
    assert_eq!(bed.registrar.len(), 1);
    let gone = bed.register(&["Contact: <sip:alice@10.0.0.5>;expires=0"], at(101));
    assert_eq!((gone.status, gone.contacts.len()), (200, 0));
    assert_eq!(bed.events(), ["+sip:alice@10.0.0.5 600", "=sip:alice@10.0.0.5 300", "-sip:alice@10.0.0.5"]);
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
    assert_eq!(bed.register(&["Contact: <sip:a@10.0.0.1>;expires=999999"], at(0)).contacts[0].expires_s, 7200);
    assert_eq!(bed.register(&["Contact: <sip:a@10.0.0.1>"], at(0)).contacts[0].expires_s, 3600);
    assert_eq!(
        bed.register(&["Contact: <sip:a@10.0.0.1>;expires=soon", "Expires: 90"], at(0)).contacts[0].expires_s,
        3600
    );
    assert_eq!(bed.register(&["Contact: <sip:a@10.0.0.1>;expires=80", "Expires: 90"], at(0)).contacts[0].expires_s, 80);
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
        assert_eq!(says(&mut bed.registrar, &alice, &old, &udp(5060), at(2)).status, 500);
        assert_eq!(bed.contacts(at(2)), ["sip:a@10.0.0.1"]);
    }
    // Another Call-ID is a phone that started anew.
    let anew = request("two", 1, &["Contact: <sip:a@10.0.0.1>"]);
    assert_eq!(says(&mut bed.registrar, &alice, &anew, &udp(5060), at(2)).status, 200);
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
    assert_eq!(listed(&twice), vec![("sip:a@10.0.0.1".to_owned(), 200)]);
    assert_eq!((bed.registrar.len(), bed.events().len()), (1, 2));
}

#[test]
fn nobody_registers_for_somebody_else() {
    let mut bed = bed();
    let request = request("one", 1, &["Contact: <sip:a@10.0.0.1>"]);
    assert_eq!(says(&mut bed.registrar, &account(8, "bob"), &request, &udp(5060), at(0)).status, 403);
    assert!(bed.registrar.is_clean());
}

#[test]
fn accounts_and_the_shard_have_limits() {
    let limits = Limits { bindings_per_aor_max: 2, bindings_max: 3, ..exact() };
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
    assert_eq!(says(&mut bed.registrar, &account, &bob("x", 1), &udp(5060), at(0)).status, 200);
    let full = says(&mut bed.registrar, &account, &bob("y", 2), &udp(5060), at(0));
    assert_eq!((full.status, full.headers[0].0), (503, "Retry-After"));
    // A refresh needs no room.
    assert_eq!(says(&mut bed.registrar, &account, &bob("x", 3), &udp(5060), at(0)).status, 200);
}

#[test]
fn bindings_run_out() {
    let mut bed = bed();
    bed.policy.nat_ping = model::NatPing::Off;
    bed.register(&["Contact: <sip:a@10.0.0.1>;expires=100, <sip:b@10.0.0.2>;expires=200"], at(0));
    bed.events();
    assert_eq!(bed.registrar.poll_timeout(), Some(at(100)));
    assert_eq!(bed.contacts(at(100)), ["sip:b@10.0.0.2"], "even before the timer is served");
    bed.registrar.handle_timeout(at(100));
    assert_eq!(bed.registrar.poll_timeout(), Some(at(200)));
    bed.registrar.handle_timeout(at(500));
    assert_eq!(bed.events(), ["-sip:a@10.0.0.1 expired", "-sip:b@10.0.0.2 expired"]);
    assert!(bed.registrar.is_clean() && bed.registrar.poll_timeout().is_none());
}

#[test]
fn a_dead_stream_takes_its_bindings_with_it() {
    let mut bed = bed();
    let alice = account(7, "alice");
    for (cseq, connection, contact) in [(1, 1, "a"), (2, 2, "b")] {
        let request = request("one", cseq, &[&format!("Contact: <sip:{contact}@10.0.0.1;transport=tcp>")]);
        assert_eq!(says(&mut bed.registrar, &alice, &request, &tcp(connection), at(0)).status, 200);
    }
    bed.register(&["Contact: <sip:c@10.0.0.1>"], at(0));
    bed.cseq = 10;
    bed.register(&["Contact: <sip:c@10.0.0.1>"], at(0));
    bed.events();
    bed.registrar.remove_flow(&udp(5060));
    bed.registrar.remove_flow(&tcp(9));
    assert_eq!(bed.registrar.len(), 3);
    bed.registrar.remove_flow(&tcp(1));
    assert_eq!(bed.events(), ["-sip:a@10.0.0.1;transport=tcp deactivated"]);
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
        says(&mut bed.registrar, &alice, &request, &tcp(3), at(0));
    }
    let kept = serde_json::to_string(&bed.registrar.snapshot()).expect("json");
    let kept: Snapshot = serde_json::from_str(&kept).expect("a snapshot");
    assert_eq!(kept.bindings.len(), 4);
    let mut next = Registrar::new(&exact(), IdSource::new([2; 32]));
    next.restore(kept, at(100));
    let found = next.bindings(ALICE, at(100));
    let contacts: Vec<&str> = found.iter().map(|b| b.contact.as_str()).collect();
    assert_eq!(contacts, ["sip:open@198.51.100.9:5065;transport=tcp", "sip:long@10.0.0.1"]);
    let open = found[0].flow;
    assert_eq!((open.connection, open.remote.port()), (None, 5065));
    assert_eq!(next.poll_event(), None);
    // The same phone goes on with its CSeq.
    let old = request("one", 1, &["Contact: <sip:long@10.0.0.1>"]);
    assert_eq!(says(&mut next, &alice, &old, &udp(5060), at(101)).status, 500);
    next.handle_timeout(at(100) + Duration::from_secs(9_999));
    assert!(next.is_clean());
}

#[test]
fn a_path_is_stored_told_and_used_as_route() {
    let mut bed = bed();
    let fields = ["Contact: <sip:a@10.0.0.1>", "Path: <sip:edge@198.51.100.9:5080;lr>, <sip:inner@10.9.9.9;lr;ob>"];
    let told = bed.register(&[fields[0], fields[1], "Supported: path"], at(0));
    let path = "<sip:edge@198.51.100.9:5080;lr>, <sip:inner@10.9.9.9;lr;ob>".to_owned();
    assert_eq!(told.headers, vec![("Path", path)]);
    let binding = bed.registrar.bindings(ALICE, at(0))[0].clone();
    assert_eq!(binding.path, ["<sip:edge@198.51.100.9:5080;lr>", "<sip:inner@10.9.9.9;lr;ob>"]);
    // The proxy that gave the Path is next, at the port it names; the phone's own NAT is its business.
    assert_eq!((binding.flow.remote.port(), binding.behind_nat, binding.ping), (5080, false, model::NatPing::Off));
    // A phone that does not know Path is not told of it, but served (decision 0070).
    assert_eq!(bed.register(&fields, at(1)).headers, vec![]);
    // A Path may not send us to a stranger.
    let stranger = ["Contact: <sip:a@10.0.0.1>", "Path: <sip:203.0.113.1;lr>"];
    assert_eq!(bed.register(&stranger, at(2)).status, 200);
    assert_eq!(bed.registrar.bindings(ALICE, at(2))[0].flow, udp(5060));
    for wrong in ["Path: <tel:+1>", "Path: <sip:x;lr", &format!("Path: {}", ["<sip:h;lr>"; 9].join(","))] {
        assert_eq!(bed.register(&["Contact: <sip:a@10.0.0.1>", wrong], at(3)).status, 400, "{wrong}");
    }
}

#[test]
fn a_company_sets_bounds_contacts_and_service_route() {
    let mut bed = bed();
    bed.policy = RegistrationPolicy {
        min_s: Some(300),
        max_s: Some(900),
        contacts_max: Some(1),
        service_route: vec!["<sip:edge.example;lr>".to_owned()],
        ..RegistrationPolicy::default()
    };
    let brief = bed.register(&["Contact: <sip:a@10.0.0.1>;expires=299"], at(0));
    assert_eq!((brief.status, brief.headers), (423, vec![("Min-Expires", "300".to_owned())]));
    let granted = bed.register(&["Contact: <sip:a@10.0.0.1>;expires=1000"], at(0));
    assert_eq!(listed(&granted)[0].1, 900);
    assert_eq!(granted.headers, vec![("Service-Route", "<sip:edge.example;lr>".to_owned())]);
    assert_eq!(bed.register(&["Contact: <sip:b@10.0.0.1>"], at(1)).status, 403);
    // Section 10.3 step 7: an hour is never too brief.
    bed.policy.min_s = Some(7_200);
    assert_eq!(listed(&bed.register(&["Contact: <sip:a@10.0.0.1>;expires=3600"], at(2)))[0].1, 3_600);
}

#[test]
fn where_one_contact_is_allowed_the_newest_wins() {
    let mut bed = bed();
    bed.policy.single_contact = true;
    bed.register(&["Contact: <sip:a@10.0.0.1>;expires=100"], at(0));
    bed.register(&["Contact: <sip:b@10.0.0.2>;expires=100"], at(1));
    assert_eq!(bed.contacts(at(1)), ["sip:b@10.0.0.2"]);
    bed.register(&["Contact: <sip:b@10.0.0.2>;expires=100"], at(2));
    let events = bed.events();
    assert_eq!(
        events,
        ["+sip:a@10.0.0.1 100", "-sip:a@10.0.0.1 rejected", "+sip:b@10.0.0.2 100", "=sip:b@10.0.0.2 100"]
    );
}

#[test]
fn what_is_granted_spreads_within_the_band() {
    let mut bed = bed();
    bed.policy.spread_percent = Some(20);
    let mut granted: Vec<u32> =
        (0..200).map(|t| listed(&bed.register(&["Contact: <sip:a@10.0.0.1>;expires=1000"], at(t)))[0].1).collect();
    granted.sort_unstable();
    assert!(granted[0] >= 800 && granted[0] < 830 && granted[199] > 970 && granted[199] <= 1000, "{granted:?}");
    granted.dedup();
    assert!(granted.len() > 100, "no two in three are the same: {}", granted.len());
    // Never below the shortest: who asks for that gets it.
    let brief: Vec<u32> =
        (0..50).map(|t| listed(&bed.register(&["Contact: <sip:a@10.0.0.1>;expires=62"], at(300 + t)))[0].1).collect();
    assert!(brief.iter().all(|s| (60..=62).contains(s)), "{brief:?}");
}

const ONE: &str = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

fn flow_of(contact: &str, reg_id: u32) -> String {
    format!("Contact: <{contact}>;+sip.instance=\"<{ONE}>\";reg-id={reg_id};expires=600")
}

#[test]
fn a_device_has_several_flows_and_is_called_over_the_newest() {
    let mut bed = bed();
    let alice = account(7, "alice");
    for (cseq, connection, contact, id) in [(1, 1, "sip:a@10.0.0.1;ob", 1), (1, 2, "sip:a@10.0.0.1:7000;ob", 2)] {
        let call_id = format!("c{id}");
        let register = request(&call_id, cseq, &[&flow_of(contact, id), "Supported: outbound, path"]);
        let answer = says(&mut bed.registrar, &alice, &register, &tcp(connection), at(0));
        assert_eq!(answer.headers, vec![("Require", "outbound".to_owned())]);
        assert!(answer.contacts[0].more.contains(&format!(";+sip.instance=\"<{ONE}>\";reg-id={id}")));
    }
    assert_eq!(bed.registrar.len(), 2);
    let targets =
        |bed: &Bed| -> Vec<String> { bed.registrar.targets(ALICE, at(1)).iter().map(|b| b.contact.clone()).collect() };
    assert_eq!(targets(&bed), ["sip:a@10.0.0.1:7000;ob"]);
    let next = bed.registrar.next_flow(ALICE, ONE, &targets(&bed), at(1)).map(|b| b.contact.clone());
    assert_eq!(next.as_deref(), Some("sip:a@10.0.0.1;ob"));
    // The same flow from elsewhere takes its own place: nothing is left behind.
    let moved = request("c2", 2, &[&flow_of("sip:a@10.7.7.7;ob", 2), "Supported: outbound"]);
    bed.events();
    assert_eq!(says(&mut bed.registrar, &alice, &moved, &tcp(3), at(1)).status, 200);
    assert_eq!(bed.events(), ["-sip:a@10.0.0.1:7000;ob", "+sip:a@10.7.7.7;ob 600"]);
    // Its connection ends: the other flow takes over.
    bed.registrar.remove_flow(&tcp(3));
    assert_eq!(targets(&bed), ["sip:a@10.0.0.1;ob"]);
    // A proxy says 430.
    bed.registrar.flow_failed(ALICE, "sip:a@10.0.0.1;ob");
    assert!(bed.registrar.is_clean());
}

#[test]
fn flows_need_a_first_hop_that_keeps_them() {
    let alice = account(7, "alice");
    let via = "Via: SIP/2.0/UDP 10.1.1.1;branch=z9hG4bK2";
    let contact = flow_of("sip:a@10.0.0.1", 1);
    for (lines, status) in [
        (&[contact.as_str(), "Supported: outbound"][..], 200),
        (&[&contact, "Supported: outbound", via], 439),
        (&[&contact, "Supported: outbound", via, "Path: <sip:p;lr;ob>, <sip:e;lr>"], 439),
        (&[&contact, "Supported: outbound", via, "Path: <sip:p;lr>, <sip:e;lr;ob>"], 200),
        // Without the option tag a reg-id means nothing.
        (&[&contact, via], 200),
        (&["Contact: <sip:a@10.0.0.1>;reg-id=1", "Supported: outbound"], 400),
        (&[&contact.replace("reg-id=1", "reg-id=0"), "Supported: outbound"], 400),
        (&[&contact, &flow_of("sip:b@10.0.0.2", 2), "Supported: outbound"], 400),
    ] {
        let mut bed = bed();
        let register = request("one", 1, lines);
        assert_eq!(says(&mut bed.registrar, &alice, &register, &udp(5060), at(0)).status, status, "{lines:?}");
    }
}

/// The value of a quoted parameter.
fn quoted<'m>(more: &'m str, name: &str) -> &'m str {
    more.split_once(&format!(";{name}=\"")).and_then(|(_, rest)| rest.split('"').next()).expect("a parameter")
}

#[test]
fn a_gruu_leads_to_its_device_and_dies_with_it() {
    let mut bed = bed();
    let wish = |contact: &str| format!("Contact: <{contact}>;+sip.instance=\"<{ONE}>\"");
    let first = bed.register(&[&wish("sip:a@10.0.0.1"), "Supported: gruu"], at(0));
    bed.register(&["Contact: <sip:other@10.0.0.2>"], at(0));
    let more = first.contacts[0].more.clone();
    assert_eq!(quoted(&more, "pub-gruu"), format!("sip:alice@acme.example;gr={ONE}"));
    let temporary = quoted(&more, "temp-gruu");
    let user = temporary.strip_prefix("sip:").and_then(|t| t.strip_suffix("@acme.example;gr")).expect("a GRUU");
    let target = bed.registrar.temporary_gruu(user, at(1)).expect("good");
    assert_eq!((target.account, target.urn.as_str()), (ALICE, ONE));
    let device: Vec<String> = bed.registrar.device(ALICE, ONE, at(1)).iter().map(|b| b.contact.clone()).collect();
    assert_eq!(device, ["sip:a@10.0.0.1"]);
    assert_eq!(bed.registrar.targets(ALICE, at(1)).len(), 2, "the other device names none");
    // A refresh gives another one, and the first stays good, over a restart too.
    let again = bed.register(&[&wish("sip:a@10.0.0.1"), "Supported: gruu"], at(2));
    let second = again.contacts.iter().find(|c| c.contact == "sip:a@10.0.0.1").expect("listed");
    assert_ne!(quoted(&second.more, "temp-gruu"), temporary);
    let mut next = Registrar::new(&exact(), IdSource::new([9; 32]));
    next.restore(bed.registrar.snapshot(), at(3));
    assert_eq!(next.temporary_gruu(user, at(3)).map(|t| t.account), Some(ALICE));
    // A new Call-ID is a phone that started anew: what it gave out before is void.
    bed.on(&request("two", 1, &[&wish("sip:a@10.0.0.1"), "Supported: gruu"]), &udp(5060), at(4));
    assert_eq!(bed.registrar.temporary_gruu(user, at(4)), None);
    // Who does not ask gets none.
    let plain = bed.on(&request("two", 2, &[&wish("sip:a@10.0.0.1")]), &udp(5060), at(5));
    assert!(plain.contacts.iter().all(|c| !c.more.contains("gruu")));
}

#[test]
fn who_is_behind_a_nat_is_seen_by_contact_and_via() {
    for (via, contact, source_port, behind, port) in [
        ("198.51.100.9", "sip:a@198.51.100.9", 5060, false, 5060),
        ("198.51.100.9", "sip:a@198.51.100.9:5072", 5060, false, 5072),
        ("198.51.100.9", "sip:a@192.168.1.2", 5060, true, 5060),
        ("192.168.1.2;rport", "sip:a@198.51.100.9:5072", 40_000, true, 40_000),
        // It knows its public address by STUN, but the NAT gives each peer another port.
        ("198.51.100.9:5060;rport", "sip:a@198.51.100.9:5060", 40_000, true, 40_000),
        // It sends from another port than it listens at, and says so by asking for no rport.
        ("198.51.100.9:5060", "sip:a@198.51.100.9:5060", 40_000, false, 5060),
        ("x.invalid", "sip:a@x.invalid", 40_000, true, 40_000),
    ] {
        let mut bed = bed();
        let text = String::from_utf8(request("one", 1, &[&format!("Contact: <{contact}>")]).bytes().to_vec());
        let text = text.expect("text").replace("UDP 198.51.100.9;branch", &format!("UDP {via};branch"));
        let register = Message::parse(Bytes::from(text), &ParseLimits::default()).expect("a message");
        assert_eq!(bed.on(&register, &udp(source_port), at(0)).status, 200);
        let binding = bed.registrar.bindings(ALICE, at(0))[0].clone();
        let pinged = binding.ping != model::NatPing::Off;
        assert_eq!((binding.behind_nat, pinged, binding.flow.remote.port()), (behind, behind, port), "{via} {contact}");
        assert_eq!(binding.contact, contact, "the Request-URI is what the phone gave");
    }
}

#[test]
fn phones_behind_nats_are_pinged_at_their_own_times_and_not_too_many_at_once() {
    let limits = Limits { nat_pings_per_second_max: 100, nat_ping_s: 20, bindings_per_aor_max: 1_000, ..exact() };
    let mut bed = Bed::new(limits);
    for n in 0..500 {
        let register = request(&format!("c{n}"), 1, &[&format!("Contact: <sip:a{n}@192.168.0.1>;expires=600")]);
        bed.on(&register, &udp(6_000 + n), at(0));
    }
    bed.on(&request("stream", 1, &["Contact: <sip:s@192.168.0.1;transport=tcp>"]), &tcp(1), at(0));
    let mut times = Vec::new();
    let mut per_second = 0;
    let end = at(60);
    let mut now = at(0);
    while let Some(next) = bed.registrar.poll_timeout().filter(|t| *t <= end) {
        assert!(next >= now, "time does not stand still");
        if next.unix_secs() != now.unix_secs() {
            per_second = 0;
        }
        now = next;
        bed.registrar.handle_timeout(now);
        while let Some(ping) = bed.registrar.poll_ping(now) {
            assert!(ping.flow.connection.is_none(), "streams ping by themselves");
            times.push((ping.flow.remote.port(), now));
            per_second += 1;
        }
        assert!(per_second <= 110, "{per_second} in one second");
    }
    for port in 6_000..6_500 {
        let own: Vec<Instant> = times.iter().filter(|(p, _)| *p == port).map(|(_, t)| *t).collect();
        assert!(own.len() >= 2, "{port} was pinged {} times", own.len());
        assert!(own[0] >= at(10) && own.windows(2).all(|w| w[1].since(w[0]) < Duration::from_secs(24)), "{own:?}");
    }
    let (before, after) = (times.iter().filter(|(_, t)| *t < at(15)).count(), times.len());
    assert!(before > 150 && before < 350, "the first pings are spread: {before} of {after}");
    bed.cseq = 9;
    bed.register(&["Contact: *", "Expires: 0"], at(61));
    assert!(bed.registrar.is_clean());
}

#[test]
fn what_a_phone_may_store_is_bounded() {
    let mut bed = bed();
    let long = "x".repeat(1_100);
    assert_eq!(bed.register(&[&format!("Contact: <sip:{long}@10.0.0.1>")], at(0)).status, 400);
    let huge = format!("User-Agent: {}é{long}", "y".repeat(127));
    let mut register = request("one", 5, &["Contact: <sip:a@10.0.0.1>"]).bytes().to_vec();
    let text = String::from_utf8(core::mem::take(&mut register)).expect("text").replace("User-Agent: Phone/1", &huge);
    let register = Message::parse(Bytes::from(text), &ParseLimits::default()).expect("a message");
    assert_eq!(bed.on(&register, &udp(5060), at(0)).status, 200);
    assert_eq!(bed.registrar.bindings(ALICE, at(0))[0].user_agent.len(), 127);
}

#[test]
fn path_and_device_outlive_a_restart() {
    let mut bed = bed();
    let alice = account(7, "alice");
    let lines = [&flow_of("sip:a@10.0.0.1", 3), "Supported: outbound", "Path: <sip:198.51.100.9:5070;lr;ob>"];
    says(&mut bed.registrar, &alice, &request("one", 1, &lines), &tcp(4), at(0));
    let kept = serde_json::to_string(&bed.registrar.snapshot()).expect("json");
    let mut next = Registrar::new(&exact(), IdSource::new([2; 32]));
    next.restore(serde_json::from_str(&kept).expect("a snapshot"), at(1));
    let found = next.device(ALICE, ONE, at(1))[0].clone();
    assert_eq!(found.path, ["<sip:198.51.100.9:5070;lr;ob>"]);
    assert_eq!(found.instance.as_ref().map(|i| i.reg_id), Some(3));
    assert_eq!((found.flow.connection, found.flow.remote.port()), (None, 5070), "the proxy can be connected to");
    // A snapshot of an earlier release has neither.
    let old = r#"{"bindings":[[7,{"contact":"sip:b@10.0.0.2","flow":{"transport":"udp","local":"192.0.2.1:5060",
        "remote":"10.0.0.2:5060","connection":null},"call_id":"x","cseq":1,"expires_at":9000000000000000000,"q":1000,
        "user_agent":"","received":"10.0.0.2:5060"}]]}"#;
    next.restore(serde_json::from_str(old).expect("a snapshot"), at(1));
    assert_eq!(next.len(), 2);
}
