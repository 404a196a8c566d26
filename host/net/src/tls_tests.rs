//! TLS, WebSocket and both together over loopback, with rustls for the phones. Waits end with the event waited for.

use crate::config::{ClientCertificates, TlsCertificate, TlsConfig};
use crate::{BoundListener, Incoming, ListenerConfig, Net, PortPool, Surroundings, TlsMaterial};
use bytes::Bytes;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use model::{Flow, Instant, Limits, Transmit, Transport};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::ServerName;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const START: Instant = Instant::from_unix_nanos(1_000_000_000);
const MESSAGE: &[u8] = b"OPTIONS sip:a@b SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 4\r\n\r\nbody";
const ANSWER: &[u8] = b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n";

/// An authority and the files it wrote.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    dir: tempfile::TempDir,
}

impl Authority {
    fn new() -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), pem).unwrap();
        Authority { issuer: Issuer::new(params, key), dir }
    }

    fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// A certificate for `name`.
    fn issue(&self, name: &str) -> TlsCertificate {
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let file = |kind: &str, text: String| {
            let path = self.dir.path().join(format!("{}.{kind}", name.replace('*', "any")));
            std::fs::write(&path, text).unwrap();
            path
        };
        TlsCertificate { domain: name.to_owned(), cert: file("crt", cert.pem()), key: file("key", key.serialize_pem()) }
    }

    fn config(&self, names: &[&str]) -> TlsConfig {
        TlsConfig {
            certificates: names.iter().map(|n| self.issue(n)).collect(),
            ca: Some(self.ca()),
            ..TlsConfig::default()
        }
    }

    /// A phone's view: it trusts this authority, and shows a certificate if it has one.
    fn phone(&self, own: Option<&TlsCertificate>) -> Arc<rustls::ClientConfig> {
        use rustls::pki_types::pem::PemObject;
        use rustls::pki_types::{CertificateDer, PrivateKeyDer};
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.ca()).unwrap()).unwrap();
        let builder =
            rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots);
        Arc::new(match own {
            Some(own) => {
                let chain = vec![CertificateDer::from_pem_file(&own.cert).unwrap()];
                builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(&own.key).unwrap()).unwrap()
            }
            None => builder.with_no_client_auth(),
        })
    }
}

fn net(transports: &[Transport], config: &TlsConfig, limits: &Limits) -> Net {
    let listeners: Vec<ListenerConfig> = transports
        .iter()
        .map(|t| ListenerConfig { transport: *t, bind: SocketAddr::new(V4, 0), advertised: None })
        .collect();
    let material = TlsMaterial::load(config).unwrap();
    let around = Surroundings { tls: Some(material), ..Surroundings::default() };
    Net::open(&listeners, PortPool::default(), limits, around).unwrap()
}

fn at(net: &Net, transport: Transport) -> SocketAddr {
    let found: Option<&BoundListener> = net.listeners().iter().find(|l| l.transport == transport);
    found.unwrap().bound
}

/// What came, in short: messages by flow, failed flows.
#[derive(Debug, PartialEq, Eq)]
enum Got {
    Message(Flow, Bytes),
    Failed(Flow),
}

/// Serves the net until `done` says so of what came.
fn serve(net: &mut Net, now: Instant, mut done: impl FnMut(&Net, &[Got]) -> bool) -> Vec<Got> {
    let mut got = Vec::new();
    let begun = std::time::Instant::now();
    while !done(net, &got) {
        assert!(begun.elapsed() < Duration::from_secs(10), "waited in vain; got {got:?}, {:?}", net.counters());
        net.wait(Some(Duration::from_millis(20))).unwrap();
        while let Some(incoming) = net.next(now) {
            match incoming {
                Incoming::Message { flow, bytes } => got.push(Got::Message(flow, bytes)),
                Incoming::FlowFailed { flow } => got.push(Got::Failed(flow)),
                Incoming::Media { .. } => {}
            }
        }
    }
    got
}

