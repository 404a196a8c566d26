//! The real binary as its operator sees it: starts, refusals, crashes, drains.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use interop::{Office, Run, Sipp, Switch, Ua, free_port, until, until_or};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One test at a time: a switch that starts takes all of a small machine, and another's calls would miss the routing
/// deadline meanwhile.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn local() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, free_port(Ipv4Addr::LOCALHOST.into())))
}

/// Media goes straight between the parties, so that no port of the demo's few is needed.
fn direct_media(switch: &Switch) {
    switch.rest().write("PATCH", &format!("/companies/{}", switch.company()), &json!({ "media": "direct" }));
}

/// One sentence on standard error, exit code 2, nothing else.
fn refused(run: &Run, data: &Path, words: &[&str]) {
    let output = Switch::refused(run, data);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(output.stdout.is_empty());
    for word in words {
        assert!(text.contains(word), "{word:?} is missing: {text}");
    }
}

#[test]
fn a_second_start_on_the_same_data_has_the_same_accounts() {
    let _turn = turn();
    let data = tempfile::tempdir().unwrap();
    let mut switch = Switch::demo(data.path());
    let password = switch.password("1005");
    switch.child().terminate();
    assert!(switch.child().wait().success());
    let again = Switch::demo(data.path());
    assert_eq!(again.password("1005"), password);
    assert_eq!(again.rest().all("/accounts").len(), 13);
    assert_eq!(again.rest().all("/bindings").len(), 12);
}

#[test]
fn a_start_that_cannot_be_is_refused_in_one_sentence() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let taken_http = TcpListener::bind("127.0.0.1:0").unwrap();
    let http = taken_http.local_addr().unwrap().to_string();
    refused(&Run::Serve(format!("[http]\nlisten = {http:?}\n")), &data, &[&http, "taken"]);

    let taken_sip = UdpSocket::bind("127.0.0.1:0").unwrap();
    let sip = taken_sip.local_addr().unwrap().to_string();
    let config = format!("[http]\nlisten = \"127.0.0.1:0\"\n[sip]\nlisten = [\"udp:{sip}\"]\n");
    refused(&Run::Serve(config), &data, &[&sip]);

    refused(&Run::Serve("[sip]\nlisten = 5060\n".to_owned()), &data, &[".toml:2:10", "expected"]);
    refused(&Run::Serve("[sip]\nlisten = [\n".to_owned()), &data, &[".toml:"]);

    let broken = dir.path().join("broken");
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("strowger.db"), "this is no database, and long enough to be read as a page".repeat(100))
        .unwrap();
    refused(&Run::Demo(Ipv4Addr::LOCALHOST.into()), &broken, &["database"]);
}

/// CDRs by call: the causes of its legs, in order.
fn by_call(cdrs: &[Value]) -> BTreeMap<String, Vec<(u64, String)>> {
    let mut calls: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
    for cdr in cdrs {
        let leg = (cdr["leg"].as_u64().unwrap(), cdr["cause"].as_str().unwrap().to_owned());
        calls.entry(cdr["call"].as_str().unwrap().to_owned()).or_default().push(leg);
    }
    calls.values_mut().for_each(|legs| legs.sort());
    calls
}

#[test]
fn a_kill_in_the_middle_of_a_hundred_calls_leaves_one_cdr_per_leg() {
    let _turn = turn();
    let data = tempfile::tempdir().unwrap();
    let mut switch = Switch::demo(data.path());
    direct_media(&switch);
    let (caller, callee) = (local(), local());
    switch.direct_account("caller", caller);
    switch.direct_account("callee", callee);
    let _callee = Sipp::callee(callee);
    // Half of the calls end before the kill, half are cut.
    let mut short = Sipp::caller(caller, switch.sip(), "callee", (50, 50, Duration::from_millis(300)));
    let figures = short.finish(Duration::from_secs(30));
    assert_eq!((figures.successful, figures.failed), (50, 0), "{}", short.errors());
    let long = Sipp::caller(caller, switch.sip(), "callee", (50, 50, Duration::from_secs(60)));
    let answered = || switch.rest().all("/calls").iter().filter(|c| c["state"] == "answered").count();
    until_or(
        "50 answered calls",
        || (answered() == 50).then_some(()),
        || format!("{} answered, {:?}\n{}\n{}", answered(), long.figures(), long.errors(), switch.rest().metrics()),
    );
    switch.child().kill();

    let again = Switch::demo(data.path());
    let cdrs = until("every CDR", || Some(again.rest().all("/cdrs")).filter(|c| c.len() >= 200));
    assert_eq!(cdrs.len(), 200, "one for each leg and no more");
    let calls = by_call(&cdrs);
    assert_eq!(calls.len(), 100);
    for (call, legs) in &calls {
        assert_eq!(legs.iter().map(|l| l.0).collect::<Vec<_>>(), [0, 1], "call {call}");
    }
    let cut = |legs: &[(u64, String)]| legs.iter().all(|l| l.1 == "switch-restarted");
    let ended = |legs: &[(u64, String)]| legs.iter().all(|l| l.1 == "normal-clearing");
    assert_eq!(calls.values().filter(|l| cut(l)).count(), 50, "{calls:#?}");
    assert_eq!(calls.values().filter(|l| ended(l)).count(), 50, "{calls:#?}");
}

