//! Requests that the layer refuses or matches by other means than the branch.

use super::layer::receive;
use super::tools::*;
use crate::{Config, Layer};
use model::IdSource;

#[test]
fn phones_of_rfc_2543_are_matched_by_the_whole_request() {
    let old = |method: &str| incoming(method, "1").replace(";branch=1;rport", "");
    let mut layer = layer();
    let (key, request) = receive(&mut layer, &old("INVITE"), ms(0));
    layer.handle_message(udp(), parse(old("INVITE")), ms(100));
    assert!(events(&mut layer).is_empty(), "a copy is known");
    layer.handle_message(udp(), parse(old("CANCEL")), ms(200));
    assert_eq!(events(&mut layer), ["cancelled"]);
    assert_eq!(layer.respond(key, reply(&request, 487), ms(300)), Ok(()));
    let ack = old("ACK").replace("<sip:bob@example.com>", "<sip:bob@example.com>;tag=ours");
    layer.handle_message(udp(), parse(ack), ms(400));
    assert!(events(&mut layer).is_empty(), "the ACK is for the 487");
    // Another request of the same call is another transaction.
    layer.handle_message(udp(), parse(old("INVITE").replace("CSeq: 7", "CSeq: 8")), ms(500));
    assert_eq!(events(&mut layer), ["INVITE"]);
}

#[test]
fn branches_count_with_sent_by_and_method() {
    let mut layer = layer();
    let invite = incoming("INVITE", "z9hG4bK1");
    layer.handle_message(udp(), parse(invite.clone()), ms(0));
    layer.handle_message(udp(), parse(incoming("OPTIONS", "z9hG4bK1")), ms(0));
    let elsewhere = invite.replace("192.0.2.2:5060", "192.0.2.7:5060").replace("call-1", "call-2");
    layer.handle_message(udp(), parse(elsewhere), ms(0));
    assert_eq!(events(&mut layer), ["INVITE", "OPTIONS", "INVITE"]);
}

#[test]
fn the_same_invite_by_another_path_is_refused_482() {
    let mut layer = layer();
    let (key, request) = receive(&mut layer, &incoming("INVITE", "z9hG4bK1"), ms(0));
    layer.handle_message(udp(), parse(incoming("INVITE", "z9hG4bK2")), ms(10));
    assert_eq!((lines(&mut layer), events(&mut layer)), (vec!["482".to_owned()], vec![]));
    layer.handle_message(udp(), parse(incoming("ACK", "z9hG4bK2")), ms(20));
    assert!(events(&mut layer).is_empty());
    assert_eq!(layer.counters().merged, 1);
    // A fork before us that leads to two of ours is two questions (section 16.6), and so is a spiral.
    let fork = incoming("INVITE", "z9hG4bK5").replacen("INVITE sip:", "INVITE sip:also-", 1);
    layer.handle_message(udp(), parse(fork), ms(25));
    assert_eq!(events(&mut layer), ["INVITE"]);
    // Within a dialog, the same CSeq by another branch is the dialog's question.
    let within = incoming("INVITE", "z9hG4bK3").replace("bob@example.com>", "bob@example.com>;tag=x");
    layer.handle_message(udp(), parse(within), ms(30));
    assert_eq!(events(&mut layer), ["INVITE"]);
    // A challenged INVITE may come again with the same CSeq.
    assert_eq!(layer.respond(key, reply(&request, 401), ms(40)), Ok(()));
    layer.handle_message(udp(), parse(incoming("INVITE", "z9hG4bK4")), ms(50));
    assert_eq!(events(&mut layer), ["INVITE"]);
}

#[test]
fn too_many_transactions_are_refused_503_and_dialogs_go_on() {
    let config = Config { transactions_max: 8, ..Config::default() };
    let mut layer = Layer::new(config, IdSource::new([1; 32]));
    let text = |i: u32| incoming("INVITE", &format!("z9hG4bK{i}")).replace("call-1", &format!("call-{i}"));
    for i in 0..8 {
        receive(&mut layer, &text(i), ms(0));
    }
    layer.handle_message(udp(), parse(text(8)), ms(1));
    layer.handle_message(udp(), parse(text(8)), ms(500));
    let out = sent(&mut layer);
    assert_eq!(out.len(), 2, "each copy is refused, nothing is kept");
    let refusal = parse(out[0].bytes.clone());
    assert!(refusal.status() == Some(503) && refusal.header("Retry-After").is_some());
    assert!(events(&mut layer).is_empty() && layer.len() == 8);
    // Its ACK is known by the tag we gave.
    let tag = refusal.to().expect("to").tag().expect("tag").to_owned();
    let ack = text(8).replace("INVITE", "ACK").replace("bob@example.com>", &format!("bob@example.com>;tag={tag}"));
    layer.handle_message(udp(), parse(ack), ms(600));
    assert!(events(&mut layer).is_empty());
    assert_eq!((layer.counters().acks_dropped, layer.counters().overloaded), (1, 2));
    // A copy of what is known, a CANCEL and two requests within dialogs are let in.
    layer.handle_message(udp(), parse(text(3)), ms(700));
    let bye = |i: u32| incoming("BYE", &format!("z9hG4bKb{i}")).replace("bob@example.com>", "bob@example.com>;tag=x");
    for i in 0..3 {
        layer.handle_message(udp(), parse(bye(i)), ms(800));
    }
    layer.handle_message(udp(), parse(text(0).replace("INVITE", "CANCEL")), ms(900));
    assert_eq!(events(&mut layer), ["BYE", "BYE", "cancelled"]);
}

#[test]
fn an_ack_of_nobody_climbs_and_an_early_one_does_not() {
    let mut layer = layer();
    layer.handle_message(udp(), parse(incoming("ACK", "z9hG4bK9")), ms(0));
    assert_eq!(events(&mut layer), ["ACK"]);
    receive(&mut layer, &incoming("INVITE", "z9hG4bK1"), ms(0));
    layer.handle_message(udp(), parse(incoming("ACK", "z9hG4bK1")), ms(10));
    assert!(events(&mut layer).is_empty());
    assert_eq!(layer.counters().acks_dropped, 1);
}
