//! CANCEL and what it races with (RFC 3261 sections 9.1, 9.2, 15.1.2).

use super::pair::{A, B, Fate, Pair};
use bytes::Bytes;
use core::time::Duration;
use sip_message::{Message, Method};

fn accept(pair: &mut Pair) {
    let b = pair.arrival();
    let answer = Some(Bytes::from_static(b"answer"));
    pair.act(B, |end, now| end.dialogs.accept(&mut end.tx, b, answer, &[], now)).expect("accepted");
}

#[test]
fn a_cancel_ends_a_ringing_call() {
    let mut pair = Pair::new(1);
    let a = pair.invite();
    let b = pair.arrival();
    pair.act(B, |end, now| end.dialogs.progress(&mut end.tx, b, 180, None, &[], now)).expect("ringing");
    pair.run(500);
    let reason = "SIP;cause=200;text=\"Call completed elsewhere\"";
    pair.act(A, |end, now| end.dialogs.hangup(&mut end.tx, a, 480, Some(reason), now));
    pair.run(500);
    assert_eq!(pair.ends[A].names(), ["Progress 180 -", "Failed 487 Cancelled"]);
    assert_eq!(pair.ends[B].names(), ["Cancelled"]);
    let cancel = pair.sent(A).find(|m| m.is_method(Method::Cancel)).expect("the CANCEL");
    assert_eq!(cancel.header(sip_message::Name::Reason).map(|v| v.text().into_owned()).as_deref(), Some(reason));
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn a_200_that_crosses_the_cancel_is_acknowledged_and_hung_up() {
    let mut pair = Pair::new(2);
    let a = pair.invite();
    pair.run(500);
    pair.hangup(A, a);
    accept(&mut pair);
    pair.run(1_000);
    assert_eq!(pair.ends[A].names(), ["Failed 487 Cancelled"], "{}", pair.ladder());
    assert_eq!(pair.ends[B].names(), ["Confirmed -", "Ended Bye { reason: None }"], "{}", pair.ladder());
    assert_eq!(pair.count("ACK"), 1);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn a_cancel_after_the_200_changes_nothing() {
    let mut pair = Pair::new(3);
    pair.filter = Box::new(|_, message: &Message| {
        if message.status() == Some(200) && !message.is_method(Method::Cancel) {
            Fate::Delay(Duration::from_millis(300))
        } else {
            Fate::Pass
        }
    });
    let a = pair.invite();
    pair.run(500);
    accept(&mut pair);
    pair.run(50);
    // The 200 is on its way when A gives up; B ignores the CANCEL and A ends the dialog that stands.
    pair.hangup(A, a);
    pair.run(5_000);
    assert_eq!(pair.ends[A].names(), ["Failed 487 Cancelled"], "{}", pair.ladder());
    assert_eq!(pair.ends[B].names(), ["Confirmed -", "Ended Bye { reason: None }"], "{}", pair.ladder());
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn a_cancel_before_any_response_waits_for_one() {
    let mut pair = Pair::new(4);
    let mut first = true;
    pair.filter = Box::new(move |_, message: &Message| {
        if core::mem::take(&mut first) && message.is_method(Method::Invite) { Fate::Drop } else { Fate::Pass }
    });
    let a = pair.invite();
    pair.hangup(A, a);
    pair.run(100);
    assert_eq!(pair.count("CANCEL"), 0, "{}", pair.ladder());
    pair.run(3_000);
    assert_eq!(pair.ends[A].names(), ["Failed 487 Cancelled"], "{}", pair.ladder());
    assert_eq!(pair.ends[B].names(), ["Cancelled"]);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn a_cancelled_call_to_nobody_ends_too() {
    let mut pair = Pair::new(5);
    pair.filter = Box::new(|_, _| Fate::Drop);
    let a = pair.invite();
    pair.hangup(A, a);
    pair.hangup(A, a);
    pair.run_out().expect("an end");
    assert_eq!(pair.ends[A].names(), ["Failed 408 Cancelled"]);
    pair.assert_empty();
}

#[test]
fn a_refusal_that_crosses_the_cancel_is_an_end_all_the_same() {
    let mut pair = Pair::new(6);
    let a = pair.invite();
    pair.run(500);
    let b = pair.arrival();
    pair.hangup(A, a);
    pair.act(B, |end, now| end.dialogs.reject(&mut end.tx, b, 486, "", &[], now)).expect("refused");
    pair.run(1_000);
    assert_eq!(pair.ends[A].names(), ["Failed 486 Cancelled"]);
    assert!(pair.ends[B].events.is_empty());
    pair.run_out().expect("an end");
    pair.assert_empty();
}