/// A phone on a thread: connects, says `say`, and gives back what it hears until `hear` bytes came or the line ended.
fn phone(
    to: SocketAddr,
    tls: Option<(Arc<rustls::ClientConfig>, &str)>,
    say: Vec<u8>,
    hear: usize,
) -> JoinHandle<Heard> {
    let tls = tls.map(|(config, name)| (config, ServerName::try_from(name.to_owned()).unwrap()));
    std::thread::spawn(move || {
        let mut socket = TcpStream::connect(to).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        match tls {
            None => talk(&mut socket, &say, hear),
            Some((config, name)) => {
                let connection = rustls::ClientConnection::new(config, name).unwrap();
                let mut stream = rustls::StreamOwned::new(connection, socket);
                let mut heard = talk(&mut stream, &say, hear);
                heard.certificate = stream.conn.peer_certificates().map(|c| c[0].to_vec());
                heard
            }
        }
    })
}

#[derive(Debug, Default)]
struct Heard {
    bytes: Vec<u8>,
    error: Option<String>,
    certificate: Option<Vec<u8>>,
}

fn talk(stream: &mut (impl Read + Write), say: &[u8], hear: usize) -> Heard {
    let mut heard = Heard::default();
    if let Err(error) = stream.write_all(say).and_then(|()| stream.flush()) {
        heard.error = Some(error.to_string());
        return heard;
    }
    let mut buffer = [0; 4_096];
    while heard.bytes.len() < hear {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => heard.bytes.extend_from_slice(&buffer[..count]),
            Err(error) => {
                heard.error = Some(error.to_string());
                break;
            }
        }
    }
    heard
}

/// Takes one message, checks it, and answers over its flow.
fn answer_one(net: &mut Net, transport: Transport) -> Flow {
    let got = serve(net, START, |_, got| got.iter().any(|g| matches!(g, Got::Message(..))));
    let Some(Got::Message(flow, bytes)) = got.into_iter().find(|g| matches!(g, Got::Message(..))) else { panic!() };
    assert_eq!((flow.transport, &bytes[..]), (transport, MESSAGE));
    assert!(flow.connection.is_some() && flow.name.is_none());
    net.send(Transmit { flow, bytes: Bytes::from_static(ANSWER) }, START);
    flow
}

fn masked(payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x81, 0x80 | 126];
    out.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    out.extend_from_slice(&[1, 2, 3, 4]);
    out.extend(payload.iter().zip([1, 2, 3, 4].into_iter().cycle()).map(|(b, m)| b ^ m));
    out
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\n\r\n";

fn ws_talk() -> Vec<u8> {
    let mut say = UPGRADE.as_bytes().to_vec();
    // The message in a frame of 16-bit length: it is longer than 125 with this padding.
    say.extend(masked(MESSAGE));
    say
}

#[test]
fn a_message_comes_by_tls_ws_and_wss_and_its_answer_goes_back_over_the_same_connection() {
    let authority = Authority::new();
    let transports = [Transport::Tls, Transport::Ws, Transport::Wss];
    let mut net = net(&transports, &authority.config(&["sip.example.com"]), &Limits::default());
    for transport in transports {
        let tls = transport.is_secure().then(|| (authority.phone(None), "sip.example.com"));
        let websocket = transport != Transport::Tls;
        let say = if websocket { ws_talk() } else { MESSAGE.to_vec() };
        let hear = if websocket { 130 + ANSWER.len() } else { ANSWER.len() };
        let phone = phone(at(&net, transport), tls, say, hear);
        let flow = answer_one(&mut net, transport);
        assert_eq!(flow.local, at(&net, transport));
        let mut heard = Some(phone);
        serve(&mut net, START, |_, _| heard.as_ref().is_some_and(JoinHandle::is_finished));
        let heard = heard.take().unwrap().join().unwrap();
        let text = String::from_utf8_lossy(&heard.bytes).into_owned();
        assert_eq!(heard.error, None, "{transport:?}");
        assert!(text.ends_with(core::str::from_utf8(ANSWER).unwrap()), "{text}");
        assert_eq!(text.starts_with("HTTP/1.1 101 "), websocket, "{text}");
        assert_eq!(net.counters().received.get(transport), 1);
        assert_eq!(net.counters().sent.get(transport), 1);
    }
    assert_eq!(net.counters().tls_handshakes, 2);
    assert_eq!(net.counters().tls_failed, crate::TlsFailures::default());
}

