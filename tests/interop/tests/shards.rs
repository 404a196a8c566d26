//! A node of several shards: brands that live apart, phones whose messages another shard reads, a restart with another
//! number of shards, carriers, connections.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use interop::{Phone, Rest, Run, Sip, Switch, Ua, audio, free_port, until, until_or};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

const PASSWORD: &str = "correct-horse";
const DOMAINS: [&str; 2] = ["one.test", "two.test"];

/// Phones at work share few cores with what else runs.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A switch of so many shards on this port.
fn switch(shards: u8, port: u16, data: &Path) -> Switch {
    let config = format!(
        "[node]\nshards = {shards}\n[sip]\ndigest = [\"md5\"]\nlisten = [\"udp:127.0.0.1:{port}\", \"tcp:127.0.0.1:{port}\"]\n\
         [http]\nlisten = \"127.0.0.1:0\"\n[media]\nstreams_max = 200\nports = \"0\"\n"
    );
    Switch::start(&Run::Serve(config), data)
}

/// Two brands with a company each, which live on different shards of two; the companies' ids.
fn brands(rest: &Rest) -> [i64; 2] {
    DOMAINS.map(|domain| {
        let brand = rest.write("POST", "/brands", &json!({ "name": domain, "default_verdict": "extensions" }));
        let company = json!({ "brand": brand["id"], "name": domain, "domain": domain });
        rest.write("POST", "/companies", &company)["id"].as_i64().unwrap()
    })
}

fn account(rest: &Rest, company: i64, username: &str) {
    rest.write("POST", "/accounts", &json!({ "company": company, "username": username, "password": PASSWORD }));
}

fn registrations(rest: &Rest) -> BTreeSet<String> {
    let text = |r: &Value, name: &str| r[name].as_str().unwrap_or_default().to_owned();
    rest.all("/registrations").iter().map(|r| format!("{}: {}", text(r, "username"), text(r, "source"))).collect()
}

/// Nothing was taken by a shard that has not its brand, and nothing was lost between them.
fn nothing_astray(rest: &Rest) {
    assert_eq!(rest.metric("strowger_shard_astray"), 0.0, "{}", rest.metrics());
    assert_eq!(rest.metric("strowger_shard_hand_overs_dropped"), 0.0, "{}", rest.metrics());
}

/// The first phone of a company calls the second, who answers.
fn talk(phones: &mut [Phone], domain: &str) {
    let [one, two] = phones else { panic!("two phones") };
    one.dial_uri(&format!("sip:b@{domain}"));
    two.event("CALL_INCOMING");
    two.command("accept", "");
    two.event("CALL_ESTABLISHED");
    one.event("CALL_ESTABLISHED");
}

#[test]
fn two_brands_call_on_two_shards_and_their_phones_are_known_after_a_restart_with_another_number() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    let (data, port) = (dir.path().join("data"), free_port(Ipv4Addr::LOCALHOST.into()));
    let mut node = switch(2, port, &data);
    let companies = brands(node.rest());
    let sip = |tcp| Sip { server: node.sip(), tcp };
    let (ones, twos) = (audio::noise(1, 5), audio::sweep(5));
    let mut phones: Vec<Vec<Phone>> = Vec::new();
    for (company, domain) in companies.into_iter().zip(DOMAINS) {
        ["a", "b"].iter().for_each(|user| account(node.rest(), company, user));
        // The caller by UDP, the callee by UDP in one brand and by a connection in the other.
        phones.push(vec![
            Phone::of_domain(sip(false), domain, ("a", PASSWORD), &ones),
            Phone::of_domain(sip(domain == DOMAINS[1]), domain, ("b", PASSWORD), &twos),
        ]);
    }
    let four = || Some(registrations(node.rest())).filter(|all| all.len() == 4);
    let story = || {
        let said: Vec<String> = phones.iter_mut().flatten().map(Phone::tell).collect();
        format!("{:?}\n{}\n{}", registrations(node.rest()), node.rest().metrics(), said.join("\n"))
    };
    let known = until_or("four registrations", four, story);
    for (phones, domain) in phones.iter_mut().zip(DOMAINS) {
        talk(phones, domain);
    }
    // The operator sees both, and that each shard has one.
    let calls = node.rest().all("/calls");
    let brands: BTreeSet<i64> = calls.iter().filter_map(|c| c["brand"].as_i64()).collect();
    assert_eq!((calls.len(), brands.len()), (2, 2), "{calls:#?}");
    until("a call on each shard", || {
        let each = ["0", "1"].map(|shard| node.rest().metric(&format!("strowger_shard_calls{{shard=\"{shard}\"}}")));
        (each == [1.0, 1.0]).then_some(())
    });
    phones.iter().flatten().for_each(|phone| phone.listen(3));
    // One is ended by the operator, whichever shard it is on, and the other goes on.
    let id = calls[0]["id"].as_str().unwrap().to_owned();
    let ended = node.rest().request("DELETE", &format!("/api/v1/calls/{id}"), "application/json", b"").unwrap();
    assert!((200..300).contains(&ended.status), "{ended:?}");
    phones[0].iter_mut().for_each(|phone| drop(phone.event("CALL_CLOSED")));
    assert_eq!(node.rest().all("/calls").len(), 1);
    phones[1][0].command("hangup", "");
    phones[1][1].event("CALL_CLOSED");
    for (phones, domain) in phones.iter().zip(DOMAINS) {
        let heard = audio::find(&phones[0].heard(), &twos);
        assert!(heard.is_there(), "a of {domain} hears b: {heard:?}");
    }
    until("the CDRs", || (node.rest().all("/cdrs").len() == 4).then_some(()));
    nothing_astray(node.rest());

    // UDP phones are where they were, whatever the number of shards: they are called before they have said a word.
    let by_udp: BTreeSet<String> = known.iter().filter(|r| r.contains("udp/")).cloned().collect();
    assert_eq!(by_udp.len(), 3);
    for shards in [3, 1, 2] {
        node.child().terminate();
        assert!(node.child().wait().success());
        node = switch(shards, port, &data);
        let still = registrations(node.rest());
        assert!(still.is_superset(&by_udp), "{shards} shards: {still:?} of {known:?}");
        talk(&mut phones[0], DOMAINS[0]);
        phones[0][0].command("hangup", "");
        phones[0][1].event("CALL_CLOSED");
        nothing_astray(node.rest());
    }
    until("every CDR", || (node.rest().all("/cdrs").len() == 10).then_some(()));
}

