//! The layer: messages and time in, events and bytes out.

use crate::clients::Clients;
use crate::servers::Servers;
use crate::shared::Shared;
use crate::timers::Key;
use crate::{ClientKey, Config, Counters, Event, Gone, Held, ServerKey};
use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;
use model::{Edge, Flow, IdSource, Instant, Transmit};
use sip_message::{Message, RequestWriter};

/// Every transaction of a shard.
///
/// After each `handle_*` and each command, drain [`Layer::poll_event`] and [`Layer::poll_transmit`], and call
/// [`Layer::handle_timeout`] at [`Layer::poll_timeout`].
///
/// # Invariants
/// - Each transaction has exactly one place in the timer queue, unless it waits for its user only: an INVITE server
///   transaction without a final response, an INVITE client transaction that rings or has not left yet.
/// - A transaction that is over leaves nothing behind.
#[derive(Debug)]
pub struct Layer {
    shared: Shared,
    clients: Clients,
    servers: Servers,
}

impl Layer {
    /// Starts empty.
    #[must_use]
    pub fn new(config: Config, ids: IdSource) -> Layer {
        // A zero T1 would let retransmissions never end; a zero T2 likewise.
        let floor = Duration::from_millis(1);
        let config = Config { t1: config.t1.max(floor), t2: config.t2.max(floor), ..config };
        Layer { shared: Shared::new(config, ids), clients: Clients::default(), servers: Servers::default() }
    }

    /// A message came, parsed and validated.
    pub fn handle_message(&mut self, flow: Flow, message: Message, now: Instant) {
        if message.is_request() {
            self.servers.handle_request(&mut self.shared, flow, message, now);
        } else {
            self.clients.handle_response(&mut self.shared, flow, message, now);
        }
    }

    /// Whether a request repeats one that a transaction of ours has, or is the CANCEL or ACK of one.
    #[must_use]
    pub fn knows(&self, flow: &Flow, request: &Message) -> bool {
        self.servers.knows(flow, request)
    }

    /// The transport failed: connection refused or lost, or an ICMP error (section 17.1.4, 17.2.4).
    pub fn handle_flow_failed(&mut self, flow: &Flow, now: Instant) {
        for key in self.shared.on_flow(flow) {
            match key {
                Key::Client(key) => self.clients.handle_flow_failed(&mut self.shared, key, flow, now),
                Key::Server(key) => self.servers.handle_flow_failed(&mut self.shared, key, flow, now),
            }
        }
    }

    /// Our UDP addresses, each with the TCP address by which a request too large for a datagram leaves instead (section
    /// 18.1.1).
    pub fn set_streams(&mut self, streams: Vec<(SocketAddr, SocketAddr)>) {
        self.shared.large.set_streams(streams);
    }

    /// The peer at `remote` registered over UDP until then: large requests to it stay on that flow (RFC 5626 section
    /// 4.2).
    pub fn keep_to(&mut self, remote: SocketAddr, until: Instant, now: Instant) {
        self.shared.large.keep(remote, until, now);
    }

    /// Answers a request. A 2xx to an INVITE may be given again while its transaction lives: its user repeats it
    /// until the ACK comes (section 13.3.1.4).
    ///
    /// # Errors
    /// [`Gone`] if the transaction is over, or has another final response, or `response` is none.
    pub fn respond(&mut self, key: ServerKey, response: Bytes, now: Instant) -> Result<(), Gone> {
        self.servers.respond(&mut self.shared, key, response, now)
    }

    /// Sends a request on `flow`. The layer puts its own Via on top; whether it is an INVITE is read from the method.
    pub fn request(&mut self, flow: Flow, request: RequestWriter, now: Instant) -> ClientKey {
        self.clients.request(&mut self.shared, flow, request, now)
    }

    /// The same for an INVITE that is not to leave before it is let go: [`Event::Leaving`] comes first, and no timer runs
    /// until then. `at`: where it leaves, and whether it is within a dialog.
    pub fn request_held(&mut self, flow: Flow, request: RequestWriter, at: (Edge, bool), now: Instant) -> ClientKey {
        self.clients.request_held(&mut self.shared, flow, request, at, now)
    }