#[test]
fn the_certificate_is_picked_by_the_name_that_is_asked_for() {
    let authority = Authority::new();
    let names = ["one.example.com", "two.example.com", "*.brand.example"];
    let config = authority.config(&names);
    let first: Vec<Vec<u8>> = config
        .certificates
        .iter()
        .map(|c| {
            use rustls::pki_types::pem::PemObject;
            rustls::pki_types::CertificateDer::from_pem_file(&c.cert).unwrap().to_vec()
        })
        .collect();
    let mut net = net(&[Transport::Tls], &config, &Limits::default());
    for (asked, shown) in [("one.example.com", 0), ("TWO.example.com", 1), ("sip.brand.example", 2)] {
        let phone =
            phone(at(&net, Transport::Tls), Some((authority.phone(None), asked)), MESSAGE.to_vec(), ANSWER.len());
        answer_one(&mut net, Transport::Tls);
        serve(&mut net, START, |_, _| phone.is_finished());
        assert_eq!(phone.join().unwrap().certificate.as_ref(), Some(&first[shown]), "{asked}");
    }
    // An unknown name gets the first, which the phone refuses: it is not for that name.
    let phone = phone(at(&net, Transport::Tls), Some((authority.phone(None), "no.example.org")), MESSAGE.to_vec(), 1);
    serve(&mut net, START, |net, _| net.counters().tls_failed.alert == 1);
    assert!(phone.join().unwrap().error.is_some());
}

#[test]
fn new_certificates_are_for_new_connections() {
    let authority = Authority::new();
    let mut net = net(&[Transport::Tls], &authority.config(&["old.example.com"]), &Limits::default());
    let to = at(&net, Transport::Tls);
    let phone_of = |name| phone(to, Some((authority.phone(None), name)), MESSAGE.to_vec(), 2 * ANSWER.len());
    let old = phone_of("old.example.com");
    let flow = answer_one(&mut net, Transport::Tls);
    net.secure(TlsMaterial::load(&authority.config(&["new.example.com"])).unwrap());
    let new = phone_of("new.example.com");
    let flow_of_new = answer_one(&mut net, Transport::Tls);
    // The old connection goes on.
    for flow in [flow, flow_of_new] {
        net.send(Transmit { flow, bytes: Bytes::from_static(ANSWER) }, START);
    }
    serve(&mut net, START, |_, _| old.is_finished() && new.is_finished());
    for phone in [old, new] {
        let heard = phone.join().unwrap();
        assert_eq!((heard.bytes.len(), heard.error), (2 * ANSWER.len(), None));
    }
}

#[test]
fn a_client_certificate_is_asked_for_and_may_be_required() {
    let authority = Authority::new();
    let own = authority.issue("phone.example.com");
    let stranger = Authority::new();
    let foreign = stranger.issue("phone.example.com");
    for (wanted, shown, passes) in [
        (ClientCertificates::Request, None, true),
        (ClientCertificates::Request, Some(&own), true),
        (ClientCertificates::Require, Some(&own), true),
        (ClientCertificates::Require, None, false),
        (ClientCertificates::Require, Some(&foreign), false),
    ] {
        let config = TlsConfig {
            client_certificates: wanted,
            client_ca: Some(authority.ca()),
            ..authority.config(&["sip.example.com"])
        };
        let mut net = net(&[Transport::Tls], &config, &Limits::default());
        let tls = Some((authority.phone(shown), "sip.example.com"));
        let phone = phone(at(&net, Transport::Tls), tls, MESSAGE.to_vec(), ANSWER.len());
        if passes {
            answer_one(&mut net, Transport::Tls);
            serve(&mut net, START, |_, _| phone.is_finished());
            assert_eq!(phone.join().unwrap().error, None);
        } else {
            serve(&mut net, START, |_, _| phone.is_finished());
            let failed = net.counters().tls_failed;
            assert_eq!(failed.no_certificate + failed.untrusted, 1, "{failed:?}");
            assert!(phone.join().unwrap().error.is_some());
        }
    }
}

