//! The layer against a carrier made of a few lines: what leaves, and what each answer leads to.

mod health;
mod registers;

use crate::{Config, Event, Layer};
use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;
use model::{
    Brand, BrandId, DefaultVerdict, Directory, Flow, IdSource, Instant, Transport, Trunk, TrunkCredentials,
    TrunkHeaders, TrunkId, TrunkRegistration, TrunkSecret, TrunkServer,
};
use sip_message::{Message, Name, ParseLimits, ResponseWriter};
use std::collections::BTreeMap;

pub(super) const HOME: &str = "192.0.2.1:5060";

/// A shard of nothing but trunks.
pub(super) struct Bed {
    pub(super) layer: Layer,
    tx: sip_transaction::Layer,
    pub(super) now: Instant,
    /// Where names lead.
    pub(super) dns: BTreeMap<String, Vec<SocketAddr>>,
    /// What has left and was not looked at.
    pub(super) sent: Vec<(SocketAddr, Message)>,
    pub(super) events: Vec<Event>,
    /// The branches of what was looked at: what comes again is a repetition.
    seen: Vec<String>,
}

pub(super) fn server(host: &str, priority: u16) -> TrunkServer {
    TrunkServer { host: host.to_owned(), port: None, transport: None, priority, weight: 1 }
}

pub(super) fn trunk(id: i64, servers: Vec<TrunkServer>) -> Trunk {
    Trunk {
        id: TrunkId(id),
        brand: BrandId(1),
        name: format!("t{id}"),
        enabled: true,
        servers,
        credentials: None,
        registration: None,
        from_user: None,
        from_domain: None,
        headers: TrunkHeaders::default(),
        calls_max: None,
        cps_max: None,
        answer_ms: 5_000,
        ping_s: None,
        translation: None,
        anchor: false,
        sources: Vec::new(),
        stir: model::TrunkStir::default(),
    }
}

pub(super) fn registering(id: i64, servers: Vec<TrunkServer>, user: &str) -> Trunk {
    let secret = TrunkSecret::Password("secret".to_owned());
    Trunk {
        credentials: Some(TrunkCredentials { username: user.to_owned(), secret }),
        registration: Some(TrunkRegistration {
            user: user.to_owned(),
            domain: Some("carrier.example".to_owned()),
            expires_s: 600,
        }),
        ..trunk(id, servers)
    }
}

impl Bed {
    pub(super) fn new() -> Bed {
        Bed {
            layer: Layer::new(Config::default(), IdSource::new([1; 32])),
            tx: sip_transaction::Layer::new(sip_transaction::Config::default(), IdSource::new([2; 32])),
            now: Instant::from_unix_nanos(1_000_000_000_000_000_000),
            dns: BTreeMap::new(),
            sent: Vec::new(),
            events: Vec::new(),
            seen: Vec::new(),
        }
    }

    pub(super) fn apply(&mut self, trunks: Vec<Trunk>) {
        let brand = Brand { id: BrandId(1), name: "b".to_owned(), default_verdict: DefaultVerdict::Refuse };
        let empty = Directory::build(1, vec![brand], vec![], vec![], vec![], vec![]).unwrap();
        let directory = empty.with_trunks(vec![], trunks).unwrap();
        self.layer.apply(&mut self.tx, &directory, self.now);
        self.settle();
    }

