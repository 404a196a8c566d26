//! Session timers (RFC 4028): who refreshes, 422, and the end of a session nobody refreshes.

use super::basic::raw;
use super::pair::{A, B, Fate, Pair};
use sip_message::{Message, Method, Name};

fn session_expires(message: &Message) -> Option<String> {
    message.header(Name::SessionExpires).map(|v| v.text().into_owned())
}

#[test]
fn the_caller_refreshes_by_update_at_half_the_interval() {
    let mut pair = Pair::new(1);
    let (a, b) = pair.connected();
    let invite = pair.sent(A).find(|m| m.is_method(Method::Invite)).expect("the INVITE");
    assert_eq!(session_expires(invite).as_deref(), Some("1800"));
    let ok = pair.sent(B).find(|m| m.status() == Some(200)).expect("the 200");
    assert_eq!(session_expires(ok).as_deref(), Some("1800;refresher=uac"));
    assert!(ok.has_token(Name::Require, "timer"));
    pair.run(890_000);
    assert_eq!(pair.count("UPDATE"), 0);
    for round in 1..=3 {
        pair.run(900_000);
        assert_eq!(pair.count("A->B UPDATE"), round, "{}", pair.ladder());
    }
    assert_eq!((pair.count("B->A UPDATE"), pair.count("BYE")), (0, 0));
    assert_eq!(pair.ends[A].names(), Vec::<String>::new(), "a refresh is nobody's business");
    let update = pair.sent(A).find(|m| m.is_method(Method::Update)).expect("an UPDATE");
    assert_eq!(session_expires(update).as_deref(), Some("1800;refresher=uac"));
    pair.hangup(B, b);
    pair.run_out().expect("an end");
    let _ = a;
    pair.assert_empty();
}

