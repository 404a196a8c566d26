//! The notifier, the publications and the messages against subscribers made of strings.

use crate::dialog_info::{Dialog, Direction, Phase};
use crate::*;
use bytes::Bytes;
use core::time::Duration;
use model::{AccountId, CompanyId, Flow, IdSource, Instant, Limits, Transport};
use sip_message::{Message, Name, ParseLimits};
use sip_transaction::Layer;
use std::sync::Arc;

const START: Instant = Instant::from_unix_nanos(1_800_000_000_000_000_000);
const LOCAL: &str = "10.0.0.9:5060";

fn parse(text: impl Into<Bytes>) -> Message {
    Message::parse(text.into(), &ParseLimits::default()).unwrap_or_else(|r| panic!("{:?}", r.error))
}

fn flow(remote: &str) -> Flow {
    let (local, remote) = (LOCAL.parse().unwrap(), remote.parse().unwrap());
    Flow::new(Transport::Udp, local, remote)
}

/// The switch and one subscriber at 10.0.0.1.
struct Bed {
    tx: Layer,
    notifier: Notifier,
    now: Instant,
    branch: u32,
    limits: Limits,
    /// What was sent, oldest first.
    sent: Vec<Message>,
}

impl Bed {
    fn new(limits: Limits) -> Bed {
        let mut ids = IdSource::new([3; 32]);
        let config = sip_transaction::Config::default();
        Bed {
            tx: Layer::new(config, ids.split()),
            notifier: Notifier::new(Config::new(&limits, "S"), ids.split()),
            now: START,
            branch: 0,
            limits,
            sent: Vec::new(),
        }
    }

    fn drain(&mut self) {
        while let Some(transmit) = self.tx.poll_transmit() {
            self.sent.push(parse(transmit.bytes));
        }
    }

    /// Lets time pass, with every timer at its own time.
    fn wait(&mut self, how_long: Duration) {
        let end = self.now + how_long;
        loop {
            let next = [self.tx.poll_timeout(), self.notifier.poll_timeout()].into_iter().flatten().min();
            let Some(at) = next.filter(|at| *at <= end) else { break };
            self.now = at.max(self.now);
            self.tx.handle_timeout(self.now);
            while let Some(event) = self.tx.poll_event() {
                if let sip_transaction::Event::ClientFailed { key, .. } = event {
                    self.notifier.handle_client_failed(key);
                }
            }
            self.notifier.handle_timeout(&mut self.tx, self.now);
        }
        self.now = end;
        self.drain();
    }

    fn request(&mut self, text: String, remote: &str) -> (sip_transaction::ServerKey, Message) {
        self.tx.handle_message(flow(remote), parse(text), self.now);
        match self.tx.poll_event() {
            Some(sip_transaction::Event::Request { key, request, .. }) => (key, request),
            other => panic!("no request: {other:?}"),
        }
    }

    fn text(&mut self, call: &str, to_tag: &str, cseq: u32, fields: &[&str]) -> String {
        self.branch += 1;
        let fields: String = fields.iter().map(|f| format!("{f}\r\n")).collect();
        format!(
            "SUBSCRIBE sip:1002@demo.test SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK{}\r\nMax-Forwards: 70\r\n\
             From: <sip:1001@demo.test>;tag=watcher\r\nTo: <sip:1002@demo.test>{to_tag}\r\nCall-ID: {call}\r\n\
             CSeq: {cseq} SUBSCRIBE\r\nContact: <sip:1001@10.0.0.1:5060>\r\n{fields}Content-Length: 0\r\n\r\n",
            self.branch
        )
    }

    /// A SUBSCRIBE of account 1 to these users; more than one is a list.
    fn subscribe(&mut self, call: &str, users: &[&str], fields: &[&str]) -> u16 {
        let text = self.text(call, "", 1, fields);
        let (server, request) = self.request(text, "10.0.0.1:5060");
        let package = Package::of_event(&request.header(Name::Event).unwrap().text()).unwrap();
        let member =
            |user: &&str| Member { key: key(package, user), uri: format!("sip:{user}@demo.test"), name: String::new() };
        let target = match users {
            [one] => Target::One(member(one)),
            many => Target::List(member(&"blf-x"), many.iter().map(member).collect()),
        };
        let wish =
            Wish { server, flow: flow("10.0.0.1:5060"), request: &request, owner: AccountId(1), package, target };
        self.notifier.subscribe(&mut self.tx, wish, self.now);
        self.drain();
        self.last_response()
    }