    fn settle(&mut self) {
        loop {
            if let Some(lookup) = self.layer.poll_lookup() {
                let addresses = match lookup.server.host.parse() {
                    Ok(ip) => vec![SocketAddr::new(ip, lookup.server.port.unwrap_or(5060))],
                    Err(_) => self.dns.get(&lookup.server.host).cloned().unwrap_or_default(),
                };
                let flows: Vec<Flow> = addresses.into_iter().map(flow).collect();
                self.layer.handle_flows(&mut self.tx, lookup.id, &flows, self.now);
            } else if let Some(event) = self.tx.poll_event() {
                match event {
                    sip_transaction::Event::Response { key, response, flow, .. } => {
                        if self.layer.owns(key) {
                            self.layer.handle_response(&mut self.tx, key, &response, flow, self.now);
                        }
                    }
                    sip_transaction::Event::ClientFailed { key, why } => {
                        self.layer.handle_client_failed(&mut self.tx, key, why, self.now);
                    }
                    event @ (sip_transaction::Event::Request { .. }
                    | sip_transaction::Event::Ack { .. }
                    | sip_transaction::Event::Cancelled { .. }
                    | sip_transaction::Event::Leaving { .. }
                    | sip_transaction::Event::ServerFailed { .. }) => panic!("{event:?}"),
                }
            } else if let Some(event) = self.layer.poll_event() {
                self.events.push(event);
            } else {
                break;
            }
        }
        while let Some(transmit) = self.tx.poll_transmit() {
            let message = Message::parse(transmit.bytes, &ParseLimits::default()).unwrap();
            message.validate().unwrap();
            self.sent.push((transmit.flow.remote, message));
        }
    }

    /// Lets time pass, timer by timer.
    pub(super) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let next = [self.layer.poll_timeout(), self.tx.poll_timeout()].into_iter().flatten().min();
            let Some(at) = next.filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            self.tx.handle_timeout(self.now);
            self.layer.handle_timeout(&mut self.tx, self.now);
            self.settle();
        }
        self.now = end;
    }

    pub(super) fn secs(&mut self, s: u64) {
        self.pass(Duration::from_secs(s));
    }

    /// The one request that has left, without its repetitions.
    pub(super) fn one(&mut self) -> (SocketAddr, Message) {
        let all = self.all();
        assert_eq!(all.len(), 1, "{:?}", all.iter().map(|(to, m)| (to, m.request_uri_str())).collect::<Vec<_>>());
        all.into_iter().next().unwrap()
    }

    /// The next request that leaves, within a minute.
    pub(super) fn next(&mut self) -> (SocketAddr, Message) {
        for _ in 0..60 {
            self.secs(1);
            if let Some(request) = self.all().pop() {
                return request;
            }
        }
        panic!("a minute, and nothing left");
    }

    /// Every request that has left since the last look, without repetitions.
    pub(super) fn all(&mut self) -> Vec<(SocketAddr, Message)> {
        let mut out = Vec::new();
        for (to, message) in core::mem::take(&mut self.sent) {
            let branch = message.top_via().unwrap().branch().unwrap().to_owned();
            if !self.seen.contains(&branch) {
                self.seen.push(branch);
                out.push((to, message));
            }
        }
        out
    }

    /// The carrier answers.
    pub(super) fn answer(&mut self, request: &(SocketAddr, Message), status: u16, headers: &[(&str, &str)]) {
        let mut response = ResponseWriter::to(&request.1, status, "", HOME.parse().unwrap()).to_tag("carrier");
        for (name, value) in headers {
            response = response.header(*name, value);
        }
        self.deliver(request.0, response.finish());
    }

    fn deliver(&mut self, from: SocketAddr, bytes: Bytes) {
        let message = Message::parse(bytes, &ParseLimits::default()).unwrap();
        self.tx.handle_message(flow(from), message, self.now);
        self.settle();
    }

    pub(super) fn call(&mut self, trunk: i64, outcomes: &[crate::Outcome]) -> Vec<SocketAddr> {
        let mut used = Vec::new();
        let id = TrunkId(trunk);
        let routes = self.layer.routes(id, self.now);
        for (route, outcome) in routes.iter().zip(outcomes) {
            if self.layer.tries(id, &route.flow, self.now) {
                used.push(route.flow.remote);
                self.layer.report(&mut self.tx, id, (&route.flow, *outcome), self.now);
                self.settle();
            }
        }
        used
    }

    pub(super) fn drain(&mut self) {
        self.layer.drain(&mut self.tx, self.now);
        self.settle();
    }
}

pub(super) fn flow(remote: SocketAddr) -> Flow {
    Flow::new(Transport::Udp, HOME.parse().unwrap(), remote)
}

pub(super) fn header(message: &Message, name: Name<'_>) -> String {
    message.header(name).map(|v| v.text().into_owned()).unwrap_or_default()
}
