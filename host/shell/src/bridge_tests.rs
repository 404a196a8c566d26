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
    let transport = if connection.is_some() { Transport::Tcp } else { Transport::Udp };
    Flow { connection, ..Flow::new(transport, at("192.0.2.1:5060"), at("192.0.2.7:5060")) }
}

fn request(body: usize) -> Message {
    let text = format!(
        "MESSAGE sip:a@example.org SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.7;branch=z9hG4bK1\r\nFrom: <sip:b@x>;tag=1\r\n\
         To: <sip:a@x>\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\nContent-Length: {body}\r\n\r\n{}",
        "x".repeat(body)
    );
    Message::parse(text.into(), &sip_message::ParseLimits::default()).unwrap()
}

fn hand(bridge: &mut Bridge, shard: u8, connection: Option<ConnectionId>) -> bool {
    bridge.hand_over(shard, flow(connection), request(0)).is_none()
}

fn taken(bridge: &mut Bridge) -> Vec<String> {
    let mut all = Vec::new();
    bridge.take(usize::MAX, |crossing| {
        all.push(match crossing {
            Crossing::Input(Input::FlowFailed { .. }, _) => "failed".to_owned(),
            Crossing::Input(Input::Handed { .. }, _) => "message".to_owned(),
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
    let drain = Input::Drain;
    assert!(hand(&mut bridges[0], 2, None));
    bridges[0].tell_all(&drain);
    let by = flow(Some(ConnectionId::of_shard(2, 5)));
    assert!(bridges[0].is_foreign(&by) && !bridges[2].is_foreign(&by) && !bridges[0].is_foreign(&flow(None)));
    assert_eq!(bridges[0].transmit(Transmit { flow: by, bytes: "x".into() }), Sent::Yes);
    bridges[0].wake();
    nets[2].wait(None).unwrap();
    assert_eq!(taken(&mut bridges[2]), ["message", "input", "send x"]);
    assert_eq!((taken(&mut bridges[1]), taken(&mut bridges[0])), (vec!["input".to_owned()], vec![]));
}

#[test]
fn a_datagram_without_room_is_lost_and_counted_and_what_all_must_know_follows() {
    let nets = nets(2);
    let mut bridges = bridges(&nets, 2);
    for _ in 0..3 {
        assert!(hand(&mut bridges[1], 0, None), "nobody is told: it will be repeated");
    }
    assert_eq!(bridges[1].dropped(), 1);
    bridges[1].tell_all(&Input::Drain);
    assert!(bridges[1].has_kept());
    // What was kept back is not overtaken, although there is room by now.
    assert_eq!(taken(&mut bridges[0]), ["message", "message"]);
    assert!(hand(&mut bridges[1], 0, None));
    assert_eq!(bridges[1].dropped(), 2);
    bridges[1].wake();
    assert!(!bridges[1].has_kept());
    assert_eq!(taken(&mut bridges[0]), ["input"]);
}

#[test]
fn a_queue_that_is_full_for_a_moment_costs_no_stream_a_message_and_no_connection_its_phones() {
    let nets = nets(2);
    let mut bridges = bridges(&nets, 1);
    let (read, theirs) = (Some(ConnectionId::of_shard(1, 1)), flow(Some(ConnectionId::of_shard(0, 9))));
    for _ in 0..3 {
        assert!(hand(&mut bridges[1], 0, read));
    }
    assert_eq!(bridges[1].transmit(Transmit { flow: theirs, bytes: "x".into() }), Sent::Yes);
    assert_eq!(bridges[1].dropped(), 0);
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.extend(taken(&mut bridges[0]));
        bridges[1].wake();
    }
    assert_eq!(seen, ["message", "message", "message", "send x"]);
    assert!(!bridges[1].has_kept());
}

#[test]
fn what_is_kept_back_has_an_end_and_what_is_lost_is_told_and_counted() {
    let nets = nets(2);
    let mut bridges = bridges(&nets, 1);
    let big = request(50_000);
    let read = flow(Some(ConnectionId::of_shard(1, 1)));
    let fits = KEPT_BYTES_MAX / big.bytes().len();
    // One crosses, and so many are kept.
    let over = (0..fits + 5).filter(|_| bridges[1].hand_over(0, read, big.clone()).is_some()).count();
    assert_eq!((over, bridges[1].dropped()), (4, 4));
    let theirs = flow(Some(ConnectionId::of_shard(0, 9)));
    assert_eq!(bridges[1].transmit(Transmit { flow: theirs, bytes: big.bytes().clone() }), Sent::NoRoom);
    assert_eq!(bridges[1].dropped(), 5);
    for _ in fits..KEPT_MAX {
        bridges[1].tell_all(&Input::Drain);
    }
    assert_eq!(bridges[1].dropped(), 5, "what all must know has no bytes");
    bridges[1].tell_all(&Input::Drain);
    assert_eq!(bridges[1].dropped(), 6);
}

#[test]
fn the_end_of_a_connection_is_told_to_those_who_had_something_of_it() {
    let nets = nets(3);
    let mut bridges = bridges(&nets, 8);
    let id = ConnectionId::of_shard(0, 4);
    assert!(hand(&mut bridges[0], 2, Some(id)));
    for _ in 0..2 {
        bridges[0].tell_ended(id, flow(Some(id)));
    }
    assert_eq!(
        (taken(&mut bridges[1]), taken(&mut bridges[2])),
        (vec![], vec!["message".to_owned(), "failed".to_owned()])
    );
}

#[test]
fn a_connection_of_a_shard_that_is_not_there_or_has_ended_has_failed() {
    let nets = nets(3);
    let mut bridges = bridges(&nets, 2);
    let by = |shard| Transmit { flow: flow(Some(ConnectionId::of_shard(shard, 1))), bytes: "x".into() };
    assert!(bridges[0].is_foreign(&by(7).flow));
    assert_eq!(bridges[0].transmit(by(7)), Sent::Gone);
    assert_eq!(bridges[0].transmit(Transmit { flow: flow(None), bytes: "x".into() }), Sent::Gone);
    drop(bridges.remove(1));
    assert_eq!(bridges[0].transmit(by(1)), Sent::Gone);
    assert!(!hand(&mut bridges[0], 1, Some(ConnectionId::of_shard(0, 1))), "whoever asks is answered");
    assert_eq!(bridges[0].dropped(), 4);
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
