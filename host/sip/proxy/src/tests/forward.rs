//! Forwarding: sections 16.3, 16.4, 16.6 and what RFC 5393 and RFC 5658 add.

use super::kit::*;
use crate::{Config, Target, is_loop};
use bytes::Bytes;
use model::{Header, HeaderOp};
use sip_message::{Message, ParseLimits};
use std::sync::Arc;

fn message(text: &str) -> Message {
    Message::parse(Bytes::from(text.to_owned()), &ParseLimits::default()).expect("a message")
}

#[test]
fn an_invite_is_copied_with_what_a_proxy_changes() {
    let mut kit = Kit::new();
    let key = kit.open();
    let sent = kit.fork(key, vec![target(2, 1000)]).remove(0);
    let lines: Vec<&str> = sent.text.split("\r\n").collect();
    assert_eq!(lines[0], "INVITE sip:1002@10.0.0.2:5060 SIP/2.0", "16.6 step 2");
    assert!(lines[1].starts_with("Via: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bK"), "16.6 step 8: {}", lines[1]);
    assert!(lines[2].starts_with("Record-Route: <sip:") && lines[2].ends_with("@10.0.0.9:5060;lr>"), "step 4");
    assert_eq!(lines[3], "Via: SIP/2.0/UDP 10.0.0.1:5060;rport=5060;received=10.0.0.1;branch=z9hG4bKa1", "18.2.1");
    assert_eq!(lines[4], "Max-Forwards: 69", "16.6 step 3");
    assert!(sent.text.contains("\r\nMax-Breadth: 60\r\n"), "RFC 5393 section 5.3.3");
    let kept = "From: <sip:1001@demo.test>;tag=alice\r\nTo: <sip:1002@demo.test>\r\nCall-ID: c1\r\nCSeq: 7 INVITE\r\n\
                Contact: <sip:1001@10.0.0.1:5060>\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n";
    assert!(sent.text.contains(kept), "the rest is as it came: {}", sent.text);
    assert!(sent.text.ends_with("\r\n\r\nv=0\r\n"));
    message(&sent.text).validate().expect("a valid message");
    assert_eq!(kit.events(), ["started 2"]);
}

#[test]
fn a_request_without_max_forwards_gets_70_and_none_with_0_leaves() {
    let mut kit = Kit::new();
    let key = kit.open_on(&INVITE.replace("Max-Forwards: 70\r\n", ""), flow(1), false);
    let sent = kit.fork(key, vec![target(2, 1000)]).remove(0);
    assert_eq!(field(&sent.text, "Max-Forwards"), Some("70"));
    let mut kit = Kit::new();
    let key = kit.open_on(&INVITE.replace("Forwards: 70", "Forwards: 0"), flow(1), false);
    assert!(kit.fork(key, vec![target(2, 1000)]).is_empty());
    assert_eq!(kit.events(), ["started 2", "failed 2 503 here", "spent"]);
}

#[test]
fn two_faces_are_recorded_where_the_ways_in_and_out_differ() {
    let mut kit = Kit::new();
    let key = kit.open_on(&INVITE.replace("/UDP", "/TCP"), tcp(1), false);
    let sent = kit.fork(key, vec![target(2, 1000)]).remove(0);
    let recorded: Vec<&str> = fields(&sent.text, "Record-Route").collect();
    assert_eq!(recorded.len(), 2);
    assert!(recorded[0].ends_with("@10.0.0.9:5060;lr>"), "the callee's side is on top: {recorded:?}");
    assert!(recorded[1].ends_with("@10.0.0.9:5060;transport=tcp;lr>"));
}

#[test]
fn routes_of_the_caller_go_and_those_of_the_target_come() {
    let mut kit = Kit::new();
    let routed =
        INVITE.replace("Max-F", "Route: <sip:10.0.0.9;lr>, <sip:far.test;lr>\r\nRoute: <sip:else.test;lr>\r\nMax-F");
    let key = kit.open_on(&routed, flow(1), false);
    let path = Target { routes: vec!["<sip:edge.test;lr>".to_owned()], ..target(2, 1000) };
    let sent = kit.fork(key, vec![path]).remove(0);
    assert_eq!(fields(&sent.text, "Route").collect::<Vec<_>>(), ["<sip:edge.test;lr>"]);
}