    /// A SUBSCRIBE within the subscription that began with `call`.
    fn refresh(&mut self, call: &str, cseq: u32, fields: &[&str]) -> u16 {
        let tag = self.tag(call);
        let text = self.text(call, &format!(";tag={tag}"), cseq, fields);
        let (server, request) = self.request(text, "10.0.0.1:5060");
        self.notifier.refresh(&mut self.tx, server, flow("10.0.0.1:5060"), &request, self.now);
        self.drain();
        self.last_response()
    }

    fn tag(&self, call: &str) -> String {
        let ok = self.sent.iter().find(|m| m.status() == Some(200) && m.call_id() == Ok(call)).unwrap();
        ok.to().unwrap().tag().unwrap().to_owned()
    }

    fn last_response(&self) -> u16 {
        self.sent.iter().rev().find_map(Message::status).unwrap()
    }

    /// The NOTIFYs sent since it was asked last, repetitions left out.
    fn notifies(&mut self) -> Vec<Message> {
        let mut seen: Vec<Message> = Vec::new();
        for message in self.sent.drain(..).filter(Message::is_request) {
            if !seen.contains(&message) {
                seen.push(message);
            }
        }
        seen
    }

    fn answer(&mut self, notify: &Message, status: u16, extra: &str) {
        let of = |name| notify.header(name).unwrap().text().into_owned();
        let text = format!(
            "SIP/2.0 {status} X\r\nVia: {}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {}\r\n{extra}Content-Length: 0\r\n\r\n",
            of(Name::Via),
            of(Name::From),
            of(Name::To),
            of(Name::CallId),
            of(Name::CSeq)
        );
        self.tx.handle_message(flow("10.0.0.1:5060"), parse(text), self.now);
        while let Some(event) = self.tx.poll_event() {
            if let sip_transaction::Event::Response { key, response, .. } = event {
                assert!(self.notifier.owns(key));
                self.notifier.handle_response(&mut self.tx, key, &response, self.now);
            }
        }
        self.drain();
    }

    /// Answers every NOTIFY with 200 and gives them.
    fn hear(&mut self) -> Vec<Message> {
        let all = self.notifies();
        all.iter().for_each(|n| self.answer(n, 200, ""));
        all
    }

    fn set(&mut self, user: &str, dialogs: &[(&str, Phase)]) {
        let dialogs = dialogs.iter().map(|(id, phase)| dialog(id, *phase)).collect();
        self.notifier.set(&mut self.tx, &key(Package::Dialog, user), Facts::Dialogs(dialogs), self.now);
        self.drain();
    }

    fn events(&mut self) -> Vec<Event> {
        core::iter::from_fn(|| self.notifier.poll_event()).collect()
    }

    /// Everything is forgotten once the last transactions have run out.
    fn ends_clean(mut self) {
        self.wait(Duration::from_secs(60));
        self.events();
        assert!(self.notifier.is_empty(), "{:?}", self.notifier);
        assert!(self.tx.is_empty());
    }
}

fn key(package: Package, user: &str) -> ResourceKey {
    ResourceKey { company: CompanyId(1), package, user: Arc::from(user) }
}

fn dialog(id: &str, phase: Phase) -> Dialog {
    Dialog {
        id: id.to_owned(),
        call_id: format!("{id}@x"),
        local_tag: None,
        remote_tag: None,
        direction: Direction::Recipient,
        phase,
        held: false,
        remote: None,
    }
}

fn state(notify: &Message) -> String {
    notify.header(Name::SubscriptionState).unwrap().text().into_owned()
}

fn body(notify: &Message) -> String {
    String::from_utf8(notify.body().to_vec()).unwrap()
}

const DIALOG: &str = "Event: dialog";

