//! Filters of messages on the wire: an own phone reads what reaches it, baresip talks through it, and sipp counts.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "test code")]

use interop::{Message, Phone, Sip, Sipp, Switch, Ua, audio, until};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Binds the header rules to these accounts.
fn bind(switch: &Switch, rules: Value) {
    let plugin = switch.rest().install("header-rules", "0.1.0", shipped::HEADER_RULES);
    let brand = switch.rest().all("/brands")[0]["id"].clone();
    let body = json!({ "brand": brand, "name": "rules", "plugin": plugin, "config": rules });
    let bound = switch.rest().write("PUT", "/bindings", &body);
    assert_eq!(bound["point"], json!("hooks/sip-filter"), "{bound}");
}

fn filtered(switch: &Switch, what: &str) -> f64 {
    switch.rest().metric(&format!("strowger_filtered_messages_total{{what=\"{what}\"}}"))
}

/// What is told of a call's messages: which, and what was decided.
fn explained(switch: &Switch, call: &str) -> Vec<String> {
    let trace = switch.rest().get(&format!("/calls/{call}/trace"));
    let all = trace["questions"].as_array().cloned().unwrap_or_default();
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let of_filters = all.iter().filter(|q| q["asked"] == "sip-filter");
    of_filters
        .map(|q| format!("{}: {} by {}", text(&q["callee"]), text(&q["decision"]), text(&q["hooks"][0]["plugin"])))
        .collect()
}

#[test]
fn header_fields_change_at_the_edge_and_an_unwanted_phone_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let switch = Switch::demo(data.path());
    let [ann, bob] = [(); 2].map(|()| Ua::new(switch.sip()));
    switch.direct_account("ann", ann.address());
    switch.direct_account("bob", bob.address());
    bind(
        &switch,
        json!({
            "accounts": ["bob"],
            "leave": { "set": { "X-Site": "north", "User-Agent": "hidden" } },
            "enter": { "remove": ["X-Secret"] },
            "refuse": [{ "field": "X-Tool", "holds": "scanner", "sip": 488 }],
        }),
    );
    let mut dialog = ann.invite("bob", ann.address());
    let invite: Message = bob.expect("an INVITE", |m| m.status() == 0 && m.method() == "INVITE");
    assert_eq!((invite.header("X-Site"), invite.header("User-Agent")), ("north", "hidden"), "{}", invite.text);
    assert_eq!(invite.text.matches("\r\nUser-Agent:").count(), 1, "{}", invite.text);
    bob.respond(&invite, 200, Some(bob.address()));
    assert_eq!(ann.answered(&mut dialog), 200);
    let answer = dialog.response.as_ref().unwrap();
    assert_eq!(answer.header("X-Site"), "", "ann's own terminal has no filter: {}", answer.text);
    let _ = bob.expect("the ACK", |m| m.status() == 0 && m.method() == "ACK");
    let calls = switch.rest().all("/calls");
    let id = calls[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(ann.bye(&mut dialog), 200);
    let bye = bob.expect("the BYE", |m| m.status() == 0 && m.method() == "BYE");
    bob.respond(&bye, 200, None);
    until("its CDRs", || (switch.rest().all("/cdrs").len() >= 2).then_some(()));
    let told = until("the explanation", || Some(explained(&switch, &id)).filter(|told| told.len() >= 2));
    let plugin = "by header-rules@0.1.0";
    assert_eq!(
        told,
        [
            format!("INVITE leaves by account bob: pass, changes: 2 {plugin}"),
            format!("200 enters by account bob: pass, changes: 1 {plugin}"),
        ]
    );
    assert_eq!((filtered(&switch, "asked"), filtered(&switch, "failed")), (2.0, 0.0));

    // The other way: refused before anybody is called.
    let text = format!(
        "INVITE sip:ann@{sip} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKtool\r\nMax-Forwards: 70\r\n\
         From: <sip:bob@{sip}>;tag=f\r\nTo: <sip:ann@{sip}>\r\nCall-ID: tool\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:bob@{own}>\r\nX-Tool: a scanner\r\nContent-Length: 0\r\n\r\n",
        sip = switch.sip(),
        own = bob.address(),
    );
    bob.send(&text);
    let refused = bob.expect("a refusal", |m| m.header("Call-ID") == "tool" && m.status() >= 200);
    assert_eq!(refused.status(), 488, "{}", refused.text);
    assert_eq!(refused.header("X-Site"), "north", "what leaves says so, a refusal too: {}", refused.text);
}

#[test]
fn two_phones_talk_through_filters_and_hear_each_other() {
    let data = tempfile::tempdir().unwrap();
    let switch = Switch::demo(data.path());
    let sip = Sip { server: switch.sip(), tcp: false };
    let (ones, twos) = (audio::noise(1, 5), audio::sweep(5));
    let mut one = Phone::registered(&switch, sip, "1001", &ones);
    let mut two = Phone::registered(&switch, sip, "1002", &twos);
    bind(&switch, json!({ "accounts": "*", "leave": { "add": { "X-Site": "north" } } }));
    one.dial("1002");
    two.event("CALL_INCOMING");
    two.command("accept", "");
    two.event("CALL_ESTABLISHED");
    one.event("CALL_ESTABLISHED");
    one.listen(3);
    two.listen(3);
    // A re-INVITE passes them too, and the call goes on.
    two.command("hold", "");
    until("the hold's INVITE and its answer", || (filtered(&switch, "changed") >= 5.0).then_some(()));
    two.command("resume", "");
    two.command("hangup", "");
    one.event("CALL_CLOSED");
    assert!(audio::find(&one.heard(), &twos).is_there(), "1001 hears 1002");
    assert!(audio::find(&two.heard(), &ones).is_there(), "1002 hears 1001");
    // Where the machine is busy one may be late: it passes as it is.
    assert_eq!(filtered(&switch, "failed"), 0.0);
}

#[test]
fn sipp_makes_its_calls_through_filters() {
    let data = tempfile::tempdir().unwrap();
    let switch = Switch::demo(data.path());
    let local = || SocketAddr::from((Ipv4Addr::LOCALHOST, interop::free_port(Ipv4Addr::LOCALHOST.into())));
    let (caller, callee) = (local(), local());
    switch.direct_account("caller", caller);
    switch.direct_account("callee", callee);
    bind(&switch, json!({ "accounts": ["caller", "callee"], "leave": { "add": { "X-Site": "north" } } }));
    let _callee = Sipp::callee(callee);
    let mut calls = Sipp::caller(caller, switch.sip(), "callee", (20, 10, Duration::from_millis(300)));
    let figures = calls.finish(Duration::from_secs(60));
    assert_eq!((figures.successful, figures.failed), (20, 0), "{}", calls.errors());
    assert!(filtered(&switch, "asked") >= 120.0, "INVITE, 180 and 200 of each, on both sides");
    assert_eq!(filtered(&switch, "failed"), 0.0, "{}", switch.rest().metrics());
}
