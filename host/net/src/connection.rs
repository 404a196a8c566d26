//! One stream connection: opening, TLS and WebSocket handshakes, framing, a bounded queue of what waits to be written.

use crate::framing::{Cut, Framing, Unit};
use crate::poller::Poller;
use crate::tls::{Tls, TlsFailure};
use bytes::{Buf, Bytes};
use core::time::Duration;
use model::{ConnectionId, Flow, Instant, Limits};

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::TcpStream;

/// Most pieces written by one system call.
const PIECES_MAX: usize = 16;

const READS_NOTHING: &str = "it does not read what is sent to it";

/// Why a connection must be closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Closed {
    /// The peer closed it, or the network did.
    ByPeer,
    /// It could not be opened.
    NotOpened,
    /// The peer broke the framing or a limit.
    Misbehaved(&'static str),
    /// TLS was not agreed on, or broke.
    Tls(TlsFailure),
    /// Nothing came or went for too long.
    Idle,
}

/// What lies on the socket of a new connection.
#[derive(Debug)]
pub(crate) struct Layers {
    pub(crate) tls: Option<Box<Tls>>,
    pub(crate) framing: Framing,
}

/// # Invariants
/// `waiting_bytes` is the sum of what `waiting` holds; with what TLS keeps for the end of its handshake it is never
/// above `Limits::connection_write_bytes_max` by more than TLS's own records; the poller watches for writability exactly
/// while `watching_write`.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) socket: TcpStream,
    /// The flow of everything that comes over it.
    pub(crate) flow: Flow,
    /// Flows without a connection of their own that were sent over this one: they fail with it.
    pub(crate) unpinned: Vec<Flow>,
    /// Whether we opened it.
    pub(crate) ours: bool,
    layers: Layers,
    waiting: VecDeque<Bytes>,
    waiting_bytes: usize,
    connecting: bool,
    watching_write: bool,
    /// Whether a whole message ever came.
    proven: bool,
    /// The stream cannot be read on: what still comes is thrown away, an answer may still go out, then it is cut.
    doomed: Option<&'static str>,
    /// When the handshakes above TCP began.
    began_at: Instant,
    active_at: Instant,
    /// Since when a message is incomplete, none has come yet, or the peer takes nothing.
    read_stalled_since: Option<Instant>,
    write_stalled_since: Option<Instant>,
}

pub(crate) fn token(id: ConnectionId) -> u64 {
    crate::sockets::Token::Connection(id.0).encode()
}

/// What a step on a connection may use.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) poller: &'a Poller,
    pub(crate) now: Instant,
}

impl Connection {
    pub(crate) fn accepted(id: ConnectionId, socket: TcpStream, flow: Flow, layers: Layers, now: Instant) -> Self {
        Connection {
            id,
            socket,
            flow,
            unpinned: Vec::new(),
            ours: false,
            layers,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            connecting: false,
            watching_write: false,
            proven: false,
            doomed: None,
            began_at: now,
            active_at: now,
            read_stalled_since: Some(now),
            write_stalled_since: None,
        }
    }

    pub(crate) fn opening(id: ConnectionId, socket: TcpStream, flow: Flow, layers: Layers, now: Instant) -> Self {
        // We spoke first: the peer owes nothing yet, so neither the first-message limit nor the stall limit runs.
        Connection {
            ours: true,
            connecting: true,
            watching_write: true,
            proven: true,
            read_stalled_since: None,
            ..Connection::accepted(id, socket, flow, layers, now)
        }
    }

    /// Queues one message, and writes at once where the peer takes it.
    pub(crate) fn send(&mut self, message: Bytes, on: Around<'_>) -> Result<(), Closed> {
        let framed = self.layers.framing.wrap(message).ok_or(Closed::Misbehaved("its WebSocket is not open"))?;
        self.put(framed, on)
    }

