//! Requests of others that are passed on: the Vias below ours, and the copies that come by another path.

use super::tools::{events, incoming, layer, lines, ms, parse, sent, udp};
use crate::Event;
use bytes::Bytes;

fn passed(method: &str, branch: &str) -> String {
    let theirs = incoming(method, "z9hG4bKtheirs");
    let (line, rest) = theirs.split_once("\r\n").expect("a request line");
    format!("{line}\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch={branch}\r\n{rest}")
}

fn answered(request: &str, status: u16) -> String {
    let vias: String = request.lines().filter(|l| l.starts_with("Via")).map(|l| format!("{l}\r\n")).collect();
    let method = request.split(' ').next().unwrap_or_default();
    format!(
        "SIP/2.0 {status} X\r\n{vias}From: <sip:alice@example.com>;tag=a1\r\nTo: <sip:bob@example.com>;tag=b1\r\n\
         Call-ID: call-1\r\nCSeq: 7 {method}\r\nContent-Length: 0\r\n\r\n"
    )
}

#[test]
fn a_response_of_a_passed_on_request_has_the_vias_of_others_and_one_with_ours_alone_is_stray() {
    let mut layer = layer();
    let branch = layer.stateless_branch();
    let wire = passed("INVITE", &branch);
    let key = layer.forward(udp(), &branch, (true, Bytes::from(wire.clone())), ms(0));
    assert_eq!(lines(&mut layer), ["INVITE"]);
    let alone = answered(&wire.replace("Via: SIP/2.0/UDP 192.0.2.2", "X-Not: "), 180);
    layer.handle_message(udp(), parse(alone), ms(1));
    assert!(layer.poll_event().is_none());
    layer.handle_message(udp(), parse(answered(&wire, 180)), ms(2));
    assert!(matches!(layer.poll_event(), Some(Event::Response { key: of, .. }) if of == key));
    layer.cancel(key, &[], ms(3));
    let cancel = sent(&mut layer).pop().expect("a CANCEL");
    let text = String::from_utf8_lossy(&cancel.bytes).into_owned();
    assert!(text.starts_with("CANCEL ") && text.matches("Via:").count() == 1, "{text}");
    layer.handle_message(udp(), parse(answered(&text, 200)), ms(4));
    layer.handle_message(udp(), parse(answered(&wire, 487)), ms(5));
    assert_eq!(events(&mut layer), ["487"]);
    let ack = sent(&mut layer).pop().expect("an ACK");
    assert!(ack.bytes.starts_with(b"ACK "), "{ack:?}");
    layer.handle_timeout(ms(60_000));
    assert!(layer.is_clean());
}

#[test]
fn a_passed_on_invite_may_come_again_by_another_path() {
    let mut layer = layer();
    layer.handle_message(udp(), parse(incoming("INVITE", "z9hG4bK1")), ms(0));
    let Some(Event::Request { key, .. }) = layer.poll_event() else { panic!("a request") };
    layer.handle_message(udp(), parse(incoming("INVITE", "z9hG4bK2")), ms(1));
    assert_eq!(lines(&mut layer), ["482"]);
    layer.pass_on(key);
    layer.handle_message(udp(), parse(incoming("INVITE", "z9hG4bK3")), ms(2));
    assert_eq!(events(&mut layer), ["INVITE"]);
}
