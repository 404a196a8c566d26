//! Reliable provisional responses and their races (RFC 3262).

use super::basic::raw;
use super::pair::{A, B, Fate, Pair};
use sip_message::{Message, Method, Name};

fn is_status(message: &Message, status: u16) -> bool {
    message.status() == Some(status)
}

#[test]
fn early_media_is_acknowledged_and_ringing_is_not() {
    let mut pair = Pair::new(1);
    let a = pair.invite();
    let b = pair.arrival();
    pair.progress(b, 180, None);
    pair.run(100);
    assert_eq!(pair.count("PRACK"), 0, "no description, no need: {}", pair.ladder());
    pair.progress(b, 183, Some("early"));
    pair.run(100);
    let early = pair.sent(B).find(|m| is_status(m, 183)).expect("the 183");
    assert!(early.has_token(Name::Require, "100rel"));
    let rseq: u32 = early.header(Name::RSeq).and_then(|v| v.number()).expect("RSeq");
    let prack = pair.sent(A).find(|m| m.is_method(Method::Prack)).expect("the PRACK");
    assert_eq!(prack.header(Name::RAck).map(|v| v.text().into_owned()), Some(format!("{rseq} 1 INVITE")));
    assert!(pair.ends[B].dialogs.has_described(b));
    pair.accept(b, None);
    pair.run(100);
    assert_eq!(pair.ends[A].names(), ["Progress 180 -", "Progress 183 early", "Answered early"], "{}", pair.ladder());
    pair.hangup(A, a);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn a_lost_response_comes_again_and_a_repeated_one_is_acknowledged_once() {
    let mut pair = Pair::new(2);
    let a = pair.invite();
    let b = pair.arrival();
    let mut seen = 0;
    pair.filter = Box::new(move |_, message: &Message| {
        seen += i32::from(is_status(message, 183));
        // The second 183 gets through, and its PRACK is late, so that a third one comes.
        if is_status(message, 183) && seen == 1 {
            Fate::Drop
        } else if message.is_method(Method::Prack) {
            Fate::Delay(core::time::Duration::from_millis(1_100))
        } else {
            Fate::Pass
        }
    });
    pair.progress(b, 183, Some("early"));
    pair.run(4_000);
    assert!(pair.count("183") >= 3 && pair.count("PRACK 2") >= 2, "{}", pair.ladder());
    assert_eq!(pair.ends[A].names(), ["Progress 183 early"]);
    assert!(pair.sent(A).filter(|m| m.is_method(Method::Prack)).all(|m| m.cseq().is_ok_and(|c| c.number == 2)));
    pair.hangup(A, a);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn the_2xx_waits_for_the_prack_of_a_description_and_for_no_other() {
    let mut pair = Pair::new(3);
    pair.configure(A, |config| config.supported = "100rel".to_owned());
    let a = pair.invite();
    let b = pair.arrival();
    pair.filter = Box::new(|_, message: &Message| {
        if message.is_method(Method::Prack) {
            return Fate::Delay(core::time::Duration::from_millis(400));
        }
        Fate::Pass
    });
    pair.progress(b, 183, Some("early"));
    pair.accept(b, None);
    assert!(!pair.ends[B].dialogs.is_confirmed(b), "the description is not acknowledged");
    pair.run(300);
    assert!(!pair.ends[B].dialogs.is_confirmed(b), "{}", pair.ladder());
    pair.run(400);
    assert!(pair.ends[B].dialogs.is_confirmed(b), "{}", pair.ladder());
    pair.run(400);
    assert_eq!(pair.ends[A].names(), ["Progress 183 early", "Answered early"], "{}", pair.ladder());
    pair.hangup(B, b);
    pair.run_out().expect("an end");
    let _ = a;
    pair.assert_empty();
}

fn requiring(pair: &mut Pair, offer: Option<&'static str>) -> crate::DialogKey {
    let mut spec = pair.spec(A, offer);
    spec.headers.push(("Require".to_owned(), "100rel".to_owned()));
    let key = pair.act(A, |end, now| end.dialogs.invite(&mut end.tx, spec, now));
    pair.run(100);
    key
}

#[test]
fn a_caller_that_insists_gets_every_response_reliably_and_one_after_another() {
    let mut pair = Pair::new(4);
    let a = requiring(&mut pair, Some("offer"));
    let b = pair.arrival();
    pair.progress(b, 180, None);
    pair.progress(b, 183, Some("early"));
    assert_eq!(pair.count("183"), 0, "the 180 is not acknowledged yet");
    // A 180 carries no description: the 2xx need not wait, and the PRACK that comes later is answered.
    pair.run(100);
    assert_eq!(pair.count("PRACK 2") + pair.count("PRACK 3"), 2, "{}", pair.ladder());
    let numbers: Vec<u32> = pair.sent(B).filter_map(|m| m.header(Name::RSeq).and_then(|v| v.number())).collect();
    assert_eq!(numbers.len(), 2);
    assert_eq!(numbers[1], numbers[0] + 1);
    pair.hangup(A, a);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn a_prack_after_the_2xx_is_answered_200() {
    let mut pair = Pair::new(5);
    let a = requiring(&mut pair, Some("offer"));
    let b = pair.arrival();
    pair.filter = Box::new(|_, message: &Message| {
        if message.is_method(Method::Prack) {
            return Fate::Delay(core::time::Duration::from_millis(300));
        }
        Fate::Pass
    });
    pair.progress(b, 180, None);
    pair.run(50);
    pair.accept(b, Some("answer"));
    pair.run(1_000);
    assert!(pair.ends[B].dialogs.is_confirmed(b));
    assert_eq!(pair.count("200 (2 PRACK)"), 1, "{}", pair.ladder());
    pair.hangup(A, a);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn a_caller_that_insists_and_offers_nothing_hears_only_the_2xx() {
    let mut pair = Pair::new(6);
    let a = requiring(&mut pair, None);
    let b = pair.arrival();
    pair.progress(b, 180, None);
    pair.run(100);
    assert_eq!(pair.count("180"), 0);
    pair.accept(b, Some("offer of B"));
    pair.run(100);
    assert_eq!(pair.ends[A].names(), ["Answered offer of B"]);
    let answer = bytes::Bytes::from_static(b"answer");
    pair.act(A, |end, now| end.dialogs.ack(&mut end.tx, a, answer, now)).expect("the ACK");
    pair.run(100);
    assert_eq!(pair.ends[B].names(), ["Confirmed answer"]);
    pair.hangup(A, a);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn without_a_prack_the_invite_is_refused() {
    let mut pair = Pair::new(7);
    let _ = requiring(&mut pair, Some("offer"));
    let b = pair.arrival();
    pair.filter =
        Box::new(|_, message: &Message| if message.is_method(Method::Prack) { Fate::Drop } else { Fate::Pass });
    pair.progress(b, 180, None);
    pair.run_out().expect("an end");
    assert_eq!(pair.ends[B].names(), ["Ended NoPrack"]);
    assert_eq!(pair.ends[A].names(), ["Progress 180 -", "Failed 504 Response"]);
    pair.assert_empty();
}

#[test]
fn a_prack_that_fits_nothing_gets_481_and_an_overtaking_response_is_dropped() {
    let mut pair = Pair::new(8);
    let a = pair.invite();
    let b = pair.arrival();
    pair.progress(b, 183, Some("early"));
    pair.run(100);
    let bogus = raw(&pair, A, (a, b), ("PRACK", 9), "RAck: 4711 1 INVITE\r\n");
    pair.inject(B, bogus);
    assert_eq!(pair.count("481 (9 PRACK)"), 1, "{}", pair.ladder());
    // The same response two numbers on: it is not its turn.
    let early = pair.sent(B).find(|m| is_status(m, 183)).expect("the 183");
    let rseq: u32 = early.header(Name::RSeq).and_then(|v| v.number()).expect("RSeq");
    let bytes = pair.text(B, "SIP/2.0 183").replace(&format!("RSeq: {rseq}"), &format!("RSeq: {}", rseq + 2));
    let pracks = pair.count("PRACK");
    pair.inject(A, bytes);
    assert_eq!(pair.count("PRACK"), pracks, "{}", pair.ladder());
    assert_eq!(pair.ends[A].names(), ["Progress 183 early"]);
    pair.hangup(A, a);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn an_offer_in_a_prack_is_answered_in_its_200() {
    let mut pair = Pair::new(9);
    let a = pair.invite();
    let b = pair.arrival();
    pair.filter =
        Box::new(|_, message: &Message| if message.is_method(Method::Prack) { Fate::Drop } else { Fate::Pass });
    pair.progress(b, 183, Some("early"));
    pair.run(20);
    let early = pair.sent(B).find(|m| is_status(m, 183)).expect("the 183");
    let rseq: u32 = early.header(Name::RSeq).and_then(|v| v.number()).expect("RSeq");
    let body = format!("RAck: {rseq} 1 INVITE\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\nagain");
    let prack = raw(&pair, A, (a, b), ("PRACK", 2), &body);
    pair.inject(B, prack);
    assert_eq!(pair.ends[B].names(), ["Reinvited again"]);
    pair.accept(b, None);
    assert!(!pair.ends[B].dialogs.is_confirmed(b), "an offer is unanswered");
    pair.answer(B, b, "answer").expect("answered");
    assert!(pair.ends[B].dialogs.is_confirmed(b));
    let ok = pair.sent(B).find(|m| m.cseq().is_ok_and(|c| c.method == Method::Prack)).expect("the 200");
    assert_eq!((ok.status(), ok.body()), (Some(200), &b"answer"[..]));
    pair.filter = Box::new(|_, _| Fate::Pass);
    pair.run(1_000);
    pair.hangup(A, a);
    pair.run_out().expect("an end");
    pair.assert_empty();
}
