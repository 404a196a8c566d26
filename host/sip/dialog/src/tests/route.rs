//! Route sets and flows (RFC 3261 sections 12.1, 12.2.1.1).

use super::pair::{A, B, Pair, shared};
use crate::InviteSpec;
use model::{ConnectionId, Flow, Transport};
use sip_message::{DialogPath, Message, Method, Name};

fn flow(remote: &str) -> Flow {
    let local = "192.0.2.1:5060".parse().expect("an address");
    Flow::new(Transport::Udp, local, remote.parse().expect("an address"))
}

fn invite(via: &str, contact: &str, record_route: &str) -> Message {
    shared(&format!(
        "INVITE sip:b@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP {via};branch=z9hG4bK1;rport\r\nMax-Forwards: 70\r\n\
         {record_route}From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: c\r\n\
         CSeq: 1 INVITE\r\nContact: <{contact}>\r\nContent-Length: 0\r\n\r\n"
    ))
}

fn routes(hop: &sip_message::Hop) -> Vec<&str> {
    hop.routes.iter().map(String::as_str).collect()
}

#[test]
fn loose_routes_keep_the_target_as_request_uri() {
    let record_route =
        "Record-Route: <sip:198.51.100.7;lr>, <sip:p2.example.com;lr>\r\nRecord-Route: <sip:p3.example.com;lr>\r\n";
    let hop =
        DialogPath::of_request(&invite("198.51.100.7:5060", "sip:a@10.0.0.1", record_route), flow("198.51.100.7:5060"))
            .hop();
    assert_eq!(hop.request_uri, "sip:a@10.0.0.1");
    assert_eq!(routes(&hop), ["<sip:198.51.100.7;lr>", "<sip:p2.example.com;lr>", "<sip:p3.example.com;lr>"]);
    assert_eq!(hop.flow.remote, "198.51.100.7:5060".parse().expect("an address"));
}

#[test]
fn a_strict_router_becomes_the_request_uri() {
    let record_route = "Record-Route: <sip:198.51.100.7:5070;method=INVITE;x=1?h=v>, <sip:p2.example.com;lr>\r\n";
    let hop =
        DialogPath::of_request(&invite("198.51.100.7:5060", "sip:a@10.0.0.1", record_route), flow("198.51.100.7:5060"))
            .hop();
    assert_eq!(hop.request_uri, "sip:198.51.100.7:5070;x=1");
    assert_eq!(routes(&hop), ["<sip:p2.example.com;lr>", "<sip:a@10.0.0.1>"]);
    assert_eq!(hop.flow.remote.port(), 5070, "the first hop's own port");
}

#[test]
fn a_response_reverses_the_route() {
    let spec = InviteSpec {
        flow: flow("198.51.100.7:5060"),
        request_uri: "sip:b@example.com".to_owned(),
        route_set: Vec::new(),
        from: String::new(),
        to: String::new(),
        call_id: None,
        headers: Vec::new(),
        offer: None,
        carrier: None,
        edge: None,
    };
    let response = shared(
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nRecord-Route: <sip:p1.example.com;lr>\r\n\
         Record-Route: <sip:p2.example.com;lr>\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>;tag=2\r\nCall-ID: c\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:b@203.0.113.9:5062>\r\nContent-Length: 0\r\n\r\n",
    );
    let hop = DialogPath::to(&spec.request_uri, &spec.route_set, spec.flow).of_response(&response, spec.flow).hop();
    assert_eq!(hop.request_uri, "sip:b@203.0.113.9:5062");
    assert_eq!(routes(&hop), ["<sip:p2.example.com;lr>", "<sip:p1.example.com;lr>"]);
    assert_eq!(hop.flow, spec.flow, "names are not resolved here");
}

#[test]
fn a_peer_is_reached_where_it_says_unless_a_nat_says_otherwise() {
    let source = "198.51.100.7:5060";
    let reach = |via: &str, contact: &str, source: &str| {
        DialogPath::of_request(&invite(via, contact, ""), flow(source)).hop().flow.remote.to_string()
    };
    assert_eq!(reach(source, "sip:a@198.51.100.7:5080", source), "198.51.100.7:5080");
    assert_eq!(reach("198.51.100.7", "sip:a@198.51.100.7", source), source);
    assert_eq!(reach("10.0.0.1:5060", "sip:a@10.0.0.1:5080", source), source, "another host");
    assert_eq!(reach(source, "sip:a@10.0.0.1:5080", source), source, "another host in Contact");
    assert_eq!(reach(source, "sip:a@198.51.100.7:5080", "198.51.100.7:40000"), "198.51.100.7:40000", "another port");
    assert_eq!(reach(source, "sip:a@phone.example.com", source), source, "a name");
    assert_eq!(reach(source, "sip:a@198.51.100.7:5080;transport=tcp", source), source, "another transport");
}

#[test]
fn a_nat_that_binds_anew_is_followed_and_others_are_not() {
    let moved = flow("198.51.100.7:50000");
    let mut natted = DialogPath::of_request(&invite("10.0.0.1:5060", "sip:a@10.0.0.1", ""), flow("198.51.100.7:40000"));
    natted.seen(moved);
    assert_eq!(natted.hop().flow, moved);
    let mut open = DialogPath::of_request(&invite("198.51.100.7", "sip:a@198.51.100.7", ""), flow("198.51.100.7:5060"));
    open.seen(moved);
    assert_eq!(open.hop().flow.remote.port(), 5060);
    let stream =
        |id| Flow { transport: Transport::Tcp, connection: Some(ConnectionId(id)), ..flow("198.51.100.7:5060") };
    let mut tcp = DialogPath::of_request(&invite("198.51.100.7", "sip:a@198.51.100.7", ""), stream(1));
    tcp.seen(stream(2));
    assert_eq!(tcp.hop().flow, stream(2));
}

#[test]
fn record_routes_are_copied_and_followed_by_both_sides() {
    let mut pair = Pair::new(1);
    let mut spec = pair.spec(A, Some("offer"));
    spec.headers.push(("Record-Route".to_owned(), "<sip:192.0.2.1;lr>, <sip:192.0.2.2;lr>".to_owned()));
    spec.headers.push(("X-Evil".to_owned(), "a\r\nX-Injected: b".to_owned()));
    let a = pair.act(A, |end, now| end.dialogs.invite(&mut end.tx, spec, now));
    pair.run(100);
    let b = pair.arrival();
    pair.act(B, |end, now| end.dialogs.progress(&mut end.tx, b, 180, None, &[], now)).expect("ringing");
    pair.act(B, |end, now| end.dialogs.accept(&mut end.tx, b, None, &[], now)).expect("accepted");
    pair.run(100);
    assert!(pair.sent(B).all(|m| m.status() == Some(100) || m.headers(Name::RecordRoute).count() == 1));
    let invite = pair.sent(A).find(|m| m.is_method(Method::Invite)).expect("the INVITE");
    assert!(invite.header("X-Injected").is_none());
    pair.hangup(A, a);
    let bye = pair.sent(A).find(|m| m.is_method(Method::Bye)).expect("the BYE");
    let routes: Vec<String> = bye.values(Name::Route).map(|v| v.to_string()).collect();
    assert_eq!(routes, ["<sip:192.0.2.2;lr>", "<sip:192.0.2.1;lr>"]);
    assert_eq!(bye.request_uri_str(), Some("sip:b@192.0.2.2:5060"));
    pair.run_out().expect("an end");
    pair.assert_empty();
}
