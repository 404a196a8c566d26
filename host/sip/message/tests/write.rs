//! The writers: what they write, and what nobody can make them write.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use bytes::Bytes;
use common::{parse, request};
use core::net::SocketAddr;
use model::{Flow, Transport};
use sip_message::{Message, Method, Name, ParseLimits, RequestWriter, ResponseWriter, name_addr, respond_target};

fn source() -> SocketAddr {
    "198.51.100.7:32000".parse().unwrap()
}

fn text(bytes: &Bytes) -> &str {
    core::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_request_is_written() {
    let writer = RequestWriter::new("INVITE", "sip:b@example.net")
        .header("From", name_addr(Some("A \"B\""), "sip:a@h") + ";tag=1")
        .header(Name::MaxForwards, "70")
        .body("application/sdp", "v=0\r\n")
        .via(Transport::Udp, "192.0.2.1:5060".parse().unwrap(), "z9hG4bKa");
    assert_eq!(writer.method(), Method::Invite);
    assert_eq!(
        text(&writer.finish()),
        "INVITE sip:b@example.net SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa;rport\r\n\
         From: \"A \\\"B\\\"\" <sip:a@h>;tag=1\r\nMax-Forwards: 70\r\nContent-Type: application/sdp\r\n\
         Content-Length: 5\r\n\r\nv=0\r\n"
    );
    let six =
        RequestWriter::new("BYE", "sip:h").via(Transport::Tcp, "[2001:db8::1]:5060".parse().unwrap(), "x").finish();
    assert!(text(&six).contains("Via: SIP/2.0/TCP [2001:db8::1]:5060;branch=x;rport\r\n"));
}

#[test]
fn nothing_can_inject_a_field() {
    let evil = "x\r\nEvil: 1\r\n\r\nbody\n\r\0y";
    let bytes = RequestWriter::new(evil, evil)
        .header(evil, "dropped")
        .header("", "dropped")
        .header("Subject", evil)
        .header("l", "999")
        .header("From", name_addr(Some(evil), evil))
        .body(evil, "b")
        .via(Transport::Udp, source(), evil)
        .finish();
    let message = Message::parse(bytes, &ParseLimits::default()).unwrap();
    let names: Vec<&str> = message.all_headers().map(|(name, _)| name).collect();
    assert_eq!(names, ["Via", "Subject", "From", "Content-Type", "Content-Length"]);
    assert_eq!(message.body(), b"b");
    assert!(message.from().is_err(), "the evil URI has no scheme");
    let request = parse(&request("INVITE", "sip:b@h", "Record-Route: <sip:p;lr>\r\n ,<sip:q;lr>\r\n"));
    let bytes = ResponseWriter::to(&request, 200, evil, source())
        .to_tag(evil)
        .copy(&request, "Record-Route")
        .header("Warning", evil)
        .finish();
    let response = Message::parse(bytes, &ParseLimits::default()).unwrap();
    assert!(response.header("Evil").is_none());
    assert_eq!(response.to().unwrap().tag(), Some("xEvil1bodyy"));
    assert_eq!(response.values(Name::RecordRoute).count(), 2);
}

#[test]
fn a_response_carries_what_section_8_2_6_asks_for() {
    let extra = "Via: SIP/2.0/TCP far;branch=z9hG4bKb\r\nTimestamp: 54\r\n";
    let request = parse(&request("INVITE", "sip:b@h", extra));
    let trying = ResponseWriter::to(&request, 100, "", source()).finish();
    assert_eq!(
        text(&trying),
        "SIP/2.0 100 Trying\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKa;rport=32000;received=198.51.100.7\r\n\
         Via: SIP/2.0/TCP far;branch=z9hG4bKb\r\nFrom: <sip:a@example.net>;tag=1\r\nTo: <sip:b@example.net>\r\n\
         Call-ID: c1\r\nCSeq: 1 INVITE\r\nTimestamp: 54\r\nContent-Length: 0\r\n\r\n"
    );
    let busy = ResponseWriter::to(&request, 486, "", source()).header("X", "1").to_tag("t9").finish();
    assert!(text(&busy).contains("To: <sip:b@example.net>;tag=t9\r\n"));
    assert!(text(&busy).starts_with("SIP/2.0 486 Busy Here\r\n"));
    assert!(Message::parse(busy, &ParseLimits::default()).unwrap().validate().is_ok());
}

#[test]
fn the_top_via_is_made_true_and_the_rest_left_alone() {
    let stamped = |via: &str, from: &str| {
        let text = request("OPTIONS", "sip:h", "").replace("SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKa;rport", via);
        let bytes = ResponseWriter::to(&parse(&text), 200, "OK", from.parse().unwrap()).finish();
        parse(core::str::from_utf8(&bytes).unwrap()).header("Via").unwrap().text().into_owned()
    };
    assert_eq!(stamped("SIP/2.0/UDP 192.0.2.1;branch=b", "192.0.2.1:5060"), "SIP/2.0/UDP 192.0.2.1;branch=b");
    assert_eq!(stamped("SIP/2.0/UDP h;branch=b", "192.0.2.1:9"), "SIP/2.0/UDP h;branch=b;received=192.0.2.1");
    assert_eq!(
        stamped("SIP/2.0/UDP 192.0.2.1;rport;received=6.6.6.6;x=\"a b\", SIP/2.0/UDP q;rport", "192.0.2.1:9"),
        "SIP/2.0/UDP 192.0.2.1;x=\"a b\";received=192.0.2.1;rport=9, SIP/2.0/UDP q;rport"
    );
    assert_eq!(stamped("SIP/2.0/UDP [::1]:1;rport", "[::1]:7"), "SIP/2.0/UDP [::1]:1;rport=7;received=::1");
}

#[test]
fn responses_go_where_rfc_3581_says() {
    let flow = |transport| Flow::new(transport, "192.0.2.1:5060".parse().unwrap(), source());
    let udp = flow(Transport::Udp);
    let with =
        |via: &str| parse(&request("OPTIONS", "sip:h", "").replace("192.0.2.10:5060;branch=z9hG4bKa;rport", via));
    assert_eq!(respond_target(&with("h:5080;rport"), &udp).remote, source());
    assert_eq!(respond_target(&with("h:5080"), &udp).remote, "198.51.100.7:5080".parse().unwrap());
    assert_eq!(respond_target(&with("h"), &udp).remote, "198.51.100.7:5060".parse().unwrap());
    assert_eq!(respond_target(&with("h:0;maddr=203.0.113.1"), &udp).remote, source());
    let tcp = flow(Transport::Tcp);
    assert_eq!(respond_target(&with("h:5080"), &tcp), tcp);
}

#[test]
fn a_rejected_request_can_be_answered() {
    let bad = request("INVITE", "sip:b@h", "Content-Length: 10\r\n");
    let rejected = Message::parse(Bytes::from(bad), &ParseLimits::default()).unwrap_err();
    let request = rejected.answerable.unwrap();
    let status = rejected.error.status().unwrap();
    let bytes = ResponseWriter::to(&request, status, &rejected.error.reason(), source()).to_tag("t").finish();
    let response = Message::parse(bytes, &ParseLimits::default()).unwrap();
    assert_eq!(response.status(), Some(400));
    assert_eq!(response.reason(), "Bad Request (body shorter than Content-Length)");
}
