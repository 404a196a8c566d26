//! All sockets of one shard behind one wait.

use crate::config::{BoundListener, ListenerConfig, MediaPair, NetCounters, PacketKind, Surroundings};
use crate::gather::Gather;
use crate::poller::{Poller, Ready};
use crate::ports::PortPool;
use crate::tcp::{Arrived, Streams, Turn};
use crate::udp::UdpListener;
use crate::{NetError, TlsMaterial, Waker, socket, stun};
use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;
use model::{ConnectionId, Flow, Limits, MediaPortId, TlsName, Transmit, Transport};
use std::collections::VecDeque;
use std::io;
use std::time::Instant;

/// Room for the largest UDP datagram.
const BUFFER: usize = 65_536;

/// Something that came in.
#[derive(Debug)]
pub enum Incoming<'a> {
    /// One datagram, or one message framed from a stream.
    Message {
        /// Where it came from and how to answer.
        flow: Flow,
        /// The bytes.
        bytes: Bytes,
    },
    /// A flow that cannot be sent on: refused, timed out, closed, or not routable.
    FlowFailed {
        /// The flow, as it was given to [`Net::send`] or as its messages carried it.
        flow: Flow,
    },
    /// One RTP or RTCP packet, in the receive buffer.
    Media {
        /// The pair.
        port: MediaPortId,
        /// Which socket of it.
        kind: PacketKind,
        /// The sender.
        from: SocketAddr,
        /// The receive buffer: the packet, then room for it to grow in place (a tag of SRTP) before it is sent on.
        packet: &'a mut [u8],
        /// How much of the buffer is the packet.
        len: usize,
    },
}

/// Which socket an event is about: eight bits of kind, the rest an index or an id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Token {
    Udp(u64),
    TcpListener(u64),
    Media(u64),
    Connection(u64),
}

impl Token {
    pub(crate) fn encode(self) -> u64 {
        let (kind, value) = match self {
            Token::Udp(v) => (0, v),
            Token::TcpListener(v) => (1, v),
            Token::Media(v) => (2, v),
            Token::Connection(v) => (3, v),
        };
        (kind << 56) | (value & ((1 << 56) - 1))
    }

    fn decode(raw: u64) -> Option<Token> {
        let value = raw & ((1 << 56) - 1);
        match raw >> 56 {
            0 => Some(Token::Udp(value)),
            1 => Some(Token::TcpListener(value)),
            2 => Some(Token::Media(value)),
            3 => Some(Token::Connection(value)),
            _ => None,
        }
    }
}

enum Found {
    Datagram(usize, SocketAddr, usize),
    Media(usize, SocketAddr, usize),
    Arrived(Arrived),
}

/// The sockets of one shard.
///
/// # Invariants
/// Every socket is registered with the one poller under the token of its index or id; `turn` holds what the last
/// [`Net::wait`] reported and [`Net::next`] has not served; `in_turn` is the UDP listener whose turn is not over.
#[derive(Debug)]
pub struct Net {
    poller: Poller,
    listeners: Vec<BoundListener>,
    /// One per UDP listener, with its index in `listeners`.
    udp: Vec<(UdpListener, usize)>,
    streams: Streams,
    ports: PortPool,
    turn: VecDeque<Ready>,
    scratch: Vec<Ready>,
    in_turn: Option<usize>,
    failed: VecDeque<Flow>,
    buffer: Box<[u8]>,
    gather: Gather,
    counters: NetCounters,
}

impl Net {
    /// [`Net::open`] with nothing around: no TLS in, none out, no NAT.
    ///
    /// # Errors
    /// [`NetError`] that names the address and what to do.
    pub fn bind(listeners: &[ListenerConfig], ports: PortPool, limits: &Limits) -> Result<Net, NetError> {
        Net::open(listeners, ports, limits, Surroundings::default())
    }

