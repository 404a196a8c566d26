//! The thread's table without the thread: who is forgotten when, and what one party may do to the others.

use super::*;
use core::net::SocketAddr;
use media::{Engine, MediaConfig, MediaPort};
use model::{IdSource, MediaPortId};
use std::sync::{Arc, Mutex};

/// A table, what it told, and streams of somebody.
fn desk<const N: usize>() -> (Table, Arc<Mutex<Vec<Done>>>, [StreamId; N]) {
    let at = |n: usize| SocketAddr::from(([127, 0, 0, 1], 20_000 + u16::try_from(n).unwrap()));
    let port = |n: usize| MediaPort { id: MediaPortId(n as u64), rtp: at(2 * n), rtcp: at(2 * n + 1) };
    let ports = (0..N).map(port).collect();
    let mut engine = Engine::new(MediaConfig::default(), ports, IdSource::new([7; 32]));
    let now = model::Instant::from_unix_nanos(1);
    let streams = core::array::from_fn(|_| engine.open(at(0).ip(), now).unwrap().0);
    let told = Arc::new(Mutex::new(Vec::new()));
    let tells = Arc::clone(&told);
    let tell = Box::new(move |done| tells.lock().unwrap().push(done));
    let certificate = Certificate::draw().unwrap();
    (Table { certificate, parties: BTreeMap::new(), due: BTreeSet::new(), tell }, told, streams)
}

fn open(stream: StreamId) -> ToDtls {
    ToDtls::Open { stream, active: false, fingerprints: Vec::new() }
}

fn failed(told: &Mutex<Vec<Done>>) -> Vec<StreamId> {
    told.lock().unwrap().iter().filter(|(_, done)| matches!(done, FromDtls::Failed)).map(|(of, _)| *of).collect()
}

#[test]
fn a_party_is_kept_for_its_time_and_no_longer() {
    let (mut table, _, [one, other]) = desk();
    let now = Instant::now();
    table.take(open(one), now);
    table.take(open(other), now + LIFE / 2);
    assert_eq!((table.parties.len(), table.due.len()), (2, 2));
    for (after, left) in [(LIFE, 1), (LIFE + LIFE / 2, 0)] {
        table.run_due(now + after);
        assert_eq!((table.parties.len(), table.due.len()), (left, left), "{after:?}");
    }
}

#[test]
fn one_that_breaks_the_machine_ends_alone() {
    let (mut table, told, [one, other]) = desk();
    let now = Instant::now();
    table.take(open(one), now);
    table.take(open(other), now);
    table.alone(one, |_| panic!("on purpose"));
    assert_eq!(failed(&told), [one]);
    assert!(table.parties.len() == 1 && table.parties.contains_key(&other));
    table.take(open(one), now);
    assert_eq!(table.parties.len(), 2, "and may begin again");
}

#[test]
fn what_finds_no_thread_is_told_that_it_failed() {
    let (_, _, [one]) = desk();
    let net = net::Net::bind(&[], net::PortPool::default(), &model::Limits::default()).unwrap();
    let (send, _) = mpsc::sync_channel(1);
    let (refused, receive) = mpsc::channel();
    let hands = Hands { send, receive, refused, waker: net.waker() };
    hands.ask(open(one));
    let done = hands.done();
    assert!(matches!(&done[..], [(stream, FromDtls::Failed)] if *stream == one), "{done:?}");
}
