//! A client layer and a server layer, each with a small user, on a seeded network with virtual time.

use super::tools::{ms, outgoing, parse, start_line};
use crate::{ClientKey, Config, Event, Failure, Layer, ServerKey};
use bytes::Bytes;
use core::time::Duration;
use model::{Flow, IdSource, Instant, Transport};
use sip_message::{Message, Name, RequestWriter, ResponseWriter};
use std::collections::BTreeMap;

/// How bad the network is, in percent, and how slow at most.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weather {
    pub(super) loss: u32,
    pub(super) doubled: u32,
    pub(super) delay_ms: u32,
}

/// What one run does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Script {
    pub(super) invite: bool,
    /// The final status, and when.
    pub(super) status: u16,
    pub(super) answer_ms: u64,
    /// When the client cancels.
    pub(super) cancel_ms: Option<u64>,
}

/// What both users saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) requests: u32,
    pub(super) finals: Vec<u16>,
    pub(super) failed: Option<Failure>,
    pub(super) cancelled: u32,
    pub(super) acked: bool,
    pub(super) server_failed: Option<Failure>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Side {
    Client,
    Server,
}

pub(super) struct Pair {
    client: Layer,
    server: Layer,
    dice: IdSource,
    weather: Weather,
    script: Script,
    transport: Transport,
    now: Instant,
    wire: BTreeMap<(Instant, u32), (Side, Bytes)>,
    count: u32,
    pub(super) seen: Seen,
    key: Option<ClientKey>,
    pending: Option<(ServerKey, Message)>,
    /// The 2xx that its user repeats, and when next.
    repeat: Option<(ServerKey, Bytes, Instant, Duration)>,
    invite_branch: Option<String>,
    provisional_arrived: bool,
}

impl Pair {
    pub(super) fn new(seed: u8, transport: Transport, weather: Weather, script: Script) -> Pair {
        let mut dice = IdSource::new([seed; 32]);
        Pair {
            client: Layer::new(Config::default(), dice.split()),
            server: Layer::new(Config::default(), dice.split()),
            dice,
            weather,
            script,
            transport,
            now: ms(0),
            wire: BTreeMap::new(),
            count: 0,
            seen: Seen::default(),
            key: None,
            pending: None,
            repeat: None,
            invite_branch: None,
            provisional_arrived: false,
        }
    }

    /// Runs to the end: nothing on the wire, no timer, both layers empty.
    pub(super) fn run(mut self) -> Seen {
        let method = if self.script.invite { "INVITE" } else { "OPTIONS" };
        let flow = self.flow(Side::Client);
        self.key = Some(self.client.request(flow, outgoing(method), self.now));
        self.drain();
        while let Some(next) = self.next() {
            assert!(next >= self.now, "time runs forward");
            assert!(next < ms(400_000), "it ends: {:?}", self.seen);
            self.now = next;
            self.step();
            self.drain();
        }
        assert!(self.client.is_clean(), "client tables: {:?}", self.client);
        assert!(self.server.is_clean(), "server tables: {:?}", self.server);
        self.seen
    }

    fn flow(&self, side: Side) -> Flow {
        let (client, server) = ("192.0.2.1:5060", "192.0.2.2:5060");
        let (local, remote) = if side == Side::Client { (client, server) } else { (server, client) };
        Flow {
            transport: self.transport,
            local: local.parse().expect("address"),
            remote: remote.parse().expect("address"),
            connection: None,
            name: None,
        }
    }

    fn next(&self) -> Option<Instant> {
        let script = [Some(self.script.answer_ms), self.script.cancel_ms].into_iter().flatten().map(ms);
        let script = script.filter(|at| *at > self.now).min();
        let wire = self.wire.keys().next().map(|(at, _)| *at);
        let repeat = self.repeat.as_ref().map(|(_, _, at, _)| *at);
        [wire, self.client.poll_timeout(), self.server.poll_timeout(), repeat, script].into_iter().flatten().min()
    }

