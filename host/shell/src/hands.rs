//! Handshakes with browsers (DTLS), on a thread of their own: an ECDSA signature takes as long as hundreds of packets, and no
//! RTP waits for one. The shard hands over what `media` asks for, and takes records and keys back.
//!
//! What strangers send is read here, so it may fail here: a handshake that breaks the machine ends alone; a thread that ends
//! is seen at once, its handshakes are told to be lost, and another takes over. What waits for the thread is bounded.

use core::time::Duration;
use dtls::{Association, Certificate, Told};
use media::{FromDtls, Handshake, Keys, ToDtls};
use model::Limits;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError, TrySendError};
use std::time::Instant;

/// How long a party is kept: the machine gives up after 30 seconds, and a last flight that was lost is asked for again
/// within another minute. From then on its keys are all there is.
const LIFE: Duration = Duration::from_secs(90);
/// How long the thread sleeps where nothing is due.
const SLEEP: Duration = Duration::from_secs(3_600);

type Done = (Handshake, FromDtls);

/// What became of handshakes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct HandsCounters {
    /// Begun.
    pub(crate) begun: u64,
    /// That came to keys.
    pub(crate) keyed: u64,
    /// That failed by the party's fault.
    pub(crate) failed: u64,
    /// That failed by ours.
    pub(crate) lost: u64,
    /// Records that found no room.
    pub(crate) dropped: u64,
    /// Threads that ended.
    pub(crate) threads: u64,
}

impl HandsCounters {
    /// Those of another shard besides.
    pub(crate) fn add(&mut self, other: &HandsCounters) {
        // Does not compile when a field is forgotten.
        let HandsCounters { begun, keyed, failed, lost, dropped, threads } = other;
        self.begun += begun;
        self.keyed += keyed;
        self.failed += failed;
        self.lost += lost;
        self.dropped += dropped;
        self.threads += threads;
    }
}

/// The handshakes of a shard.
///
/// # Invariants
/// `waiting` holds what the thread was given and nothing has come of yet. The thread ends when this is dropped.
pub(crate) struct Hands {
    certificate: Certificate,
    waker: net::Waker,
    parties_max: usize,
    queue_max: usize,
    /// None where the last one ended and no other could be started.
    thread: Option<Thread>,
    waiting: BTreeSet<Handshake>,
    /// What is told next, besides what the thread tells.
    told: Vec<Done>,
    counters: HandsCounters,
}

/// The ways to and from the thread.
struct Thread {
    send: mpsc::SyncSender<ToDtls>,
    receive: mpsc::Receiver<Done>,
}

/// Wakes the shard when the thread is over, after all else of it is gone.
struct Bell(net::Waker);

impl Drop for Bell {
    fn drop(&mut self) {
        self.0.wake();
    }
}

impl Hands {
    pub(crate) fn start(certificate: Certificate, waker: net::Waker, limits: &Limits) -> std::io::Result<Hands> {
        let mut hands = Hands {
            certificate,
            waker,
            parties_max: limits.handshakes_max,
            queue_max: limits.handshake_queue_max,
            thread: None,
            waiting: BTreeSet::new(),
            told: Vec::new(),
            counters: HandsCounters::default(),
        };
        hands.thread = Some(hands.thread()?);
        Ok(hands)
    }

    /// Another thread.
    fn thread(&self) -> std::io::Result<Thread> {
        let (send, asked) = mpsc::sync_channel(self.queue_max.max(1));
        let (done, receive) = mpsc::channel();
        let waker = self.waker.clone();
        let tell = move |what: Done| {
            // A shard that is gone needs nothing.
            let _gone = done.send(what);
            waker.wake();
        };
        Table::new(self.certificate.clone(), self.parties_max, Box::new(tell))
            .launch(asked, Bell(self.waker.clone()))?;
        Ok(Thread { send, receive })
    }