#[test]
fn a_subscription_lives_from_its_first_notify_to_its_last() {
    let mut bed = Bed::new(Limits::default());
    assert_eq!(bed.subscribe("a", &["1002"], &["Event: dialog;id=7", "Expires: 600"]), 200);
    assert_eq!(bed.notifies(), [], "nothing is said before something is known");
    assert_eq!(bed.events(), [Event::Asked(key(Package::Dialog, "1002"))]);
    bed.set("1002", &[]);
    let first = bed.hear().remove(0);
    assert_eq!(state(&first), "active;expires=600");
    assert_eq!(first.header(Name::Event).unwrap(), "dialog;id=7");
    assert_eq!(first.request_uri_str(), Some("sip:1001@10.0.0.1:5060"));
    assert_eq!(first.from().unwrap().tag().unwrap().len(), 20, "nobody can guess our tag");
    assert_eq!(first.to().unwrap().tag(), Some("watcher"));
    assert!(body(&first).contains("version=\"0\" state=\"full\""));
    bed.wait(Duration::from_secs(2));
    bed.set("1002", &[("1", Phase::Early)]);
    let second = bed.hear().remove(0);
    assert!(body(&second).contains("version=\"1\" state=\"partial\"") && body(&second).contains("<state>early"));
    assert_eq!(second.cseq().unwrap().number, first.cseq().unwrap().number + 1);
    bed.set("1002", &[("1", Phase::Early)]);
    bed.wait(Duration::from_secs(2));
    assert_eq!(bed.hear(), [], "no news");
    assert_eq!(bed.events(), []);
    let end = bed.sent.len();
    assert_eq!(end, 0);
    bed.wait(Duration::from_secs(600));
    let last = bed.hear().remove(0);
    assert_eq!(state(&last), "terminated;reason=timeout");
    assert_eq!(bed.events(), [Event::Unwatched(key(Package::Dialog, "1002"))]);
    bed.ends_clean();
}

#[test]
fn a_refresh_is_answered_with_everything_and_an_end_with_the_last_word() {
    let mut bed = Bed::new(Limits::default());
    bed.subscribe("a", &["1002"], &[DIALOG, "Expires: 600"]);
    bed.set("1002", &[("1", Phase::Confirmed)]);
    let tagged: Vec<Message> = bed.sent.clone();
    bed.hear();
    bed.sent = tagged.into_iter().filter(|m| !m.is_request()).collect();
    bed.wait(Duration::from_secs(300));
    assert_eq!(bed.refresh("a", 2, &[DIALOG, "Expires: 7000"]), 200);
    let kept: Vec<Message> = bed.sent.iter().filter(|m| !m.is_request()).cloned().collect();
    let full = bed.hear().remove(0);
    assert_eq!(state(&full), "active;expires=7000");
    assert!(body(&full).contains("version=\"1\" state=\"full\"") && body(&full).contains("<state>confirmed"));
    bed.sent.clone_from(&kept);
    assert_eq!(bed.refresh("a", 2, &[DIALOG, "Expires: 700"]), 500, "out of order");
    assert_eq!(bed.refresh("a", 3, &["Event: presence", "Expires: 700"]), 481, "another event");
    assert_eq!(bed.refresh("a", 4, &[DIALOG, "Expires: 5"]), 423);
    assert_eq!(bed.refresh("a", 5, &[DIALOG, "Expires: 0"]), 200);
    let last = bed.hear().remove(0);
    assert_eq!(state(&last), "terminated;reason=timeout");
    assert!(body(&last).contains("state=\"full\""));
    bed.sent = kept;
    assert_eq!(bed.refresh("a", 6, &[DIALOG, "Expires: 700"]), 481, "it is over");
    bed.ends_clean();
}

#[test]
fn a_fetch_asks_once() {
    let mut bed = Bed::new(Limits::default());
    assert_eq!(bed.subscribe("a", &["1002"], &[DIALOG, "Expires: 0"]), 200);
    bed.set("1002", &[("1", Phase::Confirmed)]);
    let only = bed.hear().remove(0);
    assert_eq!(state(&only), "terminated;reason=timeout");
    assert!(body(&only).contains("<state>confirmed"));
    assert_eq!(bed.notifier.len(), 0);
    bed.ends_clean();
}