#[test]
fn sigterm_lets_a_call_end_and_refuses_new_ones() {
    let _turn = turn();
    let data = tempfile::tempdir().unwrap();
    let config = "[sip]\nlisten = [\"udp:127.0.0.1:0\"]\ndrain_s = 60\ndefault_domain = \"acme.test\"\n\
                  [http]\nlisten = \"127.0.0.1:0\"\n";
    let mut switch = Switch::start(&Run::Serve(config.to_owned()), &data.path().join("data"));
    let rest = switch.rest().clone();
    let brand = rest.write("POST", "/brands", &json!({ "name": "brand", "default_verdict": "extensions" }));
    let company = json!({ "brand": brand["id"], "name": "acme", "domain": "acme.test", "media": "direct" });
    rest.write("POST", "/companies", &company);
    let (caller, callee) = (Ua::new(switch.sip()), Ua::new(switch.sip()));
    switch.direct_account("caller", caller.address());
    switch.direct_account("callee", callee.address());

    let rtp = SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000));
    let mut call = caller.invite("callee", rtp);
    let invite = callee.expect("the INVITE", |m| m.method() == "INVITE");
    callee.respond(&invite, 200, Some(rtp));
    assert_eq!(caller.answered(&mut call), 200);
    let ack = callee.expect("the ACK", |m| m.method() == "ACK");
    assert_eq!(ack.header("Call-ID"), invite.header("Call-ID"));

    switch.child().terminate();
    until("the drain", || {
        let answer = rest.request("GET", "/healthz", "text/plain", b"").ok()?;
        (answer.status == 503).then_some(())
    });
    let mut late = caller.invite("callee", rtp);
    assert_eq!(caller.answered(&mut late), 503);
    assert_eq!(switch.child().ended(), None, "it waits for the call");

    // The callee answers its BYE while the caller waits for its own answer.
    let answering = std::thread::spawn(move || {
        let bye = callee.expect("the BYE", |m| m.method() == "BYE");
        callee.respond(&bye, 200, None);
    });
    assert_eq!(caller.bye(&mut call), 200);
    answering.join().unwrap();
    assert!(switch.child().wait().success(), "{}", switch.child().err());
}

/// Who a phone believes: the certificate that is in the file now.
fn trusts(file: &Path) -> Arc<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

type Secure = rustls::StreamOwned<rustls::ClientConnection, TcpStream>;

fn secure(to: SocketAddr, trust: &Arc<rustls::ClientConfig>) -> Secure {
    let socket = TcpStream::connect(to).unwrap();
    socket.set_read_timeout(Some(interop::PATIENCE)).unwrap();
    let name = "localhost".try_into().unwrap();
    rustls::StreamOwned::new(rustls::ClientConnection::new(Arc::clone(trust), name).unwrap(), socket)
}

/// Whether an OPTIONS on this connection is answered.
fn answers(phone: &mut Secure, n: u32) -> bool {
    let own = phone.sock.local_addr().unwrap();
    let ask = format!(
        "OPTIONS sip:localhost SIP/2.0\r\nVia: SIP/2.0/TLS {own};branch=z9hG4bKhup{n}\r\nMax-Forwards: 70\r\n\
         From: <sip:a@acme.test>;tag=1\r\nTo: <sip:localhost>\r\nCall-ID: hup-{own}-{n}\r\nCSeq: {n} OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    );
    let mut start = [0; 12];
    let heard =
        phone.write_all(ask.as_bytes()).and_then(|()| phone.flush()).and_then(|()| phone.read_exact(&mut start));
    // The rest of the answer is not needed: nothing else is asked before it is there.
    let mut rest = [0; 4_096];
    heard.is_ok() && phone.read(&mut rest).is_ok() && start.starts_with(b"SIP/2.0 200")
}

#[test]
fn certificates_are_read_anew_while_connections_stand() {
    let _turn = turn();
    let mut office = Office::open(&json!({}));
    let (tls, file) = (office.at("tls"), office.certificate().cert());
    let before = trusts(&file);
    let mut standing = secure(tls, &before);
    assert!(answers(&mut standing, 1));

    office.certificate().renew();
    let after = trusts(&file);
    assert!(!answers(&mut secure(tls, &after), 1), "nobody has said that it is to be read");
    office.switch_mut().child().hang_up();
    until("the new certificate", || answers(&mut secure(tls, &after), 1).then_some(()));
    assert!(!answers(&mut secure(tls, &before), 1), "the old one is shown to nobody who comes now");
    assert!(answers(&mut standing, 2), "who was there stays");

    std::fs::write(&file, "no certificate").unwrap();
    office.switch_mut().child().hang_up();
    let stays = |_: &str, err: &str| err.contains("certificates and authorities stay as they were").then_some(());
    office.switch_mut().child().says("that it is of no use", stays);
    assert!(answers(&mut secure(tls, &after), 1) && answers(&mut standing, 3));
}