    /// Opens the listeners and takes over the media ports.
    ///
    /// # Errors
    /// [`NetError`] that names the address and what to do.
    pub fn open(
        listeners: &[ListenerConfig],
        ports: PortPool,
        limits: &Limits,
        around: Surroundings,
    ) -> Result<Net, NetError> {
        let mut net = Net {
            poller: Poller::new().map_err(NetError::Poller)?,
            listeners: Vec::new(),
            udp: Vec::new(),
            streams: Streams::new(limits.clone(), around.shards.own()),
            ports,
            turn: VecDeque::new(),
            scratch: Vec::new(),
            in_turn: None,
            failed: VecDeque::new(),
            buffer: vec![0; BUFFER].into_boxed_slice(),
            gather: Gather::new(Instant::now()),
            counters: NetCounters::default(),
        };
        if let Some(tls) = &around.tls {
            net.streams.secure(tls.clone());
        }
        net.streams.allow_origins(around.ws_origins.as_slice().into());
        net.streams.dscp = around.signalling;
        for config in listeners {
            if config.transport.is_secure() && !net.streams.can_accept_tls() {
                let (transport, address) = (config.transport.name(), config.bind);
                return Err(NetError::NoCertificate { transport, address });
            }
            net.listen(config, &around).map_err(|source| listener_error(config, source))?;
        }
        for (index, pair) in net.ports.pairs.iter().enumerate() {
            let token = |rtcp: u64| Token::Media(index as u64 * 2 + rtcp).encode();
            net.poller.add(&pair.rtp, token(0), false).map_err(NetError::Poller)?;
            net.poller.add(&pair.rtcp, token(1), false).map_err(NetError::Poller)?;
        }
        Ok(net)
    }

