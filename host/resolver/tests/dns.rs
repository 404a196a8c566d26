//! The resolver against a name server of our own, over UDP on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use core::net::SocketAddr;
use core::time::Duration;
use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, NAPTR, SOA, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use model::{HopTarget, ResolveFailure, Transport};
use resolver::{Found, Resolver, ResolverSettings, Ways};
use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::sync::{Arc, Mutex};

const TTL: u32 = 300;

/// What is asked for and how often.
type Asked = Arc<Mutex<BTreeMap<(String, RecordType), u32>>>;

/// A name server: answers from `records`; a name that begins with `dead` gets no answer, `broken` gets SERVFAIL.
struct Server {
    at: SocketAddr,
    asked: Asked,
}

impl Server {
    fn start(records: Vec<(&'static str, u32, RData)>) -> Server {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (at, asked) = (socket.local_addr().unwrap(), Asked::default());
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            while let Ok((count, from)) = socket.recv_from(&mut buffer) {
                let Ok(question) = Message::from_vec(&buffer[..count]) else { continue };
                let Some(query) = question.queries.first() else { continue };
                let name = query.name().to_string().trim_end_matches('.').to_ascii_lowercase();
                *seen.lock().unwrap().entry((name.clone(), query.query_type())).or_default() += 1;
                if name.starts_with("dead") {
                    continue;
                }
                let mut answer = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
                answer.metadata.recursion_available = true;
                answer.add_query(query.clone());
                let known: Vec<_> = records.iter().filter(|(n, ..)| *n == name).collect();
                if name.starts_with("broken") {
                    answer.metadata.response_code = ResponseCode::ServFail;
                } else if known.is_empty() {
                    answer.metadata.response_code = ResponseCode::NXDomain;
                }
                for (_, ttl, data) in known.iter().filter(|(_, _, d)| d.record_type() == query.query_type()) {
                    answer.add_answer(Record::from_rdata(query.name().clone(), *ttl, data.clone()));
                }
                if answer.answers.is_empty() {
                    let zone: Name = "test.".parse().unwrap();
                    let soa = SOA::new(zone.clone(), zone.clone(), 1, 60, 60, 60, TTL);
                    answer.add_authority(Record::from_rdata(zone, TTL, RData::SOA(soa)));
                }
                socket.send_to(&answer.to_vec().unwrap(), from).unwrap();
            }
        });
        Server { at, asked }
    }

    fn times(&self, name: &str, kind: RecordType) -> u32 {
        self.asked.lock().unwrap().get(&(name.to_owned(), kind)).copied().unwrap_or(0)
    }

    fn resolver(&self, deadline: Duration) -> Resolver {
        let local = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 5060);
        let each = [Transport::Udp, Transport::Tcp, Transport::Tls];
        let ways = Ways::of(each.into_iter().flat_map(|t| [(t, local("192.0.2.9")), (t, local("2001:db8::9"))]));
        Resolver::new(ResolverSettings { servers: vec![self.at], deadline, ways })
    }
}

fn name(text: &str) -> Name {
    format!("{text}.").parse().unwrap()
}

fn naptr(order: u16, preference: u16, service: &str, replacement: &str) -> RData {
    let bytes = |text: &str| text.as_bytes().to_vec().into_boxed_slice();
    RData::NAPTR(NAPTR::new(order, preference, bytes("S"), bytes(service), bytes(""), name(replacement)))
}

fn srv(priority: u16, port: u16, target: &str) -> RData {
    RData::SRV(SRV::new(priority, 1, port, name(target)))
}

