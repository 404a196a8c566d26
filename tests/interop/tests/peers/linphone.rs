//! Linphones over TLS and TCP: calls, hold, both transfers, a fork with a phone that declines.

use crate::turn;
use interop::{Linphone, Office, present};
use serde_json::{Value, json};

fn here(test: &str) -> bool {
    present(test, &["linphone-daemon"])
}

/// A company and its phones, each registered over this transport.
fn phones<const N: usize>(company: &Value, transport: &str, users: [&str; N]) -> (Office, [Linphone; N]) {
    let office = Office::open(company);
    for user in users {
        office.account(user);
    }
    let phones = users.map(|user| Linphone::registered(&office, transport, user, 0));
    (office, phones)
}

/// `from` calls `to`, which answers; gives the numbers that the two have for it.
fn talk(from: &mut Linphone, to: &mut Linphone, user: &str) -> (u32, u32) {
    let call = from.call(user);
    let rings = to.answers();
    from.state(call, "StreamsRunning");
    (call, rings)
}

fn calls_and_holds(transport: &str, company: &Value) {
    let (office, [mut ann, mut ben]) = phones(company, transport, ["ann", "ben"]);
    let (anns, bens) = talk(&mut ann, &mut ben, "ben");
    let legs = office.calls(&["answered"])[0]["legs"].clone();
    assert_eq!((&legs[0]["party"], &legs[1]["party"]), (&json!("ann"), &json!("ben")), "{legs}");
    let _ = ann.command("call-pause");
    ann.state(anns, "Paused");
    ben.state(bens, "PausedByRemote");
    let _ = ann.command(&format!("call-resume {anns}"));
    ann.state(anns, "StreamsRunning");
    ben.state(bens, "StreamsRunning");
    office.calls(&["answered"]);
    let _ = ben.command(&format!("terminate {bens}"));
    ann.state(anns, "Released");
    office.calls(&[]);
    assert_eq!(office.cdrs(2), ["callee ben normal-clearing", "caller ben normal-clearing"]);
}

#[test]
fn linphones_call_and_hold_over_tls() {
    let _turn = turn();
    if here("linphones_call_and_hold_over_tls") {
        calls_and_holds("tls", &json!({}));
    }
}

#[test]
fn linphones_call_and_hold_over_tcp_through_the_proxy() {
    let _turn = turn();
    if here("linphones_call_and_hold_over_tcp_through_the_proxy") {
        calls_and_holds("tcp", &json!({ "handling": "proxy" }));
    }
}

#[test]
fn a_linphone_transfers_a_call_blind() {
    let _turn = turn();
    if !here("a_linphone_transfers_a_call_blind") {
        return;
    }
    let (office, [mut ann, mut ben, mut eve]) = phones(&json!({}), "tls", ["ann", "ben", "eve"]);
    let (anns, bens) = talk(&mut ann, &mut ben, "ben");
    let _ = ben.command(&format!("call-transfer {bens} sip:eve@acme.test"));
    let eves = eve.answers();
    ben.state(bens, "Released");
    let calls = office.calls(&["answered"]);
    assert_eq!(calls[0]["callee"], "eve", "{calls:#?}");
    let _ = eve.command(&format!("terminate {eves}"));
    ann.state(anns, "Released");
    let expected = [
        "callee ben transferred",
        "callee eve normal-clearing",
        "caller ben transferred",
        "caller eve normal-clearing",
    ];
    assert_eq!(office.cdrs(4), expected);
}

#[test]
fn a_linphone_transfers_a_call_after_talking_to_the_target() {
    let _turn = turn();
    if !here("a_linphone_transfers_a_call_after_talking_to_the_target") {
        return;
    }
    let (office, [mut ann, mut ben, mut eve]) = phones(&json!({}), "tls", ["ann", "ben", "eve"]);
    let (anns, first) = talk(&mut ann, &mut ben, "ben");
    let _ = ben.command("call-pause");
    ben.state(first, "Paused");
    let (second, eves) = talk(&mut ben, &mut eve, "eve");
    let _ = ben.command(&format!("call-transfer {first} {second}"));
    ben.state(second, "Released");
    office.calls(&["answered"]);
    let _ = ann.command(&format!("terminate {anns}"));
    eve.state(eves, "Released");
    office.calls(&[]);
    assert_eq!(office.cdrs(5).iter().filter(|c| c.ends_with("transferred")).count(), 3);
}

/// Three phones of one account: one says 603, one rings on, one answers and has the call.
fn forks(company: &Value) {
    let office = Office::open(company);
    for user in ["ann", "ben"] {
        office.account(user);
    }
    let mut ann = Linphone::registered(&office, "tls", "ann", 0);
    let mut bens = [0, 1, 2].map(|others| Linphone::registered(&office, "tls", "ben", others));
    let anns = ann.call("ben");
    let ringing: Vec<u32> = bens.iter_mut().map(Linphone::rings).collect();
    let [declines, answers, rings] = &mut bens;
    let _ = declines.command(&format!("terminate {}", ringing[0]));
    declines.state(ringing[0], "Released");
    let _ = answers.command(&format!("answer {}", ringing[1]));
    answers.state(ringing[1], "StreamsRunning");
    ann.state(anns, "StreamsRunning");
    rings.state(ringing[2], "Released");
    office.calls(&["answered"]);
    let _ = ann.command(&format!("terminate {anns}"));
    answers.state(ringing[1], "Released");
    office.calls(&[]);
}

#[test]
fn a_phone_that_declines_does_not_end_the_call_of_the_others() {
    let _turn = turn();
    if here("a_phone_that_declines_does_not_end_the_call_of_the_others") {
        forks(&json!({}));
    }
}

#[test]
fn a_phone_that_declines_does_not_end_a_proxied_call_of_the_others() {
    let _turn = turn();
    if here("a_phone_that_declines_does_not_end_a_proxied_call_of_the_others") {
        forks(&json!({ "handling": "proxy" }));
    }
}
