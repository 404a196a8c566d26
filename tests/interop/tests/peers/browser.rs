//! Browser phones over WSS. Their media is WebRTC and goes straight between them.

use crate::turn;
use interop::{Browser, Office, present};
use serde_json::{Value, json};

fn here(test: &str) -> bool {
    present(test, &["chromium", "jssip"])
}

fn phones(company: &Value, users: &[&str], options: &Value) -> (Office, Browser) {
    let office = Office::open(company);
    for user in users {
        office.account(user);
    }
    let mut browser = Browser::open(&office);
    for user in users {
        browser.register(&office, user, options);
    }
    (office, browser)
}

fn of(call: &Value) -> Value {
    json!({ "call": call })
}

fn talks_and_holds(company: &Value) {
    let (office, mut browser) = phones(company, &["ann", "ben"], &json!({}));
    let (anns, bens) = browser.talk("ann", "ben", &json!({}));
    office.calls(&["answered"]);
    assert_eq!(browser.command("hold", "ann", &of(&anns)), true);
    assert_eq!(browser.event("ben", "hold")["by"], "remote");
    assert_eq!(browser.command("unhold", "ann", &of(&anns)), true);
    assert_eq!(browser.event("ben", "unhold")["by"], "remote");
    let _ = browser.command("message", "ann", &json!({ "target": "sip:ben@acme.test", "text": "Good morning" }));
    assert_eq!(browser.event("ben", "message")["text"], "Good morning");
    let _ = browser.event("ann", "sent");
    let _ = browser.command("hangup", "ben", &of(&bens));
    assert_eq!(browser.event("ann", "ended")["by"], "remote");
    office.calls(&[]);
    assert_eq!(office.cdrs(2), ["callee ben normal-clearing", "caller ben normal-clearing"]);

    let _ = browser.command("call", "ann", &json!({ "target": "sip:ben@acme.test" }));
    let rings = browser.event("ben", "incoming")["call"].clone();
    let _ = browser.command("decline", "ben", &json!({ "call": rings, "status": 486 }));
    assert_eq!(browser.event("ann", "failed")["status"], 486);
}

#[test]
fn browsers_register_call_hold_and_write_over_wss() {
    let _turn = turn();
    if here("browsers_register_call_hold_and_write_over_wss") {
        talks_and_holds(&json!({ "media": "direct" }));
    }
}

#[test]
fn browsers_register_call_hold_and_write_over_wss_through_the_proxy() {
    let _turn = turn();
    if here("browsers_register_call_hold_and_write_over_wss_through_the_proxy") {
        talks_and_holds(&json!({ "handling": "proxy" }));
    }
}

#[test]
fn a_browser_sees_lamps_and_waiting_messages() {
    let _turn = turn();
    if !here("a_browser_sees_lamps_and_waiting_messages") {
        return;
    }
    let (office, mut browser) = phones(&json!({ "media": "direct" }), &["ann", "ben"], &json!({}));
    let eve = office.account("eve");
    browser.register(&office, "eve", &json!({}));
    let lamp = json!({ "target": "sip:ben@acme.test", "event": "dialog", "accept": "application/dialog-info+xml" });
    let _ = browser.command("watch", "eve", &lamp);
    let shows = |state: &'static str| {
        move |said: &Value| said["body"].as_str().is_some_and(|b| b.contains(&format!("<state>{state}</state>")))
    };
    let first = browser.event("eve", "notify");
    assert!(!first["body"].as_str().unwrap().contains("<dialog "), "nothing goes on: {first}");
    let anns = browser.command("call", "ann", &json!({ "target": "sip:ben@acme.test" }));
    let _ = browser.event_that("eve", "notify", shows("early"));
    let rings = browser.event("ben", "incoming")["call"].clone();
    let _ = browser.command("answer", "ben", &of(&rings));
    let _ = browser.event_that("eve", "notify", shows("confirmed"));
    let _ = browser.command("hangup", "ann", &of(&anns));
    let _ = browser.event_that("eve", "notify", shows("terminated"));

    let accept = "application/simple-message-summary";
    let own = json!({ "target": "sip:eve@acme.test", "event": "message-summary", "accept": accept });
    let _ = browser.command("watch", "eve", &own);
    let says = |line: &'static str| {
        move |said: &Value| {
            said["event"] == "message-summary" && said["body"].as_str().is_some_and(|b| b.contains(line))
        }
    };
    let _ = browser.event_that("eve", "notify", says("Messages-Waiting: no"));
    let waiting = json!({ "voice": { "new": 2, "old": 1 } });
    office.switch().rest().write("PUT", &format!("/accounts/{eve}/mailbox"), &waiting);
    let _ = browser.event_that("eve", "notify", says("Voice-Message: 2/1"));
}

