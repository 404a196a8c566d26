//! What an idle TLS connection costs: a thousand phones of another process connect, say one message each and fall
//! silent; the growth of this process's resident memory is divided among them. The figure of the plan is 40 KiB.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

use bytes::Bytes;
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use model::{Instant, Limits, Transmit, Transport};
use net::{Incoming, ListenerConfig, Net, PortPool, Surroundings, TlsCertificate, TlsConfig, TlsMaterial};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;

const PHONES: usize = 1_000;
const MOST_BYTES: usize = 40 * 1_024;
const PLACE: &str = "NET_IDLE_TLS";
const MESSAGE: &[u8] = b"OPTIONS sip:a@b SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n";
const NOW: Instant = Instant::from_unix_nanos(1_000_000_000);

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1_024
}

/// Serves until `messages` came in all, answering each.
fn serve(net: &mut Net, messages: u64) {
    let begun = std::time::Instant::now();
    while net.counters().received.get(Transport::Tls) < messages {
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", net.counters());
        net.wait(Some(Duration::from_millis(100))).unwrap();
        let mut flows = Vec::new();
        while let Some(incoming) = net.next(NOW) {
            if let Incoming::Message { flow, .. } = incoming {
                flows.push(flow);
            }
        }
        for flow in flows {
            let bytes = Bytes::from_static(b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n");
            net.send(Transmit { flow, bytes }, NOW);
        }
    }
}

#[test]
fn a_thousand_idle_tls_connections_take_little_memory() {
    if let Ok(place) = std::env::var(PLACE) {
        return phones(&place);
    }
    net::raise_file_limit(PHONES + 100, 0).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["sip.example.com".to_owned()]).unwrap();
    let (cert, key) = (dir.path().join("node.crt"), dir.path().join("node.key"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let certificate = TlsCertificate { domain: "sip.example.com".to_owned(), cert: cert.clone(), key };
    let config = TlsConfig { certificates: vec![certificate], ca: Some(cert.clone()), ..TlsConfig::default() };
    let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = ListenerConfig { transport: Transport::Tls, bind, advertised: None };
    let limits = Limits { connections_per_source_max: 2 * PHONES, ..Limits::default() };
    let around = Surroundings { tls: Some(TlsMaterial::load(&config).unwrap()), ..Surroundings::default() };
    let mut net = Net::open(&[listener], PortPool::default(), &limits, around).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_thousand_idle_tls_connections_take_little_memory", "--nocapture"])
        .env(PLACE, format!("{} {}", net.listeners()[0].bound, cert.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // The first hundred warm up what is paid for once.
    serve(&mut net, 100);
    let before = resident();
    child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    serve(&mut net, (100 + PHONES) as u64);
    let each = resident().saturating_sub(before) / PHONES;
    println!("an idle TLS connection: {each} bytes resident");
    assert_eq!(net.counters().connections, (100 + PHONES) as u64);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert!(each <= MOST_BYTES, "{each} bytes each");
}

/// The other side: the test in a process of its own, told where to call.
fn phones(place: &str) {
    let (to, ca) = place.split_once(' ').unwrap();
    net::raise_file_limit(PHONES + 200, 0).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
    let connect = || {
        let name = "sip.example.com".try_into().unwrap();
        let connection = rustls::ClientConnection::new(Arc::clone(&config), name).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, TcpStream::connect(to).unwrap());
        stream.write_all(MESSAGE).unwrap();
        stream.flush().unwrap();
        stream.read_exact(&mut [0; 10]).unwrap();
        stream
    };
    let mut open: Vec<_> = (0..100).map(|_| connect()).collect();
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    open.extend((0..PHONES).map(|_| connect()));
    // Until the other side has measured.
    let _closed = std::io::stdin().read_line(&mut line);
}