fn zone() -> Vec<(&'static str, u32, RData)> {
    vec![
        ("carrier.test", TTL, naptr(10, 10, "SIPS+D2T", "_sips._tcp.carrier.test")),
        ("carrier.test", TTL, naptr(20, 10, "SIP+D2U", "_sip._udp.carrier.test")),
        ("_sips._tcp.carrier.test", TTL, srv(1, 5061, "one.carrier.test")),
        ("_sips._tcp.carrier.test", TTL, srv(2, 5071, "two.carrier.test")),
        ("_sip._udp.carrier.test", TTL, srv(1, 5060, "dead.carrier.test")),
        ("_sip._udp.carrier.test", TTL, srv(2, 5080, "one.carrier.test")),
        ("one.carrier.test", TTL, RData::A(A::new(192, 0, 2, 1))),
        ("two.carrier.test", TTL, RData::A(A::new(192, 0, 2, 2))),
        ("two.carrier.test", TTL, RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2))),
        ("brief.test", 0, RData::A(A::new(192, 0, 2, 3))),
    ]
}

fn target(host: &str, port: Option<u16>, transport: Option<Transport>) -> HopTarget {
    HopTarget { host: host.to_owned(), port, transport, secure: false }
}

fn shown(found: Result<Vec<Found>, ResolveFailure>) -> Result<Vec<String>, ResolveFailure> {
    let one = |f: Found| format!("{} {} {}", f.transport.name(), f.address, f.tls_name.as_deref().unwrap_or("-"));
    found.map(|found| found.into_iter().map(one).collect())
}

const DEADLINE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn naptr_leads_to_srv_leads_to_addresses_and_is_kept() {
    let server = Server::start(zone());
    let resolver = server.resolver(DEADLINE);
    for _ in 0..3 {
        let found = shown(resolver.ask(&target("carrier.test", None, None)).await);
        let expected = [
            "tls 192.0.2.1:5061 carrier.test",
            "tls 192.0.2.2:5071 carrier.test",
            "tls [2001:db8::2]:5071 carrier.test",
        ];
        assert_eq!(found, Ok(expected.map(str::to_owned).to_vec()));
    }
    assert_eq!(server.times("carrier.test", RecordType::NAPTR), 1);
    assert_eq!(server.times("one.carrier.test", RecordType::A), 1);
    assert_eq!(server.times("one.carrier.test", RecordType::AAAA), 1, "that it has none is kept too");
}

#[tokio::test]
async fn what_is_not_there_is_not_asked_for_again_and_what_is_short_lived_is() {
    let server = Server::start(zone());
    let resolver = server.resolver(DEADLINE);
    for _ in 0..2 {
        let none = resolver.ask(&target("none.test", Some(5060), None)).await;
        assert_eq!(none, Err(ResolveFailure::NoAddress));
        let brief = shown(resolver.ask(&target("brief.test", Some(5060), None)).await);
        assert_eq!(brief, Ok(vec!["udp 192.0.2.3:5060 -".to_owned()]));
    }
    assert_eq!(server.times("none.test", RecordType::A), 1);
    assert_eq!(server.times("brief.test", RecordType::A), 2, "its time to live is 0");
}

#[tokio::test]
async fn a_name_server_that_is_silent_or_broken_is_a_failure_in_time() {
    let server = Server::start(zone());
    let begun = std::time::Instant::now();
    let deadline = Duration::from_millis(400);
    let late = server.resolver(deadline).ask(&target("dead.test", Some(5060), None)).await;
    assert_eq!(late, Err(ResolveFailure::Late));
    assert!(begun.elapsed() < deadline * 5, "{:?}", begun.elapsed());
    let broken = server.resolver(DEADLINE).ask(&target("broken.test", Some(5060), None)).await;
    assert_eq!(broken, Err(ResolveFailure::Server));
}

#[tokio::test]
async fn an_address_needs_no_name_server() {
    let resolver = Resolver::new(ResolverSettings {
        servers: vec!["127.0.0.1:9".parse().unwrap()],
        deadline: DEADLINE,
        ways: Ways::default(),
    });
    let found = shown(resolver.ask(&target("192.0.2.7", None, Some(Transport::Tls))).await);
    assert_eq!(found, Ok(vec!["tls 192.0.2.7:5061 -".to_owned()]));
}
