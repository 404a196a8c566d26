//! BYE and what it races with (RFC 3261 section 15.1).

use super::basic::raw;
use super::pair::{A, B, Fate, Pair};
use sip_message::{Message, Method};

#[test]
fn byes_that_cross_are_both_answered() {
    let mut pair = Pair::new(1);
    let (a, b) = pair.connected();
    pair.hangup(A, a);
    pair.hangup(B, b);
    pair.run(1_000);
    assert_eq!(pair.sent(A).filter(|m| m.status() == Some(481)).count(), 0);
    assert_eq!(pair.count("200 ("), 2, "{}", pair.ladder());
    assert!(pair.ends[A].events.is_empty() && pair.ends[B].events.is_empty());
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn a_bye_that_is_lost_comes_again() {
    let mut pair = Pair::new(2);
    let (a, _) = pair.connected();
    let mut lost = 0;
    pair.filter = Box::new(move |_, message: &Message| {
        lost += 1;
        if message.is_method(Method::Bye) && lost < 4 { Fate::Drop } else { Fate::Pass }
    });
    pair.hangup(A, a);
    pair.run(10_000);
    assert_eq!(pair.ends[B].names(), ["Ended Bye { reason: None }"]);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn a_bye_nobody_answers_ends_with_its_transaction() {
    let mut pair = Pair::new(3);
    let (a, b) = pair.connected();
    pair.filter = Box::new(|from, _| if from == A { Fate::Drop } else { Fate::Pass });
    pair.hangup(A, a);
    pair.run(60_000);
    assert!(pair.ends[A].dialogs.is_empty());
    assert!(pair.ends[B].dialogs.is_confirmed(b), "B was not told: a media timeout or its session timer ends it");
    pair.filter = Box::new(|_, _| Fate::Pass);
    pair.run_out().expect("an end");
    assert_eq!(pair.ends[B].names(), ["Ended SessionExpired"]);
    pair.assert_empty();
}

#[test]
fn the_caller_may_send_bye_on_an_early_dialog() {
    let mut pair = Pair::new(4);
    let a = pair.invite();
    let b = pair.arrival();
    pair.act(B, |end, now| end.dialogs.progress(&mut end.tx, b, 180, None, &[], now)).expect("ringing");
    pair.run(100);
    let bye = raw(&pair, A, (a, b), ("BYE", 2), "");
    pair.inject(B, bye);
    pair.run(100);
    assert_eq!(pair.ends[B].names(), ["Cancelled"]);
    assert_eq!(pair.ends[A].names(), ["Progress 180 -", "Failed 487 Response"], "{}", pair.ladder());
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn a_callee_that_gave_up_waiting_for_our_ack_ends_our_early_dialog() {
    let mut pair = Pair::new(5);
    let a = pair.invite();
    let b = pair.arrival();
    pair.act(B, |end, now| end.dialogs.progress(&mut end.tx, b, 180, None, &[], now)).expect("ringing");
    pair.run(100);
    pair.filter = Box::new(|_, message: &Message| {
        let invite = message.cseq().is_ok_and(|cseq| cseq.method == Method::Invite);
        if message.status() == Some(200) && invite { Fate::Drop } else { Fate::Pass }
    });
    pair.act(B, |end, now| end.dialogs.accept(&mut end.tx, b, None, &[], now)).expect("accepted");
    pair.run(33_000);
    assert_eq!(pair.ends[B].names(), ["Ended AckTimeout"]);
    assert_eq!(pair.ends[A].names(), ["Progress 180 -", "Failed 408 Timeout"], "{}", pair.ladder());
    pair.hangup(A, a);
    pair.run_out().expect("an end");
    assert_eq!(pair.ends[A].events.len(), 2, "the end is told once");
    pair.assert_empty();
}

#[test]
fn a_bye_meets_a_reinvite() {
    let mut pair = Pair::new(6);
    let (a, b) = pair.connected();
    pair.reinvite(A, a, "offer 2").expect("sent");
    pair.run(100);
    assert_eq!(pair.ends[B].names(), ["Reinvited offer 2"]);
    // B hangs up instead of an answer: 487 and BYE.
    pair.hangup(B, b);
    assert!(pair.answer(B, b, "answer 2").is_err());
    pair.run(1_000);
    assert_eq!(pair.ends[A].names(), ["ReinviteFailed 487", "Ended Bye { reason: None }"], "{}", pair.ladder());
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn a_bye_crosses_a_reinvite() {
    let mut pair = Pair::new(7);
    let (a, b) = pair.connected();
    pair.reinvite(A, a, "offer 2").expect("sent");
    pair.hangup(B, b);
    pair.run(1_000);
    assert_eq!(pair.ends[A].names(), ["Ended Bye { reason: None }"], "{}", pair.ladder());
    assert!(pair.ends[B].events.is_empty());
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn the_offerer_hangs_up_while_its_reinvite_is_open() {
    let mut pair = Pair::new(8);
    let (a, b) = pair.connected();
    pair.reinvite(A, a, "offer 2").expect("sent");
    pair.run(500);
    pair.hangup(A, a);
    // The answer crosses the BYE: its 200 still gets an ACK.
    pair.answer(B, b, "answer 2").expect("answered");
    pair.run(5_000);
    assert!(pair.count("ACK") >= 1, "{}", pair.ladder());
    assert_eq!(pair.ends[B].names().last().map(String::as_str), Some("Ended Bye { reason: None }"));
    pair.run_out().expect("an end");
    pair.assert_empty();
}
