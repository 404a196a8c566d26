//! Browsers whose media passes by the switch: ICE, DTLS-SRTP, and sound both ways, with phones, with the switch itself and
//! with each other. What the page hears it measures itself; what a phone hears is in its recording.

use crate::turn;
use interop::{Browser, DOMAIN, Office, Phone, Sip, audio, present, until};
use rtp::stun;
use serde_json::{Value, json};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

/// What each party hums, in Hz: neither is a multiple of another.
const ANN: f64 = 1_000.0;
const BEN: f64 = 640.0;
const PHIL: f64 = 440.0;

fn here(test: &str) -> bool {
    present(test, &["chromium", "jssip", "baresip"])
}

fn browsers(office: &Office, users: &[&str]) -> Browser {
    users.iter().for_each(|user| {
        office.account(user);
    });
    let mut browser = Browser::open(office);
    users.iter().for_each(|user| browser.register(office, user, &json!({})));
    browser
}

fn phone(office: &Office, user: &str) -> Phone {
    // baresip reads its password up to a blank.
    office.account_with(user, "correcthorse");
    let sip = Sip { server: office.at("udp"), tcp: false };
    let phone = Phone::start(sip, user, "correcthorse", &audio::tone(PHIL, 4));
    office.registered(user, "udp", 1);
    phone
}

fn target(user: &str) -> String {
    format!("sip:{user}@{}", DOMAIN)
}

fn call(browser: &mut Browser, from: &str, to: &str, hz: f64) -> Value {
    browser.command("call", from, &json!({ "target": target(to), "hz": hz }))
}

fn of(call: &Value) -> Value {
    json!({ "call": call })
}

/// This phone of the page hears that tone, and packets come fifty a second.
fn hears(browser: &mut Browser, user: &str, call: &Value, hz: f64) -> Value {
    // The first packets fill the jitter buffer.
    let last = until(&format!("{hz} Hz at {user}"), || {
        let heard = browser.command("hear", user, &json!({ "call": call, "hz": hz, "ms": 1_500 }));
        let often = |name: &str| heard[name].as_f64().unwrap_or_default();
        (often("hits") >= 0.8 * often("looks") && often("packets") > 50.0).then(|| heard.clone())
    });
    assert!(last["sent"].as_f64().unwrap() > 50.0, "{user} is sent from: {last}");
    last
}

/// Nothing comes any more.
fn hears_nothing(browser: &mut Browser, user: &str, call: &Value) {
    until(&format!("silence at {user}"), || {
        let heard = browser.command("hear", user, &json!({ "call": call, "hz": 1.0, "ms": 600 }));
        (heard["packets"] == 0).then_some(())
    });
}

/// A phone's recording is this tone.
fn heard_tone(phone: &Phone, hz: f64) {
    let (loud, same) = audio::find_tone(&phone.heard(), hz);
    assert!(same >= 6 && same * 4 >= loud * 3, "{hz} Hz in {same} of {loud} windows");
}

fn secured(office: &Office, legs: usize) {
    let all = until("the CDRs", || Some(office.switch().rest().all("/cdrs")).filter(|c| c.len() >= legs));
    let with: Vec<&Value> = all.iter().filter(|c| c["media"]["srtp"] == true).collect();
    assert!(!with.is_empty(), "{all:#?}");
}

#[test]
fn a_browser_and_a_phone_hear_each_other() {
    let _turn = turn();
    if !here("a_browser_and_a_phone_hear_each_other") {
        return;
    }
    let office = Office::for_phones(&json!({}));
    let mut browser = browsers(&office, &["ann"]);
    let mut phil = phone(&office, "phil");
    // The browser calls, holds and takes back; the phone hangs up.
    let anns = call(&mut browser, "ann", "phil", ANN);
    phil.event("CALL_INCOMING");
    phil.command("accept", "");
    phil.event("CALL_ESTABLISHED");
    let _ = browser.event_that("ann", "confirmed", |e| e["call"] == anns);
    let _ = hears(&mut browser, "ann", &anns, PHIL);
    phil.listen(3);
    assert_eq!(browser.command("hold", "ann", &of(&anns)), true);
    office.calls(&["held"]);
    hears_nothing(&mut browser, "ann", &anns);
    assert_eq!(browser.command("unhold", "ann", &of(&anns)), true);
    office.calls(&["answered"]);
    let _ = hears(&mut browser, "ann", &anns, PHIL);
    phil.command("hangup", "");
    assert_eq!(browser.event("ann", "ended")["by"], "remote");
    assert_eq!(office.cdrs(2), ["callee phil normal-clearing", "caller phil normal-clearing"]);
    secured(&office, 2);
    // The phone calls, holds and takes back; the browser hangs up.
    phil.dial("ann");
    let rings = browser.event("ann", "incoming")["call"].clone();
    let _ = browser.command("answer", "ann", &json!({ "call": rings, "hz": ANN }));
    phil.event("CALL_ESTABLISHED");
    let _ = hears(&mut browser, "ann", &rings, PHIL);
    phil.listen(3);
    phil.command("hold", "");
    office.calls(&["held"]);
    hears_nothing(&mut browser, "ann", &rings);
    phil.command("resume", "");
    office.calls(&["answered"]);
    let _ = hears(&mut browser, "ann", &rings, PHIL);
    let _ = browser.command("hangup", "ann", &of(&rings));
    phil.event("CALL_CLOSED");
    office.calls(&[]);
    heard_tone(&phil, ANN);
    until("every port", || (office.switch().rest().metric("strowger_media_streams") == 0.0).then_some(()));
}

