//! Handshakes with browsers (DTLS), on a thread of their own: an ECDSA signature takes as long as hundreds of packets, and no
//! RTP waits for one. The shard hands over what `media` asks for, and takes records and keys back.

use core::time::Duration;
use dtls::{Association, Certificate, Told};
use media::{FromDtls, Keys, StreamId, ToDtls};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Instant;

/// Most handshakes at once, begun and not over. A browser that finds no place is told nothing and its call has no sound,
/// which the media timeout ends; past this a node is being attacked or far beyond what its cores can sign.
const PARTIES_MAX: usize = 20_000;
/// How long the thread sleeps where nothing is due.
const SLEEP: Duration = Duration::from_secs(3_600);

type Done = (StreamId, FromDtls);

/// The handshakes of a shard.
///
/// # Invariants
/// The thread ends when this is dropped.
pub(crate) struct Hands {
    send: mpsc::Sender<ToDtls>,
    receive: mpsc::Receiver<Done>,
}

impl Hands {
    pub(crate) fn start(certificate: Certificate, waker: net::Waker) -> std::io::Result<Hands> {
        let (send, asked) = mpsc::channel();
        let (done, receive) = mpsc::channel();
        let tell = move |what: Done| {
            // A shard that is gone needs nothing.
            let _gone = done.send(what);
            waker.wake();
        };
        let table = Table { certificate, parties: BTreeMap::new(), due: BTreeSet::new(), tell: Box::new(tell) };
        std::thread::Builder::new().name("dtls".to_owned()).spawn(move || table.run(&asked))?;
        Ok(Hands { send, receive })
    }

    pub(crate) fn ask(&self, work: ToDtls) {
        // Without the thread there are no keys, and the media timeout ends the call.
        let _gone = self.send.send(work);
    }

    /// What came of it since it was asked last.
    pub(crate) fn done(&self) -> Vec<Done> {
        self.receive.try_iter().collect()
    }
}

/// What the thread has.
///
/// # Invariants
/// `due` holds each party once at most, under the time in its entry.
struct Table {
    certificate: Certificate,
    parties: BTreeMap<StreamId, (Association, Option<Instant>)>,
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
                if self.parties.len() >= PARTIES_MAX {
                    return tracing::warn!(PARTIES_MAX, "a browser finds no place to shake hands");
                }
                let association = Association::new(&self.certificate, active, fingerprints, now);
                self.forget(stream);
                self.parties.insert(stream, (association, None));
                self.settle(stream);
            }
            ToDtls::Record { stream, bytes } => {
                if let Some((association, _)) = self.parties.get_mut(&stream) {
                    association.handle_datagram(&bytes, now);
                }
                self.settle(stream);
            }
            ToDtls::Close { stream } => self.forget(stream),
        }
    }

    fn run_due(&mut self, now: Instant) {
        while let Some((at, stream)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, stream));
            if let Some((association, due)) = self.parties.get_mut(&stream) {
                *due = None;
                association.handle_timeout(now);
            }
            self.settle(stream);
        }
    }

    /// Passes on what a party's handshake has to say, and notes when it wants to be woken.
    fn settle(&mut self, stream: StreamId) {
        let Some((association, due)) = self.parties.get_mut(&stream) else { return };
        while let Some(told) = association.poll() {
            let done = match told {
                Told::Record(bytes) => FromDtls::Record(bytes),
                Told::Keys(found) => FromDtls::Keys(Box::new(Keys { ours: found.ours, theirs: found.theirs })),
                Told::Failed(why) => {
                    tracing::info!(why, "a browser's handshake failed");
                    FromDtls::Failed
                }
            };
            (self.tell)((stream, done));
        }
        let next = association.poll_timeout();
        if let Some(at) = core::mem::replace(due, next) {
            self.due.remove(&(at, stream));
        }
        self.due.extend(next.map(|at| (at, stream)));
    }

    fn forget(&mut self, stream: StreamId) {
        if let Some((_, Some(at))) = self.parties.remove(&stream) {
            self.due.remove(&(at, stream));
        }
    }
}