#[test]
fn a_carriers_call_finds_its_brands_shard_from_wherever_it_is_read() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    let node = switch(2, free_port(Ipv4Addr::LOCALHOST.into()), &dir.path().join("data"));
    let companies = brands(node.rest());
    for (at, (company, domain)) in (10_u8..).zip(companies.into_iter().zip(DOMAINS)) {
        let phone = Ua::new(node.sip());
        let desk = json!({ "company": company, "username": "desk", "direct": phone.address().to_string() });
        node.rest().write("POST", "/accounts", &desk);
        let ddi =
            json!({ "company": company, "e164": format!("+49{at}"), "target": { "kind": "account", "name": "desk" } });
        node.rest().write("POST", "/ddis", &ddi);
        let source = Ipv4Addr::new(127, 0, 0, at);
        let _ = node.cli(&["trunk", "add", "carrier", "--brand", domain, "--source", &format!("{source}/32")]);
        // Each port is another source to the kernel: some are read by the one shard, some by the other.
        for _ in 0..12 {
            let carrier = Ua::on(source, node.sip());
            let mut call = carrier.invite(&format!("+49{at}"), SocketAddr::from((source, 40_000)));
            let invite = phone.expect("the carrier's call", |m| m.method() == "INVITE" && m.status() == 0);
            phone.respond(&invite, 200, Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 41_000))));
            assert_eq!(carrier.answered(&mut call), 200);
            let _ack = phone.expect("the ACK", |m| m.method() == "ACK");
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let bye = phone.expect("the BYE", |m| m.method() == "BYE");
                    phone.respond(&bye, 200, None);
                });
                assert_eq!(carrier.bye(&mut call), 200);
            });
        }
    }
    let cdrs = until("the CDRs", || Some(node.rest().all("/cdrs")).filter(|all| all.len() == 48));
    assert!(cdrs.iter().all(|cdr| cdr["cause"] == "normal-clearing"), "{cdrs:#?}");
    nothing_astray(node.rest());
    until("some of it was handed over", || (node.rest().metric("strowger_shard_handed_over") > 0.0).then_some(()));
}

/// A REGISTER without credentials, and the status that answers it on the same connection.
fn challenged(stream: &mut TcpStream, domain: &str, n: usize) -> String {
    let own = stream.local_addr().unwrap();
    let request = format!(
        "REGISTER sip:{domain} SIP/2.0\r\nVia: SIP/2.0/TCP {own};branch=z9hG4bKs{n}\r\nMax-Forwards: 70\r\n\
         From: <sip:a@{domain}>;tag=f{n}\r\nTo: <sip:a@{domain}>\r\nCall-ID: shards-{n}\r\nCSeq: 1 REGISTER\r\n\
         Contact: <sip:a@{own};transport=tcp>\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream.set_read_timeout(Some(interop::PATIENCE)).unwrap();
    let mut buffer = [0; 4_096];
    let read = stream.read(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..read]).lines().next().unwrap_or_default().to_owned()
}

#[test]
fn an_answer_leaves_by_the_connection_that_another_shard_has() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    let node = switch(2, free_port(Ipv4Addr::LOCALHOST.into()), &dir.path().join("data"));
    let companies = brands(node.rest());
    companies.into_iter().for_each(|company| account(node.rest(), company, "a"));
    let mut streams: Vec<TcpStream> = (0..16).map(|_| TcpStream::connect(node.sip()).unwrap()).collect();
    for (n, stream) in streams.iter_mut().enumerate() {
        for domain in DOMAINS {
            assert_eq!(challenged(stream, domain, n), "SIP/2.0 401 Unauthorized", "{domain} on connection {n}");
        }
    }
    nothing_astray(node.rest());
    until("half of it was handed over", || (node.rest().metric("strowger_shard_handed_over") >= 16.0).then_some(()));
}

#[test]
fn a_second_node_on_the_same_port_is_refused_although_the_shards_share_it() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    let port = free_port(Ipv4Addr::LOCALHOST.into());
    let _node = switch(2, port, &dir.path().join("data"));
    for (shards, transport) in [(1, "udp"), (2, "udp"), (2, "tcp")] {
        let config = format!(
            "[node]\nshards = {shards}\n[sip]\ndigest = [\"md5\"]\nlisten = [\"{transport}:127.0.0.1:{port}\"]\n[http]\nlisten = \"127.0.0.1:0\"\n"
        );
        let output = Switch::refused(&Run::Serve(config), &dir.path().join("other"));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(&port.to_string()) && text.contains("taken"), "{text}");
    }
}