/// A carrier: takes one connection with `certificate`, and says how many bytes it heard.
fn carrier(certificate: &TlsCertificate, listener: TcpListener) -> JoinHandle<std::io::Result<Vec<u8>>> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let chain = vec![CertificateDer::from_pem_file(&certificate.cert).unwrap()];
    let key = PrivateKeyDer::from_pem_file(&certificate.key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    std::thread::spawn(move || {
        let (socket, _) = listener.accept()?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        let connection = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, socket);
        let mut heard = vec![0; 2 * MESSAGE.len()];
        stream.read_exact(&mut heard)?;
        stream.write_all(ANSWER)?;
        stream.flush()?;
        Ok(heard)
    })
}

#[test]
fn a_connection_that_we_open_must_prove_its_name_and_is_used_again() {
    let authority = Authority::new();
    let certificate = authority.issue("sip.carrier.example");
    let mut net = net(&[Transport::Tls], &authority.config(&["sip.example.com"]), &Limits::default());
    let local = at(&net, Transport::Tls);
    let listener = TcpListener::bind((V4, 0)).unwrap();
    let remote = listener.local_addr().unwrap();
    let carrier = carrier(&certificate, listener);
    let name = net.tls_name("SIP.carrier.example");
    let flow = Flow { name: Some(name), ..Flow::new(Transport::Tls, local, remote) };
    for _ in 0..2 {
        net.send(Transmit { flow, bytes: Bytes::from_static(MESSAGE) }, START);
    }
    let got = serve(&mut net, START, |_, got| !got.is_empty());
    let Got::Message(back, bytes) = &got[0] else { panic!("{got:?}") };
    assert_eq!((&bytes[..], back.remote, back.name), (ANSWER, remote, Some(name)));
    assert_eq!(carrier.join().unwrap().unwrap(), [MESSAGE, MESSAGE].concat());
}

#[test]
fn a_peer_with_the_wrong_name_an_unknown_authority_or_no_name_at_all_gets_nothing() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let ours = authority.issue("sip.carrier.example");
    let foreign = stranger.issue("sip.carrier.example");
    let by_address = authority.issue("127.0.0.1");
    for (shown, name, expected) in [
        (&ours, Some("sip.other.example"), (1, 0)),
        (&foreign, Some("sip.carrier.example"), (0, 1)),
        (&ours, None, (1, 0)),
        (&by_address, None, (0, 0)),
    ] {
        let mut net = net(&[Transport::Tls], &authority.config(&["sip.example.com"]), &Limits::default());
        let local = at(&net, Transport::Tls);
        let listener = TcpListener::bind((V4, 0)).unwrap();
        let remote = listener.local_addr().unwrap();
        let carrier = carrier(shown, listener);
        let name = name.map(|n| net.tls_name(n));
        let flow = Flow { name, ..Flow::new(Transport::Tls, local, remote) };
        for _ in 0..2 {
            net.send(Transmit { flow, bytes: Bytes::from_static(MESSAGE) }, START);
        }
        let got = serve(&mut net, START, |_, got| !got.is_empty());
        let failed = net.counters().tls_failed;
        assert_eq!((failed.wrong_name, failed.untrusted), expected, "{name:?}");
        let good = expected == (0, 0);
        assert_eq!(got.contains(&Got::Failed(flow)), !good, "{got:?}");
        assert_eq!(carrier.join().unwrap().is_ok(), good);
    }
}

#[test]
fn what_is_no_tls_and_who_is_slow_are_cut_and_counted() {
    let authority = Authority::new();
    let limits = Limits::default();
    let mut net = net(&[Transport::Tls, Transport::Ws], &authority.config(&["sip.example.com"]), &limits);
    let plain = phone(at(&net, Transport::Tls), None, MESSAGE.to_vec(), 4_096);
    serve(&mut net, START, |net, _| net.counters().tls_failed.garbled == 1);
    plain.join().unwrap();
    // Two that say nothing, or too little.
    let _silent = TcpStream::connect(at(&net, Transport::Tls)).unwrap();
    let mut slow = TcpStream::connect(at(&net, Transport::Ws)).unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    serve(&mut net, START, |net, _| net.counters().connections == 2);
    let late = START + Duration::from_millis(u64::from(limits.handshake_timeout_ms));
    net.handle_timeout(late);
    let counters = net.counters();
    assert_eq!((counters.connections, counters.tls_failed.late, counters.misbehaved), (0, 1, 1));
}