    pub(crate) fn ask(&mut self, work: ToDtls) {
        match &work {
            ToDtls::Open { .. } => self.counters.begun += 1,
            ToDtls::Close { handshake } => {
                self.waiting.remove(handshake);
            }
            ToDtls::Record { .. } => {}
        }
        let Some(work) = self.give(work) else { return };
        // A record is sent again by the party, and a handshake that is not closed ends by its time.
        match work {
            ToDtls::Open { handshake, .. } => self.lose(handshake),
            ToDtls::Record { .. } => self.counters.dropped += 1,
            ToDtls::Close { .. } => {}
        }
    }

    /// Gives work to the thread, or back. Only a handshake that begins is worth another thread.
    fn give(&mut self, work: ToDtls) -> Option<ToDtls> {
        let opens = match &work {
            ToDtls::Open { handshake, .. } => Some(*handshake),
            ToDtls::Record { .. } | ToDtls::Close { .. } => None,
        };
        if self.thread.is_none() && opens.is_some() {
            self.restart();
        }
        let Some(thread) = &self.thread else { return Some(work) };
        let work = match thread.send.try_send(work) {
            Ok(()) => {
                self.waiting.extend(opens);
                return None;
            }
            Err(TrySendError::Full(work)) => return Some(work),
            Err(TrySendError::Disconnected(work)) => work,
        };
        self.bury();
        let Some(thread) = self.thread.as_ref().filter(|_| opens.is_some()) else { return Some(work) };
        match thread.send.try_send(work) {
            Ok(()) => {
                self.waiting.extend(opens);
                None
            }
            Err(TrySendError::Full(work) | TrySendError::Disconnected(work)) => Some(work),
        }
    }

    /// What came of it since it was asked last.
    pub(crate) fn done(&mut self) -> Vec<Done> {
        loop {
            match self.thread.as_ref().map(|thread| thread.receive.try_recv()) {
                Some(Ok(done)) => self.hear(done),
                Some(Err(TryRecvError::Disconnected)) => self.bury(),
                Some(Err(TryRecvError::Empty)) | None => return core::mem::take(&mut self.told),
            }
        }
    }

    pub(crate) const fn counters(&self) -> HandsCounters {
        self.counters
    }

    fn hear(&mut self, (handshake, done): Done) {
        let counted = match &done {
            FromDtls::Record(_) => None,
            FromDtls::Keys(_) => Some(&mut self.counters.keyed),
            FromDtls::Failed => Some(&mut self.counters.failed),
            FromDtls::Lost => Some(&mut self.counters.lost),
        };
        if let Some(counted) = counted {
            // Once for each: one that had keys may break later, and nobody needs to know.
            if !self.waiting.remove(&handshake) {
                return;
            }
            *counted += 1;
        }
        self.told.push((handshake, done));
    }

    /// No keys will come of this one, and it is our fault.
    fn lose(&mut self, handshake: Handshake) {
        tracing::error!(stream = ?handshake.stream, "a browser's handshake is lost: its thread is gone or has no room");
        self.counters.lost += 1;
        self.told.push((handshake, FromDtls::Lost));
        self.waker.wake();
    }

    /// The thread is over: what it told before counts, what it was given is lost, and another takes over.
    fn bury(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.counters.threads += 1;
        for done in thread.receive.try_iter() {
            self.hear(done);
        }
        for handshake in core::mem::take(&mut self.waiting) {
            self.lose(handshake);
        }
        self.restart();
    }

    fn restart(&mut self) {
        match self.thread() {
            Ok(thread) => self.thread = Some(thread),
            Err(error) => tracing::error!(%error, "no thread for handshakes with browsers can be started"),
        }
    }
}

/// A handshake, and what is kept of it.
struct Party {
    association: Association,
    due: Instant,
    ends: Instant,
    /// It has come to its end: keys.
    over: bool,
}

/// What the thread has.
///
/// # Invariants
/// `due` holds each party once, under the time in its entry, which is never after its end.
struct Table {
    certificate: Certificate,
    parties_max: usize,
    parties: BTreeMap<Handshake, Party>,
    due: BTreeSet<(Instant, Handshake)>,
    tell: Box<dyn FnMut(Done) + Send>,
}

impl Table {
    fn new(certificate: Certificate, parties_max: usize, tell: Box<dyn FnMut(Done) + Send>) -> Table {
        Table { certificate, parties_max, parties: BTreeMap::new(), due: BTreeSet::new(), tell }
    }

