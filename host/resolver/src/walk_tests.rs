//! Every branch of RFC 3263 section 4, over a zone in memory.

#![allow(clippy::unwrap_used, reason = "a test")]

use super::*;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// A zone in memory that notes what was asked.
#[derive(Default)]
struct Zone {
    naptr: BTreeMap<String, Vec<Naptr>>,
    srv: BTreeMap<String, Vec<Srv>>,
    addresses: BTreeMap<String, Vec<IpAddr>>,
    failing: Option<&'static str>,
    asked: Mutex<Vec<String>>,
}

impl Zone {
    fn ask<T: Clone>(&self, kind: &str, name: &str, of: &BTreeMap<String, Vec<T>>) -> Result<Vec<T>, ResolveFailure> {
        self.asked.lock().unwrap().push(format!("{kind} {name}"));
        if self.failing == Some(name) {
            return Err(ResolveFailure::Server);
        }
        Ok(of.get(name).cloned().unwrap_or_default())
    }

    /// `naptr NAME ORDER PREF SERVICE REPLACEMENT`, `srv NAME PRIO WEIGHT PORT TARGET`, `a NAME IP...`.
    fn of(lines: &[&str]) -> Zone {
        let mut zone = Zone::default();
        for line in lines {
            match line.split(' ').collect::<Vec<_>>().as_slice() {
                ["naptr", name, order, preference, service, replacement] => {
                    zone.naptr.entry((*name).to_owned()).or_default().push(Naptr {
                        order: order.parse().unwrap(),
                        preference: preference.parse().unwrap(),
                        service: (*service).to_owned(),
                        replacement: (*replacement).to_owned(),
                    });
                }
                ["srv", name, priority, weight, port, target] => {
                    zone.srv.entry((*name).to_owned()).or_default().push(Srv {
                        priority: priority.parse().unwrap(),
                        weight: weight.parse().unwrap(),
                        port: port.parse().unwrap(),
                        target: target.trim_end_matches('.').to_owned(),
                    });
                }
                ["a", name, ips @ ..] => {
                    zone.addresses.insert((*name).to_owned(), ips.iter().map(|ip| ip.parse().unwrap()).collect());
                }
                _ => panic!("{line}"),
            }
        }
        zone
    }
}

impl Dns for Zone {
    async fn naptr(&self, name: &str) -> Result<Vec<Naptr>, ResolveFailure> {
        self.ask("naptr", name, &self.naptr)
    }
    async fn srv(&self, name: &str) -> Result<Vec<Srv>, ResolveFailure> {
        self.ask("srv", name, &self.srv)
    }
    async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, ResolveFailure> {
        self.ask("a", name, &self.addresses)
    }
    fn draw(&self, _bound: u32) -> u32 {
        0
    }
}

fn all_ways() -> Ways {
    let at = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 0);
    let each = [Transport::Udp, Transport::Tcp, Transport::Tls];
    Ways::of(each.into_iter().flat_map(|t| [(t, at("192.0.2.9")), (t, at("2001:db8::9"))]))
}

fn target(text: &str) -> HopTarget {
    let (rest, transport) = match text.split_once(';') {
        Some((rest, name)) => (rest, Transport::ALL.into_iter().find(|t| t.name() == name)),
        None => (text, None),
    };
    let (scheme, rest) = rest.split_once(':').unwrap();
    let (host, port) = match rest.split_once(':') {
        Some((host, port)) => (host, Some(port.parse().unwrap())),
        None => (rest, None),
    };
    HopTarget { host: host.to_owned(), port, transport, secure: scheme == "sips" }
}

/// `transport address[ name]`, comma separated, or the failure.
fn walked(zone: &Zone, ways: &Ways, uri: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    match runtime.block_on(walk(zone, ways, &target(uri))) {
        Ok(found) => {
            let one = |f: &Found| {
                let name = f.tls_name.as_ref().map(|n| format!(" {n}")).unwrap_or_default();
                format!("{} {}{name}", f.transport.name(), f.address)
            };
            found.iter().map(one).collect::<Vec<_>>().join(", ")
        }
        Err(failure) => format!("{failure:?}"),
    }
}