#[test]
fn a_browser_of_another_origin_and_a_request_that_is_none_are_refused() {
    let ws_origins = vec!["https://phone.example.com".to_owned()];
    let listener = ListenerConfig { transport: Transport::Ws, bind: SocketAddr::new(V4, 0), advertised: None };
    let around = Surroundings { ws_origins, ..Surroundings::default() };
    let mut net = Net::open(&[listener], PortPool::default(), &Limits::default(), around).unwrap();
    let from = |origin: &str| UPGRADE.replace("Host: a\r\n", &format!("Host: a\r\nOrigin: {origin}\r\n")).into_bytes();
    for (say, status) in [
        (from("https://evil.example"), "HTTP/1.1 403 "),
        (UPGRADE.as_bytes().to_vec(), "HTTP/1.1 403 "),
        (MESSAGE.to_vec(), "HTTP/1.1 405 "),
        (from("https://phone.example.com"), "HTTP/1.1 101 "),
    ] {
        let phone = phone(at(&net, Transport::Ws), None, say, 60);
        serve(&mut net, START, |_, _| phone.is_finished());
        let heard = String::from_utf8_lossy(&phone.join().unwrap().bytes).into_owned();
        assert!(heard.starts_with(status), "{heard}");
    }
    assert_eq!(net.counters().misbehaved, 3);
}

#[test]
fn a_websocket_answers_pings_keep_alives_and_a_close() {
    let authority = Authority::new();
    let mut net = net(&[Transport::Ws], &authority.config(&["sip.example.com"]), &Limits::default());
    let mut say = UPGRADE.as_bytes().to_vec();
    say.extend([0x89, 0x81, 0, 0, 0, 0, b'p']);
    say.extend([0x81, 0x84, 0, 0, 0, 0, b'\r', b'\n', b'\r', b'\n']);
    say.extend([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]);
    let phone = phone(at(&net, Transport::Ws), None, say, 4_096);
    let got = serve(&mut net, START, |net, _| phone.is_finished() && net.counters().connections == 0);
    let heard = phone.join().unwrap().bytes;
    let frames = &heard[heard.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4..];
    assert_eq!(frames, [0x8a, 1, b'p', 0x81, 2, b'\r', b'\n', 0x88, 2, 0x03, 0xe8]);
    assert!(matches!(got.as_slice(), [Got::Failed(_)]), "{got:?}");
    assert_eq!(net.counters().misbehaved, 0, "an end in order");
}

#[test]
fn nothing_is_ever_sent_to_a_browser_but_over_its_own_connection() {
    let authority = Authority::new();
    let mut net = net(&[Transport::Wss], &authority.config(&["sip.example.com"]), &Limits::default());
    let flow = Flow::new(Transport::Wss, at(&net, Transport::Wss), SocketAddr::new(V4, 9));
    net.send(Transmit { flow, bytes: Bytes::from_static(MESSAGE) }, START);
    assert_eq!(serve(&mut net, START, |_, got| !got.is_empty()), [Got::Failed(flow)]);
    assert_eq!(net.counters().connects_failed, 0);
}

#[test]
fn one_source_cannot_take_every_connection() {
    let authority = Authority::new();
    let limits = Limits { connections_per_source_max: 2, ..Limits::default() };
    let mut net = net(&[Transport::Tls], &authority.config(&["sip.example.com"]), &limits);
    let sockets: Vec<TcpStream> = (0..3).map(|_| TcpStream::connect(at(&net, Transport::Tls)).unwrap()).collect();
    serve(&mut net, START, |net, _| net.counters().turned_away == 1);
    assert_eq!(net.counters().connections, 2);
    drop(sockets);
    serve(&mut net, START, |net, _| net.counters().connections == 0);
    let _again = TcpStream::connect(at(&net, Transport::Tls)).unwrap();
    serve(&mut net, START, |net, _| net.counters().connections == 1);
}
