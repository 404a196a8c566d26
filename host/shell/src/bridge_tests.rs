//! What crosses arrives in order, what has no room is counted, and who sleeps is woken.

use super::*;
use model::{ConnectionId, Transport};

fn nets(count: usize) -> Vec<net::Net> {
    let limits = model::Limits::default();
    (0..count).map(|_| net::Net::bind(&[], net::PortPool::default(), &limits).unwrap()).collect()
}

fn bridges(nets: &[net::Net], waiting_max: usize) -> Vec<Bridge> {
    Bridge::between(nets.iter().map(net::Net::waker), waiting_max, Clock::anchored())
}

fn flow(connection: Option<ConnectionId>) -> Flow {
    let at = |text: &str| text.parse().unwrap();
    Flow { connection, ..Flow::new(Transport::Tcp, at("192.0.2.1:5060"), at("192.0.2.7:5060")) }
}

fn taken(bridge: &mut Bridge) -> Vec<String> {
    let mut all = Vec::new();
    bridge.take(usize::MAX, |crossing| {
        all.push(match crossing {
            Crossing::Input(Input::FlowFailed { .. }, _) => "failed".to_owned(),
            Crossing::Input(..) => "input".to_owned(),
            Crossing::Transmit(transmit) => format!("send {}", String::from_utf8_lossy(&transmit.bytes)),
        });
    });
    all
}

#[test]
fn what_is_handed_over_arrives_in_order_and_wakes_who_sleeps() {
    let mut nets = nets(3);
    let mut bridges = bridges(&nets, 8);
    let failed = Input::FlowFailed { flow: flow(None) };
    bridges[0].hand_over(2, Input::Drain);
    bridges[0].tell_all(&failed);
    let by = flow(Some(ConnectionId::of_shard(2, 5)));
    assert!(bridges[0].is_foreign(&by) && !bridges[2].is_foreign(&by) && !bridges[0].is_foreign(&flow(None)));
    assert!(bridges[0].transmit(Transmit { flow: by, bytes: "x".into() }));
    bridges[0].wake();
    nets[2].wait(None).unwrap();
    assert_eq!(taken(&mut bridges[2]), ["input", "failed", "send x"]);
    assert_eq!((taken(&mut bridges[1]), taken(&mut bridges[0])), (vec!["failed".to_owned()], vec![]));
}

#[test]
fn a_message_without_room_is_lost_and_counted_and_what_all_must_know_follows() {
    let nets = nets(2);
    let mut bridges = bridges(&nets, 2);
    for _ in 0..3 {
        bridges[1].hand_over(0, Input::Drain);
    }
    assert_eq!(bridges[1].dropped(), 1);
    bridges[1].tell_all(&Input::FlowFailed { flow: flow(None) });
    assert!(bridges[1].has_kept());
    // What was kept back is not overtaken, although there is room by now.
    assert_eq!(taken(&mut bridges[0]), ["input", "input"]);
    bridges[1].hand_over(0, Input::Drain);
    assert_eq!(bridges[1].dropped(), 2);
    bridges[1].wake();
    assert!(!bridges[1].has_kept());
    assert_eq!(taken(&mut bridges[0]), ["failed"]);
}

#[test]
fn a_connection_of_a_shard_that_is_not_there_has_failed() {
    let nets = nets(2);
    let mut bridges = bridges(&nets, 2);
    let by = flow(Some(ConnectionId::of_shard(7, 1)));
    assert!(bridges[0].is_foreign(&by));
    assert!(!bridges[0].transmit(Transmit { flow: by, bytes: "x".into() }));
    assert!(!bridges[0].transmit(Transmit { flow: flow(None), bytes: "x".into() }));
}

#[test]
fn a_shard_that_is_alone_has_no_ways() {
    let nets = nets(1);
    let mut bridges = bridges(&nets, 2);
    assert!(bridges[0].is_alone());
    bridges[0].tell_all(&Input::Drain);
    bridges[0].wake();
    assert!(!bridges[0].take(9, |_| unreachable!()));
}