#[test]
fn who_takes_no_update_is_refreshed_by_reinvite_with_the_same_description() {
    let mut pair = Pair::new(2);
    pair.configure(B, |config| {
        config.allow = "INVITE, ACK, CANCEL, BYE".to_owned();
        config.supported = String::new();
        config.session_interval_s = 0;
    });
    let (a, b) = pair.connected();
    pair.run(900_100);
    assert_eq!(pair.ends[B].names(), ["Reinvited offer"], "{}", pair.ladder());
    pair.answer(B, b, "answer").expect("answered");
    pair.run(100);
    assert_eq!(pair.ends[A].names(), ["ReinviteAnswered answer"]);
    pair.hangup(A, a);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn a_refresh_does_not_repeat_an_offer_that_was_refused() {
    let mut pair = Pair::new(2);
    pair.configure(B, |config| {
        config.allow = "INVITE, ACK, CANCEL, BYE".to_owned();
        config.supported = String::new();
        config.session_interval_s = 0;
    });
    let (a, b) = pair.connected();
    pair.reinvite(A, a, "video").expect("sent");
    pair.run(100);
    pair.act(B, |end, now| end.dialogs.reject_reinvite(&mut end.tx, b, 488, now)).expect("refused");
    pair.run(900_100);
    assert_eq!(pair.ends[B].names(), ["Reinvited video", "Reinvited offer"], "{}", pair.ladder());
    pair.answer(B, b, "answer").expect("answered");
    pair.reinvite(A, a, "hold").expect_err("the answer is on its way");
    pair.run(100);
    // What was accepted is what stands from then on.
    pair.reinvite(A, a, "hold").expect("sent");
    pair.run(100);
    pair.answer(B, b, "held").expect("answered");
    pair.run(900_100);
    assert_eq!(pair.ends[B].names()[2..], ["Reinvited hold", "Reinvited hold"], "{}", pair.ladder());
    pair.answer(B, b, "held").expect("answered");
    pair.run(100);
    pair.hangup(A, a);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn a_session_nobody_refreshes_ends_shortly_before_its_time() {
    let mut pair = Pair::new(3);
    let (a, b) = pair.connected();
    // A, who has to refresh, has vanished.
    pair.filter = Box::new(|from, _| if from == A { Fate::Drop } else { Fate::Pass });
    let begun = pair.now;
    while pair.ends[B].events.is_empty() {
        pair.run(100);
        assert!(pair.now.since(begun).as_secs() < 1_790, "{}", pair.ladder());
    }
    assert_eq!(pair.ends[B].names(), ["Ended SessionExpired"]);
    assert!((1_767..=1_769).contains(&pair.now.since(begun).as_secs()));
    assert_eq!(pair.ends[A].names(), ["Ended Gone(408)"], "its own refresh was not answered");
    pair.run_out().expect("an end");
    let _ = (a, b);
    pair.assert_empty();
}

#[test]
fn a_short_interval_is_refused_422_and_asked_for_again() {
    let mut pair = Pair::new(4);
    pair.configure(A, |config| config.session_interval_s = 120);
    pair.configure(B, |config| config.session_min_se_s = 600);
    // What the front desk of the switch does with an INVITE outside a dialog.
    let spec = pair.spec(A, Some("offer"));
    let a = pair.act(A, |end, now| end.dialogs.invite(&mut end.tx, spec, now));
    pair.run(20);
    let b = pair.arrival();
    let least = pair.ends[B].dialogs.session_too_short(pair.sent(A).next().expect("the INVITE"));
    assert_eq!(least, Some(600));
    let headers = [("Min-SE".to_owned(), "600".to_owned())];
    pair.act(B, |end, now| end.dialogs.reject(&mut end.tx, b, 422, "", &headers, now)).expect("refused");
    pair.run(100);
    let again = pair.sent(A).rfind(|m| m.is_method(Method::Invite)).expect("a second INVITE");
    assert_eq!(session_expires(again).as_deref(), Some("600"));
    assert_eq!(again.header(Name::MinSe).map(|v| v.text().into_owned()).as_deref(), Some("600"));
    let b = pair.arrival();
    pair.accept(b, Some("answer"));
    pair.run(100);
    assert_eq!(pair.ends[A].names(), ["Answered answer"]);
    pair.hangup(A, a);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn in_the_dialog_a_short_interval_is_refused_here() {
    let mut pair = Pair::new(5);
    let keys = pair.connected();
    let text = raw(&pair, A, keys, ("UPDATE", 10), "Supported: timer\r\nSession-Expires: 30\r\n");
    pair.inject(B, text);
    let refused = pair.sent(B).next_back().expect("an answer");
    assert_eq!(refused.status(), Some(422));
    assert_eq!(refused.header(Name::MinSe).map(|v| v.text().into_owned()).as_deref(), Some("90"));
    pair.hangup(B, keys.1);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn the_one_who_is_told_to_refresh_does() {
    let mut pair = Pair::new(6);
    let keys = pair.connected();
    let text = raw(&pair, A, keys, ("UPDATE", 10), "Supported: timer\r\nSession-Expires: 200;refresher=uas\r\n");
    pair.inject(B, text);
    let granted = pair.sent(B).next_back().and_then(session_expires);
    assert_eq!(granted.as_deref(), Some("200;refresher=uas"));
    pair.run(101_000);
    assert_eq!(pair.count("B->A UPDATE"), 1, "{}", pair.ladder());
    pair.hangup(B, keys.1);
    pair.run_out().expect("an end");
    pair.assert_empty();
}

#[test]
fn switched_off_it_still_follows_who_asks() {
    let mut pair = Pair::new(7);
    pair.configure(B, |config| config.session_interval_s = 0);
    let (a, _) = pair.connected();
    let ok = pair.sent(B).find(|m| m.status() == Some(200)).expect("the 200");
    assert_eq!(session_expires(ok).as_deref(), Some("1800;refresher=uac"));
    pair.hangup(A, a);
    pair.run_out().expect("an end");
    pair.assert_empty();

    let mut quiet = Pair::new(8);
    quiet.configure(A, |config| config.session_interval_s = 0);
    quiet.configure(B, |config| config.session_interval_s = 0);
    let (a, _) = quiet.connected();
    quiet.run(4_000_000);
    assert_eq!((quiet.count("UPDATE"), quiet.count("BYE")), (0, 0), "{}", quiet.ladder());
    quiet.hangup(A, a);
    quiet.run_out().expect("an end");
    quiet.assert_empty();
}

#[test]
fn a_minimum_longer_than_the_interval_makes_no_interval_longer() {
    for own_s in [0, 1_800] {
        for least in ["86401", "4294967295"] {
            let mut pair = Pair::new(9);
            pair.configure(B, |config| config.session_interval_s = own_s);
            let keys = pair.connected();
            let fields = format!("Supported: timer\r\nSession-Expires: 1800\r\nMin-SE: {least}\r\n");
            let text = raw(&pair, A, keys, ("UPDATE", 10), &fields);
            pair.inject(B, text);
            let granted = pair.sent(B).next_back().and_then(session_expires);
            assert_eq!(granted.as_deref(), Some("1800;refresher=uac"), "own {own_s}, Min-SE {least}");
            let text = raw(&pair, A, keys, ("UPDATE", 11), "Supported: timer\r\nSession-Expires: 4294967295\r\n");
            pair.inject(B, text);
            let granted = pair.sent(B).next_back().and_then(session_expires);
            let granted: u32 = granted.as_deref().and_then(|v| v.split(';').next()?.parse().ok()).expect("an interval");
            assert!(granted <= 86_400, "{granted}");
            pair.hangup(B, keys.1);
            pair.run_out().expect("an end");
            pair.assert_empty();
        }
    }
}
