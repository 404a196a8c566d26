//! Calls whose media is anchored: which body is an offer, which one answers it, and what goes on instead.

use super::kit::*;
use crate::{ContextKey, Target};
use bytes::Bytes;

const BOB: &str = "sip:bob@10.9.9.9";

/// A message with a session description.
fn saying(message: &str, body: &str) -> String {
    let head = message.split("\r\n\r\n").next().unwrap_or_default();
    let head: Vec<&str> = head.lines().filter(|line| !line.starts_with("Content-")).collect();
    format!(
        "{}\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}\r\n",
        head.join("\r\n"),
        body.len() + 2
    )
}

fn body(sent: &Sent) -> (&str, &str) {
    let text = sent.text.split("\r\n\r\n").nth(1).unwrap_or_default();
    (text.trim_end(), field(&sent.text, "Content-Length").unwrap_or_default())
}

/// An anchored call that rings at target 2, and the INVITE as it left.
fn ringing(kit: &mut Kit, invite: &str) -> (ContextKey, Sent) {
    let key = kit.open_on(invite, flow(1), false);
    kit.proxy.anchor(key, true);
    let offer = Some(Bytes::from_static(b"v=ours\r\n"));
    let sent = kit.fork(key, vec![Target { body: offer, ..target(2, 1000) }]).remove(0);
    (key, sent)
}

#[test]
fn a_target_gets_its_own_body_and_its_answer_is_rewritten_once() {
    let mut kit = Kit::new();
    let (_, invite) = ringing(&mut kit, INVITE);
    assert_eq!(body(&invite), ("v=ours", "8"));
    let early = saying(&answer(&invite.text, 183, "bob"), "v=early");
    kit.hear(flow(2), &early);
    assert_eq!(body(&kit.sent()[0]), ("v=1", "5"));
    let accepted = saying(&answer(&invite.text, 200, "bob"), "v=b");
    for _ in 0..2 {
        kit.hear(flow(2), &accepted);
        assert_eq!(body(&kit.sent()[0]), ("v=2", "5"), "a repeated 2xx is the same");
    }
    assert_eq!(kit.bodies.0, ["2 bob Callee: answer v=early to v=0", "2 bob Callee: answer v=b to v=0 accepts"]);
}

#[test]
fn a_2xx_that_describes_nothing_is_told_and_passes() {
    let mut kit = Kit::new();
    let (_, invite) = ringing(&mut kit, INVITE);
    kit.hear(flow(2), &answer(&invite.text, 200, "bob"));
    assert_eq!(body(&kit.sent()[0]), ("", "0"));
    assert_eq!(kit.bodies.0, ["2 bob Callee: nothing accepts"]);
}

#[test]
fn a_late_offer_is_answered_in_the_ack_and_in_prack() {
    let late = answerless(INVITE);
    let mut kit = Kit::new();
    let (_, invite) = ringing(&mut kit, &late);
    kit.hear(flow(2), &saying(&answer(&invite.text, 183, "bob"), "v=b"));
    let prack = kit.within("PRACK", ("alice", "bob"), &recorded(&invite), BOB);
    kit.hear(flow(1), &saying(&prack, "v=a"));
    let second = kit.within("PRACK", ("alice", "bob"), &recorded(&invite), BOB);
    kit.hear(flow(1), &saying(&second, "v=more"));
    kit.hear(flow(2), &answer(&invite.text, 200, "bob"));
    assert_eq!(
        kit.bodies.0,
        [
            "2 bob Callee: offer v=b",
            "2 bob Caller: answer v=a to v=b",
            "2 bob Caller: offer v=more",
            "2 bob Callee: nothing accepts"
        ]
    );

    let mut kit = Kit::new();
    let (_, invite) = ringing(&mut kit, &late);
    kit.hear(flow(2), &saying(&answer(&invite.text, 200, "bob"), "v=b"));
    kit.sent();
    let ack = kit.within("ACK", ("alice", "bob"), &recorded(&invite), BOB);
    kit.hear(flow(1), &saying(&ack, "v=a"));
    assert_eq!(body(&kit.sent()[0]), ("v=2", "5"));
    assert_eq!(kit.bodies.0, ["2 bob Callee: offer v=b accepts", "2 bob Caller: answer v=a to v=b"]);
}

fn answerless(invite: &str) -> String {
    let head = invite.split("\r\n\r\n").next().unwrap_or_default();
    let head: Vec<&str> = head.lines().filter(|line| !line.starts_with("Content-")).collect();
    format!("{}\r\nContent-Length: 0\r\n\r\n", head.join("\r\n"))
}

#[test]
fn within_the_dialog_both_sides_offer_and_one_that_cannot_pass_is_refused() {
    let mut kit = Kit::new();
    let (_, invite) = ringing(&mut kit, INVITE);
    kit.hear(flow(2), &saying(&answer(&invite.text, 200, "bob"), "v=b"));
    let ack = kit.within("ACK", ("alice", "bob"), &recorded(&invite), BOB);
    kit.hear(flow(1), &ack);
    kit.sent();
    kit.bodies.0.clear();
    let update = kit.within("UPDATE", ("bob", "alice"), &recorded(&invite), "sip:1001@10.0.0.1:5060");
    kit.hear(flow(2), &saying(&update, "v=held"));
    let sent = kit.sent().remove(0);
    assert_eq!(body(&sent), ("v=1", "5"));
    let back = answer(&sent.text, 200, "x").replace(";tag=x\r\n", "\r\n");
    kit.hear(flow(1), &saying(&back, "v=holds"));
    assert_eq!(body(&kit.sent()[0]), ("v=2", "5"));
    let bad = kit.within("INVITE", ("alice", "bob"), &recorded(&invite), BOB);
    kit.hear(flow(1), &saying(&bad, "v=bad"));
    assert_eq!(lines(&kit.sent()), ["488 > 10.0.0.1"]);
    assert_eq!(
        kit.bodies.0,
        ["2 bob Callee: offer v=held", "2 bob Caller: answer v=holds to v=held", "2 bob Caller: offer v=bad"]
    );
}

#[test]
fn nothing_is_rewritten_where_the_media_is_not_anchored_or_nothing_is_described() {
    let mut kit = Kit::new();
    let (_, invite) = kit.talk();
    let update = kit.within("UPDATE", ("alice", "bob"), &recorded(&invite), BOB);
    kit.hear(flow(1), &saying(&update, "v=a"));
    assert_eq!(body(&kit.sent()[0]), ("v=a", "5"));
    let mut kit = Kit::new();
    let (_, invite) = ringing(&mut kit, INVITE);
    kit.hear(flow(2), &saying(&answer(&invite.text, 200, "bob"), "v=b"));
    kit.sent();
    let info = kit.within("INFO", ("alice", "bob"), &recorded(&invite), BOB);
    kit.hear(flow(1), &saying(&info, "Signal=1").replace("application/sdp", "application/dtmf-relay"));
    assert_eq!(body(&kit.sent()[0]), ("Signal=1", "10"));
    assert_eq!(kit.bodies.0.len(), 1);
}