    /// Queues plain bytes.
    fn put(&mut self, plain: Bytes, on: Around<'_>) -> Result<(), Closed> {
        let early = self.layers.tls.as_ref().map_or(0, |tls| tls.early_bytes());
        let all = self.waiting_bytes.saturating_add(early).saturating_add(plain.len());
        if all > on.limits.connection_write_bytes_max {
            return Err(Closed::Misbehaved(READS_NOTHING));
        }
        match &mut self.layers.tls {
            None => self.queue(plain),
            Some(tls) => {
                tls.send(plain).map_err(Closed::Tls)?;
                self.take_tls_output();
            }
        }
        if self.connecting || self.watching_write { Ok(()) } else { self.flush(on) }
    }

    fn queue(&mut self, bytes: Bytes) {
        self.waiting_bytes += bytes.len();
        self.waiting.push_back(bytes);
    }

    fn take_tls_output(&mut self) {
        if let Some(out) = self.layers.tls.as_mut().and_then(|tls| tls.output()) {
            self.queue(out);
        }
    }

    /// The socket is writable: the connect is decided, or the peer takes more.
    pub(crate) fn writable(&mut self, on: Around<'_>) -> Result<(), Closed> {
        if self.connecting {
            match self.socket.take_error() {
                Ok(None) if self.socket.peer_addr().is_ok() => self.connecting = false,
                Ok(None | Some(_)) | Err(_) => return Err(Closed::NotOpened),
            }
            self.active_at = on.now;
            self.began_at = on.now;
            self.take_tls_output();
        }
        self.flush(on)
    }

    fn flush(&mut self, on: Around<'_>) -> Result<(), Closed> {
        while self.waiting_bytes > 0 {
            let mut pieces = [io::IoSlice::new(&[]); PIECES_MAX];
            let mut used = 0;
            for (piece, bytes) in pieces.iter_mut().zip(&self.waiting) {
                *piece = io::IoSlice::new(bytes);
                used += 1;
            }
            match self.socket.write_vectored(&pieces[..used]) {
                Ok(0) => return Err(Closed::ByPeer),
                Ok(written) => self.written(written, on.now),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return Err(Closed::ByPeer),
            }
        }
        let watch = self.waiting_bytes > 0;
        if watch && self.write_stalled_since.is_none() {
            self.write_stalled_since = Some(on.now);
        } else if !watch {
            self.write_stalled_since = None;
            // A queue that once was long does not keep its room.
            self.waiting.shrink_to(PIECES_MAX);
        }
        if watch != self.watching_write {
            on.poller.modify(&self.socket, token(self.id), watch).map_err(|_| Closed::ByPeer)?;
            self.watching_write = watch;
        }
        Ok(())
    }

    fn written(&mut self, mut count: usize, now: Instant) {
        self.waiting_bytes = self.waiting_bytes.saturating_sub(count);
        self.active_at = now;
        self.write_stalled_since = None;
        while let Some(first) = self.waiting.front_mut() {
            if count < first.len() {
                first.advance(count);
                break;
            }
            count -= first.len();
            self.waiting.pop_front();
        }
    }

