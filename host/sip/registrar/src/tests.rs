//! RFC 3261 section 10.3, step by step.

use super::*;
use core::time::Duration;
use model::{CompanyId, ConnectionId, Ha1, Transport};
use sip_message::Message;
use sip_message::ParseLimits;

fn account() -> Account {
    let ha1 = Ha1 { md5: String::new(), sha256: String::new() };
    Account {
        id: AccountId(1),
        company: CompanyId(1),
        username: "1001".into(),
        display_name: String::new(),
        ha1,
        direct: None,
        media_security: None,
        enabled: true,
        rules: Default::default(),
    }
}

fn flow(connection: Option<u64>) -> Flow {
    let address = "10.0.0.1:5060".parse().unwrap();
    let transport = if connection.is_some() { Transport::Tcp } else { Transport::Udp };
    Flow { connection: connection.map(ConnectionId), ..Flow::new(transport, address, address) }
}

fn request(call_id: &str, cseq: u32, fields: &[&str]) -> Message {
    let fields = fields.join("\r\n");
    let text = format!(
        "REGISTER sip:demo.test SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1\r\nFrom: <sip:1001@demo.test>;tag=a\r\n\
         To: <sip:1001@demo.test>\r\nCall-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\nMax-Forwards: 70\r\n{fields}\r\nContent-Length: 0\r\n\r\n"
    );
    Message::parse(text.into(), &ParseLimits::default()).unwrap_or_else(|r| panic!("{:?}", r.error))
}

const NOW: Instant = Instant::from_unix_nanos(1_000_000_000_000);

static PLAIN: model::CompanyPolicy = model::CompanyPolicy::DEFAULT;

fn says(registrar: &mut Registrar, request: &Message, flow: &Flow, now: Instant) -> Registration {
    let account = account();
    let who = Registrant { account: &account, domain: "demo.test", policy: &PLAIN.registration, at_most_s: None };
    registrar.register(&who, request, flow, now)
}

fn listed(registration: &Registration) -> Vec<(&str, u32)> {
    registration.contacts.iter().map(|c| (c.contact.as_str(), c.expires_s)).collect()
}

fn exact() -> Limits {
    Limits { registration_spread_percent: 0, ..Limits::default() }
}

fn ids() -> IdSource {
    IdSource::new([3; 32])
}

struct Bed(Registrar);

impl Bed {
    fn new(limits: &Limits) -> Bed {
        Bed(Registrar::new(limits, ids()))
    }

    fn says(&mut self, call_id: &str, cseq: u32, fields: &[&str]) -> Registration {
        says(&mut self.0, &request(call_id, cseq, fields), &flow(None), NOW)
    }

    fn contacts(&self) -> Vec<&str> {
        self.0.bindings(AccountId(1), NOW).into_iter().map(|b| b.contact.as_str()).collect()
    }
}

#[test]
fn several_bindings_are_kept_ordered_refreshed_and_removed() {
    let mut bed = Bed::new(&exact());
    let first = bed.says("a", 1, &["Contact: <sip:1001@10.0.0.1>;q=0.5", "Expires: 600"]);
    assert_eq!(listed(&first), [("sip:1001@10.0.0.1", 600)]);
    bed.says("b", 1, &["Contact: <sip:1001@10.0.0.2>;expires=120, <sip:1001@10.0.0.3>;q=0.1;expires=120"]);
    assert_eq!(bed.contacts(), ["sip:1001@10.0.0.2", "sip:1001@10.0.0.1", "sip:1001@10.0.0.3"]);
    // The same contact in other words is the same binding (section 19.1.4).
    bed.says("a", 2, &["Contact: <SIP:1001@10.0.0.1>", "Expires: 900"]);
    assert_eq!(bed.0.len(), 3);
    assert_eq!(bed.says("q", 1, &[]).contacts.len(), 3);
    bed.says("b", 2, &["Contact: <sip:1001@10.0.0.2>;expires=0"]);
    assert_eq!(bed.0.len(), 2);
    assert_eq!(bed.says("a", 3, &["Contact: *", "Expires: 0"]).contacts.len(), 0);
    assert!(bed.0.is_empty() && bed.0.poll_timeout().is_none());
}

#[test]
fn wrong_wishes_change_nothing() {
    let mut bed = Bed::new(&Limits { bindings_per_aor_max: 2, bindings_max: 2, ..exact() });
    assert_eq!(bed.says("a", 5, &["Contact: <sip:x@10.0.0.1>", "Expires: 600"]).status, 200);
    let brief = bed.says("a", 6, &["Contact: <sip:y@10.0.0.1>;expires=600, <sip:x@10.0.0.1>;expires=10"]);
    assert_eq!((brief.status, brief.headers), (423, vec![("Min-Expires", "60".to_owned())]));
    assert_eq!(bed.says("a", 5, &["Contact: <sip:x@10.0.0.1>", "Expires: 0"]).status, 500, "out of order");
    assert_eq!(bed.says("a", 7, &["Contact: *", "Expires: 60"]).status, 400);
    assert_eq!(bed.says("a", 7, &["Contact: <sip:1@h>, <sip:2@h>", "Expires: 600"]).status, 403);
    assert_eq!(bed.contacts(), ["sip:x@10.0.0.1"]);
}

#[test]
fn bindings_run_out_and_survive_a_restart_while_they_last() {
    let mut bed = Bed::new(&exact());
    bed.says("a", 1, &["Contact: <sip:x@10.0.0.1>;expires=100, <sip:y@10.0.0.1>;expires=200"]);
    let kept = bed.0.snapshot();
    let late = NOW + Duration::from_secs(150);
    assert_eq!(bed.0.poll_timeout(), Some(NOW + Duration::from_secs(100)));
    bed.0.handle_timeout(late);
    let gone: Vec<_> = core::iter::from_fn(|| bed.0.poll_event()).collect();
    assert!(matches!(gone.last(), Some(CallEvent::Unregistered { contact, .. }) if contact == "sip:x@10.0.0.1"));
    let mut again = Registrar::new(&exact(), ids());
    again.restore(kept, late);
    assert_eq!(again.len(), 1);
    // The phone's next REGISTER refreshes it.
    let refreshed = says(&mut again, &request("a", 2, &["Contact: <sip:y@10.0.0.1>;expires=90"]), &flow(None), late);
    assert_eq!(listed(&refreshed), [("sip:y@10.0.0.1", 90)]);
}

#[test]
fn a_dead_stream_takes_its_bindings_along() {
    let mut registrar = Registrar::new(&exact(), ids());
    let over_tcp = request("a", 1, &["Contact: <sip:x@10.0.0.1;transport=tcp>"]);
    says(&mut registrar, &over_tcp, &flow(Some(7)), NOW);
    assert_eq!(registrar.snapshot().bindings.len(), 1, "the operator sees it");
    registrar.remove_flow(&flow(Some(8)));
    assert_eq!(registrar.len(), 1);
    registrar.remove_flow(&flow(Some(7)));
    assert!(registrar.is_empty());
}
