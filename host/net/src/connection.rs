//! One stream connection: opening, framing (RFC 3261 section 18.3), a bounded queue of what waits to be written.

use crate::poller::Poller;
use bytes::{Buf, Bytes};
use core::time::Duration;
use model::{ConnectionId, Flow, Instant, Limits};
use sip_message::{Framed, FramingFault, StreamFramer};

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::TcpStream;

/// The answer to a keep-alive (RFC 5626 section 4.4.1).
const PONG: &[u8] = b"\r\n";
/// Most pieces written by one system call.
const PIECES_MAX: usize = 16;

const UNFRAMED: &str = "what it sends cannot be framed";

/// Why a connection must be closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Closed {
    /// The peer closed it, or the network did.
    ByPeer,
    /// It could not be opened.
    NotOpened,
    /// The peer broke the framing or a limit.
    Misbehaved(&'static str),
    /// Nothing came or went for too long.
    Idle,
}

/// # Invariants
/// `waiting_bytes` is the sum of what `waiting` holds and never above `Limits::connection_write_bytes_max`; the
/// poller watches for writability exactly while `watching_write`.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) socket: TcpStream,
    /// The flow of everything that comes over it.
    pub(crate) flow: Flow,
    /// Flows without a connection of their own that were sent over this one: they fail with it.
    pub(crate) unpinned: Vec<Flow>,
    framer: StreamFramer,
    waiting: VecDeque<Bytes>,
    waiting_bytes: usize,
    connecting: bool,
    watching_write: bool,
    /// Whether a whole message ever came.
    proven: bool,
    /// The stream cannot be read on: what still comes is thrown away, an answer may still go out, then it is cut.
    doomed: bool,
    active_at: Instant,
    /// Since when a message is incomplete, none has come yet, or the peer takes nothing.
    read_stalled_since: Option<Instant>,
    write_stalled_since: Option<Instant>,
}

pub(crate) fn token(id: ConnectionId) -> u64 {
    crate::sockets::Token::Connection(id.0).encode()
}

impl Connection {
    pub(crate) fn accepted(
        id: ConnectionId,
        socket: TcpStream,
        flow: Flow,
        framer: StreamFramer,
        now: Instant,
    ) -> Self {
        Connection {
            id,
            socket,
            flow,
            unpinned: Vec::new(),
            framer,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            connecting: false,
            watching_write: false,
            proven: false,
            doomed: false,
            active_at: now,
            read_stalled_since: Some(now),
            write_stalled_since: None,
        }
    }

    pub(crate) fn opening(id: ConnectionId, socket: TcpStream, flow: Flow, framer: StreamFramer, now: Instant) -> Self {
        // We spoke first: the peer owes nothing yet, so neither the first-message limit nor the stall limit runs.
        Connection {
            connecting: true,
            watching_write: true,
            proven: true,
            read_stalled_since: None,
            ..Connection::accepted(id, socket, flow, framer, now)
        }
    }

    /// Queues one message, and writes at once where the peer takes it.
    pub(crate) fn send(&mut self, bytes: Bytes, limits: &Limits, poller: &Poller, now: Instant) -> Result<(), Closed> {
        if self.waiting_bytes.saturating_add(bytes.len()) > limits.connection_write_bytes_max {
            return Err(Closed::Misbehaved("it does not read what is sent to it"));
        }
        self.waiting_bytes += bytes.len();
        self.waiting.push_back(bytes);
        if self.connecting || self.watching_write { Ok(()) } else { self.flush(poller, now) }
    }

    /// The socket is writable: the connect is decided, or the peer takes more.
    pub(crate) fn writable(&mut self, poller: &Poller, now: Instant) -> Result<(), Closed> {
        if self.connecting {
            match self.socket.take_error() {
                Ok(None) if self.socket.peer_addr().is_ok() => self.connecting = false,
                Ok(None | Some(_)) | Err(_) => return Err(Closed::NotOpened),
            }
            self.active_at = now;
        }
        self.flush(poller, now)
    }

