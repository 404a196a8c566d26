//! Re-INVITE both ways, and glare (RFC 3261 section 14, RFC 5407 section 3.1).

use super::basic::raw;
use super::pair::{A, B, Fate, Pair};
use crate::DialogError;
use bytes::Bytes;
use core::time::Duration;
use sip_message::{Message, Method, Name};

fn is_final_invite(message: &Message, status: u16) -> bool {
    message.status() == Some(status) && message.cseq().is_ok_and(|cseq| cseq.method == Method::Invite)
}

#[test]
fn an_offer_from_either_side_is_answered() {
    let mut pair = Pair::new(1);
    let (a, b) = pair.connected();
    for (from, key, to, peer) in [(A, a, B, b), (B, b, A, a), (B, b, A, a), (A, a, B, b)] {
        pair.reinvite(from, key, "hold").expect("sent");
        assert_eq!(pair.reinvite(from, key, "again"), Err(DialogError::Pending));
        pair.run(100);
        assert_eq!(pair.ends[to].names(), ["Reinvited hold"]);
        assert_eq!(pair.reinvite(to, peer, "mine"), Err(DialogError::Pending));
        pair.answer(to, peer, "held").expect("answered");
        pair.run(100);
        assert_eq!(pair.ends[from].names(), ["ReinviteAnswered held"]);
        assert_eq!(pair.answer(to, peer, "held"), Err(DialogError::WrongState));
        for end in &mut pair.ends {
            end.events.clear();
            assert!(format!("{:?}", end.dialogs).contains("servers: {}"), "an exchange leaves nothing behind");
        }
    }
    pair.hangup(B, b);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn a_refused_offer_changes_nothing() {
    let mut pair = Pair::new(2);
    let (a, b) = pair.connected();
    pair.reinvite(A, a, "video").expect("sent");
    pair.run(100);
    let wrong = pair.act(B, |end, now| end.dialogs.reject_reinvite(&mut end.tx, b, 200, now));
    assert_eq!(wrong, Err(DialogError::Status(200)));
    pair.act(B, |end, now| end.dialogs.reject_reinvite(&mut end.tx, b, 488, now)).expect("refused");
    pair.run(100);
    assert_eq!(pair.ends[A].names(), ["ReinviteFailed 488"]);
    assert!(pair.ends[A].dialogs.is_confirmed(a) && pair.ends[B].dialogs.is_confirmed(b));
    pair.hangup(A, a);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn offers_that_cross_are_refused_491_and_the_other_side_goes_first() {
    for seed in 0..40 {
        let mut pair = Pair::new(seed);
        let (a, b) = pair.connected();
        pair.reinvite(A, a, "offer A").expect("sent");
        pair.reinvite(B, b, "offer B").expect("sent");
        pair.run(50);
        assert_eq!(pair.count("491"), 2, "{}", pair.ladder());
        let glare = pair.now;
        while pair.ends[A].events.is_empty() {
            pair.run(10);
            assert!(
                pair.now.since(glare) < Duration::from_millis(2_100),
                "the other side waits 0 to 2 s\n{}",
                pair.ladder()
            );
        }
        assert_eq!(pair.ends[A].names(), ["Reinvited offer B"]);
        pair.answer(A, a, "answer A").expect("answered");
        while pair.ends[B].events.len() < 2 {
            pair.run(10);
            assert!(pair.now.since(glare) < Duration::from_millis(4_100), "the Call-ID's owner waits 2.1 to 4 s");
        }
        assert!(pair.now.since(glare) >= Duration::from_millis(2_050));
        assert_eq!(pair.ends[B].names(), ["ReinviteAnswered answer A", "Reinvited offer A"]);
        pair.answer(B, b, "answer B").expect("answered");
        pair.run(1_000);
        assert_eq!(pair.ends[A].names()[1], "ReinviteAnswered answer B");
        pair.hangup(A, a);
        pair.run_out().expect("an end");
        pair.assert_empty();
    }
}

#[test]
fn endless_glare_is_given_up() {
    let mut pair = Pair::new(3);
    let (a, b) = pair.connected();
    pair.reinvite(A, a, "offer").expect("sent");
    for _ in 0..40 {
        pair.run(2_000);
        let _ = pair.act(B, |end, now| end.dialogs.reject_reinvite(&mut end.tx, b, 491, now));
    }
    pair.run(10);
    assert_eq!(pair.ends[A].names(), ["ReinviteFailed 491"], "{}", pair.ladder());
    pair.hangup(A, a);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn a_second_invite_before_our_answer_is_told_to_come_later() {
    let mut pair = Pair::new(4);
    let keys = pair.connected();
    let first = raw(&pair, A, keys, ("INVITE", 10), "");
    pair.inject(B, first);
    let second = raw(&pair, A, keys, ("INVITE", 11), "");
    pair.inject(B, second);
    let answer = pair.sent(B).next_back().expect("an answer");
    assert_eq!(answer.status(), Some(500));
    let wait: u32 = answer.header(Name::RetryAfter).and_then(|v| v.number()).expect("Retry-After");
    assert!(wait <= 10);
    assert_eq!(pair.ends[B].names(), ["Reinvited -"]);
    pair.answer(B, keys.1, "offer B").expect("answered");
    pair.hangup(A, keys.0);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn an_offer_waits_for_the_ack_of_the_2xx_before() {
    let mut pair = Pair::new(5);
    let mut held = 2;
    pair.filter = Box::new(move |_, message: &Message| {
        held -= i32::from(message.is_method(Method::Ack));
        if message.is_method(Method::Ack) && held >= 0 { Fate::Drop } else { Fate::Pass }
    });
    let a = pair.invite();
    let b = pair.arrival();
    let answer = Some(Bytes::from_static(b"answer"));
    pair.act(B, |end, now| end.dialogs.accept(&mut end.tx, b, answer, &[], now)).expect("accepted");
    pair.run(100);
    pair.reinvite(B, b, "offer B").expect("it waits");
    pair.run(1_000);
    assert_eq!(pair.ends[A].names(), ["Answered answer"], "{}", pair.ladder());
    pair.run(1_000);
    assert_eq!(pair.ends[B].names(), ["Confirmed -"]);
    assert_eq!(pair.ends[A].names(), ["Answered answer", "Reinvited offer B"]);
    pair.answer(A, a, "answer A").expect("answered");
    pair.run(1_000);
    assert_eq!(pair.ends[B].names()[1], "ReinviteAnswered answer A");
    pair.hangup(A, a);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn an_offer_that_overtakes_the_ack_is_taken_up() {
    let mut pair = Pair::new(6);
    let mut lost = false;
    pair.filter = Box::new(move |_, message: &Message| {
        let first = !lost && message.is_method(Method::Ack);
        lost |= first;
        if first { Fate::Drop } else { Fate::Pass }
    });
    let a = pair.invite();
    let b = pair.arrival();
    let answer = Some(Bytes::from_static(b"answer"));
    pair.act(B, |end, now| end.dialogs.accept(&mut end.tx, b, answer, &[], now)).expect("accepted");
    pair.run(100);
    pair.reinvite(A, a, "offer 2").expect("sent");
    pair.run(100);
    assert_eq!(pair.ends[B].names(), ["Reinvited offer 2"]);
    pair.answer(B, b, "answer 2").expect("answered");
    pair.run(3_000);
    assert_eq!(pair.ends[A].names(), ["Answered answer", "ReinviteAnswered answer 2"]);
    assert_eq!(pair.ends[B].names(), ["Reinvited offer 2", "Confirmed -"]);
    pair.hangup(B, b);
    pair.run_out().expect("an end");
    assert_eq!(pair.ends[A].names().len(), 3);
    pair.assert_empty();
}

#[test]
fn an_offer_that_meets_ours_in_a_2xx_is_refused_491() {
    let mut pair = Pair::new(7);
    let keys = pair.connected();
    let empty = raw(&pair, A, keys, ("INVITE", 10), "");
    pair.inject(B, empty);
    pair.answer(B, keys.1, "offer B").expect("our offer in the 2xx");
    pair.run(10);
    let sdp = "Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\noffer";
    let second = raw(&pair, A, keys, ("INVITE", 11), sdp);
    pair.inject(B, second);
    assert_eq!(pair.sent(B).next_back().and_then(Message::status), Some(491));
    let ack = raw(&pair, A, keys, ("ACK", 10), "Content-Type: application/sdp\r\nContent-Length: 6\r\n\r\nanswer");
    pair.inject(B, ack);
    assert_eq!(pair.ends[B].names(), ["Reinvited -", "ReinviteAnswered answer"]);
    pair.hangup(B, keys.1);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

fn dead_reinvite(status: Option<u16>) {
    let mut pair = Pair::new(8);
    let (a, b) = pair.connected();
    match status {
        Some(status) => {
            pair.reinvite(A, a, "offer").expect("sent");
            pair.run(100);
            pair.act(B, |end, now| end.dialogs.reject_reinvite(&mut end.tx, b, status, now)).expect("refused");
        }
        None => {
            pair.filter = Box::new(
                |_, message: &Message| {
                    if message.is_method(Method::Invite) { Fate::Drop } else { Fate::Pass }
                },
            );
            pair.reinvite(A, a, "offer").expect("sent");
        }
    }
    pair.run_out().expect("an end");
    assert_eq!(pair.ends[A].names(), [format!("Ended Gone({})", status.unwrap_or(408))]);
    assert_eq!(pair.ends[B].names().last().map(String::as_str), Some("Ended Bye { reason: None }"));
    pair.assert_empty();
}

#[test]
fn a_reinvite_answered_408_or_481_or_not_at_all_ends_the_dialog() {
    dead_reinvite(Some(408));
    dead_reinvite(Some(481));
    dead_reinvite(None);
}

#[test]
fn a_reinvite_nobody_answers_finally_is_cancelled() {
    let mut pair = Pair::new(9);
    let (a, _) = pair.connected();
    pair.reinvite(A, a, "offer").expect("sent");
    pair.run(62_000);
    assert_eq!(pair.ends[B].names(), ["Reinvited offer", "ReinviteCancelled"]);
    assert_eq!(pair.ends[A].names(), ["ReinviteFailed 487"], "{}", pair.ladder());
    pair.hangup(A, a);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn a_2xx_to_a_reinvite_without_ack_ends_the_dialog() {
    let mut pair = Pair::new(10);
    let (a, b) = pair.connected();
    pair.filter = Box::new(|_, message: &Message| if message.is_method(Method::Ack) { Fate::Drop } else { Fate::Pass });
    pair.reinvite(A, a, "offer").expect("sent");
    pair.run(100);
    pair.answer(B, b, "answer").expect("answered");
    pair.run_out().expect("an end");
    assert_eq!(pair.ends[B].names(), ["Reinvited offer", "Ended AckTimeout"]);
    assert_eq!(pair.ends[A].names(), ["ReinviteAnswered answer", "Ended Bye { reason: None }"]);
    pair.assert_empty();
}

#[test]
fn a_reinvite_and_its_2xx_refresh_the_target() {
    let mut pair = Pair::new(11);
    let keys = pair.connected();
    let sdp = "Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\noffer";
    let text = raw(&pair, A, keys, ("INVITE", 10), sdp).replace("<sip:raw@", "<sip:moved@");
    pair.inject(B, text.clone());
    assert_eq!(pair.ends[B].dialogs.remote_target(keys.1), Some("sip:a@192.0.2.1:5060"), "not before it is accepted");
    pair.answer(B, keys.1, "answer").expect("answered");
    assert_eq!(pair.ends[B].dialogs.remote_target(keys.1), Some("sip:moved@192.0.2.1:5060"));
    let ack = raw(&pair, A, keys, ("ACK", 10), "");
    pair.inject(B, ack);
    pair.hangup(B, keys.1);
    let bye = pair.sent(B).find(|m| m.is_method(Method::Bye)).expect("the BYE");
    assert_eq!(bye.request_uri_str(), Some("sip:moved@192.0.2.1:5060"));
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn a_lost_2xx_to_a_reinvite_comes_again() {
    let mut pair = Pair::new(12);
    let (a, b) = pair.connected();
    let mut lost = 0;
    pair.filter = Box::new(move |_, message: &Message| {
        lost += i32::from(is_final_invite(message, 200));
        if is_final_invite(message, 200) && lost < 3 { Fate::Drop } else { Fate::Pass }
    });
    pair.reinvite(A, a, "offer").expect("sent");
    pair.run(100);
    pair.answer(B, b, "answer").expect("answered");
    pair.run(4_000);
    assert_eq!(pair.ends[A].names(), ["ReinviteAnswered answer"]);
    pair.hangup(A, a);
    pair.run_out().expect("an end");
    pair.assert_empty();
}