const ZONE: [&str; 12] = [
    "naptr full.test 10 50 SIPS+D2T _sips._tcp.full.test",
    "naptr full.test 20 50 SIP+D2T _sip._tcp.full.test",
    "naptr full.test 20 40 SIP+D2U _sip._udp.full.test",
    "srv _sips._tcp.full.test 1 1 5061 a.full.test",
    "srv _sip._tcp.full.test 1 1 5060 a.full.test",
    "srv _sip._udp.full.test 2 1 5070 b.full.test",
    "srv _sip._udp.full.test 1 1 5060 a.full.test",
    "srv _sip._tcp.srv.test 1 1 5080 a.full.test",
    "a a.full.test 192.0.2.1 2001:db8::1",
    "a b.full.test 192.0.2.2",
    "a plain.test 192.0.2.3",
    "srv _sip._udp.off.test 0 0 0 .",
];

#[test]
fn every_branch_of_section_4() {
    let zone = Zone::of(&ZONE);
    let plain = "udp 192.0.2.3:5060";
    let table = [
        // NAPTR: the best order that we speak, alone.
        ("sip:full.test", "tls 192.0.2.1:5061 full.test, tls [2001:db8::1]:5061 full.test"),
        // A transport in the URI: its SRV records, no NAPTR.
        ("sip:full.test;udp", "udp 192.0.2.1:5060, udp [2001:db8::1]:5060, udp 192.0.2.2:5070"),
        ("sips:full.test;tcp", "tls 192.0.2.1:5061 full.test, tls [2001:db8::1]:5061 full.test"),
        ("sips:full.test", "tls 192.0.2.1:5061 full.test, tls [2001:db8::1]:5061 full.test"),
        // A port: address records only.
        ("sip:plain.test:5099", "udp 192.0.2.3:5099"),
        ("sips:plain.test:5099", "tls 192.0.2.3:5099 plain.test"),
        ("sip:plain.test:5099;tcp", "tcp 192.0.2.3:5099"),
        // No NAPTR: SRV of each transport in turn; no SRV: addresses with the default port.
        ("sip:srv.test", "tcp 192.0.2.1:5080, tcp [2001:db8::1]:5080"),
        ("sip:plain.test", plain),
        ("sip:plain.test;tls", "tls 192.0.2.3:5061 plain.test"),
        ("sips:plain.test", "tls 192.0.2.3:5061 plain.test"),
        ("sip:192.0.2.7", "udp 192.0.2.7:5060"),
        // Nothing.
        ("sip:none.test", "NoAddress"),
        ("sip:off.test", "NoAddress"),
        ("sips:plain.test;udp", "Invalid"),
        ("sip:plain.test;ws", "NoTransport"),
        ("sip:plain.test:0", "Invalid"),
    ];
    for (uri, expected) in table {
        assert_eq!(walked(&zone, &all_ways(), uri), expected, "{uri}");
    }
}

#[test]
fn only_what_is_needed_is_asked() {
    for (uri, expected) in [
        ("sip:plain.test:5060", vec!["a plain.test"]),
        ("sip:192.0.2.1", vec![]),
        ("sip:full.test;tcp", vec!["srv _sip._tcp.full.test", "a a.full.test"]),
        ("sips:plain.test", vec!["naptr plain.test", "srv _sips._tcp.plain.test", "a plain.test"]),
    ] {
        let zone = Zone::of(&ZONE);
        walked(&zone, &all_ways(), uri);
        assert_eq!(*zone.asked.lock().unwrap(), expected, "{uri}");
    }
}

#[test]
fn what_we_cannot_send_by_is_left_out() {
    let zone = Zone::of(&ZONE);
    let v4 = Ways::of([(Transport::Udp, "192.0.2.9:5060".parse().unwrap())]);
    assert_eq!(walked(&zone, &v4, "sip:full.test"), "udp 192.0.2.1:5060, udp 192.0.2.2:5070");
    assert_eq!(walked(&zone, &v4, "sip:srv.test"), "NoAddress");
    assert_eq!(walked(&zone, &v4, "sips:full.test"), "NoTransport");
    let v6 = Ways::of([(Transport::Udp, "[2001:db8::9]:5060".parse().unwrap())]);
    assert_eq!(walked(&zone, &v6, "sip:plain.test"), "NoTransport");
}

#[test]
fn a_server_that_fails_is_told_from_a_name_that_is_not_there() {
    let mut zone = Zone::of(&ZONE);
    zone.failing = Some("plain.test");
    assert_eq!(walked(&zone, &all_ways(), "sip:plain.test:5060"), "Server");
    // Of two servers one has addresses: that is enough.
    zone.failing = Some("a.full.test");
    assert_eq!(walked(&zone, &all_ways(), "sip:full.test;udp"), "udp 192.0.2.2:5070");
    assert_eq!(walked(&zone, &all_ways(), "sip:full.test;tcp"), "Server");
}