    fn flush(&mut self, poller: &Poller, now: Instant) -> Result<(), Closed> {
        while self.waiting_bytes > 0 {
            let mut pieces = [io::IoSlice::new(&[]); PIECES_MAX];
            let mut used = 0;
            for (piece, bytes) in pieces.iter_mut().zip(&self.waiting) {
                *piece = io::IoSlice::new(bytes);
                used += 1;
            }
            match self.socket.write_vectored(&pieces[..used]) {
                Ok(0) => return Err(Closed::ByPeer),
                Ok(written) => self.written(written, now),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return Err(Closed::ByPeer),
            }
        }
        let watch = self.waiting_bytes > 0;
        if watch && self.write_stalled_since.is_none() {
            self.write_stalled_since = Some(now);
        } else if !watch {
            self.write_stalled_since = None;
        }
        if watch != self.watching_write {
            poller.modify(&self.socket, token(self.id), watch).map_err(|_| Closed::ByPeer)?;
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
        context: (&Limits, &Poller, Instant),
        mut found: impl FnMut(Flow, Bytes),
    ) -> Result<(), Closed> {
        let (limits, poller, now) = context;
        let count = match self.socket.read(buffer) {
            Ok(0) => return Err(Closed::ByPeer),
            Ok(count) => count,
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => return Ok(()),
            Err(_) if self.connecting => return Err(Closed::NotOpened),
            Err(_) => return Err(Closed::ByPeer),
        };
        if self.doomed {
            return Ok(());
        }
        self.active_at = now;
        self.framer.push(&buffer[..count]);
        let mut whole = false;
        loop {
            match self.framer.next() {
                Ok(Some(Framed::Message(bytes))) => {
                    whole = true;
                    self.proven = true;
                    found(self.flow, bytes);
                }
                Ok(Some(Framed::Ping)) => self.send(Bytes::from_static(PONG), limits, poller, now)?,
                Ok(None) => break,
                Err(error) => {
                    // With its header block whole the request is answered (400, 513) before the cut. Without a
                    // Content-Length it would pass for a valid one: that stream is cut at once.
                    let Some(head) = error.head.filter(|_| error.fault != FramingFault::NoContentLength) else {
                        return Err(Closed::Misbehaved(UNFRAMED));
                    };
                    self.doomed = true;
                    found(self.flow, head);
                    return Ok(());
                }
            }
        }
        let complete = self.proven && self.framer.buffered() == 0;
        if complete {
            self.read_stalled_since = None;
        } else if whole || self.read_stalled_since.is_none() {
            self.read_stalled_since = Some(now);
        }
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        !self.connecting && self.waiting_bytes == 0
    }

    /// Whether a limit of time has passed.
    pub(crate) fn overdue(&self, limits: &Limits, now: Instant) -> Option<Closed> {
        let after = |since: Instant, limit: Duration| now.since(since) >= limit;
        let stall = Duration::from_secs(u64::from(limits.connection_stall_s));
        if self.doomed && self.waiting_bytes == 0 {
            return Some(Closed::Misbehaved(UNFRAMED));
        }
        if self.connecting {
            let limit = Duration::from_millis(u64::from(limits.connect_timeout_ms));
            return after(self.active_at, limit).then_some(Closed::NotOpened);
        }
        if self.read_stalled_since.is_some_and(|since| after(since, stall)) {
            let why = if self.proven { "it does not finish a message" } else { "it sends no message" };
            return Some(Closed::Misbehaved(why));
        }
        if self.write_stalled_since.is_some_and(|since| after(since, stall)) {
            return Some(Closed::Misbehaved("it does not read what is sent to it"));
        }
        after(self.active_at, Duration::from_secs(u64::from(limits.connection_idle_s))).then_some(Closed::Idle)
    }
}