#[test]
fn credentials_for_us_stay_here_and_those_for_others_pass() {
    let mut kit = Kit::new();
    let ours = "Authorization: Digest username=\"1001\", realm=\"demo.test\", nonce=\"n\"\r\n";
    let theirs = "Proxy-Authorization: Digest username=\"x\", realm=\"far.test\", nonce=\"n\"\r\n";
    let key = kit.open_on(&INVITE.replace("Max-F", &format!("{ours}{theirs}Max-F")), flow(1), false);
    let sent = kit.fork(key, vec![target(2, 1000)]).remove(0);
    assert_eq!(field(&sent.text, "Authorization"), None);
    assert!(field(&sent.text, "Proxy-Authorization").is_some());
}

#[test]
fn the_plans_changes_are_made_and_add_no_line_of_their_own() {
    let mut kit = Kit::new();
    let key = kit.open_on(&INVITE.replace("Max-F", "X-Old: 1\r\nSubject: a\r\ns: b\r\nMax-F"), flow(1), false);
    let header = |name: &str, value: &str| Header { name: name.to_owned(), value: value.to_owned() };
    let header_ops = Arc::from([
        HeaderOp::Remove("x-old".to_owned()),
        HeaderOp::Set(header("Subject", "c")),
        HeaderOp::Add(header("X-New", "1\r\nX-Evil: 2")),
    ]);
    let sent = kit.fork(key, vec![Target { header_ops, ..target(2, 1000) }]).remove(0);
    assert_eq!(field(&sent.text, "X-Old"), None);
    assert_eq!(fields(&sent.text, "Subject").chain(fields(&sent.text, "s")).collect::<Vec<_>>(), ["c"]);
    assert_eq!(field(&sent.text, "X-New"), Some("1  X-Evil: 2"));
}

#[test]
fn a_request_that_comes_round_unchanged_is_a_loop_and_one_that_was_changed_spirals() {
    let mut kit = Kit::new();
    let key = kit.open();
    let same = Target { request_uri: "sip:1002@demo.test".to_owned(), ..target(2, 1000) };
    let sent = kit.fork(key, vec![same]).remove(0);
    let own = [flow(1).local];
    assert!(!is_loop(&message(INVITE), |address| own.contains(&address)));
    assert!(is_loop(&message(&sent.text), |address| own.contains(&address)), "RFC 5393 section 4.2");
    let spiral = sent.text.replacen("INVITE sip:1002@", "INVITE sip:1003@", 1);
    assert!(!is_loop(&message(&spiral), |address| own.contains(&address)));
    assert!(!is_loop(&message(&sent.text), |address| address == flow(2).remote), "somebody else's loop");
}

#[test]
fn a_fork_is_no_wider_than_max_breadth() {
    let wide = |breadth: &str| INVITE.replace("Max-F", &format!("Max-Breadth: {breadth}\r\nMax-F"));
    let targets = || vec![target(2, 1000), target(3, 1000), target(4, 1000)];
    let mut kit = Kit::new();
    let key = kit.open_on(&wide("2"), flow(1), false);
    let sent = kit.fork(key, targets());
    assert_eq!(lines(&sent), ["INVITE > 10.0.0.2", "INVITE > 10.0.0.3"], "the third waits");
    assert_eq!(field(&sent[0].text, "Max-Breadth"), Some("1"));
    kit.hear(flow(2), &answer(&sent[0].text, 486, "b"));
    kit.hear(flow(3), &answer(&sent[1].text, 486, "c"));
    assert!(lines(&kit.sent()).contains(&"INVITE > 10.0.0.4".to_owned()));
    let mut kit = Kit::new();
    let key = kit.open_on(&wide("0"), flow(1), false);
    assert!(kit.fork(key, targets()).is_empty());
    assert_eq!(kit.proxy.conclude(&mut kit.tx, key, 480, kit.now), 440);
    let mut kit = Kit::with(Config { breadth: 3, ..Config::default() });
    let key = kit.open();
    assert_eq!(kit.fork(key, targets()).len(), 3);
}
