//! The demo's four kinds of clients, each by real messages: extension to extension, a home out and in, a shop's line, and a
//! carrier that passes calls through by its address and a prefix.
#![allow(clippy::unwrap_used, reason = "test code")]

use interop::{Message, Switch, Ua};
use serde_json::{Value, json};
use std::net::Ipv4Addr;

/// A call that is answered and hung up; what the callee was sent.
#[track_caller]
fn call(caller: &Ua, dialled: &str, callee: &Ua) -> Message {
    let mut dialog = caller.invite(dialled, caller.address());
    let invite = callee.expect(&format!("an INVITE for {dialled}"), |m| m.status() == 0 && m.method() == "INVITE");
    callee.respond(&invite, 200, Some(callee.address()));
    assert_eq!(caller.answered(&mut dialog), 200, "{dialled}");
    let _ = callee.expect(&format!("the ACK for {dialled}"), |m| m.status() == 0 && m.method() == "ACK");
    assert_eq!(caller.bye(&mut dialog), 200, "{dialled}");
    let bye = callee.expect(&format!("the BYE for {dialled}"), |m| m.status() == 0 && m.method() == "BYE");
    callee.respond(&bye, 200, None);
    invite
}

/// The row of a list that has this at a key.
#[track_caller]
fn row(switch: &Switch, noun: &str, key: &str, wanted: &str) -> i64 {
    let all = switch.rest().all(&format!("/{noun}"));
    let found = all.iter().find(|row| row[key] == wanted);
    found.unwrap_or_else(|| panic!("no {wanted} in {all:?}"))["id"].as_i64().unwrap()
}

#[test]
fn the_demo_has_one_of_each_kind_and_each_makes_its_call() {
    let data = tempfile::tempdir().unwrap();
    let switch = Switch::demo(data.path());
    let (rest, sip) = (switch.rest(), switch.sip());
    let kinds: Vec<Value> = rest.all("/companies").iter().map(|company| company["kind"].clone()).collect();
    assert_eq!(kinds, [json!("vpbx"), json!("residential"), json!("retail"), json!("wholesale")]);
    // Who names no company means the one with the phones.
    assert_eq!(switch.cli(&["account", "add", "1011"])["company"], json!(switch.company()));

    let [ann, bob, home, line] = [(); 4].map(|()| Ua::new(sip));
    let (carrier, transit) = (Ua::on(Ipv4Addr::new(127, 0, 0, 2), sip), Ua::on(Ipv4Addr::new(127, 0, 0, 3), sip));
    for (user, phone) in [("1001", &ann), ("1002", &bob), ("2001", &home), ("3001", &line), ("carrier", &transit)] {
        let path = format!("/accounts/{}", row(&switch, "accounts", "username", user));
        rest.write("PATCH", &path, &json!({ "direct": phone.address().to_string() }));
    }
    let path = format!("/trunks/{}", row(&switch, "trunks", "name", "demo-carrier"));
    let server = json!({ "host": "127.0.0.2", "port": carrier.address().port() });
    rest.write("PATCH", &path, &json!({ "servers": [server] }));

    call(&ann, "1002", &bob);
    for (phone, own) in [(&home, "442079460201"), (&line, "442079460301")] {
        let out = call(phone, "02079460999", &carrier);
        assert!(out.start().contains("+442079460999"), "in E.164: {}", out.text);
        assert!(out.header("From").contains(own), "shown by its number: {}", out.text);
        call(&carrier, &format!("+{own}"), phone);
    }
    let through = call(&transit, "7700442079460999", &carrier);
    assert!(through.start().contains("+442079460999"), "without the prefix: {}", through.text);
    let mut dialog = transit.invite("442079460999", transit.address());
    assert_eq!(transit.answered(&mut dialog), 404, "without the prefix it is no number");
    // Another client's extension is none of a home's: what it dials is a public number.
    let mut dialog = home.invite("1001", home.address());
    let out = carrier.expect("the INVITE for 1001", |m| m.status() == 0 && m.method() == "INVITE");
    carrier.respond(&out, 404, None);
    assert_eq!(home.answered(&mut dialog), 404, "{}", out.text);
}
