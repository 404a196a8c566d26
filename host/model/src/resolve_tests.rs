//! What a target says by itself, and what its failures mean.

use super::*;

fn target(host: &str, port: Option<u16>, transport: Option<Transport>, secure: bool) -> HopTarget {
    HopTarget { host: host.to_owned(), port, transport, secure }
}

#[test]
fn a_literal_address_needs_no_lookup() {
    use Transport::{Tcp, Tls, Udp, Ws, Wss};
    let table = [
        ("192.0.2.1", None, None, false, Ok((Udp, "192.0.2.1:5060"))),
        ("192.0.2.1", None, Some(Tcp), false, Ok((Tcp, "192.0.2.1:5060"))),
        ("192.0.2.1", Some(5080), Some(Tls), false, Ok((Tls, "192.0.2.1:5080"))),
        ("192.0.2.1", None, Some(Tls), false, Ok((Tls, "192.0.2.1:5061"))),
        ("192.0.2.1", None, None, true, Ok((Tls, "192.0.2.1:5061"))),
        ("[2001:db8::1]", None, Some(Tcp), true, Ok((Tls, "[2001:db8::1]:5061"))),
        ("2001:db8::1", None, None, false, Ok((Udp, "[2001:db8::1]:5060"))),
        ("192.0.2.1", None, Some(Udp), true, Err(ResolveFailure::Invalid)),
        ("192.0.2.1", Some(0), None, false, Err(ResolveFailure::Invalid)),
        ("192.0.2.1", None, Some(Ws), false, Err(ResolveFailure::NoTransport)),
        ("192.0.2.1", None, Some(Wss), true, Err(ResolveFailure::NoTransport)),
    ];
    for (host, port, transport, secure, expected) in table {
        let found = target(host, port, transport, secure).literal().unwrap();
        let expected = expected.map(|(transport, at): (_, &str)| NextHop {
            transport,
            address: at.parse().unwrap(),
            tls_name: None,
        });
        assert_eq!(found, expected, "{host} {port:?} {transport:?} {secure}");
    }
    assert_eq!(target("sip.example.test", None, None, false).literal(), None);
    assert_eq!(target("192.0.2.1.", None, None, false).literal(), None);
}

#[test]
fn every_failure_has_a_cause_that_refuses() {
    for failure in [
        ResolveFailure::Invalid,
        ResolveFailure::NoAddress,
        ResolveFailure::NoTransport,
        ResolveFailure::Server,
        ResolveFailure::Late,
        ResolveFailure::Busy,
    ] {
        assert!(matches!(failure.cause().sip_status(), 502 | 503), "{failure:?}");
    }
}
