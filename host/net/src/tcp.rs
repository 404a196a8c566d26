//! Every stream connection of a shard: accepted ones, opened ones, and which of them reaches a remote address.

use crate::config::{BoundListener, NetCounters};
use crate::connection::{Around, Closed, Connection, Layers, token};
use crate::framing::Framing;
use crate::names::Names;
use crate::poller::{Poller, Ready};
use crate::sources::Sources;
use crate::tls::{Tls, TlsMaterial};
use crate::{Dscp, socket, sockets};
use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;
use model::{ConnectionId, Flow, Instant, Limits, TlsName, Transmit, Transport};
use sip_message::ParseLimits;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::TcpListener;
use std::sync::Arc;

/// How often the limits of time are looked at while a connection is open.
const SWEEP: Duration = Duration::from_secs(1);
/// How long a listener rests when the process has no file left for another connection.
const REST: Duration = Duration::from_millis(200);
/// Most connections accepted before the others have their turn.
const ACCEPTS_MAX: usize = 32;

/// What streams gave: a whole message, or a flow that is dead.
#[derive(Debug)]
pub(crate) enum Arrived {
    Message(Flow, Bytes),
    Failed(Flow),
}

/// What every step on a stream may touch: the poller, the counters, and the time it is.
pub(crate) struct Turn<'a> {
    pub(crate) poller: &'a Poller,
    pub(crate) counters: &'a mut NetCounters,
    pub(crate) now: Instant,
}

impl Turn<'_> {
    fn around<'a>(&'a self, limits: &'a Limits) -> Around<'a> {
        Around { limits, poller: self.poller, now: self.now }
    }
}

#[derive(Debug)]
struct Listening {
    socket: TcpListener,
    public: BoundListener,
    index: usize,
    resting_until: Option<Instant>,
}

/// By what a connection is found again: who is at its other end, and what name it has proved to us.
type Reach = (Transport, SocketAddr, Option<TlsName>);

/// # Invariants
/// `by_remote` names only connections of `open`; an id is never used twice; `next_sweep` is set while `open` is not
/// empty; `sources` counts exactly the accepted connections of `open`.
#[derive(Debug)]
pub(crate) struct Streams {
    limits: Limits,
    parse_limits: ParseLimits,
    listeners: Vec<Listening>,
    open: BTreeMap<ConnectionId, Connection>,
    by_remote: BTreeMap<Reach, ConnectionId>,
    sources: Sources,
    pub(crate) names: Names,
    tls: Option<TlsMaterial>,
    /// Who may open a WebSocket; none = all.
    origins: Arc<[String]>,
    shard: u8,
    /// The mark of all signalling.
    pub(crate) dscp: Dscp,
    next_id: u64,
    next_sweep: Option<Instant>,
    arrived: VecDeque<Arrived>,
}

impl Streams {
    pub(crate) fn new(limits: Limits, shard: u8) -> Streams {
        Streams {
            shard,
            parse_limits: ParseLimits::from(&limits),
            limits,
            listeners: Vec::new(),
            open: BTreeMap::new(),
            by_remote: BTreeMap::new(),
            sources: Sources::default(),
            names: Names::default(),
            tls: None,
            origins: Arc::from([]),
            dscp: Dscp::CS3,
            next_id: 1,
            next_sweep: None,
            arrived: VecDeque::new(),
        }
    }

    /// Certificates and authorities for the connections from now on.
    pub(crate) fn secure(&mut self, tls: TlsMaterial) {
        self.tls = Some(tls);
    }

    pub(crate) fn can_accept_tls(&self) -> bool {
        self.tls.as_ref().is_some_and(TlsMaterial::can_accept)
    }

    pub(crate) fn allow_origins(&mut self, origins: Arc<[String]>) {
        self.origins = origins;
    }

    pub(crate) fn listen(&mut self, socket: TcpListener, public: BoundListener, index: usize) {
        self.listeners.push(Listening { socket, public, index, resting_until: None });
    }

    pub(crate) fn next(&mut self) -> Option<Arrived> {
        self.arrived.pop_front()
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn has_arrived(&self) -> bool {
        !self.arrived.is_empty()
    }

    /// Whether nothing waits to be written or to be opened.
    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        self.open.values().all(Connection::is_idle)
    }

    fn new_id(&mut self) -> ConnectionId {
        let id = ConnectionId::of_shard(self.shard, self.next_id);
        self.next_id += 1;
        id
    }