#[test]
fn wishes_are_bounded() {
    let limits = Limits {
        subscriptions_per_account_max: 2,
        subscriptions_per_resource_max: 1,
        subscription_max_s: 1_000,
        ..Limits::default()
    };
    let mut bed = Bed::new(limits);
    assert_eq!(bed.limits.subscription_min_s, 60);
    assert_eq!(bed.subscribe("a", &["1002"], &[DIALOG, "Expires: 59"]), 423);
    assert_eq!(bed.subscribe("b", &["1002"], &[DIALOG, "Accept: application/pidf+xml"]), 406);
    assert_eq!(bed.subscribe("c", &["1002", "1003"], &[DIALOG]), 421, "no eventlist");
    assert_eq!(bed.subscribe("d", &["1002"], &[DIALOG, "Expires: 4000", "Accept: text/plain, application/*"]), 200);
    let granted = bed.sent.last().unwrap().header(Name::Expires).unwrap().text().into_owned();
    assert_eq!(granted, "1000");
    assert_eq!(bed.subscribe("e", &["1002"], &[DIALOG]), 503, "one watcher each");
    assert_eq!(bed.subscribe("f", &["1003"], &[DIALOG]), 200);
    assert_eq!(bed.subscribe("g", &["1004"], &[DIALOG]), 503, "two subscriptions each");
    assert_eq!(bed.notifier.counters().refused_by_limit, 2);
    // A phone that lost its memory is not locked out by itself.
    assert_eq!(bed.subscribe("h", &["1002"], &[DIALOG]), 200);
    assert_eq!(bed.notifier.len(), 2);
    for user in ["1002", "1003"] {
        bed.set(user, &[]);
    }
    bed.wait(Duration::from_secs(1_200));
    bed.ends_clean();
}

#[test]
fn changes_are_paced_and_joined() {
    let mut bed = Bed::new(Limits::default());
    bed.subscribe("a", &["1002"], &[DIALOG, "Expires: 600"]);
    bed.set("1002", &[]);
    assert_eq!(bed.hear().len(), 1);
    bed.wait(Duration::from_secs(5));
    bed.set("1002", &[("1", Phase::Trying)]);
    let first = bed.notifies();
    assert_eq!(first.len(), 1, "at once after a rest");
    bed.set("1002", &[("1", Phase::Early)]);
    bed.wait(Duration::from_secs(3));
    bed.set("1002", &[("1", Phase::Confirmed)]);
    bed.set("1002", &[]);
    bed.set("1002", &[("2", Phase::Early)]);
    let repeated: Vec<Message> = bed.notifies();
    assert!(repeated.iter().all(|n| *n == first[0]), "one is out, no other leaves");
    bed.answer(&first[0], 200, "");
    let joined = bed.hear();
    assert_eq!(joined.len(), 1);
    let text = body(&joined[0]);
    assert!(text.contains("id=\"1\"") && text.contains("<state>terminated"), "{text}");
    assert!(text.contains("id=\"2\"") && text.contains("<state>early"), "{text}");
    bed.set("1002", &[("2", Phase::Confirmed)]);
    assert_eq!(bed.hear(), [], "not within a second");
    bed.wait(Duration::from_millis(999));
    assert_eq!(bed.hear(), []);
    bed.wait(Duration::from_millis(1));
    assert_eq!(bed.hear().len(), 1);
    assert_eq!(bed.notifier.counters().coalesced, 3);
    bed.wait(Duration::from_secs(600));
    bed.ends_clean();
}

#[test]
fn what_a_notify_is_answered_decides() {
    for (status, extra, stays) in [
        (481, "", false),
        (481, "Retry-After: 5\r\n", false),
        (503, "", false),
        (503, "Retry-After: 5 (busy)\r\n", true),
        (200, "", true),
        (202, "", true),
        (302, "", false),
        (401, "", false),
    ] {
        let mut bed = Bed::new(Limits::default());
        bed.subscribe("a", &["1002"], &[DIALOG, "Expires: 600"]);
        bed.set("1002", &[]);
        let first = bed.notifies().remove(0);
        bed.answer(&first, status, extra);
        assert_eq!(bed.notifier.len() == 1, stays, "{status} {extra}");
        if !extra.is_empty() && stays {
            bed.wait(Duration::from_secs(4));
            assert_eq!(bed.notifies(), []);
            bed.wait(Duration::from_secs(1));
            assert!(body(&bed.hear()[0]).contains("state=\"full\""));
        }
        bed.wait(Duration::from_secs(700));
        bed.ends_clean();
    }
    let mut bed = Bed::new(Limits::default());
    bed.subscribe("a", &["1002"], &[DIALOG, "Expires: 600"]);
    bed.set("1002", &[]);
    bed.wait(Duration::from_secs(33));
    assert_eq!((bed.notifier.len(), bed.notifier.counters().failed), (0, 1), "nobody answers");
    bed.ends_clean();
}

