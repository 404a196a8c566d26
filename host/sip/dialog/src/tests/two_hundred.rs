//! The 2xx and its ACK (RFC 3261 sections 13.2.2.4, 13.3.1.4 and 15.1.1).

use super::pair::{A, B, Fate, Pair};
use bytes::Bytes;
use model::Transport;
use sip_message::{Message, Method};

fn accept(pair: &mut Pair) {
    let b = pair.arrival();
    let answer = Some(Bytes::from_static(b"answer"));
    pair.act(B, |end, now| end.dialogs.accept(&mut end.tx, b, answer, &[], now)).expect("accepted");
}

fn is_ack(_: usize, message: &Message) -> Fate {
    if message.is_method(Method::Ack) { Fate::Drop } else { Fate::Pass }
}

fn no_ack_ends_the_call(transport: Transport) {
    let mut pair = Pair::with(1, transport);
    pair.filter = Box::new(is_ack);
    let a = pair.invite();
    accept(&mut pair);
    pair.run(31_000);
    // T1 doubling to T2: 0, 0.5, 1.5, 3.5, 7.5, then every 4 s: 11.5, 15.5, 19.5, 23.5, 27.5, 31.5.
    assert_eq!(pair.count("200 (1 INVITE)"), 10, "{}", pair.ladder());
    assert_eq!(pair.count("ACK"), 10, "each repetition gets the same ACK\n{}", pair.ladder());
    let acks: Vec<&Bytes> = pair.sent(A).filter(|m| m.is_method(Method::Ack)).map(Message::bytes).collect();
    assert!(acks.windows(2).all(|two| two[0] == two[1]));
    assert!(pair.ends[B].events.is_empty());
    pair.run(2_000);
    assert_eq!(pair.ends[B].names(), ["Ended AckTimeout"]);
    assert_eq!(pair.ends[A].names(), ["Answered answer", "Ended Bye { reason: None }"]);
    assert_eq!(pair.ends[A].dialogs.call_id(a), None);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn without_an_ack_the_call_ends_on_udp() {
    no_ack_ends_the_call(Transport::Udp);
}

#[test]
fn without_an_ack_the_call_ends_on_tcp() {
    no_ack_ends_the_call(Transport::Tcp);
}

#[test]
fn a_lost_ack_is_made_good_by_the_next_200() {
    let mut pair = Pair::new(2);
    let mut lost = false;
    pair.filter = Box::new(move |from, message| {
        let first = !lost && message.is_method(Method::Ack);
        lost |= first;
        if first { is_ack(from, message) } else { Fate::Pass }
    });
    let a = pair.invite();
    accept(&mut pair);
    pair.run(5_000);
    assert_eq!(pair.ends[B].names(), ["Confirmed -"]);
    assert_eq!((pair.count("200 (1 INVITE)"), pair.count("ACK")), (2, 2), "{}", pair.ladder());
    pair.hangup(A, a);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn a_lost_200_comes_again() {
    let mut pair = Pair::new(3);
    let mut lost = 0;
    pair.filter = Box::new(move |_, message| {
        lost += u32::from(message.status() == Some(200));
        if message.status() == Some(200) && lost <= 3 { Fate::Drop } else { Fate::Pass }
    });
    let a = pair.invite();
    accept(&mut pair);
    pair.run(5_000);
    assert_eq!(pair.ends[A].names(), ["Answered answer"]);
    pair.hangup(A, a);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn the_callee_holds_its_bye_until_the_ack() {
    let mut pair = Pair::new(4);
    let mut held = true;
    pair.filter = Box::new(move |from, message| {
        if held && message.is_method(Method::Ack) {
            held = false;
            return is_ack(from, message);
        }
        Fate::Pass
    });
    pair.invite();
    accept(&mut pair);
    pair.run(100);
    let b = pair.arrival();
    pair.hangup(B, b);
    assert!(!pair.ends[B].dialogs.is_confirmed(b));
    assert_eq!(pair.count("BYE"), 0, "{}", pair.ladder());
    pair.run(1_000);
    assert_eq!(pair.count("BYE"), 2, "request and response\n{}", pair.ladder());
    assert_eq!(pair.ends[A].names(), ["Answered answer", "Ended Bye { reason: None }"]);
    assert!(pair.ends[B].events.is_empty(), "who hung up needs no event");
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn the_callee_holds_its_bye_at_most_until_the_timeout() {
    let mut pair = Pair::new(5);
    pair.filter = Box::new(is_ack);
    pair.invite();
    accept(&mut pair);
    pair.run(100);
    let b = pair.arrival();
    pair.hangup(B, b);
    pair.run(31_000);
    assert_eq!(pair.count("BYE"), 0);
    pair.run(2_000);
    assert_eq!(pair.ends[A].names(), ["Answered answer", "Ended Bye { reason: None }"]);
    assert!(pair.ends[B].events.is_empty());
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn a_bye_of_the_caller_ends_the_wait_for_the_ack() {
    let mut pair = Pair::new(6);
    pair.filter = Box::new(is_ack);
    let a = pair.invite();
    accept(&mut pair);
    pair.run(100);
    pair.hangup(A, a);
    pair.run(100);
    assert_eq!(pair.ends[B].names(), ["Ended Bye { reason: None }"]);
    let before = pair.count("200 (1 INVITE)");
    pair.run(5_000);
    assert_eq!(pair.count("200 (1 INVITE)"), before, "a caller that sends BYE has the 200");
    pair.run_out().expect("an end");
    pair.assert_empty();
}
