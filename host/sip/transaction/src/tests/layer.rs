//! What the layer does around the machines.

use super::tools::*;
use crate::{Event, Gone, Layer, ServerKey};
use model::{Flow, Instant};
use sip_message::{Message, Name};

pub(super) fn receive(layer: &mut Layer, text: &str, now: Instant) -> (ServerKey, Message) {
    layer.handle_message(udp(), parse(text.to_owned()), now);
    match layer.poll_event() {
        Some(Event::Request { key, request, .. }) => (key, request),
        other => panic!("no request but {other:?}"),
    }
}

#[test]
fn a_request_climbs_once_and_its_copies_get_the_last_response_again() {
    let mut layer = layer();
    let options = incoming("OPTIONS", "z9hG4bK1");
    let (key, request) = receive(&mut layer, &options, ms(0));
    assert_eq!(layer.server_flow(key), Some(udp()));
    layer.handle_message(udp(), parse(options.clone()), ms(500));
    assert!(lines(&mut layer).is_empty() && events(&mut layer).is_empty());
    assert_eq!(layer.respond(key, reply(&request, 200), ms(600)), Ok(()));
    layer.handle_message(udp(), parse(options), ms(700));
    assert_eq!(lines(&mut layer), ["200", "200"]);
    assert_eq!(layer.respond(key, reply(&request, 200), ms(800)), Err(Gone));
    assert_eq!(layer.counters().requests_repeated, 2);
    assert_eq!((run(&mut layer, ms(100_000)), layer.is_clean()), (vec![], true));
    assert_eq!(layer.server_flow(key), None);
}

#[test]
fn a_silent_user_makes_a_100_without_a_to_tag() {
    let mut layer = layer();
    let (key, request) = receive(&mut layer, &incoming("INVITE", "z9hG4bK1"), ms(0));
    layer.handle_timeout(ms(199));
    assert!(sent(&mut layer).is_empty());
    layer.handle_timeout(ms(200));
    let trying = parse(sent(&mut layer)[0].bytes.clone());
    assert_eq!((trying.status(), trying.to().expect("to").tag()), (Some(100), None));
    assert_eq!(layer.respond(key, reply(&request, 180), ms(300)), Ok(()));
    assert_eq!(layer.respond(key, reply(&request, 486), ms(400)), Ok(()));
    assert_eq!(lines(&mut layer), ["180", "486"]);
    let ack = incoming("ACK", "z9hG4bK1");
    layer.handle_message(udp(), parse(ack), ms(450));
    assert!(events(&mut layer).is_empty(), "the ACK of a failure stays below");
    assert_eq!((run(&mut layer, ms(100_000)), layer.is_clean()), (vec![], true));
}

#[test]
fn an_ack_that_never_comes_is_told() {
    let mut layer = layer();
    let (key, request) = receive(&mut layer, &incoming("INVITE", "z9hG4bK1"), ms(0));
    assert_eq!(layer.respond(key, reply(&request, 486), ms(0)), Ok(()));
    assert_eq!(sent(&mut layer).len(), 1);
    assert_eq!(run(&mut layer, ms(100_000)).len(), 10);
    assert_eq!(events(&mut layer), ["server Timeout"]);
    assert!(layer.is_clean());
    assert_eq!((layer.counters().resent, layer.counters().timeouts), (10, 1));
}

#[test]
fn the_ack_of_a_2xx_climbs_whatever_its_branch() {
    let mut layer = layer();
    let invite = incoming("INVITE", "z9hG4bK1");
    let (key, request) = receive(&mut layer, &invite, ms(0));
    assert_eq!(layer.respond(key, reply(&request, 200), ms(100)), Ok(()));
    assert_eq!(layer.respond(key, reply(&request, 200), ms(600)), Ok(()), "the user repeats its 2xx");
    layer.handle_message(udp(), parse(invite), ms(650));
    assert_eq!(lines(&mut layer), ["200", "200"]);
    for branch in ["z9hG4bK2", "z9hG4bK1"] {
        layer.handle_message(udp(), parse(incoming("ACK", branch)), ms(700));
        assert_eq!(events(&mut layer), ["ACK"]);
    }
    run(&mut layer, ms(100_000));
    assert!(layer.is_clean());
}

#[test]
fn responses_go_back_by_rfc_3261_18_2_2_and_rfc_3581() {
    let mut layer = layer();
    let from_nat = Flow { remote: "203.0.113.5:33333".parse().expect("address"), ..udp() };
    for (rport, port) in [(true, 33_333), (false, 5060)] {
        let text = incoming("OPTIONS", if rport { "z9hG4bKa" } else { "z9hG4bKb" });
        let text = if rport { text } else { text.replace(";rport", "") };
        layer.handle_message(from_nat, parse(text), ms(0));
        let Some(Event::Request { key, request, flow }) = layer.poll_event() else { panic!("no request") };
        assert_eq!(flow, from_nat);
        assert_eq!(layer.respond(key, reply(&request, 200), ms(1)), Ok(()));
        let out = layer.poll_transmit().expect("a response").flow.remote;
        assert_eq!(out, ([203, 0, 113, 5], port).into());
    }
}

#[test]
fn a_client_gives_its_request_a_via_and_repeats_it() {
    let mut layer = layer();
    let key = layer.request(udp(), outgoing("OPTIONS"), ms(0));
    let first = sent(&mut layer);
    let request = parse(first[0].bytes.clone());
    let via = request.top_via().expect("via");
    assert!(via.has_magic_cookie() && via.rport() == Some(None));
    assert_eq!((via.sent_by(), via.transport()), ("192.0.2.1:5060", "UDP"));
    layer.handle_timeout(ms(500));
    assert_eq!(sent(&mut layer), first);
    layer.handle_message(udp(), answer(&first[0].bytes, 200, "b1"), ms(600));
    layer.handle_message(udp(), answer(&first[0].bytes, 200, "b1"), ms(700));
    match layer.poll_event() {
        Some(Event::Response { key: of, response, .. }) => assert_eq!((of, response.status()), (key, Some(200))),
        other => panic!("no response but {other:?}"),
    }
    assert!(layer.poll_event().is_none());
    assert_eq!((run(&mut layer, ms(100_000)), layer.is_clean()), (vec![], true));
}

