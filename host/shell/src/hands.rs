//! Handshakes with browsers (DTLS), on a thread of their own: an ECDSA signature takes as long as hundreds of packets, and no
//! RTP waits for one. The shard hands over what `media` asks for, and takes records and keys back.

use core::time::Duration;
use dtls::{Association, Certificate, Told};
use media::{FromDtls, Keys, StreamId, ToDtls};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, RecvTimeoutError, TrySendError};
use std::time::Instant;

/// Most handshakes at once. A browser that finds no place has its call ended; past this a node is being attacked or far
/// beyond what its cores can sign.
const PARTIES_MAX: usize = 20_000;
/// Most that waits for the thread. Past it records are lost, as they may be on any network, and nobody new is begun with.
const QUEUE_MAX: usize = 16_384;
/// How long a party is kept: the machine gives up after 30 seconds, and a last flight that was lost is asked for again
/// within another minute. From then on its keys are all there is.
const LIFE: Duration = Duration::from_secs(90);
/// How long the thread sleeps where nothing is due.
const SLEEP: Duration = Duration::from_secs(3_600);

type Done = (StreamId, FromDtls);

/// The handshakes of a shard.
///
/// # Invariants
/// The thread ends when this is dropped.
pub(crate) struct Hands {
    send: mpsc::SyncSender<ToDtls>,
    receive: mpsc::Receiver<Done>,
    refused: mpsc::Sender<Done>,
    waker: net::Waker,
}

impl Hands {
    pub(crate) fn start(certificate: Certificate, waker: net::Waker) -> std::io::Result<Hands> {
        let (send, asked) = mpsc::sync_channel(QUEUE_MAX);
        let (done, receive) = mpsc::channel();
        let (refused, own) = (done.clone(), waker.clone());
        let tell = move |what: Done| {
            // A shard that is gone needs nothing.
            let _gone = done.send(what);
            waker.wake();
        };
        let table = Table { certificate, parties: BTreeMap::new(), due: BTreeSet::new(), tell: Box::new(tell) };
        std::thread::Builder::new().name("dtls".to_owned()).spawn(move || table.run(&asked))?;
        Ok(Hands { send, receive, refused, waker: own })
    }

    pub(crate) fn ask(&self, work: ToDtls) {
        let (work, why) = match self.send.try_send(work) {
            Ok(()) => return,
            Err(TrySendError::Full(work)) => (work, "the thread of handshakes is too busy"),
            Err(TrySendError::Disconnected(work)) => (work, "the thread of handshakes is gone"),
        };
        // A record is sent again, and a party that is not closed ends by itself.
        if let ToDtls::Open { stream, .. } = work {
            tracing::error!(why, "a browser's handshake cannot begin");
            let _gone = self.refused.send((stream, FromDtls::Failed));
            self.waker.wake();
        }
    }

    /// What came of it since it was asked last.
    pub(crate) fn done(&self) -> Vec<Done> {
        self.receive.try_iter().collect()
    }
}

/// A handshake, and what is kept of it.
struct Party {
    association: Association,
    due: Instant,
    ends: Instant,
}

/// What the thread has.
///
/// # Invariants
/// `due` holds each party once, under the time in its entry, which is never after its end.
struct Table {
    certificate: Certificate,
    parties: BTreeMap<StreamId, Party>,
    due: BTreeSet<(Instant, StreamId)>,
    tell: Box<dyn FnMut(Done) + Send>,
}

impl Table {
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
            ToDtls::Open { stream, active, fingerprints } => {
                self.forget(stream);
                if self.parties.len() >= PARTIES_MAX {
                    tracing::warn!(PARTIES_MAX, "a browser finds no place to shake hands");
                    return (self.tell)((stream, FromDtls::Failed));
                }
                self.alone(stream, |table| {
                    let association = Association::new(&table.certificate, active, fingerprints, now);
                    let ends = now + LIFE;
                    table.parties.insert(stream, Party { association, due: ends, ends });
                    table.due.insert((ends, stream));
                    table.settle(stream);
                });
            }
            ToDtls::Record { stream, bytes } => self.alone(stream, |table| {
                if let Some(party) = table.parties.get_mut(&stream) {
                    party.association.handle_datagram(&bytes, now);
                }
                table.settle(stream);
            }),
            ToDtls::Close { stream } => self.forget(stream),
        }
    }

    fn run_due(&mut self, now: Instant) {
        while let Some((at, stream)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            if self.parties.get(&stream).is_none_or(|party| party.ends <= now) {
                self.due.remove(&(at, stream));
                self.forget(stream);
                continue;
            }
            self.alone(stream, |table| {
                if let Some(party) = table.parties.get_mut(&stream) {
                    party.association.handle_timeout(now);
                }
                table.settle(stream);
            });
        }
    }

    /// Does something for one party. Where the machine breaks, that party's handshake has failed and no other's.
    fn alone(&mut self, stream: StreamId, work: impl FnOnce(&mut Table)) {
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_err() {
            tracing::error!("a browser's handshake broke the machine; the log says where");
            self.forget(stream);
            (self.tell)((stream, FromDtls::Failed));
        }
    }

    /// Passes on what a party's handshake has to say, and notes when it wants to be woken.
    fn settle(&mut self, stream: StreamId) {
        let Some(party) = self.parties.get_mut(&stream) else { return };
        let mut failed = false;
        while let Some(told) = party.association.poll() {
            let done = match told {
                Told::Record(bytes) => FromDtls::Record(bytes),
                Told::Keys(found) => FromDtls::Keys(Box::new(Keys { ours: found.ours, theirs: found.theirs })),
                Told::Failed(why) => {
                    tracing::info!(why, "a browser's handshake failed");
                    failed = true;
                    FromDtls::Failed
                }
            };
            (self.tell)((stream, done));
        }
        if failed {
            return self.forget(stream);
        }
        let next = party.association.poll_timeout().map_or(party.ends, |at| at.min(party.ends));
        let before = core::mem::replace(&mut party.due, next);
        self.due.remove(&(before, stream));
        self.due.insert((next, stream));
    }

    fn forget(&mut self, stream: StreamId) {
        if let Some(party) = self.parties.remove(&stream) {
            self.due.remove(&(party.due, stream));
        }
    }
}

#[cfg(test)]
#[path = "hands_tests.rs"]
mod tests;