/// The page's clock runs 60 times as fast: a session of 90 seconds is refreshed by the phones three times in two.
#[test]
fn browsers_refresh_their_sessions() {
    let _turn = turn();
    if !here("browsers_refresh_their_sessions") {
        return;
    }
    for method in ["UPDATE", "INVITE"] {
        let options = json!({ "session_timers": true, "session_timers_refresh_method": method });
        let (office, mut browser) = phones(&json!({ "media": "direct" }), &["ann", "ben"], &options);
        let (anns, _) = browser.talk("ann", "ben", &json!({ "sessionTimersExpires": 90 }));
        for _ in 0..3 {
            let refresh = browser.event_that("ann", "within", |e| e["method"] == method);
            assert_eq!((&refresh["status"], &refresh["expires"]), (&json!(200), &json!(90)), "{refresh}");
        }
        office.calls(&["answered"]);
        let _ = browser.command("hangup", "ann", &of(&anns));
        assert_eq!(browser.event("ben", "ended")["by"], "remote");
        assert_eq!(office.cdrs(2), ["callee ben normal-clearing", "caller ben normal-clearing"]);
    }
}

/// Through the proxy REFER reaches the party itself, which calls the target with Replaces where it was told to.
#[test]
fn browsers_transfer_calls_through_the_proxy() {
    let _turn = turn();
    if !here("browsers_transfer_calls_through_the_proxy") {
        return;
    }
    let (office, mut browser) = phones(&json!({ "handling": "proxy" }), &["ann", "ben", "eve"], &json!({}));
    let (anns, bens) = browser.talk("ann", "ben", &json!({}));
    let _ = browser.command("transfer", "ben", &json!({ "call": bens, "target": "sip:eve@acme.test" }));
    let rings = browser.event("eve", "incoming")["call"].clone();
    let _ = browser.command("answer", "eve", &of(&rings));
    let _ = browser.event("ben", "transferred");
    let made = browser.event("ann", "referred")["made"].clone();
    let _ = browser.command("hangup", "ben", &of(&bens));
    let _ = browser.event_that("ann", "ended", |e| e["call"] == anns);
    let calls = office.calls(&["answered"]);
    assert_eq!((&calls[0]["caller"], &calls[0]["callee"]), (&json!("ann"), &json!("eve")));
    let _ = browser.command("hangup", "ann", &of(&made));
    let _ = browser.event("eve", "ended");

    let (anns, bens) = browser.talk("ann", "ben", &json!({}));
    let _ = browser.command("hold", "ben", &of(&bens));
    let _ = browser.event_that("ann", "hold", |e| e["call"] == anns);
    let (bens_second, eves) = browser.talk("ben", "eve", &json!({}));
    let attended = json!({ "call": bens, "target": "sip:eve@acme.test", "replaces": bens_second });
    let _ = browser.command("transfer", "ben", &attended);
    let _ = browser.event_that("eve", "replaces", |e| e["call"] == eves);
    let rings = browser.event("eve", "incoming")["call"].clone();
    let _ = browser.command("answer", "eve", &of(&rings));
    let _ = browser.event_that("eve", "ended", |e| e["call"] == eves);
    let _ = browser.event("ben", "transferred");
    let _ = browser.command("hangup", "ben", &of(&bens));
    let calls = office.calls(&["answered"]);
    assert_eq!((&calls[0]["caller"], &calls[0]["callee"]), (&json!("ann"), &json!("eve")));
}