    /// Reads once and gives every message that is whole now to `found`.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        on: Around<'_>,
        mut found: impl FnMut(Flow, Bytes),
    ) -> Result<(), Closed> {
        let count = match self.socket.read(buffer) {
            Ok(0) => return Err(Closed::ByPeer),
            Ok(count) => count,
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => return Ok(()),
            Err(_) if self.connecting => return Err(Closed::NotOpened),
            Err(_) => return Err(Closed::ByPeer),
        };
        if self.doomed.is_some() {
            return Ok(());
        }
        self.active_at = on.now;
        let ended = self.feed(&buffer[..count], on)?;
        let mut whole = false;
        loop {
            match self.layers.framing.next() {
                Ok(Some(Unit::Message(bytes))) => {
                    whole = true;
                    self.proven = true;
                    found(self.flow, bytes);
                }
                Ok(Some(Unit::Reply(bytes))) => self.put(bytes, on)?,
                Ok(None) => break,
                Err(cut) => return self.cut(cut, on, found),
            }
        }
        if ended {
            return Err(Closed::ByPeer);
        }
        let complete = self.proven && !self.layers.framing.is_mid();
        if complete {
            self.read_stalled_since = None;
        } else if whole || self.read_stalled_since.is_none() {
            self.read_stalled_since = Some(on.now);
        }
        Ok(())
    }

    /// Bytes of the socket to the framing, through TLS where there is some; whether the peer said goodbye.
    fn feed(&mut self, bytes: &[u8], on: Around<'_>) -> Result<bool, Closed> {
        let Layers { tls, framing } = &mut self.layers;
        let mut pushed = Ok(None);
        let mut push = |plain: &[u8]| {
            if pushed.is_ok() {
                match framing.push(plain) {
                    Ok(None) => {}
                    other => pushed = other,
                }
            }
        };
        let ended = match tls {
            None => {
                push(bytes);
                Ok(false)
            }
            Some(tls) => tls.receive(bytes, push).map(|open| !open),
        };
        // Also where TLS failed: the peer shall read the alert that says why.
        self.take_tls_output();
        let flushed = if self.watching_write { Ok(()) } else { self.flush(on) };
        let ended = ended.map_err(Closed::Tls)?;
        flushed?;
        match pushed {
            Ok(Some(reply)) => self.put(reply, on)?,
            Ok(None) => {}
            Err(cut) => return self.cut(cut, on, |_, _| {}).map(|()| false),
        }
        Ok(ended)
    }

    /// Nothing more can be read: what may still be said is said.
    fn cut(&mut self, cut: Cut, on: Around<'_>, mut found: impl FnMut(Flow, Bytes)) -> Result<(), Closed> {
        self.doomed = Some(cut.why);
        if let Some(last) = cut.last {
            self.put(last, on)?;
        }
        match cut.head {
            Some(head) => {
                found(self.flow, head);
                Ok(())
            }
            None if cut.in_order => Err(Closed::ByPeer),
            None => Err(Closed::Misbehaved(cut.why)),
        }
    }

    /// Says goodbye where TLS has a word for it. What does not leave at once is lost.
    pub(crate) fn part(&mut self, on: Around<'_>) {
        if let Some(tls) = self.layers.tls.as_mut().filter(|_| !self.connecting) {
            tls.close();
            self.take_tls_output();
            let _unsent = self.flush(on);
        }
    }

    /// Whether a TLS handshake is under way or was never finished.
    pub(crate) fn is_securing(&self) -> bool {
        self.layers.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        !self.connecting && self.waiting_bytes == 0
    }

    /// Whether a limit of time has passed.
    pub(crate) fn overdue(&self, limits: &Limits, now: Instant) -> Option<Closed> {
        let after = |since: Instant, limit: Duration| now.since(since) >= limit;
        let stall = Duration::from_secs(u64::from(limits.connection_stall_s));
        if let Some(why) = self.doomed.filter(|_| self.waiting_bytes == 0) {
            return Some(Closed::Misbehaved(why));
        }
        if self.connecting {
            let limit = Duration::from_millis(u64::from(limits.connect_timeout_ms));
            return after(self.active_at, limit).then_some(Closed::NotOpened);
        }
        let handshake = Duration::from_millis(u64::from(limits.handshake_timeout_ms));
        if self.is_securing() && after(self.began_at, handshake) {
            return Some(Closed::Tls(TlsFailure::Late));
        }
        if self.layers.framing.is_upgrading() && after(self.began_at, handshake) {
            return Some(Closed::Misbehaved("its WebSocket handshake takes too long"));
        }
        if self.read_stalled_since.is_some_and(|since| after(since, stall)) {
            let why = if self.proven { "it does not finish a message" } else { "it sends no message" };
            return Some(Closed::Misbehaved(why));
        }
        if self.write_stalled_since.is_some_and(|since| after(since, stall)) {
            return Some(Closed::Misbehaved(READS_NOTHING));
        }
        after(self.active_at, Duration::from_secs(u64::from(limits.connection_idle_s))).then_some(Closed::Idle)
    }
}
