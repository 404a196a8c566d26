//! Set up, refusal, requests in a dialog.

use super::pair::{A, B, Fate, Pair, shared};
use crate::{DialogError, DialogKey, Event, InDialog, InDialogAnswer, Layer};
use bytes::Bytes;
use core::time::Duration;
use model::{IdSource, Transport};
use sip_message::{Method, Name};

/// A request of `from` in the dialog, written by hand.
pub(super) fn raw(pair: &Pair, from: usize, keys: (DialogKey, DialogKey), line: (&str, u32), rest: &str) -> String {
    let tag = |side: usize| {
        let key = if side == A { keys.0 } else { keys.1 };
        pair.ends[side].dialogs.local_tag(key).unwrap_or("gone").to_owned()
    };
    let call_id = pair.ends[A].dialogs.call_id(keys.0).unwrap_or("gone").to_owned();
    let (method, cseq) = line;
    let (own, peer) = (pair.ends[from].addr, pair.ends[1 - from].addr);
    let rest = if rest.contains("\r\n\r\n") { rest.to_owned() } else { format!("{rest}Content-Length: 0\r\n\r\n") };
    format!(
        "{method} sip:x@{peer} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKraw{method}{cseq}{from};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:raw@example.com>;tag={}\r\nTo: <sip:x@example.com>;tag={}\r\n\
         Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: <sip:raw@{own}>\r\n{rest}",
        tag(from),
        tag(1 - from)
    )
}

fn calls_and_hangs_up(transport: Transport) {
    let mut pair = Pair::with(1, transport);
    let a = pair.invite();
    let b = pair.arrival();
    pair.act(B, |end, now| end.dialogs.progress(&mut end.tx, b, 180, None, &[], now)).expect("ringing");
    pair.run(1_000);
    let early = Some(Bytes::from_static(b"early"));
    pair.act(B, |end, now| end.dialogs.progress(&mut end.tx, b, 183, early, &[], now)).expect("early media");
    pair.run(1_000);
    pair.act(B, |end, now| end.dialogs.accept(&mut end.tx, b, Some(Bytes::from_static(b"answer")), &[], now))
        .expect("accepted");
    pair.run(1_000);
    assert_eq!(pair.ends[A].names(), ["Progress 180 -", "Progress 183 early", "Answered answer"]);
    assert_eq!(pair.ends[B].names(), ["Confirmed -"]);
    assert_eq!(
        pair.ends[A].dialogs.remote_target(a),
        Some("sip:b@192.0.2.2:5060").map(|t| with_transport(t, transport)).as_deref()
    );
    let invite = pair.sent(A).find(|m| m.is_method(Method::Invite)).expect("the INVITE");
    assert_eq!(invite.max_forwards(), Some(70));
    assert!(invite.header(Name::Allow).is_some());
    let of_invite = |m: &&sip_message::Message| m.cseq().is_ok_and(|cseq| cseq.method == Method::Invite);
    let ok = pair.sent(B).filter(of_invite).find(|m| m.status() == Some(200)).expect("the 200");
    assert!(ok.header(Name::Contact).is_some() && ok.header(Name::Allow).is_some());
    assert_eq!(pair.count("200 (1 INVITE)"), 1, "{}", pair.ladder());
    assert_eq!(pair.count("A->B ACK"), 1, "{}", pair.ladder());

    let reason = "Q.850;cause=16";
    pair.act(A, |end, now| end.dialogs.hangup(&mut end.tx, a, 480, Some(reason), now));
    pair.run(1_000);
    assert_eq!(pair.ends[B].names()[1], "Ended Bye { reason: Some(\"Q.850;cause=16\") }");
    assert_eq!(pair.ends[A].names().len(), 3, "our own hangup needs no event");
    pair.run_out().expect("an end");
    pair.assert_empty();
}

fn with_transport(target: &str, transport: Transport) -> String {
    if transport == Transport::Udp {
        return target.to_owned();
    }
    format!("{target};transport={}", transport.uri_token())
}

#[test]
fn a_call_over_udp() {
    calls_and_hangs_up(Transport::Udp);
}