    /// Runs on a thread of its own until nobody asks any more.
    fn launch(self, asked: mpsc::Receiver<ToDtls>, bell: Bell) -> std::io::Result<()> {
        let run = move || {
            // Dropped after the table, and with it the way back, however that comes about.
            let _bell = bell;
            self.run(&asked);
        };
        std::thread::Builder::new().name("dtls".to_owned()).spawn(run).map(|_| ())
    }

    fn run(mut self, asked: &mpsc::Receiver<ToDtls>) {
        loop {
            let now = Instant::now();
            let sleep = self.due.first().map_or(SLEEP, |(at, _)| at.saturating_duration_since(now));
            match asked.recv_timeout(sleep) {
                Ok(work) => self.take(work, Instant::now()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.run_due(Instant::now());
        }
    }

    fn take(&mut self, work: ToDtls, now: Instant) {
        match work {
            ToDtls::Open { handshake, active, fingerprints } => {
                if self.parties.len() >= self.parties_max {
                    tracing::warn!(self.parties_max, "a browser finds no place to shake hands");
                    return (self.tell)((handshake, FromDtls::Lost));
                }
                self.alone(handshake, |table| {
                    let association = Association::new(&table.certificate, active, fingerprints, now);
                    let ends = now + LIFE;
                    table.parties.insert(handshake, Party { association, due: ends, ends, over: false });
                    table.due.insert((ends, handshake));
                    table.settle(handshake);
                });
            }
            ToDtls::Record { handshake, bytes } => self.alone(handshake, |table| {
                if let Some(party) = table.parties.get_mut(&handshake) {
                    party.association.handle_datagram(&bytes, now);
                }
                table.settle(handshake);
            }),
            ToDtls::Close { handshake } => {
                self.forget(handshake);
            }
        }
    }

    fn run_due(&mut self, now: Instant) {
        while let Some((at, handshake)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            if self.parties.get(&handshake).is_none_or(|party| party.ends <= now) {
                self.due.remove(&(at, handshake));
                if self.forget(handshake).is_some_and(|party| !party.over) {
                    (self.tell)((handshake, FromDtls::Failed));
                }
                continue;
            }
            self.alone(handshake, |table| {
                if let Some(party) = table.parties.get_mut(&handshake) {
                    party.association.handle_timeout(now);
                }
                table.settle(handshake);
            });
        }
    }

    /// Does something for one party. Where the machine breaks, that party's handshake is lost and no other's.
    fn alone(&mut self, handshake: Handshake, work: impl FnOnce(&mut Table)) {
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_err() {
            tracing::error!("a browser's handshake broke the machine; the log says where");
            self.forget(handshake);
            (self.tell)((handshake, FromDtls::Lost));
        }
    }

    /// Passes on what a party's handshake has to say, and notes when it wants to be woken.
    fn settle(&mut self, handshake: Handshake) {
        let Some(party) = self.parties.get_mut(&handshake) else { return };
        let mut failed = false;
        while let Some(told) = party.association.poll() {
            let done = match told {
                Told::Record(bytes) => FromDtls::Record(bytes),
                Told::Keys(found) => {
                    party.over = true;
                    FromDtls::Keys(Box::new(Keys { ours: found.ours, theirs: found.theirs }))
                }
                Told::Failed(why) => {
                    tracing::info!(why, "a browser's handshake failed");
                    failed = true;
                    FromDtls::Failed
                }
            };
            (self.tell)((handshake, done));
        }
        if failed {
            self.forget(handshake);
            return;
        }
        let next = party.association.poll_timeout().map_or(party.ends, |at| at.min(party.ends));
        let before = core::mem::replace(&mut party.due, next);
        self.due.remove(&(before, handshake));
        self.due.insert((next, handshake));
    }

    fn forget(&mut self, handshake: Handshake) -> Option<Party> {
        let party = self.parties.remove(&handshake)?;
        self.due.remove(&(party.due, handshake));
        Some(party)
    }
}

#[cfg(test)]
#[path = "hands_tests.rs"]
mod tests;