    pub(crate) fn accept(&mut self, index: usize, on: &mut Turn<'_>) {
        let Some(at) = self.listeners.iter().position(|l| l.index == index) else { return };
        for _ in 0..ACCEPTS_MAX {
            match self.listeners[at].socket.accept() {
                Ok((socket, remote)) => {
                    if let Some(limit) = self.full_for(remote) {
                        on.counters.turned_away += 1;
                        tracing::warn!(%remote, limit, "connection turned away");
                        continue;
                    }
                    on.counters.accepted += 1;
                    let public = &self.listeners[at].public;
                    let flow = Flow::new(public.transport, public.towards(remote), remote);
                    self.admit(socket.into(), flow, on);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) if is_out_of_files(&e) => {
                    tracing::warn!(error = %e, "no file left for another connection: the listener rests");
                    let listener = &mut self.listeners[at];
                    let _deleted = on.poller.delete(&listener.socket);
                    listener.resting_until = Some(on.now + REST);
                    return;
                }
                // The peer left before it was accepted.
                Err(_) => {}
            }
        }
    }

    /// The limit that another connection from `remote` would break.
    fn full_for(&self, remote: SocketAddr) -> Option<&'static str> {
        if self.open.len() >= self.limits.connections_max {
            Some("connections_max")
        } else if self.sources.count(remote.ip()) >= self.limits.connections_per_source_max {
            Some("connections_per_source_max")
        } else {
            None
        }
    }

    fn admit(&mut self, socket: socket2::Socket, flow: Flow, on: &Turn<'_>) {
        if socket.set_nonblocking(true).is_err() {
            return;
        }
        socket::tune(&socket);
        let tls = if flow.transport.is_secure() {
            let Some(tls) = self.tls.as_ref().and_then(Tls::accepting) else { return };
            Some(Box::new(tls))
        } else {
            None
        };
        let id = self.new_id();
        let flow = Flow { connection: Some(id), ..flow };
        let layers = Layers { tls, framing: self.framing(flow.transport) };
        let connection = Connection::accepted(id, socket.into(), flow, layers, on.now);
        if on.poller.add(&connection.socket, token(id), false).is_ok() {
            self.sources.add(flow.remote.ip());
            self.keep(connection, on.now);
        }
    }

    fn framing(&self, transport: Transport) -> Framing {
        Framing::new(transport, &self.parse_limits, &self.origins)
    }

    fn keep(&mut self, connection: Connection, now: Instant) {
        // A browser is reached only over the very connection, which the flow names.
        if connection.flow.transport.can_connect() {
            self.by_remote.insert(reach(&connection.flow), connection.id);
        }
        self.open.insert(connection.id, connection);
        self.next_sweep.get_or_insert(now + SWEEP);
    }

    pub(crate) fn send(&mut self, transmit: Transmit, on: &mut Turn<'_>) {
        let Transmit { flow, bytes } = transmit;
        let id = match flow.connection {
            Some(id) => Some(id),
            None => self.by_remote.get(&reach(&flow)).copied().or_else(|| self.connect(flow, on)),
        };
        let Some(connection) = id.and_then(|id| self.open.get_mut(&id)) else {
            self.arrived.push_back(Arrived::Failed(flow));
            return;
        };
        if flow.connection.is_none() && !connection.unpinned.contains(&flow) {
            connection.unpinned.push(flow);
        }
        *on.counters.sent.of(flow.transport) += 1;
        if let Err(why) = connection.send(bytes, on.around(&self.limits)) {
            let id = connection.id;
            self.close(id, why, on);
        }
    }

    fn connect(&mut self, flow: Flow, on: &mut Turn<'_>) -> Option<ConnectionId> {
        if !flow.transport.can_connect() {
            return None;
        }
        if self.open.len() >= self.limits.connections_max {
            on.counters.turned_away += 1;
            tracing::warn!(remote = %flow.remote, limit = "connections_max", "connection not opened");
            return None;
        }
        let tls = if flow.transport.is_secure() { Some(Box::new(self.client(&flow)?)) } else { None };
        let listener = self.listeners.iter().find(|l| l.public.is_at(flow.local));
        let opened = socket::tcp_connect(listener.map(|l| l.public.bound.ip()), flow.remote, self.dscp);
        let id = self.new_id();
        let added = opened.and_then(|socket| {
            let pinned = Flow { connection: Some(id), ..flow };
            let layers = Layers { tls, framing: self.framing(flow.transport) };
            let connection = Connection::opening(id, socket.into(), pinned, layers, on.now);
            on.poller.add(&connection.socket, token(id), true).map(|()| connection)
        });
        match added {
            Ok(connection) => {
                self.keep(connection, on.now);
                Some(id)
            }
            Err(error) => {
                on.counters.connects_failed += 1;
                tracing::debug!(remote = %flow.remote, %error, "connect failed");
                None
            }
        }
    }

    /// `None` where the flow's name was forgotten or is none that a certificate could show.
    fn client(&self, flow: &Flow) -> Option<Tls> {
        let name = match flow.name {
            Some(id) => Some(self.names.name(id)?),
            None => None,
        };
        Tls::connecting(self.tls.as_ref()?, name.map(|n| n.as_ref()), flow.remote.ip())
    }

    pub(crate) fn ready(&mut self, ready: Ready, id: ConnectionId, buffer: &mut [u8], on: &mut Turn<'_>) {
        let Streams { open, arrived, limits, .. } = self;
        let Some(connection) = open.get_mut(&id) else { return };
        let securing = connection.is_securing();
        let around = Around { limits, poller: on.poller, now: on.now };
        let mut outcome = if ready.writable { connection.writable(around) } else { Ok(()) };
        if outcome.is_ok() && ready.readable {
            let received = on.counters.received.of(connection.flow.transport);
            outcome = connection.read(buffer, around, |flow, bytes| {
                *received += 1;
                arrived.push_back(Arrived::Message(flow, bytes));
            });
        }
        if securing && !connection.is_securing() {
            on.counters.tls_handshakes += 1;
        }
        if let Err(why) = outcome {
            self.close(id, why, on);
        }
    }

    fn close(&mut self, id: ConnectionId, why: Closed, on: &mut Turn<'_>) {
        let Some(mut connection) = self.open.remove(&id) else { return };
        let flow = connection.flow;
        let remote = flow.remote;
        match why {
            Closed::ByPeer | Closed::Idle => tracing::debug!(%remote, ?why, "connection closed"),
            Closed::NotOpened => {
                on.counters.connects_failed += 1;
                tracing::debug!(%remote, "connect failed");
            }
            Closed::Misbehaved(reason) => {
                on.counters.misbehaved += 1;
                tracing::debug!(%remote, reason, "connection cut");
            }
            Closed::Tls(failure) => {
                on.counters.tls_failed.count(failure);
                tracing::debug!(%remote, ours = connection.ours, reason = failure.words(), "connection cut");
            }
        }
        connection.part(on.around(&self.limits));
        let _deleted = on.poller.delete(&connection.socket);
        if !connection.ours {
            self.sources.remove(remote.ip());
        }
        if self.by_remote.get(&reach(&flow)) == Some(&id) {
            self.by_remote.remove(&reach(&flow));
        }
        self.arrived.push_back(Arrived::Failed(flow));
        self.arrived.extend(connection.unpinned.into_iter().map(Arrived::Failed));
        if self.open.is_empty() {
            self.next_sweep = None;
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.listeners.iter().filter_map(|l| l.resting_until).chain(self.next_sweep).min()
    }

    pub(crate) fn handle_timeout(&mut self, on: &mut Turn<'_>) {
        for listener in &mut self.listeners {
            if listener.resting_until.is_some_and(|until| until <= on.now) {
                listener.resting_until = None;
                let token = sockets::Token::TcpListener(listener.index as u64).encode();
                if let Err(error) = on.poller.add(&listener.socket, token, false) {
                    tracing::warn!(%error, "the listener rests on");
                    listener.resting_until = Some(on.now + REST);
                }
            }
        }
        if self.next_sweep.is_some_and(|at| at <= on.now) {
            self.next_sweep = Some(on.now + SWEEP);
            let overdue: Vec<(ConnectionId, Closed)> =
                self.open.iter().filter_map(|(id, c)| c.overdue(&self.limits, on.now).map(|why| (*id, why))).collect();
            for (id, why) in overdue {
                self.close(id, why, on);
            }
        }
    }
}

fn reach(flow: &Flow) -> Reach {
    (flow.transport, flow.remote, flow.name)
}

fn is_out_of_files(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]
        .iter()
        .any(|e| error.raw_os_error() == Some(e.raw_os_error()))
}