#[test]
fn a_call_over_tcp() {
    calls_and_hangs_up(Transport::Tcp);
}

#[test]
fn the_called_side_may_hang_up_too() {
    let mut pair = Pair::new(2);
    let (_, b) = pair.connected();
    pair.hangup(B, b);
    pair.run(100);
    assert_eq!(pair.ends[A].names(), ["Ended Bye { reason: None }"]);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn a_refusal_ends_both_usages_at_once() {
    let mut pair = Pair::new(3);
    pair.invite();
    let b = pair.arrival();
    let headers = [("Retry-After".to_owned(), "5".to_owned())];
    pair.act(B, |end, now| end.dialogs.reject(&mut end.tx, b, 486, "Not now", &headers, now)).expect("refused");
    pair.run(100);
    assert_eq!(pair.ends[A].names(), ["Failed 486 Response"]);
    let refusal = pair.sent(B).find(|m| m.status() == Some(486)).expect("the refusal");
    assert_eq!(refusal.reason(), "Not now");
    assert!(refusal.header(Name::RetryAfter).is_some());
    let again = pair.act(B, |end, now| end.dialogs.reject(&mut end.tx, b, 486, "", &[], now));
    assert_eq!(again, Err(DialogError::Gone));
    assert_eq!(pair.ends.each_ref().map(|end| end.dialogs.len()), [0, 0]);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn nobody_there_is_timer_b() {
    let mut pair = Pair::new(4);
    pair.filter = Box::new(|_, _| Fate::Drop);
    pair.invite();
    pair.run(31_000);
    assert!(pair.ends[A].events.is_empty());
    pair.run(2_000);
    assert_eq!(pair.ends[A].names(), ["Failed 408 Timeout"]);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn a_call_that_rings_does_not_die_of_timer_b_and_its_180_comes_again() {
    let mut pair = Pair::new(5);
    let a = pair.invite();
    let b = pair.arrival();
    pair.act(B, |end, now| end.dialogs.progress(&mut end.tx, b, 180, None, &[], now)).expect("ringing");
    pair.run(130_000);
    assert_eq!(pair.ends[A].names(), ["Progress 180 -"; 3], "once a minute, lest a proxy gives up");
    pair.hangup(A, a);
    pair.run_out().expect("an end");
    assert_eq!(pair.ends[B].names(), ["Cancelled"]);
    pair.assert_empty();
}

#[test]
fn the_status_has_to_fit_the_act() {
    let mut pair = Pair::new(6);
    pair.invite();
    let b = pair.arrival();
    let progress = pair.act(B, |end, now| end.dialogs.progress(&mut end.tx, b, 200, None, &[], now));
    assert_eq!(progress, Err(DialogError::Status(200)));
    let reject = pair.act(B, |end, now| end.dialogs.reject(&mut end.tx, b, 180, "", &[], now));
    assert_eq!(reject, Err(DialogError::Status(180)));
    assert_eq!(pair.reinvite(B, b, "offer"), Err(DialogError::WrongState));
    assert_eq!(pair.reinvite(B, DialogKey(999), "offer"), Err(DialogError::Gone));
    pair.hangup(B, b);
    pair.run_out().expect("an end");
    assert_eq!(pair.ends[A].names(), ["Failed 480 Response"]);
    pair.assert_empty();
}

#[test]
fn an_invite_without_offer_is_answered_in_the_ack() {
    let mut pair = Pair::new(7);
    let spec = pair.spec(A, None);
    let a = pair.act(A, |end, now| end.dialogs.invite(&mut end.tx, spec, now));
    pair.run(100);
    let b = pair.arrival();
    pair.act(B, |end, now| end.dialogs.accept(&mut end.tx, b, Some(Bytes::from_static(b"offer")), &[], now))
        .expect("accepted");
    pair.run(2_000);
    assert_eq!(pair.ends[A].names(), ["Answered offer"]);
    assert_eq!(pair.count("ACK"), 0, "the transaction user has the answer");
    assert!(pair.count("200 (1 INVITE)") > 1);
    pair.act(A, |end, now| end.dialogs.ack(&mut end.tx, a, Bytes::from_static(b"answer"), now)).expect("acked");
    pair.run(100);
    assert_eq!(pair.ends[B].names(), ["Confirmed answer"]);
    let again = pair.act(A, |end, now| end.dialogs.ack(&mut end.tx, a, Bytes::from_static(b"answer"), now));
    assert_eq!(again, Err(DialogError::WrongState));
    pair.hangup(A, a);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn a_late_offer_nobody_answers_is_acknowledged_and_hung_up() {
    let mut pair = Pair::new(8);
    let spec = pair.spec(A, None);
    pair.act(A, |end, now| end.dialogs.invite(&mut end.tx, spec, now));
    pair.run(100);
    let b = pair.arrival();
    pair.act(B, |end, now| end.dialogs.accept(&mut end.tx, b, Some(Bytes::from_static(b"offer")), &[], now))
        .expect("accepted");
    pair.filter = Box::new(|from, m| if from == B && m.is_method(Method::Bye) { Fate::Drop } else { Fate::Pass });
    pair.run_out().expect("an end");
    assert_eq!(pair.ends[A].names(), ["Answered offer", "Ended AckTimeout"]);
    pair.assert_empty();
}

#[test]
fn requests_in_a_dialog_get_what_allow_says() {
    let mut pair = Pair::new(9);
    let keys = pair.connected();
    for (at, (method, rest, status)) in [
        ("OPTIONS", "", 200),
        ("UPDATE", "", 200),
        ("PRACK", "RAck: 1 1 INVITE\r\n", 481),
        ("NOTIFY", "", 481),
        ("SUBSCRIBE", "", 405),
        ("OPTIONS", "Require: timer, x\r\n", 420),
        ("INVITE", "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi", 415),
    ]
    .into_iter()
    .enumerate()
    {
        let text = raw(&pair, A, keys, (method, 10 + u32::try_from(at).unwrap_or(0)), rest);
        pair.inject(B, text);
        let answer = pair.sent(B).next_back().expect("an answer");
        assert_eq!(answer.status(), Some(status), "{method} {rest}");
        assert!(answer.header(Name::Allow).is_some_and(|allow| allow.text().contains("UPDATE")));
    }
    assert_eq!(pair.ends[B].names(), Vec::<String>::new());
    pair.hangup(B, keys.1);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn what_is_the_transaction_users_is_handed_up_and_answered_by_it() {
    let mut pair = Pair::new(13);
    let keys = pair.connected();
    let info = raw(&pair, A, keys, ("INFO", 10), "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi");
    pair.inject(B, info);
    let Some(Event::Request { key, server, request }) = pair.ends[B].events.pop() else { panic!("no request") };
    assert_eq!((key, request.body()), (keys.1, &b"hi"[..]));
    let body = Some(("text/plain".to_owned(), Bytes::from_static(b"ho")));
    let answer = InDialogAnswer { status: 200, headers: Vec::new(), body };
    pair.act(B, |end, now| end.dialogs.respond(&mut end.tx, key, server, &answer, now)).expect("answered");
    let again = pair.act(B, |end, now| end.dialogs.respond(&mut end.tx, key, server, &answer, now));
    assert_eq!(again, Err(DialogError::WrongState));
    let ok = pair.sent(B).next_back().expect("the answer");
    assert_eq!((ok.status(), ok.body()), (Some(200), &b"ho"[..]));
    // One that nobody answers is told when the call ends.
    let info = raw(&pair, A, keys, ("INFO", 11), "");
    pair.inject(B, info);
    pair.hangup(B, keys.1);
    assert_eq!(pair.count("487 (11 INFO)"), 1, "{}", pair.ladder());
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn a_request_of_our_own_brings_its_answer_back() {
    let mut pair = Pair::new(14);
    let (a, b) = pair.connected();
    let request = InDialog { method: "INFO".to_owned(), headers: Vec::new(), body: None };
    let id = pair.act(A, |end, now| end.dialogs.send(&mut end.tx, a, &request, now)).expect("sent");
    pair.run(100);
    let Some(Event::Request { server, .. }) = pair.ends[B].events.pop() else { panic!("no request") };
    let answer = InDialogAnswer::bare(469);
    pair.act(B, |end, now| end.dialogs.respond(&mut end.tx, b, server, &answer, now)).expect("answered");
    pair.run(100);
    assert_eq!(pair.ends[A].names(), [format!("Response {id} 469")]);
    pair.filter = Box::new(|_, m| if m.is_method(Method::Info) { Fate::Drop } else { Fate::Pass });
    let id = pair.act(A, |end, now| end.dialogs.send(&mut end.tx, a, &request, now)).expect("sent");
    pair.run(40_000);
    assert_eq!(pair.ends[A].names()[1], format!("Response {id} 408"));
    pair.hangup(A, a);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn an_older_cseq_is_out_of_order() {
    let mut pair = Pair::new(10);
    let keys = pair.connected();
    for (cseq, status) in [(9, 200), (8, 500), (10, 200), (1, 500)] {
        let text = raw(&pair, A, keys, ("OPTIONS", cseq), "");
        pair.inject(B, text);
        assert_eq!(pair.sent(B).next_back().and_then(sip_message::Message::status), Some(status), "CSeq {cseq}");
    }
    pair.hangup(B, keys.1);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn an_unknown_dialog_is_481_and_an_unknown_ack_nothing() {
    let mut pair = Pair::new(11);
    let keys = pair.connected();
    let known = raw(&pair, A, keys, ("OPTIONS", 20), "");
    let call_id = pair.ends[A].dialogs.call_id(keys.0).expect("a Call-ID").to_owned();
    let tag = pair.ends[A].dialogs.local_tag(keys.0).expect("a tag").to_owned();
    for unknown in [known.replace(&call_id, "other"), known.replace(&tag, "other")] {
        pair.inject(B, unknown.replace("z9hG4bKraw", "z9hG4bKrow"));
        assert_eq!(pair.sent(B).next_back().and_then(sip_message::Message::status), Some(481));
        let before = pair.sent(B).count();
        pair.inject(B, unknown.replace("OPTIONS", "ACK"));
        assert_eq!(pair.sent(B).count(), before);
        pair.run(40_000);
    }
    let late = raw(&pair, A, keys, ("OPTIONS", 30), "");
    pair.hangup(B, keys.1);
    pair.run_out().expect("an end");
    pair.inject(B, late);
    assert_eq!(pair.sent(B).next_back().and_then(sip_message::Message::status), Some(481), "the dialog is gone");
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn a_lost_connection_while_it_rings_ends_the_usage() {
    let mut pair = Pair::with(12, Transport::Tcp);
    pair.invite();
    let flow = pair.flow(B);
    let b = pair.arrival();
    pair.act(B, |end, now| end.dialogs.progress(&mut end.tx, b, 180, None, &[], now)).expect("ringing");
    // The layer below tries a new connection for its response first (section 18.2.2).
    let anew = model::Flow { connection: None, ..flow };
    for failed in [flow, anew] {
        pair.act(B, |end, now| end.tx.handle_flow_failed(&failed, now));
    }
    assert_eq!(pair.ends[B].names(), ["Ended Transport"]);
    let flow = pair.flow(A);
    pair.act(A, |end, now| end.tx.handle_flow_failed(&flow, now));
    pair.run_out().expect("an end");
    assert_eq!(pair.ends[A].events.iter().filter(|e| matches!(e, Event::Failed { .. })).count(), 1);
    pair.assert_empty();
}

#[test]
fn required_extensions_are_named() {
    let layer = Layer::new(crate::Config::default(), IdSource::new([0; 32]));
    let request = shared(
        "INVITE sip:b@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
         From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nRequire: path\r\n\
         Contact: <sip:a@192.0.2.1>\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(layer.unsupported(&request).as_deref(), Some("path"));
    assert_eq!(layer.poll_timeout(), None);
    assert!(layer.is_empty());
    assert_eq!(crate::Config::default().patience(), Duration::from_secs(32));
}
