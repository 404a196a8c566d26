//! The thread's table without the thread: who is forgotten when, and what one party may do to the others. Then the thread:
//! that its end is seen, who is told of it, and what does not fit.

use super::*;
use core::net::SocketAddr;
use media::{Engine, MediaConfig, MediaPort, StreamId};
use model::{IdSource, MediaPortId};
use std::sync::{Arc, Mutex};

/// Streams of somebody, with a handshake each.
fn handshakes<const N: usize>() -> [Handshake; N] {
    let at = |n: usize| SocketAddr::from(([127, 0, 0, 1], 20_000 + u16::try_from(n).unwrap()));
    let port = |n: usize| MediaPort { id: MediaPortId(n as u64), rtp: at(2 * n), rtcp: at(2 * n + 1) };
    let ports = (0..N).map(port).collect();
    let mut engine = Engine::new(MediaConfig::default(), ports, IdSource::new([7; 32]));
    let now = model::Instant::from_unix_nanos(1);
    let streams: [StreamId; N] = core::array::from_fn(|_| engine.open(at(0).ip(), now).unwrap().0);
    streams.map(|stream| Handshake { stream, number: 1 })
}

/// A table, and what it told.
fn table() -> (Table, Arc<Mutex<Vec<Done>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tells = Arc::clone(&told);
    let tell = Box::new(move |done| tells.lock().unwrap().push(done));
    (Table::new(Certificate::draw().unwrap(), 2, tell), told)
}

fn open(handshake: Handshake) -> ToDtls {
    ToDtls::Open { handshake, active: false, fingerprints: Vec::new() }
}

fn record(handshake: Handshake) -> ToDtls {
    ToDtls::Record { handshake, bytes: [22; 60].into() }
}

fn ended(told: &[Done], lost: bool) -> Vec<Handshake> {
    let ends = |done: &FromDtls| if lost { matches!(done, FromDtls::Lost) } else { matches!(done, FromDtls::Failed) };
    told.iter().filter(|(_, done)| ends(done)).map(|(of, _)| *of).collect()
}

#[test]
fn a_party_is_kept_for_its_time_and_no_longer() {
    let ((mut table, told), [one, other]) = (table(), handshakes());
    let now = Instant::now();
    table.take(open(one), now);
    table.take(open(other), now + LIFE / 2);
    table.parties.get_mut(&other).unwrap().over = true;
    assert_eq!((table.parties.len(), table.due.len()), (2, 2));
    for (after, left) in [(LIFE, 1), (LIFE + LIFE / 2, 0)] {
        table.run_due(now + after);
        assert_eq!((table.parties.len(), table.due.len()), (left, left), "{after:?}");
    }
    assert_eq!(ended(&told.lock().unwrap(), false), [one], "who has keys only goes");
}

#[test]
fn one_that_breaks_the_machine_ends_alone() {
    let ((mut table, told), [one, other]) = (table(), handshakes());
    let now = Instant::now();
    table.take(open(one), now);
    table.take(open(other), now);
    table.alone(one, |_| panic!("on purpose"));
    assert_eq!(ended(&told.lock().unwrap(), true), [one]);
    assert!(table.parties.len() == 1 && table.parties.contains_key(&other));
    let next = Handshake { number: 2, ..one };
    table.take(open(next), now);
    table.take(open(one), now);
    assert_eq!(ended(&told.lock().unwrap(), true), [one, one], "the place is another's now");
    assert!(table.parties.contains_key(&next));
}

fn hands(limits: &Limits) -> (Hands, net::Net) {
    let net = net::Net::bind(&[], net::PortPool::default(), limits).unwrap();
    (Hands::start(Certificate::draw().unwrap(), net.waker(), limits).unwrap(), net)
}

/// Waits as the shard does until so much is told.
fn told(hands: &mut Hands, net: &mut net::Net, count: usize) -> Vec<Done> {
    let mut told = Vec::new();
    for _ in 0..100 {
        told.extend(hands.done());
        if told.len() >= count {
            return told;
        }
        net.wait(Some(Duration::from_secs(1))).unwrap();
    }
    panic!("no more is told than {told:?}: {:?}", hands.counters());
}