#[test]
fn a_resource_that_is_no_more_ends_its_subscriptions() {
    let mut bed = Bed::new(Limits::default());
    bed.subscribe("a", &["1002"], &[DIALOG]);
    bed.set("1002", &[]);
    bed.hear();
    bed.notifier.lost(&mut bed.tx, &key(Package::Dialog, "1002"), bed.now);
    bed.drain();
    let last = bed.hear().remove(0);
    assert_eq!((state(&last).as_str(), last.body()), ("terminated;reason=noresource", &b""[..]));
    bed.subscribe("b", &["1003"], &[DIALOG]);
    bed.set("1003", &[]);
    bed.hear();
    bed.notifier.end_account(&mut bed.tx, AccountId(1), Reason::Rejected, bed.now);
    bed.drain();
    assert_eq!(state(&bed.hear()[0]), "terminated;reason=rejected");
    bed.ends_clean();
}

#[test]
fn a_list_shows_many_as_one() {
    let limits = Limits { notify_list_bytes_max: 1_100, ..Limits::default() };
    let mut bed = Bed::new(limits);
    let fields = [DIALOG, "Supported: eventlist", "Expires: 600"];
    assert_eq!(bed.subscribe("a", &["1002", "1003", "1003", "1004"], &fields), 200);
    assert_eq!(bed.sent.last().unwrap().header(Name::Require).unwrap(), "eventlist");
    assert_eq!(bed.events().len(), 3);
    bed.set("1002", &[]);
    bed.set("1003", &[("1", Phase::Early)]);
    assert_eq!(bed.notifies(), [], "not before all is known");
    bed.notifier.lost(&mut bed.tx, &key(Package::Dialog, "1004"), bed.now);
    bed.drain();
    let first = bed.hear().remove(0);
    assert_eq!(first.header(Name::Require).unwrap(), "eventlist");
    assert!(first.content_type().unwrap().starts_with("multipart/related;type=\"application/rlmi+xml\""));
    let text = body(&first);
    assert!(text.contains("version=\"0\" fullState=\"true\"") && text.matches("<resource ").count() == 3, "{text}");
    assert_eq!(text.matches("<dialog-info").count(), 1, "the second does not fit: {text}");
    assert!(text.contains("state=\"terminated\" reason=\"noresource\""));
    bed.wait(Duration::from_secs(1));
    let text = body(&bed.hear()[0]);
    assert!(text.contains("version=\"1\" fullState=\"false\"") && text.contains("<state>early"), "{text}");
    assert_eq!(text.matches("<resource ").count(), 1);
    bed.wait(Duration::from_secs(5));
    bed.set("1002", &[("9", Phase::Confirmed)]);
    let text = body(&bed.hear()[0]);
    assert!(text.contains("uri=\"sip:1002@demo.test\"") && !text.contains("1003"), "{text}");
    assert!(text.contains("version=\"1\" state=\"full\""), "each resource counts its own documents: {text}");
    let (list, members) = bed.notifier.next_list(None).unwrap();
    assert_eq!((&*list.user, members.len()), ("blf-x", 4));
    assert_eq!(bed.notifier.next_list(Some(&list)), None);
    bed.notifier.end_list(&mut bed.tx, &list, Reason::Deactivated, bed.now);
    bed.drain();
    assert_eq!(state(&bed.hear()[0]), "terminated;reason=deactivated");
    bed.ends_clean();
}

#[test]
fn facts_that_never_come_hold_nobody_up() {
    let mut bed = Bed::new(Limits::default());
    bed.subscribe("a", &["1002"], &[DIALOG, "Expires: 0"]);
    assert_eq!(bed.notifies(), []);
    bed.wait(Duration::from_secs(1));
    let only = bed.hear().remove(0);
    assert_eq!((state(&only).as_str(), only.body()), ("terminated;reason=timeout", &b""[..]));
    bed.ends_clean();
}

