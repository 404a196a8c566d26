//! Ports: families, exhaustion, rest.

use super::kit::{Desk, packet, port};
use crate::{Engine, MediaConfig, NoPort};
use core::time::Duration;
use model::{IdSource, MediaPortId};

const V4: core::net::IpAddr = core::net::IpAddr::V4(core::net::Ipv4Addr::LOCALHOST);
const V6: core::net::IpAddr = core::net::IpAddr::V6(core::net::Ipv6Addr::LOCALHOST);

#[test]
fn a_port_rests_and_late_packets_never_reach_the_next_call() {
    let mut desk = Desk::new();
    let old = desk.party("[2001:db8::9]:4000", "0");
    let mut late = packet(&old, 0, &[1; 160]);
    desk.engine.close(old.id, desk.now);
    assert_eq!(desk.rtp(&old, old.rtp, &mut late), None);
    assert_eq!(desk.engine.late_packets(), 1);
    let second = desk.party("[2001:db8::9]:4000", "0");
    assert_ne!(second.port, old.port, "the other port of the family is taken");
    assert_eq!(desk.engine.open(V6, desk.now), Err(NoPort), "both are held or rest");
    assert_eq!((desk.engine.ports_free(), desk.engine.ports_resting(desk.now)), (7, 1));
    desk.pass(4_999);
    assert_eq!(desk.engine.open(V6, desk.now), Err(NoPort));
    desk.pass(1);
    let (again, reused) = desk.engine.open(V6, desk.now).unwrap();
    assert_eq!(reused, old.port);
    assert_ne!(again, old.id);
    // The old id is dead, though the port lives.
    desk.engine.hold(old.id, true, desk.now);
    assert_eq!(desk.engine.stats(old.id), None);
    assert_eq!(desk.engine.close(old.id, desk.now).packets_in, 0);
    assert_eq!(desk.engine.streams(), 2);
    assert_eq!(desk.rtp(&old, old.rtp, &mut late), None, "and the new stream believes nobody yet");
}

#[test]
fn the_port_that_rested_longest_comes_first() {
    let mut desk = Desk::new();
    let first = desk.engine.open(V4, desk.now).unwrap();
    let second = desk.engine.open(V4, desk.now).unwrap();
    desk.engine.close(second.0, desk.now);
    desk.engine.close(first.0, desk.now);
    desk.pass(60_000);
    let order: Vec<u64> = (0..6).map(|_| desk.engine.open(V4, desk.now).unwrap().1.id.0).collect();
    assert_eq!(order, [2, 4, 5, 6, 1, 0]);
    assert_eq!(desk.engine.open(V4, desk.now), Err(NoPort));
    assert_eq!((desk.engine.ports_free(), desk.engine.ports_total()), (2, 8));
}

#[test]
fn a_port_in_the_wrong_place_is_never_used() {
    let now = Desk::new().now;
    let mut misplaced = port(1);
    misplaced.id = MediaPortId(u64::MAX);
    let config = MediaConfig { quarantine: Duration::ZERO, ..MediaConfig::default() };
    let mut engine = Engine::new(config, vec![port(0), misplaced], IdSource::new([0; 32]));
    let (id, _) = engine.open(V4, now).unwrap();
    assert_eq!(engine.open(V4, now), Err(NoPort));
    engine.close(id, now);
    assert!(engine.open(V4, now).is_ok(), "without quarantine a port is back at once");
}