#[test]
fn a_thread_that_ends_is_seen_and_replaced_and_its_handshakes_are_told() {
    let [one, other, third] = handshakes();
    let (mut hands, mut net) = hands(&Limits::default());
    // A thread as ours are, but for its way back: that breaks outside of any handshake.
    let (send, asked) = mpsc::sync_channel(8);
    let (done, receive) = mpsc::channel();
    let breaks = move |what: Done| {
        done.send((other, FromDtls::Record(vec![22]))).unwrap();
        panic!("on purpose, at {what:?}");
    };
    let bell = Bell(net.waker());
    Table::new(Certificate::draw().unwrap(), 2, Box::new(breaks)).launch(asked, bell).unwrap();
    hands.thread = Some(Thread { send, receive });
    hands.ask(open(one));
    hands.ask(open(other));
    // A third finds no place, and to tell that breaks the thread.
    hands.ask(open(third));
    let done = told(&mut hands, &mut net, 4);
    let records = done.iter().filter(|(_, done)| matches!(done, FromDtls::Record(_))).count();
    assert_eq!((ended(&done, true), records), (vec![one, other, third], 1), "{done:?}");
    assert_eq!((hands.counters().threads, hands.counters().lost), (1, 3));
    // The next thread does the next one's work.
    let next = Handshake { number: 2, ..one };
    hands.ask(ToDtls::Open { handshake: next, active: true, fingerprints: Vec::new() });
    let done = told(&mut hands, &mut net, 1);
    assert!(matches!(&done[..], [(of, FromDtls::Record(_))] if *of == next), "{done:?}");
    assert_eq!(hands.counters(), HandsCounters { begun: 4, lost: 3, threads: 1, ..HandsCounters::default() });
}

#[test]
fn a_thread_that_is_gone_when_it_is_asked_is_replaced_at_once() {
    let [one, other] = handshakes();
    let (mut hands, mut net) = hands(&Limits::default());
    for (at, work) in [(1, record(one)), (2, open(one))] {
        let (send, _) = mpsc::sync_channel(1);
        let (done, receive) = mpsc::channel();
        done.send((other, FromDtls::Record(vec![22]))).unwrap();
        hands.thread = Some(Thread { send, receive });
        hands.ask(work);
        assert_eq!(hands.counters().threads, at);
        assert_eq!(hands.done().len(), 1, "what the former one told counts");
    }
    assert_eq!((hands.counters().dropped, hands.waiting.len()), (1, 1));
    hands.ask(ToDtls::Close { handshake: one });
    hands.ask(ToDtls::Open { handshake: other, active: true, fingerprints: Vec::new() });
    assert!(matches!(&told(&mut hands, &mut net, 1)[..], [(of, FromDtls::Record(_))] if *of == other));
    assert_eq!(hands.waiting.iter().collect::<Vec<_>>(), [&other]);
}

#[test]
fn what_waits_for_the_thread_is_bounded_and_counted() {
    let [one, other] = handshakes();
    let (mut hands, _net) = hands(&Limits::default());
    // A thread that takes nothing.
    let (send, asked) = mpsc::sync_channel(4);
    let (_done, receive) = mpsc::channel();
    hands.thread = Some(Thread { send, receive });
    hands.ask(open(one));
    (0..100).for_each(|_| hands.ask(record(one)));
    assert_eq!(hands.counters().dropped, 97);
    hands.ask(open(other));
    let done = hands.done();
    assert_eq!(ended(&done, true), [other], "{done:?}");
    assert_eq!(asked.try_iter().count(), 4);
}

#[test]
fn ends_are_counted_once() {
    let [one] = handshakes();
    let (mut hands, _net) = hands(&Limits::default());
    let (send, _asked) = mpsc::sync_channel(4);
    let (done, receive) = mpsc::channel();
    hands.thread = Some(Thread { send, receive });
    hands.ask(open(one));
    for what in [FromDtls::Failed, FromDtls::Lost, FromDtls::Failed] {
        done.send((one, what)).unwrap();
    }
    assert_eq!(hands.done().len(), 1);
    assert_eq!(hands.counters(), HandsCounters { begun: 1, failed: 1, ..HandsCounters::default() });
}