#[test]
fn browsers_hear_each_other_through_the_switch() {
    let _turn = turn();
    if !here("browsers_hear_each_other_through_the_switch") {
        return;
    }
    let office = Office::for_phones(&json!({}));
    let mut browser = browsers(&office, &["ann", "ben"]);
    let anns = call(&mut browser, "ann", "ben", ANN);
    let bens = browser.event("ben", "incoming")["call"].clone();
    let _ = browser.command("answer", "ben", &json!({ "call": bens, "hz": BEN }));
    let _ = browser.event_that("ann", "confirmed", |e| e["call"] == anns);
    let _ = hears(&mut browser, "ann", &anns, BEN);
    let _ = hears(&mut browser, "ben", &bens, ANN);
    for (holds, own, other, others, hums) in [("ann", &anns, "ben", &bens, ANN), ("ben", &bens, "ann", &anns, BEN)] {
        assert_eq!(browser.command("hold", holds, &of(own)), true);
        let _ = browser.event(other, "hold");
        hears_nothing(&mut browser, holds, own);
        assert_eq!(browser.command("unhold", holds, &of(own)), true);
        let _ = browser.event(other, "unhold");
        let _ = hears(&mut browser, other, others, hums);
    }
    let told = browser.command("told", "ann", &of(&anns));
    assert!(told.as_str().unwrap().contains("a=ice-lite"), "the switch stands between: {told}");
    let _ = browser.command("hangup", "ann", &of(&anns));
    assert_eq!(browser.event("ben", "ended")["by"], "remote");
    assert_eq!(office.cdrs(2), ["callee ben normal-clearing", "caller ben normal-clearing"]);
    secured(&office, 2);
}

#[test]
fn a_browser_hears_the_echo_and_walks_through_the_attendant() {
    let _turn = turn();
    if !here("a_browser_hears_the_echo_and_walks_through_the_attendant") {
        return;
    }
    let office = Office::furnished(&json!({}));
    let mut browser = browsers(&office, &["ann"]);
    let anns = call(&mut browser, "ann", "101", ANN);
    let _ = browser.event_that("ann", "confirmed", |e| e["call"] == anns);
    let _ = hears(&mut browser, "ann", &anns, ANN);
    let _ = browser.command("hangup", "ann", &of(&anns));
    office.calls(&[]);
    // The browser's own fake device, through the switch and back.
    let anns = browser.command("call", "ann", &json!({ "target": target("101") }));
    let _ = browser.event_that("ann", "confirmed", |e| e["call"] == anns);
    until("the fake device's beeps", || {
        let heard = browser.command("hear", "ann", &json!({ "call": anns, "hz": 1.0, "ms": 2_500 }));
        heard["loudest"].as_f64().filter(|l| *l > 0.02)
    });
    let _ = browser.command("hangup", "ann", &of(&anns));
    office.calls(&[]);
    // Keys as events (RFC 4733), and the phone behind the attendant.
    let mut phil = phone(&office, "1002");
    let anns = call(&mut browser, "ann", "100", ANN);
    let _ = browser.event_that("ann", "confirmed", |e| e["call"] == anns);
    until("the menu", || {
        let heard = browser.command("hear", "ann", &json!({ "call": anns, "hz": 1.0, "ms": 500 }));
        heard["loudest"].as_f64().filter(|l| *l > 0.02)
    });
    let _ = browser.command("press", "ann", &json!({ "call": anns, "keys": "2" }));
    phil.event("CALL_INCOMING");
    phil.command("accept", "");
    phil.event("CALL_ESTABLISHED");
    let _ = hears(&mut browser, "ann", &anns, PHIL);
    phil.listen(3);
    let _ = browser.command("hangup", "ann", &of(&anns));
    phil.event("CALL_CLOSED");
    heard_tone(&phil, ANN);
}