#[test]
fn the_ack_of_a_failure_is_made_by_section_17_1_1_3() {
    let mut layer = layer();
    layer.request(udp(), outgoing("INVITE").header("Authorization", "Digest x=\"y\""), ms(0));
    let invite = sent(&mut layer)[0].bytes.clone();
    layer.handle_message(udp(), answer(&invite, 100, ""), ms(50));
    layer.handle_message(udp(), answer(&invite, 180, "early"), ms(100));
    layer.handle_message(udp(), answer(&invite, 486, "final"), ms(200));
    layer.handle_message(udp(), answer(&invite, 486, "final"), ms(700));
    assert_eq!(events(&mut layer), ["180", "486"]);
    let acks = sent(&mut layer);
    assert_eq!(acks.len(), 2);
    assert_eq!(acks[0], acks[1]);
    let (ack, invite) = (parse(acks[0].bytes.clone()), parse(invite));
    assert_eq!(ack.request_uri_str(), invite.request_uri_str());
    assert_eq!(ack.to().expect("to").tag(), Some("final"));
    assert_eq!(ack.cseq().expect("cseq").number, 7);
    assert_eq!(ack.top_via().expect("via").branch(), invite.top_via().expect("via").branch());
    assert_eq!(ack.values(Name::Via).count(), 1);
    for name in [Name::Route, Name::From, Name::CallId, Name::Authorization] {
        let fields = |message: &Message| message.headers(name).map(|v| v.to_string()).collect::<Vec<_>>();
        assert_eq!(fields(&ack), fields(&invite));
    }
    run(&mut layer, ms(100_000));
    assert!(layer.is_clean());
}

#[test]
fn every_2xx_of_a_fork_climbs() {
    let mut layer = layer();
    layer.request(udp(), outgoing("INVITE"), ms(0));
    let invite = sent(&mut layer)[0].bytes.clone();
    for tag in ["one", "two", "one"] {
        layer.handle_message(udp(), answer(&invite, 200, tag), ms(100));
    }
    assert_eq!(events(&mut layer), ["200", "200", "200"]);
    assert!(sent(&mut layer).is_empty(), "the user acknowledges a 2xx");
    assert_eq!((run(&mut layer, ms(100_000)), layer.is_clean()), (vec![], true));
}

#[test]
fn stray_responses_are_dropped_and_counted() {
    let mut layer = layer();
    layer.request(udp(), outgoing("OPTIONS"), ms(0));
    let request = sent(&mut layer)[0].bytes.clone();
    let good = String::from_utf8(answer(&request, 200, "b").bytes().to_vec()).expect("text");
    let strays = [
        good.replace("branch=z9hG4bK", "branch=z9hG4bKx"),
        good.replace("7 OPTIONS", "7 INVITE"),
        good.replace("7 OPTIONS", "7 CANCEL"),
        good.replace("From:", "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK9\r\nFrom:"),
    ];
    for stray in strays {
        layer.handle_message(udp(), parse(stray), ms(10));
    }
    assert!(events(&mut layer).is_empty());
    assert_eq!(layer.counters().responses_stray, 4);
    layer.handle_message(udp(), parse(good), ms(20));
    assert_eq!(events(&mut layer), ["200"]);
}

#[test]
fn twenty_thousand_transactions_come_and_go() {
    let mut layer = layer();
    for i in 0..10_000 {
        let text = incoming("OPTIONS", &format!("z9hG4bK{i}"));
        let (key, request) = receive(&mut layer, &text, ms(i / 10));
        assert_eq!(layer.respond(key, reply(&request, 200), ms(i / 10)), Ok(()));
        layer.request(udp(), outgoing("OPTIONS"), ms(i / 10));
    }
    assert_eq!(layer.len(), 20_000);
    sent(&mut layer);
    run(&mut layer, ms(1_000_000));
    assert_eq!(events(&mut layer).len(), 10_000);
    assert!(layer.is_clean() && layer.is_empty());
}

#[test]
fn phones_behind_two_nats_may_count_their_branches_alike() {
    let mut layer = layer();
    let options = incoming("OPTIONS", "z9hG4bK1");
    let (first, _) = receive(&mut layer, &options, ms(0));
    let from = |ip: [u8; 4]| Flow { remote: (ip, 5060).into(), ..udp() };
    layer.handle_message(from([198, 51, 100, 7]), parse(options.clone()), ms(10));
    let Some(Event::Request { key: second, request, flow }) = layer.poll_event() else { panic!("taken for a copy") };
    assert_ne!(first, second);
    assert_eq!(layer.respond(second, reply(&request, 200), ms(20)), Ok(()));
    assert_eq!(sent(&mut layer)[0].flow.remote.ip(), flow.remote.ip(), "each is answered where it is");
    // Nor does a stranger who guesses the branch cancel another's call.
    let (_, _) = receive(&mut layer, &incoming("INVITE", "z9hG4bK2"), ms(30));
    layer.handle_message(from([198, 51, 100, 7]), parse(incoming("CANCEL", "z9hG4bK2")), ms(40));
    assert_eq!((lines(&mut layer), events(&mut layer)), (vec!["481".to_owned()], vec![]));
}
