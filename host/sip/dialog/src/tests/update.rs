//! UPDATE (RFC 3311): in the confirmed dialog, before the answer, and where it may not be.

use super::basic::raw;
use super::pair::{A, B, Pair};
use crate::DialogError;
use sip_message::{Message, Method};

const SDP: &str = "Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\noffer";

#[test]
fn either_side_offers_anew_without_an_ack() {
    let mut pair = Pair::new(1);
    let (a, b) = pair.connected();
    for (from, key, to, peer) in [(A, a, B, b), (B, b, A, a)] {
        pair.update(from, key, "hold").expect("sent");
        pair.run(100);
        assert_eq!(pair.ends[to].names(), ["Reinvited hold"]);
        pair.answer(to, peer, "held").expect("answered");
        pair.run(100);
        assert_eq!(pair.ends[from].names(), ["ReinviteAnswered held"]);
        assert_eq!(pair.count("ACK"), 0, "{}", pair.ladder());
        pair.ends[A].events.clear();
        pair.ends[B].events.clear();
    }
    pair.hangup(A, a);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn before_the_answer_it_takes_a_reliable_description() {
    let mut pair = Pair::new(2);
    let a = pair.invite();
    let b = pair.arrival();
    pair.progress(b, 180, None);
    pair.run(100);
    assert_eq!(pair.update(A, a, "offer"), Err(DialogError::WrongState));
    assert_eq!(pair.update(B, b, "offer"), Err(DialogError::WrongState));
    // One that breaks the rule: their INVITE's offer is unanswered.
    let early = raw(&pair, A, (a, b), ("UPDATE", 2), SDP);
    pair.inject(B, early);
    assert_eq!(pair.count("500 (2 UPDATE)"), 1, "{}", pair.ladder());
    pair.progress(b, 183, Some("early"));
    pair.run(100);
    assert!(pair.ends[A].dialogs.can_update(a) && pair.ends[B].dialogs.can_update(b));
    pair.update(B, b, "offer of B").expect("sent");
    pair.run(100);
    pair.answer(A, a, "answer of A").expect("answered");
    pair.run(100);
    assert_eq!(pair.ends[B].names(), ["ReinviteAnswered answer of A"], "{}", pair.ladder());
    pair.update(A, a, "offer of A").expect("sent");
    pair.run(100);
    pair.answer(B, b, "answer of B").expect("answered");
    pair.accept(b, None);
    pair.run(100);
    assert_eq!(
        pair.ends[A].names()[2..],
        ["Reinvited offer of B", "ReinviteAnswered answer of B", "Answered early"],
        "{}",
        pair.ladder()
    );
    pair.hangup(A, a);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn an_update_without_an_offer_refreshes_the_target_and_is_answered_here() {
    let mut pair = Pair::new(3);
    let keys = pair.connected();
    let text = raw(&pair, A, keys, ("UPDATE", 10), "").replace("<sip:raw@", "<sip:moved@");
    pair.inject(B, text);
    assert_eq!(pair.count("200 (10 UPDATE)"), 1, "{}", pair.ladder());
    assert_eq!(pair.ends[B].dialogs.remote_target(keys.1), Some("sip:moved@192.0.2.1:5060"));
    assert_eq!(pair.ends[B].names(), Vec::<String>::new());
    pair.hangup(B, keys.1);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn offers_that_meet_are_refused_491_and_come_again() {
    let mut pair = Pair::new(4);
    let (a, b) = pair.connected();
    pair.update(A, a, "offer A").expect("sent");
    pair.update(B, b, "offer B").expect("sent");
    pair.run(100);
    assert_eq!(pair.count("491"), 2, "{}", pair.ladder());
    for _ in 0..450 {
        pair.run(10);
        for (side, key) in [(A, a), (B, b)] {
            if pair.ends[side].names().last().is_some_and(|name| name.starts_with("Reinvited")) {
                let _ = pair.answer(side, key, "yes");
            }
        }
    }
    assert!(pair.ends[A].names().contains(&"ReinviteAnswered yes".to_owned()), "{}", pair.ladder());
    assert!(pair.ends[B].names().contains(&"ReinviteAnswered yes".to_owned()), "{}", pair.ladder());
    pair.hangup(A, a);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn who_lists_update_and_does_not_know_it_gets_a_reinvite() {
    let mut pair = Pair::new(5);
    pair.configure(B, |config| config.allow = "INVITE, ACK, CANCEL, BYE".to_owned());
    let (a, b) = pair.connected();
    assert_eq!(pair.update(A, a, "offer"), Err(DialogError::WrongState), "it is not in their Allow");
    pair.reinvite(A, a, "offer").expect("sent");
    pair.run(100);
    pair.answer(B, b, "answer").expect("answered");
    pair.run(100);
    let ok = pair.sent(B).find(|m| m.is_method(Method::Update));
    assert!(ok.is_none());
    pair.hangup(A, a);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn a_pending_update_is_refused_when_the_call_ends() {
    let mut pair = Pair::new(6);
    let (a, b) = pair.connected();
    pair.update(A, a, "offer").expect("sent");
    pair.run(100);
    pair.hangup(B, b);
    let refused = pair.sent(B).find(|m| m.cseq().is_ok_and(|c| c.method == Method::Update)).and_then(Message::status);
    assert_eq!(refused, Some(487));
    pair.run_out().expect("an end");
    pair.assert_empty();
}