    /// From now on no response to this INVITE but 100 leaves before it is let go. `at`: where, and whether the INVITE is
    /// within a dialog.
    pub fn watch(&mut self, key: ServerKey, at: (Edge, bool)) {
        self.servers.watch(key, at);
    }

    /// A message that was about to leave does, as `wire`. A response that is repeated later is repeated so.
    ///
    /// # Errors
    /// [`Gone`] if nothing waits under that name: it was let go or withheld, or its transaction is over.
    pub fn let_go(&mut self, held: Held, wire: Bytes, now: Instant) -> Result<(), Gone> {
        match held {
            Held::Request(key) => self.clients.let_go(&mut self.shared, key, wire, now),
            Held::Response(key, number) => self.servers.let_go(&mut self.shared, key, number, wire, now),
        }
    }

    /// An INVITE that was about to leave does not: [`Event::ClientFailed`] with [`crate::Failure::Withheld`].
    ///
    /// # Errors
    /// [`Gone`] if it left, or its transaction is over.
    pub fn withhold(&mut self, key: ClientKey) -> Result<(), Gone> {
        self.clients.withhold(&mut self.shared, key)
    }

    /// Passes on somebody else's request (section 16.6 step 10). `wire` is whole, its top Via is ours and carries
    /// `branch`, which begins as [`Layer::stateless_branch`] gave it. Its responses have the Vias below ours.
    pub fn forward(&mut self, flow: Flow, branch: &str, wire: (bool, Bytes), now: Instant) -> ClientKey {
        self.clients.forward(&mut self.shared, flow, branch, wire, now)
    }

    /// An INVITE is proxied: should it come again by another path (a spiral, or a fork further back), it is a request
    /// of its own. Refusing such a copy is the business of its end (section 8.2.2.2), not of one in between.
    pub fn pass_on(&mut self, key: ServerKey) {
        self.servers.pass_on(key);
    }

    /// Cancels an INVITE (section 9.1): as soon as it has a provisional response, with these header fields added.
    /// The CANCEL is not reported; the INVITE ends by its final response, or by [`crate::Failure::Timeout`] 64*T1
    /// later. Nothing happens if the INVITE has its final response; one
    /// that has not left yet never does.
    pub fn cancel(&mut self, key: ClientKey, extra_headers: &[(&str, &str)], now: Instant) {
        self.clients.cancel(&mut self.shared, key, extra_headers, now);
    }

    /// Whether any response to an INVITE of ours has come, a 100 included, or its transaction is over.
    #[must_use]
    pub fn was_answered(&self, key: ClientKey) -> bool {
        self.clients.was_answered(key)
    }

    /// Sends bytes outside any transaction: the ACK for a 2xx, a stray answer.
    pub fn send(&mut self, flow: Flow, bytes: Bytes) {
        self.shared.send(flow, bytes);
    }

    /// A branch for the Via of a request that is sent with [`Layer::send`].
    pub fn stateless_branch(&mut self) -> String {
        self.shared.branch()
    }

    /// A Via value for a request that is sent with [`Layer::send`] on `flow`.
    pub fn stateless_via(&mut self, flow: &Flow) -> String {
        sip_message::via_value(flow.transport, flow.local, &self.shared.branch())
    }

    /// Where the request of a live server transaction came from.
    #[must_use]
    pub fn server_flow(&self, key: ServerKey) -> Option<Flow> {
        self.servers.flow(key)
    }

    /// How many transactions are alive, on both sides.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.alive
    }

    /// Whether none is alive.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shared.alive == 0
    }

    /// The figures so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.counters
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.shared.transmits.pop_front()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.shared.events.pop_front()
    }

    /// When to call [`Layer::handle_timeout`]; takes no search.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.shared.timers.poll_timeout()
    }

    /// Fires every timer whose time has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        // Every machine either ends or asks for a later time, so this ends.
        while let Some(key) = self.shared.timers.due(now) {
            match key {
                Key::Client(key) => self.clients.handle_timeout(&mut self.shared, key, now),
                Key::Server(key) => self.servers.handle_timeout(&mut self.shared, key, now),
            }
        }
    }

    /// Whether every table is empty.
    #[cfg(test)]
    pub(crate) fn is_clean(&self) -> bool {
        self.shared.is_clean() && self.clients.is_clean() && self.servers.is_clean()
    }
}