#[test]
fn a_certificate_that_is_not_the_described_one_is_no_call() {
    let _turn = turn();
    if !here("a_certificate_that_is_not_the_described_one_is_no_call") {
        return;
    }
    let office = Office::for_phones(&json!({}));
    let mut browser = browsers(&office, &["ann"]);
    let mut phil = phone(&office, "phil");
    let anns = browser.command("call", "ann", &json!({ "target": target("phil"), "hz": ANN, "forged": true }));
    phil.event("CALL_INCOMING");
    phil.command("accept", "");
    phil.event("CALL_ESTABLISHED");
    let _ = browser.event_that("ann", "ended", |e| e["call"] == anns);
    phil.event("CALL_CLOSED");
    phil.dial("ann");
    let rings = browser.event("ann", "incoming")["call"].clone();
    let _ = browser.command("answer", "ann", &json!({ "call": rings, "hz": ANN, "forged": true }));
    let _ = browser.event_that("ann", "ended", |e| e["call"] == rings);
    phil.event("CALL_CLOSED");
    let cdrs = office.cdrs(4);
    assert!(cdrs.len() == 4 && cdrs.iter().all(|c| c.ends_with("media-unsecured")), "{cdrs:?}");
    assert_eq!(audio::find_tone(&phil.heard(), ANN).1, 0, "not a word of it is heard");
}

/// Where the switch takes a call's media, by its candidate.
fn media_port(told: &str) -> SocketAddr {
    let line = told.lines().find_map(|l| l.strip_prefix("a=candidate:")).expect("a candidate");
    let words: Vec<&str> = line.split(' ').collect();
    format!("{}:{}", words[4], words[5]).parse().expect("its address")
}

#[test]
fn who_does_not_know_the_password_is_not_heard() {
    let _turn = turn();
    if !here("who_does_not_know_the_password_is_not_heard") {
        return;
    }
    let office = Office::for_phones(&json!({}));
    let mut browser = browsers(&office, &["ann"]);
    let mut phil = phone(&office, "phil");
    let anns = call(&mut browser, "ann", "phil", ANN);
    phil.event("CALL_INCOMING");
    phil.command("accept", "");
    phil.event("CALL_ESTABLISHED");
    let _ = hears(&mut browser, "ann", &anns, PHIL);
    let told = browser.command("told", "ann", &of(&anns));
    let told = told.as_str().unwrap();
    let field = |name: &str| told.lines().find_map(|l| l.strip_prefix(name)).expect("a field").to_owned();
    let (ufrag, pwd) = (field("a=ice-ufrag:"), field("a=ice-pwd:"));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(media_port(told)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut buffer = [0; 2_048];
    let wrong: String = pwd.chars().rev().collect();
    socket.send(&stun::write_request(&format!("{ufrag}:x"), &wrong, &[1; 12], &[(0x25, &[])])).unwrap();
    let len = socket.recv(&mut buffer).unwrap();
    assert_eq!((&buffer[..2], &buffer[24..28]), (&[0x01, 0x11][..], &[0, 0, 4, 1][..]), "401 in {len} bytes");
    // DTLS and RTP of somebody whose checks did not pass, between two checks that are answered in order.
    let loud = audio::tone(2_000.0, 1);
    socket.send(&[&[22, 254, 253][..], &[0; 60]].concat()).unwrap();
    for (n, frame) in loud.chunks_exact(160).enumerate() {
        let header = rtp::Header {
            payload_type: 0,
            marker: n == 0,
            sequence: u16::try_from(n).unwrap(),
            timestamp: u32::try_from(n).unwrap() * 160,
            ssrc: 77,
            payload: 0..0,
        };
        let bytes: Vec<u8> = frame.iter().map(|s| rtp::g711::ulaw_encode(*s)).collect();
        socket.send(&[&rtp::write_header(&header)[..], &bytes].concat()).unwrap();
    }
    socket.send(&stun::write_request(&format!("{ufrag}:x"), &wrong, &[2; 12], &[])).unwrap();
    let len = socket.recv(&mut buffer).unwrap();
    assert_eq!((&buffer[..2], &buffer[8..20]), (&[0x01, 0x11][..], &[2; 12][..]), "nothing else came back: {len}");
    phil.listen(3);
    let _ = hears(&mut browser, "ann", &anns, PHIL);
    let _ = browser.command("hangup", "ann", &of(&anns));
    phil.event("CALL_CLOSED");
    heard_tone(&phil, ANN);
    assert_eq!(audio::find_tone(&phil.heard(), 2_000.0).1, 0);
}
