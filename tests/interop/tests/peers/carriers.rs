//! Carriers that are dead, slow or say 503: a call comes out at the one that works.

use crate::turn;
use interop::{Message, Office, Ua};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// How long a server may be silent.
const ANSWER_MS: &str = "600";

/// An address where nobody is.
fn nobody() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap()
}

/// A company whose numbers from 0 go by these ways, and a phone of it.
fn office(ways: &Value) -> (Office, Ua) {
    let office = Office::open(&json!({ "media": "direct" }));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("extensions.wasm");
    std::fs::write(&file, shipped::EXTENSIONS).unwrap();
    let switch = office.switch();
    let _ = switch.cli(&["plugin", "install", file.to_str().unwrap(), "--as", "1.0.0", "--unsigned"]);
    let config = json!({ "static": { "0*": ways } }).to_string();
    let _ = switch.cli(&["plugin", "bind", "extensions@1.0.0", "--config", &config]);
    let phone = Ua::new(switch.sip());
    switch.direct_account("ann", phone.address());
    (office, phone)
}

fn trunk(office: &Office, name: &str, servers: &[SocketAddr]) {
    let servers: Vec<String> = servers.iter().enumerate().map(|(i, s)| format!("{s};priority={i}")).collect();
    let mut args = vec!["trunk", "add", name, "--answer-ms", ANSWER_MS];
    servers.iter().for_each(|server| args.extend(["--server", server.as_str()]));
    let made = office.switch().cli(&args);
    assert_eq!(made["name"], name, "{made}");
}

fn rtp() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000))
}

fn invited(carrier: &Ua, what: &str) -> Message {
    let invite = carrier.expect(what, |m| m.method() == "INVITE" && m.status() == 0);
    assert!(invite.start().starts_with("INVITE sip:+4930123@"), "{}", invite.start());
    invite
}

/// The carrier takes the call, and the caller hangs up after it.
fn taken(phone: &Ua, carrier: &Ua, call: &mut interop::Dialog) {
    let invite = invited(carrier, "the INVITE at the carrier that works");
    carrier.respond(&invite, 200, Some(rtp()));
    assert_eq!(phone.answered(call), 200);
    let _ = carrier.expect("the ACK", |m| m.method() == "ACK");
    let bye = std::thread::scope(|scope| {
        let ended = scope.spawn(|| {
            let bye = carrier.expect("the BYE", |m| m.method() == "BYE");
            carrier.respond(&bye, 200, None);
        });
        let status = phone.bye(call);
        ended.join().unwrap();
        status
    });
    assert_eq!(bye, 200);
}

#[test]
fn a_call_passes_a_dead_a_slow_and_an_overloaded_server() {
    let _turn = turn();
    let (office, phone) = office(&json!("trunk:carrier/+49{rest}"));
    let sip = office.switch().sip();
    let (slow, busy, good) = (Ua::new(sip), Ua::new(sip), Ua::new(sip));
    trunk(&office, "carrier", &[nobody(), slow.address(), busy.address(), good.address()]);

    let mut asked = BTreeSet::new();
    let mut silent = Vec::new();
    // Three failures in a row are a server's limit.
    for _ in 0..3 {
        let mut call = phone.invite("030123", rtp());
        let new = |m: &Message| m.method() == "INVITE" && !asked.contains(m.header("Call-ID"));
        silent.push(slow.expect("the INVITE at the slow server", new));
        let refused = busy.expect("the INVITE at the overloaded server", new);
        busy.respond(&refused, 503, None);
        let _ = busy.expect("the ACK of its 503", |m| m.method() == "ACK");
        taken(&phone, &good, &mut call);
        asked.extend(silent.last().map(|m| m.header("Call-ID").to_owned()));
        asked.insert(refused.header("Call-ID").to_owned());
    }
    let cdrs = office.cdrs(15);
    let went = |what: &str| cdrs.iter().filter(|c| c.ends_with(what)).count();
    assert_eq!((went(" trunk-silent"), went(" normal-clearing")), (6, 6), "{cdrs:#?}");

    // It speaks at last: too late.
    for invite in &silent {
        slow.respond(invite, 180, None);
        let of = |m: &Message| m.header("Call-ID") == invite.header("Call-ID");
        let cancel = slow.expect("the CANCEL", |m| m.method() == "CANCEL" && of(m));
        slow.respond(&cancel, 200, None);
        slow.respond(invite, 487, None);
        let _ = slow.expect("the ACK of its 487", |m| m.method() == "ACK" && of(m));
    }

    let mut call = phone.invite("030123", rtp());
    taken(&phone, &good, &mut call);
    let again = |carrier: &Ua| {
        core::iter::from_fn(|| carrier.poll(Duration::from_millis(1)))
            .any(|m| m.method() == "INVITE" && !asked.contains(m.header("Call-ID")))
    };
    assert!(!again(&slow) && !again(&busy), "a server that has failed three times was asked again");
    let status = office.switch().cli(&["trunk", "status", "carrier"]);
    let servers = status["servers"].as_array().unwrap();
    let breakers: Vec<&str> = servers.iter().filter_map(|s| s["breaker"].as_str()).collect();
    assert_eq!(breakers, ["open", "open", "open", "closed"], "{status:#}");
}

#[test]
fn a_plan_goes_on_to_the_next_trunk() {
    let _turn = turn();
    let (office, phone) = office(&json!(["trunk:first/+49{rest}", "trunk:second/+49{rest}"]));
    let good = Ua::new(office.switch().sip());
    trunk(&office, "first", &[nobody(), nobody()]);
    trunk(&office, "second", &[good.address()]);
    let mut call = phone.invite("030123", rtp());
    taken(&phone, &good, &mut call);
    office.calls(&[]);
}

#[test]
fn a_call_that_no_carrier_takes_is_refused() {
    let _turn = turn();
    let (office, phone) = office(&json!("trunk:carrier/+49{rest}"));
    let busy = Ua::new(office.switch().sip());
    trunk(&office, "carrier", &[nobody(), busy.address()]);
    let mut call = phone.invite("030123", rtp());
    let refused = invited(&busy, "the INVITE at the overloaded server");
    busy.respond(&refused, 503, None);
    let status = phone.answered(&mut call);
    assert!((500..600).contains(&status), "{status}");
    office.calls(&[]);
}