#[test]
fn a_subscriber_behind_a_proxy_is_reached_through_it() {
    let mut bed = Bed::new(Limits::default());
    let routes = ["Record-Route: <sip:10.0.0.1:5070;lr>, <sip:far.test;lr>"];
    bed.subscribe("a", &["1002"], &[DIALOG, routes[0]]);
    let ok = bed.sent.last().unwrap().clone();
    assert_eq!(ok.values(Name::RecordRoute).count(), 2);
    bed.notifier.set(&mut bed.tx, &key(Package::Dialog, "1002"), Facts::Dialogs(Vec::new()), bed.now);
    let out = core::iter::from_fn(|| bed.tx.poll_transmit()).last().unwrap();
    assert_eq!(out.flow.remote, "10.0.0.1:5070".parse().unwrap());
    let notify = parse(out.bytes);
    assert_eq!(notify.values(Name::Route).count(), 2);
    assert_eq!(notify.request_uri_str(), Some("sip:1001@10.0.0.1:5060"));
}

fn published(fields: &[&str], body: &str) -> Message {
    let fields: String = fields.iter().map(|f| format!("{f}\r\n")).collect();
    let kind = if body.is_empty() { "" } else { "Content-Type: application/pidf+xml\r\n" };
    parse(format!(
        "PUBLISH sip:1001@demo.test SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nMax-Forwards: 70\r\nFrom: <sip:1001@demo.test>;tag=a\r\n\
         To: <sip:1001@demo.test>\r\nCall-ID: p\r\nCSeq: 1 PUBLISH\r\nEvent: presence\r\n{fields}{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

#[test]
fn a_publication_is_made_refreshed_changed_and_removed() {
    let limits = Limits { publications_per_account_max: 1, ..Limits::default() };
    let mut publications = Publications::new(&limits, IdSource::new([1; 32]));
    let open = "<presence><tuple><status><basic>open</basic></status></tuple></presence>";
    let closed = "<presence><tuple><status><basic>closed</basic></status></tuple></presence>";
    let me = AccountId(1);
    let tag = |p: &Published| {
        assert_eq!(p.status, 200, "{p:?}");
        format!("SIP-If-Match: {}", p.headers.iter().find(|(n, _)| *n == "SIP-ETag").unwrap().1)
    };
    let is_open = |p: &Publications| p.of(me).map(|p| p.tuples[0].open).collect::<Vec<_>>();
    let news = |p: &mut Publications| core::iter::from_fn(|| p.poll_changed()).count();

    let first = tag(&publications.publish(me, &published(&["Expires: 600"], open), START));
    assert_eq!((is_open(&publications), news(&mut publications)), (vec![true], 1));
    assert_eq!(publications.publish(me, &published(&[], open), START).status, 503, "one each");
    let second = tag(&publications.publish(me, &published(&[&first, "Expires: 600"], ""), START));
    assert_eq!((first == second, news(&mut publications)), (false, 0), "a refresh is no news and has a new tag");
    assert_eq!(publications.publish(me, &published(&[&first], closed), START).status, 412);
    assert_eq!(publications.publish(AccountId(2), &published(&[&second], closed), START).status, 412, "not theirs");
    let third = tag(&publications.publish(me, &published(&[&second, "Expires: 600"], closed), START));
    assert_eq!((is_open(&publications), news(&mut publications)), (vec![false], 1));
    tag(&publications.publish(me, &published(&[&third, "Expires: 0"], ""), START));
    assert_eq!((publications.is_empty(), news(&mut publications)), (true, 1));

    let fourth = tag(&publications.publish(me, &published(&["Expires: 600"], open), START));
    let late = START + Duration::from_secs(600);
    assert_eq!(publications.poll_timeout(), Some(late));
    publications.handle_timeout(late);
    assert_eq!((publications.len(), news(&mut publications)), (0, 2));
    assert_eq!(publications.publish(me, &published(&[&fourth], ""), late).status, 412);
    assert_eq!(publications.poll_timeout(), None);
}

#[test]
fn what_cannot_be_published_changes_nothing() {
    let limits = Limits { publication_bytes_max: 100, ..Limits::default() };
    let mut publications = Publications::new(&limits, IdSource::new([1; 32]));
    for (fields, body, status) in [
        (&[][..], "", 400),
        (&["Expires: 5"][..], "<presence/>", 423),
        (&[][..], "<presence>", 400),
        (&["Content-Type: application/cpim-pidf+xml"][..], "", 400),
    ] {
        let got = publications.publish(AccountId(1), &published(fields, body), START);
        assert_eq!(got.status, status, "{fields:?} {body}");
    }
    let long = format!("<presence><note>{}</note></presence>", "x".repeat(100));
    assert_eq!(publications.publish(AccountId(1), &published(&[], &long), START).status, 413);
    let mut text = String::from_utf8(published(&[], "<presence/>").bytes().to_vec()).unwrap();
    text = text.replace("pidf+xml", "other+xml");
    assert_eq!(publications.publish(AccountId(1), &parse(text), START).status, 415);
    assert!(publications.is_empty() && publications.poll_changed().is_none());
}

#[test]
fn the_first_phone_that_takes_a_message_answers_it() {
    for (answers, verdict) in
        [(&[486, 200][..], 200), (&[202], 202), (&[486, 603], 603), (&[], 480), (&[401, 408], 480)]
    {
        let mut bed = Bed::new(Limits::default());
        let mut messages = Messages::new(IdSource::new([2; 32]), "");
        let text = "MESSAGE sip:1002@demo.test SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKm\r\nMax-Forwards: 9\r\n\
                    From: <sip:evil@else.test>;tag=a\r\nTo: <sip:1002@demo.test>\r\nCall-ID: m\r\nCSeq: 1 MESSAGE\r\n\
                    Subject: lunch\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: 2\r\n\r\nhi";
        let (server, request) = bed.request(text.to_owned(), "10.0.0.1:5060");
        let places = (0..answers.len()).map(|n| Place {
            flow: flow("10.0.0.2:5060"),
            uri: format!("sip:1002@10.0.0.2;p={n}"),
            routes: vec!["<sip:edge.test;lr>".to_owned()],
        });
        let page = Page {
            server,
            flow: flow("10.0.0.1:5060"),
            request: &request,
            from: "<sip:1001@demo.test>".to_owned(),
            to: "sip:1002@demo.test".to_owned(),
            places: places.collect(),
        };
        messages.send(&mut bed.tx, page, bed.now);
        bed.drain();
        let mut said: Vec<u16> = bed.sent.iter().filter_map(Message::status).collect();
        let copies = bed.notifies();
        assert_eq!(copies.len(), answers.len());
        for (copy, status) in copies.iter().zip(answers) {
            assert_eq!((copy.max_forwards(), copy.body()), (Some(8), &b"hi"[..]));
            assert!(copy.header(Name::Route).is_some_and(|route| route.text() == "<sip:edge.test;lr>"));
            assert_eq!(copy.content_type(), Some("text/plain;charset=UTF-8"));
            assert_eq!(copy.header(Name::Subject).unwrap(), "lunch");
            assert_eq!(copy.from().unwrap().uri().as_str(), "sip:1001@demo.test", "who it is, not who it claims to be");
            let of = |name| copy.header(name).unwrap().text().into_owned();
            let response = format!(
                "SIP/2.0 {status} X\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag=p\r\nCall-ID: {}\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n",
                of(Name::Via),
                of(Name::From),
                of(Name::To),
                of(Name::CallId)
            );
            bed.tx.handle_message(flow("10.0.0.2:5060"), parse(response), bed.now);
            while let Some(sip_transaction::Event::Response { key, response, .. }) = bed.tx.poll_event() {
                assert!(messages.owns(key));
                messages.handle_response(&mut bed.tx, key, response.status().unwrap(), bed.now);
            }
        }
        said.extend(core::iter::from_fn(|| bed.tx.poll_transmit()).filter_map(|t| parse(t.bytes).status()));
        assert_eq!(said, [verdict], "{answers:?}");
        assert!(messages.is_empty(), "{messages:?}");
    }
}