    fn listen(&mut self, config: &ListenerConfig, around: &Surroundings) -> io::Result<()> {
        let (local_nets, shared) = (&around.local_nets, !around.shards.is_alone());
        if shared && around.shards.own() == 0 && config.bind.port() != 0 {
            socket::is_free(config.bind, config.transport != Transport::Udp)?;
        }
        let public = |bound: SocketAddr| BoundListener {
            transport: config.transport,
            bound,
            advertised: match config.advertised {
                Some(address) if address.port() == 0 => SocketAddr::new(address.ip(), bound.port()),
                Some(address) => address,
                None => socket::reachable(bound),
            },
            inside: if config.advertised.is_some() { socket::inside(bound, local_nets) } else { Vec::new() },
        };
        let index = self.listeners.len();
        match config.transport {
            Transport::Udp => {
                let socket = socket::udp_sip(config.bind, shared, self.streams.dscp)?;
                self.poller.add(&socket, Token::Udp(self.udp.len() as u64).encode(), false)?;
                self.listeners.push(public(socket.local_addr()?));
                self.udp.push((UdpListener::new(socket), index));
            }
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
                let socket = socket::tcp_listener(config.bind, shared, self.streams.dscp)?;
                self.poller.add(&socket, Token::TcpListener(index as u64).encode(), false)?;
                let public = public(socket.local_addr()?);
                self.listeners.push(public.clone());
                self.streams.listen(socket, public, index);
            }
        }
        Ok(())
    }

    /// The listeners, in the order of the configuration.
    #[must_use]
    pub fn listeners(&self) -> &[BoundListener] {
        &self.listeners
    }

    /// The media pairs, by id.
    pub fn media_pairs(&self) -> impl Iterator<Item = MediaPair> + '_ {
        self.ports.pairs()
    }

    /// The number under which a [`Flow`] carries the name that its peer's certificate must show.
    pub fn tls_name(&mut self, name: &str) -> TlsName {
        self.streams.names.id(name)
    }

    /// Certificates and authorities for the connections from now on; those that are open keep theirs.
    pub fn secure(&mut self, tls: TlsMaterial) {
        self.streams.secure(tls);
    }

    /// What was counted since the start.
    #[must_use]
    pub fn counters(&self) -> NetCounters {
        NetCounters { connections: self.streams.len() as u64, ..self.counters }
    }

    /// How long the datagrams that wait in the kernel have waited; zero unless a socket has more than a turn takes.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.udp.iter().map(|(listener, _)| listener.waited()).max().unwrap_or_default()
    }

    /// Wakes [`Net::wait`] from another thread.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.poller.waker()
    }

    /// Sleeps until something came, the waker was called, or `timeout` passed; `None` sleeps without a limit. Where packets
    /// are many they gather for a moment first.
    ///
    /// # Errors
    /// Only where the kernel refuses the wait itself.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let mut timeout = if self.has_pending() { Some(Duration::ZERO) } else { timeout };
        let pause = self.gather.pause(Instant::now()).min(timeout.unwrap_or(Duration::MAX));
        if !pause.is_zero() {
            self.poller.pause(pause)?;
            timeout = timeout.map(|t| t.saturating_sub(pause));
        }
        self.poller.wait(timeout, &mut self.scratch)?;
        self.gather.turn(Instant::now());
        self.turn.extend(self.scratch.drain(..));
        for (index, (listener, _)) in self.udp.iter_mut().enumerate() {
            let more = Token::Udp(index as u64).encode();
            if !listener.waited().is_zero() && !self.turn.iter().any(|ready| ready.token == more) {
                listener.is_dry();
            }
        }
        Ok(())
    }

    fn has_pending(&self) -> bool {
        !self.turn.is_empty() || !self.failed.is_empty() || self.in_turn.is_some() || self.streams.has_arrived()
    }

    /// The next thing that came, until `None`; then [`Net::wait`] again.
    pub fn next(&mut self, now: model::Instant) -> Option<Incoming<'_>> {
        if let Some(flow) = self.failed.pop_front() {
            return Some(Incoming::FlowFailed { flow });
        }
        match self.find(now)? {
            Found::Datagram(listener, from, count) => {
                self.gather.message();
                *self.counters.received.of(Transport::Udp) += 1;
                let local = self.listeners[self.udp[listener].1].towards(from);
                let flow = Flow::new(Transport::Udp, local, from);
                Some(Incoming::Message { flow, bytes: Bytes::copy_from_slice(&self.buffer[..count]) })
            }
            Found::Media(index, from, count) => {
                self.counters.media_received += 1;
                self.gather.packet();
                let kind = if index.is_multiple_of(2) { PacketKind::Rtp } else { PacketKind::Rtcp };
                let packet = &mut self.buffer[..];
                Some(Incoming::Media { port: MediaPortId(index as u64 / 2), kind, from, packet, len: count })
            }
            Found::Arrived(Arrived::Message(flow, bytes)) => {
                self.gather.message();
                Some(Incoming::Message { flow, bytes })
            }
            Found::Arrived(Arrived::Failed(flow)) => Some(Incoming::FlowFailed { flow }),
        }
    }

    fn find(&mut self, now: model::Instant) -> Option<Found> {
        loop {
            if let Some(arrived) = self.streams.next() {
                return Some(Found::Arrived(arrived));
            }
            if let Some(listener) = self.in_turn {
                if let Some((count, from)) = self.udp[listener].0.receive(&mut self.buffer) {
                    if self.is_for_the_switch(listener, from, count) {
                        return Some(Found::Datagram(listener, from, count));
                    }
                    continue;
                }
                self.in_turn = None;
            }
            let ready = self.turn.pop_front()?;
            match Token::decode(ready.token)? {
                Token::Udp(index) => {
                    let index = usize::try_from(index).ok()?;
                    self.udp.get_mut(index)?.0.begin();
                    self.in_turn = Some(index);
                }
                Token::TcpListener(index) => {
                    let index = usize::try_from(index).ok()?;
                    let mut on = Turn { poller: &self.poller, counters: &mut self.counters, now };
                    self.streams.accept(index, &mut on);
                }
                Token::Media(index) => {
                    let index = usize::try_from(index).ok()?;
                    let pair = self.ports.pairs.get(index / 2)?;
                    let socket = if index.is_multiple_of(2) { &pair.rtp } else { &pair.rtcp };
                    // One packet a turn: a socket with more is reported again, after the others.
                    if let Ok((count, from)) = socket.recv_from(&mut self.buffer) {
                        return Some(Found::Media(index, from, count));
                    }
                }
                Token::Connection(id) => {
                    let Net { streams, buffer, poller, counters, .. } = self;
                    streams.ready(ready, ConnectionId(id), buffer, &mut Turn { poller, counters, now });
                }
            }
        }
    }

    /// Whether a datagram is SIP; a STUN request is answered here, a keep-alive (RFC 5626 section 3.5) is done with.
    fn is_for_the_switch(&mut self, listener: usize, from: SocketAddr, count: usize) -> bool {
        let datagram = &self.buffer[..count];
        if datagram.iter().all(|b| matches!(b, b'\r' | b'\n' | 0)) {
            self.counters.keepalives += 1;
            return false;
        }
        if !stun::is_stun(datagram) {
            return true;
        }
        if let Some(answer) = stun::answer(datagram, from) {
            // Lost like any datagram; the phone asks again.
            if self.udp[listener].0.socket().send_to(&answer, from).is_ok() {
                self.counters.stun_answered += 1;
            }
        }
        false
    }

    /// Sends a message now, or queues it on its connection. A flow that cannot be sent on comes back as
    /// [`Incoming::FlowFailed`].
    pub fn send(&mut self, transmit: Transmit, now: model::Instant) {
        match transmit.flow.transport {
            Transport::Udp => self.send_datagram(&transmit),
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
                self.streams.send(transmit, &mut Turn { poller: &self.poller, counters: &mut self.counters, now });
            }
        }
    }

    fn send_datagram(&mut self, transmit: &Transmit) {
        let flow = transmit.flow;
        let same_family = |l: &BoundListener| l.bound.is_ipv4() == flow.remote.is_ipv4();
        let listener = self
            .udp
            .iter()
            .find(|(_, index)| self.listeners[*index].is_at(flow.local))
            .or_else(|| self.udp.iter().find(|(_, index)| same_family(&self.listeners[*index])));
        let Some((listener, _)) = listener else {
            self.failed.push_back(flow);
            return;
        };
        match listener.socket().send_to(&transmit.bytes, flow.remote) {
            Ok(_) => *self.counters.sent.of(Transport::Udp) += 1,
            // The kernel's queue is full: lost like any datagram, and sent again by its transaction.
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.counters.udp_send_failed += 1,
            Err(error) => {
                self.counters.udp_send_failed += 1;
                tracing::debug!(%flow, %error, "datagram not sent");
                self.failed.push_back(flow);
            }
        }
    }

    /// Sends one RTP or RTCP packet from a pair, now.
    pub fn send_media(&mut self, port: MediaPortId, kind: PacketKind, to: SocketAddr, packet: &[u8]) {
        let Some(pair) = usize::try_from(port.0).ok().and_then(|i| self.ports.pairs.get(i)) else { return };
        let socket = match kind {
            PacketKind::Rtp => &pair.rtp,
            PacketKind::Rtcp => &pair.rtcp,
        };
        match socket.send_to(packet, to) {
            Ok(_) => self.counters.media_sent += 1,
            Err(_) => self.counters.media_send_failed += 1,
        }
    }

    /// Sends the packet that [`Incoming::Media`] just showed, as it is now in the receive buffer and so long as it is
    /// now: a relayed packet is neither copied nor allocated. Nothing may have been taken by [`Net::next`] in between.
    pub fn forward(&mut self, port: MediaPortId, kind: PacketKind, to: SocketAddr, len: usize) {
        let packet = std::mem::take(&mut self.buffer);
        let len = len.min(packet.len());
        self.send_media(port, kind, to, &packet[..len]);
        self.buffer = packet;
    }

    /// When [`Net::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<model::Instant> {
        self.streams.poll_timeout()
    }

    #[cfg(test)]
    pub(crate) fn streams_idle(&self) -> bool {
        self.streams.is_idle()
    }

    /// Closes connections that broke a limit of time.
    pub fn handle_timeout(&mut self, now: model::Instant) {
        self.streams.handle_timeout(&mut Turn { poller: &self.poller, counters: &mut self.counters, now });
    }
}

fn listener_error(config: &ListenerConfig, source: io::Error) -> NetError {
    let (transport, address) = (config.transport.name(), config.bind);
    if source.kind() == io::ErrorKind::AddrInUse {
        NetError::ListenerTaken { transport, address }
    } else {
        NetError::Listener { transport, address, source }
    }
}
