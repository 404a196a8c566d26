//! CANCEL from both sides (section 9).

use super::layer::receive;
use super::tools::*;
use sip_message::{Message, Name};

#[test]
fn a_cancel_waits_for_a_provisional_response_and_copies_the_invite() {
    let mut layer = layer();
    let key = layer.request(udp(), outgoing("INVITE"), ms(0));
    let invite = sent(&mut layer)[0].bytes.clone();
    layer.cancel(key, &[("Reason", "SIP;cause=200")], ms(10));
    assert!(sent(&mut layer).is_empty());
    layer.handle_message(udp(), answer(&invite, 100, ""), ms(100));
    let out = sent(&mut layer);
    assert_eq!(out.len(), 1);
    let (cancel, sent_invite) = (parse(out[0].bytes.clone()), parse(invite.clone()));
    assert_eq!(cancel.request_uri_str(), sent_invite.request_uri_str());
    let cseq = cancel.cseq().expect("cseq");
    assert_eq!((cseq.number, cseq.method.as_str()), (7, "CANCEL"));
    assert_eq!(cancel.header("Reason").map(|v| v.to_string()).as_deref(), Some("SIP;cause=200"));
    for name in [Name::Via, Name::Route, Name::From, Name::To, Name::CallId] {
        let fields = |message: &Message| message.headers(name).map(|v| v.to_string()).collect::<Vec<_>>();
        assert_eq!(fields(&cancel), fields(&sent_invite), "{name}");
    }
    // A second wish changes nothing; the CANCEL's own response stays hidden.
    layer.cancel(key, &[], ms(110));
    layer.handle_message(udp(), answer(&out[0].bytes, 200, "b1"), ms(150));
    assert!(sent(&mut layer).is_empty() && events(&mut layer).is_empty());
    layer.handle_message(udp(), answer(&invite, 487, "b1"), ms(200));
    assert_eq!((events(&mut layer), lines(&mut layer)), (vec!["487".to_owned()], vec!["ACK".to_owned()]));
    run(&mut layer, ms(100_000));
    assert!(layer.is_clean());
}

#[test]
fn a_cancelled_invite_without_a_final_response_times_out() {
    let mut layer = layer();
    let key = layer.request(udp(), outgoing("INVITE"), ms(0));
    let invite = sent(&mut layer)[0].bytes.clone();
    layer.handle_message(udp(), answer(&invite, 180, "b1"), ms(100));
    layer.cancel(key, &[], ms(60_000));
    assert_eq!(lines(&mut layer), ["CANCEL"]);
    let resent = run(&mut layer, ms(200_000));
    assert_eq!(resent.len(), 10, "the CANCEL is repeated by Timer E: {resent:?}");
    assert_eq!(events(&mut layer), ["180", "client Timeout"], "of the CANCEL nothing is told");
    assert!(layer.is_clean());
}

#[test]
fn a_final_response_overtakes_the_wish_to_cancel() {
    let mut layer = layer();
    let key = layer.request(udp(), outgoing("INVITE"), ms(0));
    let invite = sent(&mut layer)[0].bytes.clone();
    layer.cancel(key, &[], ms(10));
    layer.handle_message(udp(), answer(&invite, 200, "b1"), ms(100));
    layer.handle_message(udp(), answer(&invite, 180, "b1"), ms(110));
    layer.cancel(key, &[], ms(120));
    assert_eq!((lines(&mut layer), events(&mut layer)), (vec![], vec!["200".to_owned()]));
    // A CANCEL is for INVITEs only.
    let options = layer.request(udp(), outgoing("OPTIONS"), ms(200));
    sent(&mut layer);
    layer.cancel(options, &[], ms(210));
    assert!(sent(&mut layer).is_empty());
    run(&mut layer, ms(100_000));
    assert!(layer.is_clean());
}

#[test]
fn a_cancel_that_comes_is_answered_here_with_the_tag_of_the_invite() {
    let mut layer = layer();
    let (key, request) = receive(&mut layer, &incoming("INVITE", "z9hG4bK1"), ms(0));
    assert_eq!(layer.respond(key, reply(&request, 180), ms(10)), Ok(()));
    sent(&mut layer);
    for copy in 0..2 {
        layer.handle_message(udp(), parse(incoming("CANCEL", "z9hG4bK1")), ms(100 + copy));
    }
    let out = sent(&mut layer);
    assert_eq!(out.len(), 2);
    let ok = parse(out[0].bytes.clone());
    assert_eq!((ok.status(), ok.to().expect("to").tag()), (Some(200), Some("ours")));
    assert_eq!(events(&mut layer), ["cancelled"]);
    assert_eq!(layer.respond(key, reply(&request, 487), ms(200)), Ok(()));
    // Too late, and a copy with another branch: answered, and nothing to tell.
    layer.handle_message(udp(), parse(incoming("CANCEL", "z9hG4bK2")), ms(210));
    assert_eq!(lines(&mut layer), ["487", "481"]);
    assert!(events(&mut layer).is_empty());
    assert_eq!(layer.counters().cancels_unmatched, 1);
    layer.handle_message(udp(), parse(incoming("ACK", "z9hG4bK1")), ms(220));
    run(&mut layer, ms(100_000));
    assert!(layer.is_clean() && events(&mut layer).is_empty());
}

#[test]
fn a_cancel_after_the_final_response_is_answered_and_has_no_effect() {
    let mut layer = layer();
    let (key, request) = receive(&mut layer, &incoming("INVITE", "z9hG4bK1"), ms(0));
    assert_eq!(layer.respond(key, reply(&request, 200), ms(10)), Ok(()));
    layer.handle_message(udp(), parse(incoming("CANCEL", "z9hG4bK1")), ms(20));
    assert_eq!(lines(&mut layer), ["200", "200"]);
    assert!(events(&mut layer).is_empty());
}
