//! A carrier that asks who we are: the INVITE, its ACK, the re-INVITE, the BYE, the next call; and one that is silent.

use crate::{Carrier, Config, DialogKey, Event, Failed, IdentityKey, InviteSpec, Layer, Transactions};
use bytes::Bytes;
use core::time::Duration;
use model::{Flow, IdSource, Instant, Transport, TrunkSecret};
use sip_message::{Message, Method, Name, ParseLimits, ResponseWriter};

struct Bed {
    tx: Transactions,
    dialogs: Layer,
    now: Instant,
    sent: Vec<Message>,
    events: Vec<Event>,
}

const HOME: &str = "192.0.2.1:5060";
const SDP: &[u8] = b"v=0\r\n";

fn flow() -> Flow {
    Flow::new(Transport::Udp, HOME.parse().unwrap(), "198.51.100.1:5060".parse().unwrap())
}

fn parse(bytes: Bytes) -> Message {
    let message = Message::parse(bytes, &ParseLimits::default()).unwrap();
    message.validate().unwrap();
    message
}

impl Bed {
    fn new() -> Bed {
        let mut dialogs = Layer::new(Config::default(), IdSource::new([1; 32]));
        let secret = TrunkSecret::Password("secret".to_owned());
        dialogs.set_identity(IdentityKey(7), Some(("acme", &secret)));
        let tx = Transactions::new(sip_transaction::Config::default(), IdSource::new([2; 32]));
        Bed { tx, dialogs, now: Instant::from_unix_nanos(1_000_000_000_000), sent: Vec::new(), events: Vec::new() }
    }

    fn invite(&mut self) -> DialogKey {
        let spec = InviteSpec {
            flow: flow(),
            request_uri: "sip:0044@198.51.100.1".to_owned(),
            route_set: Vec::new(),
            from: "<sip:a@192.0.2.1>".to_owned(),
            to: "<sip:0044@198.51.100.1>".to_owned(),
            call_id: None,
            headers: Vec::new(),
            offer: Some(Bytes::from_static(SDP)),
            carrier: Some(Carrier { identity: IdentityKey(7), patience: Duration::from_secs(5) }),
            edge: None,
        };
        let key = self.dialogs.invite(&mut self.tx, spec, self.now);
        self.settle();
        key
    }

    fn settle(&mut self) {
        while let Some(event) = self.tx.poll_event() {
            match event {
                sip_transaction::Event::Response { key, response, flow, .. } => {
                    self.dialogs.handle_response(&mut self.tx, key, response, flow, self.now);
                }
                sip_transaction::Event::ClientFailed { key, why } => {
                    self.dialogs.handle_client_failed(&mut self.tx, key, why, self.now);
                }
                event @ (sip_transaction::Event::Request { .. }
                | sip_transaction::Event::Ack { .. }
                | sip_transaction::Event::Cancelled { .. }
                | sip_transaction::Event::Leaving { .. }
                | sip_transaction::Event::ServerFailed { .. }) => panic!("{event:?}"),
            }
        }
        self.events.extend(std::iter::from_fn(|| self.dialogs.poll_event()));
        while let Some(transmit) = self.tx.poll_transmit() {
            self.sent.push(parse(transmit.bytes));
        }
    }

    fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = [self.tx.poll_timeout(), self.dialogs.poll_timeout()].into_iter().flatten().min()
            && at <= end
        {
            self.now = at;
            self.tx.handle_timeout(at);
            self.dialogs.handle_timeout(&mut self.tx, at);
            self.settle();
        }
        self.now = end;
    }

    /// The last request of this method that has left; everything before it is forgotten.
    fn last(&mut self, method: Method<'_>) -> Message {
        let all = core::mem::take(&mut self.sent);
        all.into_iter().rfind(|m| m.is_method(method)).unwrap_or_else(|| panic!("no {method}"))
    }

    fn answer(&mut self, request: &Message, status: u16, challenge: &str) {
        let mut response = ResponseWriter::to(request, status, "", HOME.parse().unwrap()).to_tag("carrier");
        if !challenge.is_empty() {
            let name = if status == 401 { "WWW-Authenticate" } else { "Proxy-Authenticate" };
            response = response.header(name, format!(r#"Digest realm="c", nonce="{challenge}", qop="auth""#));
        }
        if status == 200 {
            response =
                response.header("Contact", "<sip:c@198.51.100.1>").body("application/sdp", Bytes::from_static(SDP));
        }
        let response = parse(response.finish());
        self.tx.handle_message(flow(), response, self.now);
        self.settle();
    }
}

fn credentials(message: &Message) -> String {
    let value = message.header(Name::ProxyAuthorization).or_else(|| message.header(Name::Authorization));
    value.map(|v| v.text().into_owned()).unwrap_or_default()
}

#[test]
fn every_request_of_the_dialog_answers_its_challenge() {
    let mut bed = Bed::new();
    let key = bed.invite();
    let first = bed.last(Method::Invite);
    assert_eq!(credentials(&first), "");
    bed.answer(&first, 407, "n1");
    assert!(bed.events.is_empty(), "nothing of it climbs: {:?}", bed.events);
    let second = bed.last(Method::Invite);
    assert_eq!(second.call_id(), first.call_id());
    assert_eq!(second.from().unwrap().tag(), first.from().unwrap().tag());
    assert_eq!((second.cseq().unwrap().number, second.body()), (2, SDP));
    assert!(credentials(&second).contains("nc=00000001"), "{}", credentials(&second));
    bed.answer(&second, 200, "");
    let ack = bed.last(Method::Ack);
    assert_eq!(credentials(&ack), credentials(&second), "RFC 3261 section 22.1");
    assert!(matches!(bed.events[..], [Event::Answered { .. }]), "{:?}", bed.events);

    bed.dialogs.reinvite(&mut bed.tx, key, Bytes::from_static(SDP), bed.now).unwrap();
    bed.settle();
    let offer = bed.last(Method::Invite);
    assert!(credentials(&offer).contains("nc=00000002"), "{}", credentials(&offer));
    bed.answer(&offer, 407, "n2");
    let again = bed.last(Method::Invite);
    assert!(credentials(&again).contains(r#"nonce="n2""#), "{}", credentials(&again));
    bed.answer(&again, 200, "");
    assert!(matches!(bed.events.last(), Some(Event::ReinviteAnswered { .. })), "{:?}", bed.events);

    bed.dialogs.hangup(&mut bed.tx, key, 480, None, bed.now);
    bed.settle();
    let bye = bed.last(Method::Bye);
    bed.answer(&bye, 407, "n3");
    let bye = bed.last(Method::Bye);
    assert!(credentials(&bye).contains(r#"nonce="n3""#), "{}", credentials(&bye));
    bed.answer(&bye, 407, "n4");
    assert!(bed.sent.is_empty(), "once is enough: the call is over either way");

    bed.invite();
    assert!(credentials(&bed.last(Method::Invite)).contains("nc=00000002"), "the next call saves the round trip");
}

#[test]
fn credentials_that_are_refused_are_the_calls_answer() {
    let mut bed = Bed::new();
    bed.invite();
    let request = bed.last(Method::Invite);
    bed.answer(&request, 401, "n1");
    let request = bed.last(Method::Invite);
    bed.answer(&request, 401, "n1");
    assert!(matches!(bed.events[..], [Event::Failed { status: 401, .. }]), "{:?}", bed.events);
    // Nor are new nonces answered for ever.
    let mut bed = Bed::new();
    bed.invite();
    for nonce in ["a", "b", "c"] {
        let request = bed.last(Method::Invite);
        bed.answer(&request, 401, nonce);
    }
    assert!(matches!(bed.events[..], [Event::Failed { status: 401, .. }]), "{:?}", bed.events);
    bed.dialogs.set_identity(IdentityKey(7), None);
    bed.wait(Duration::from_secs(40));
    assert!(bed.dialogs.is_empty());
}

#[test]
fn a_silent_carrier_has_failed_and_is_cancelled_when_it_speaks() {
    let mut bed = Bed::new();
    bed.invite();
    let request = bed.last(Method::Invite);
    bed.wait(Duration::from_secs(5));
    assert!(matches!(bed.events[..], [Event::Failed { status: 408, why: Failed::Timeout, .. }]), "{:?}", bed.events);
    bed.answer(&request, 180, "");
    let cancel = bed.last(Method::Cancel);
    bed.answer(&cancel, 200, "");
    // The 2xx crossed it: acknowledged, and hung up.
    bed.answer(&request, 200, "");
    assert!(bed.sent.iter().any(|m| m.is_method(Method::Ack)));
    let bye = bed.last(Method::Bye);
    bed.answer(&bye, 200, "");
    assert_eq!(bed.events.len(), 1, "{:?}", bed.events);
    bed.wait(Duration::from_secs(40));
    assert!(bed.dialogs.is_empty());
    // A 100 is an answer.
    let mut bed = Bed::new();
    bed.invite();
    let request = bed.last(Method::Invite);
    bed.answer(&request, 100, "");
    bed.wait(Duration::from_secs(120));
    assert!(bed.events.is_empty(), "{:?}", bed.events);
}