    fn step(&mut self) {
        while let Some(entry) = self.wire.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (side, bytes) = entry.remove();
            let flow = self.flow(side);
            self.provisional_arrived |= side == Side::Client && start_line(&bytes).starts_with('1');
            let message = parse(bytes);
            let layer = if side == Side::Client { &mut self.client } else { &mut self.server };
            layer.handle_message(flow, message, self.now);
            self.drain();
        }
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
        if self.script.cancel_ms.map(ms) == Some(self.now)
            && let Some(key) = self.key
        {
            self.client.cancel(key, &[], self.now);
        }
        self.drain();
        if self.now >= ms(self.script.answer_ms) {
            self.final_response(self.script.status);
        }
        if let Some((key, bytes, at, gap)) = self.repeat.take() {
            let due = at <= self.now;
            // The transaction lasts 64*T1, and so does the user's patience.
            if due && self.server.respond(key, bytes.clone(), self.now).is_err() {
                return;
            }
            let gap = if due { (gap * 2).min(Duration::from_secs(4)) } else { gap };
            self.repeat = Some((key, bytes, if due { self.now + gap } else { at }, gap));
        }
    }

    fn drain(&mut self) {
        loop {
            if let Some(event) = self.client.poll_event() {
                self.client_event(event);
            } else if let Some(event) = self.server.poll_event() {
                self.server_event(event);
            } else {
                break;
            }
        }
        while let Some(out) = self.client.poll_transmit() {
            self.tap_client(&out.bytes);
            self.throw(Side::Server, out.bytes);
        }
        while let Some(out) = self.server.poll_transmit() {
            self.throw(Side::Client, out.bytes);
        }
    }

    /// What leaves the client keeps the rules of sections 9.1 and 17.1.1.3.
    fn tap_client(&mut self, bytes: &Bytes) {
        let message = parse(bytes.clone());
        let branch = message.top_via().expect("via").branch().expect("branch").to_owned();
        match start_line(bytes).as_str() {
            "INVITE" => {
                let first = self.invite_branch.get_or_insert_with(|| branch.clone());
                assert_eq!(*first, branch);
            }
            "CANCEL" => {
                assert_eq!(self.invite_branch.as_ref(), Some(&branch));
                assert!(self.provisional_arrived, "no CANCEL before a provisional response");
            }
            "ACK" => assert_eq!(message.to().expect("to").tag(), Some("callee"), "an ACK has the response's To-tag"),
            _ => {}
        }
    }

    fn throw(&mut self, to: Side, bytes: Bytes) {
        let reliable = self.transport.is_reliable();
        if !reliable && self.dice.u32() % 100 < self.weather.loss {
            return;
        }
        let copies = if !reliable && self.dice.u32() % 100 < self.weather.doubled { 2 } else { 1 };
        for _ in 0..copies {
            let delay = if reliable { 20 } else { 1 + self.dice.u32() % (self.weather.delay_ms + 1) };
            self.count += 1;
            let at = self.now + Duration::from_millis(u64::from(delay));
            self.wire.insert((at, self.count), (to, bytes.clone()));
        }
    }

    fn client_event(&mut self, event: Event) {
        match event {
            Event::Response { response, key, .. } => {
                assert_eq!(Some(key), self.key);
                let status = response.status().expect("status");
                if status >= 200 {
                    self.seen.finals.push(status);
                }
                if self.script.invite && (200..300).contains(&status) {
                    self.acknowledge(&response);
                }
            }
            Event::ClientFailed { why, .. } => assert_eq!(self.seen.failed.replace(why), None),
            Event::Request { .. }
            | Event::Ack { .. }
            | Event::Cancelled { .. }
            | Event::Leaving { .. }
            | Event::ServerFailed { .. } => {
                panic!("not for a client: {event:?}")
            }
        }
    }

    fn acknowledge(&mut self, response: &Message) {
        let flow = self.flow(Side::Client);
        let branch = self.client.stateless_branch();
        let ack = RequestWriter::new("ACK", "sip:bob@192.0.2.2")
            .copy(response, Name::From)
            .copy(response, Name::To)
            .copy(response, Name::CallId)
            .header("CSeq", "7 ACK")
            .via(flow.transport, flow.local, &branch)
            .finish();
        self.client.send(flow, ack);
    }

    fn server_event(&mut self, event: Event) {
        match event {
            Event::Request { key, request, .. } => {
                self.seen.requests += 1;
                if self.script.invite {
                    self.respond(key, &request, 180);
                }
                self.pending = Some((key, request));
            }
            Event::Ack { .. } => {
                self.seen.acked = true;
                self.repeat = None;
            }
            Event::Cancelled { .. } => {
                self.seen.cancelled += 1;
                self.final_response(487);
            }
            Event::ServerFailed { why, .. } => self.seen.server_failed = Some(why),
            Event::Response { .. } | Event::ClientFailed { .. } | Event::Leaving { .. } => {
                panic!("not for a server: {event:?}")
            }
        }
    }

    fn final_response(&mut self, status: u16) {
        let Some((key, request)) = self.pending.take() else { return };
        let bytes = self.respond(key, &request, status);
        if self.script.invite && (200..300).contains(&status) {
            let gap = Duration::from_millis(500);
            self.repeat = Some((key, bytes, self.now + gap, gap));
        }
    }

    fn respond(&mut self, key: ServerKey, request: &Message, status: u16) -> Bytes {
        let source = self.flow(Side::Server).remote;
        let bytes = ResponseWriter::to(request, status, "", source).to_tag("callee").finish();
        assert_eq!(self.server.respond(key, bytes.clone(), self.now), Ok(()));
        bytes
    }
}
