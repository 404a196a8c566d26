//! Forked responses (RFC 3261 sections 12.1.2, 13.2.2.4).

use super::pair::{A, B, Pair};
use crate::{Config, Layer};
use bytes::Bytes;
use model::IdSource;
use sip_message::{Message, Method};

/// B's newest message as another branch of a fork would have sent it.
fn of_branch(pair: &Pair, tag: &str, status: &str, sdp: &str) -> String {
    let b = pair.arrival();
    let own = pair.ends[B].dialogs.local_tag(b).expect("a tag").to_owned();
    let text = pair.sent(B).find(|m| m.status() == Some(180)).expect("a 180").bytes().clone();
    let text = String::from_utf8(text.to_vec()).expect("text").replace(&own, tag).replace("180 Ringing", status);
    let (head, _) = text.split_once("Content-Length").expect("a length");
    format!("{head}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len())
}

#[test]
fn each_branch_has_its_early_dialog_and_later_answers_are_hung_up() {
    let mut pair = Pair::new(1);
    let a = pair.invite();
    let b = pair.arrival();
    pair.act(B, |end, now| end.dialogs.progress(&mut end.tx, b, 180, None, &[], now)).expect("ringing");
    pair.run(100);
    for text in [
        of_branch(&pair, "branch1", "183 Session Progress", "early one"),
        of_branch(&pair, "branch2", "183 Session Progress", "early two"),
        of_branch(&pair, "branch2", "200 OK", ""),
        of_branch(&pair, "branch1", "200 OK", "answer one"),
        of_branch(&pair, "branch2", "200 OK", ""),
        of_branch(&pair, "branch1", "200 OK", "answer one"),
    ] {
        pair.inject(A, text);
    }
    pair.run(1_000);
    let names = pair.ends[A].names();
    assert_eq!(
        names,
        ["Progress 180 -", "Progress 183 early one", "Progress 183 early two", "Answered early two"],
        "{}",
        pair.ladder()
    );
    let to = |method| -> Vec<String> {
        let sent = pair.sent(A).filter(|m: &&Message| m.is_method(method));
        sent.filter_map(|m| m.to().ok().and_then(|to| to.tag().map(str::to_owned))).collect()
    };
    assert_eq!(to(Method::Ack), ["branch2", "branch1", "branch2", "branch1"], "{}", pair.ladder());
    assert_eq!(to(Method::Bye), ["branch1"], "{}", pair.ladder());
    assert!(pair.ends[A].dialogs.is_confirmed(a));
    pair.hangup(A, a);
    pair.hangup(B, b);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn every_answer_to_a_cancelled_invite_is_hung_up() {
    let mut pair = Pair::new(2);
    let a = pair.invite();
    let b = pair.arrival();
    pair.act(B, |end, now| end.dialogs.progress(&mut end.tx, b, 180, None, &[], now)).expect("ringing");
    pair.run(100);
    let answers = [of_branch(&pair, "branch1", "200 OK", "one"), of_branch(&pair, "branch2", "200 OK", "two")];
    pair.hangup(A, a);
    for text in answers {
        pair.inject(A, text);
    }
    pair.run(1_000);
    assert_eq!(pair.ends[A].names(), ["Progress 180 -", "Failed 487 Cancelled"]);
    assert_eq!(pair.sent(A).filter(|m| m.is_method(Method::Bye)).count(), 2, "{}", pair.ladder());
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn early_dialogs_are_bounded() {
    let mut pair = Pair::new(3);
    let small = Config { forks_max: 2, ..Config::default() };
    pair.ends[A].dialogs = Layer::new(small, IdSource::new([9; 32]));
    let a = pair.invite();
    let b = pair.arrival();
    pair.act(B, |end, now| end.dialogs.progress(&mut end.tx, b, 180, None, &[], now)).expect("ringing");
    pair.run(100);
    let texts: Vec<String> =
        (0..9).map(|n| of_branch(&pair, &format!("branch{n}"), "183 Session Progress", "early")).collect();
    for text in texts {
        pair.inject(A, text);
    }
    assert_eq!(pair.ends[A].events.len(), 10, "all are shown, two are remembered");
    for text in (0..9).map(|n| of_branch(&pair, &format!("branch{n}"), "200 OK", "late")).collect::<Vec<_>>() {
        pair.inject(A, text);
    }
    assert_eq!(pair.sent(A).filter(|m| m.is_method(Method::Bye)).count(), 2, "{}", pair.ladder());
    pair.hangup(A, a);
    pair.act(B, |end, now| end.dialogs.accept(&mut end.tx, b, Some(Bytes::new()), &[], now)).expect("accepted");
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn an_offer_to_a_branch_that_loses_is_given_up_and_the_winner_talks_on() {
    let mut pair = Pair::new(4);
    let a = pair.invite();
    let b = pair.arrival();
    pair.act(B, |end, now| end.dialogs.progress(&mut end.tx, b, 180, None, &[], now)).expect("ringing");
    pair.run(100);
    let early = of_branch(&pair, "branch1", "183 Session Progress", "early");
    pair.inject(A, early.replace("Content-Type", "Require: 100rel\r\nRSeq: 1\r\nContent-Type"));
    pair.update(A, a, "hold").expect("sent");
    let answer = of_branch(&pair, "branch2", "200 OK", "answer");
    pair.inject(A, answer);
    // The branch says now that there is no such dialog.
    pair.run(1_000);
    assert_eq!(pair.count("481 (2 UPDATE)") + pair.count("481 (3 UPDATE)"), 1, "{}", pair.ladder());
    let names = pair.ends[A].names();
    assert_eq!(names[2..], ["ReinviteFailed 491", "Answered answer"], "{}", pair.ladder());
    assert!(pair.ends[A].dialogs.is_confirmed(a) && pair.ends[A].dialogs.can_offer(a));
    pair.hangup(A, a);
    pair.hangup(B, b);
    pair.run_out().expect("an end");
    pair.assert_empty();
}
