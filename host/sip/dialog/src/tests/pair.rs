//! Two dialog layers over two transaction layers, with a virtual clock and a network that may lose, repeat and reorder.

use crate::{Config, DialogKey, Event, InviteSpec, Layer, Transactions};
use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;
use model::{Flow, IdSource, Instant, Transport};
use sip_message::{Message, Method, ParseLimits};
use std::collections::BTreeMap;

pub(super) const A: usize = 0;
pub(super) const B: usize = 1;

/// What the network does with one message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    Pass,
    Drop,
    Delay(Duration),
}

type Filter = Box<dyn FnMut(usize, &Message) -> Fate>;

/// How the network behaves by chance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    pub(super) loss_percent: u32,
    pub(super) repeat_percent: u32,
    pub(super) delay_ms: (u32, u32),
}

/// One side.
pub(super) struct End {
    pub(super) tx: Transactions,
    pub(super) dialogs: Layer,
    pub(super) addr: SocketAddr,
    pub(super) events: Vec<Event>,
    /// The usages of INVITEs that came in.
    pub(super) arrived: Vec<DialogKey>,
}

/// Both sides and what is between them.
pub(super) struct Pair {
    pub(super) now: Instant,
    pub(super) ends: [End; 2],
    pub(super) log: Vec<String>,
    pub(super) weather: Weather,
    pub(super) transport: Transport,
    pub(super) filter: Filter,
    pub(super) rng: IdSource,
    wire: BTreeMap<(Instant, u64), (usize, Bytes)>,
    posted: u64,
    verbatim: Vec<(usize, Message)>,
    texts: Vec<(usize, String)>,
}

impl Pair {
    pub(super) fn new(seed: u8) -> Pair {
        Pair::with(u64::from(seed), Transport::Udp)
    }

    pub(super) fn with(seed: u64, transport: Transport) -> Pair {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = IdSource::new(bytes);
        let mut end = |addr: &str, user: &str| End {
            tx: Transactions::new(sip_transaction::Config::default(), rng.split()),
            dialogs: Layer::new(Config { contact_user: user.to_owned(), ..Config::default() }, rng.split()),
            addr: addr.parse().expect("an address"),
            events: Vec::new(),
            arrived: Vec::new(),
        };
        let ends = [end("192.0.2.1:5060", "a"), end("192.0.2.2:5060", "b")];
        Pair {
            now: Instant::from_unix_nanos(1_000_000_000_000),
            ends,
            log: Vec::new(),
            weather: Weather { loss_percent: 0, repeat_percent: 0, delay_ms: (10, 10) },
            transport,
            filter: Box::new(|_, _| Fate::Pass),
            rng,
            wire: BTreeMap::new(),
            posted: 0,
            verbatim: Vec::new(),
            texts: Vec::new(),
        }
    }

    pub(super) fn flow(&self, from: usize) -> Flow {
        let connection = self.transport.is_reliable().then_some(model::ConnectionId(1));
        Flow {
            transport: self.transport,
            local: self.ends[from].addr,
            remote: self.ends[1 - from].addr,
            connection,
            name: None,
        }
    }

    pub(super) fn spec(&self, from: usize, offer: Option<&'static str>) -> InviteSpec {
        InviteSpec {
            flow: self.flow(from),
            request_uri: format!("sip:b@{}", self.ends[1 - from].addr),
            route_set: Vec::new(),
            from: "\"Alice\" <sip:alice@example.com>".to_owned(),
            to: "<sip:bob@example.com>".to_owned(),
            call_id: None,
            headers: Vec::new(),
            offer: offer.map(|sdp| Bytes::from_static(sdp.as_bytes())),
            carrier: None,
            edge: None,
        }
    }

    /// A calls B; the usage of A. B's appears in `arrived`.
    pub(super) fn invite(&mut self) -> DialogKey {
        let spec = self.spec(A, Some("offer"));
        let key = self.act(A, |end, now| end.dialogs.invite(&mut end.tx, spec, now));
        self.run(100);
        key
    }

    /// A calls B, B answers: both usages, confirmed, events drained.
    pub(super) fn connected(&mut self) -> (DialogKey, DialogKey) {
        let a = self.invite();
        let b = self.arrival();
        self.act(B, |end, now| end.dialogs.accept(&mut end.tx, b, Some(Bytes::from_static(b"answer")), &[], now))
            .expect("accepted");
        self.run(200);
        assert!(self.ends[A].dialogs.is_confirmed(a) && self.ends[B].dialogs.is_confirmed(b));
        self.ends[A].events.clear();
        self.ends[B].events.clear();
        self.log.clear();
        (a, b)
    }

    pub(super) fn arrival(&self) -> DialogKey {
        *self.ends[B].arrived.last().expect("an INVITE that came in")
    }

    pub(super) fn hangup(&mut self, side: usize, key: DialogKey) {
        self.act(side, |end, now| end.dialogs.hangup(&mut end.tx, key, 480, None, now));
    }

    pub(super) fn reinvite(&mut self, side: usize, key: DialogKey, offer: &str) -> Result<(), crate::DialogError> {
        let offer = Bytes::copy_from_slice(offer.as_bytes());
        self.act(side, |end, now| end.dialogs.reinvite(&mut end.tx, key, offer, now))
    }

    pub(super) fn update(&mut self, side: usize, key: DialogKey, offer: &str) -> Result<(), crate::DialogError> {
        let offer = Bytes::copy_from_slice(offer.as_bytes());
        self.act(side, |end, now| end.dialogs.update(&mut end.tx, key, offer, now))
    }

    /// B sends a provisional response.
    pub(super) fn progress(&mut self, key: DialogKey, status: u16, sdp: Option<&'static str>) {
        let sdp = sdp.map(|sdp| Bytes::from_static(sdp.as_bytes()));
        self.act(B, |end, now| end.dialogs.progress(&mut end.tx, key, status, sdp, &[], now)).expect("progress");
    }

    /// B accepts.
    pub(super) fn accept(&mut self, key: DialogKey, sdp: Option<&'static str>) {
        let sdp = sdp.map(|sdp| Bytes::from_static(sdp.as_bytes()));
        self.act(B, |end, now| end.dialogs.accept(&mut end.tx, key, sdp, &[], now)).expect("accepted");
    }

    /// Other settings for one side; before its first act.
    pub(super) fn configure(&mut self, side: usize, change: impl FnOnce(&mut Config)) {
        let user = ["a", "b"][side];
        let mut config = Config { contact_user: user.to_owned(), ..Config::default() };
        change(&mut config);
        let ids = self.rng.split();
        self.ends[side].dialogs = Layer::new(config, ids);
    }

    pub(super) fn answer(&mut self, side: usize, key: DialogKey, sdp: &str) -> Result<(), crate::DialogError> {
        let sdp = Bytes::copy_from_slice(sdp.as_bytes());
        self.act(side, |end, now| end.dialogs.answer_reinvite(&mut end.tx, key, sdp, now))
    }

    /// Does something on one side, and carries out what follows from it.
    pub(super) fn act<R>(&mut self, side: usize, act: impl FnOnce(&mut End, Instant) -> R) -> R {
        let result = act(&mut self.ends[side], self.now);
        self.drain(side);
        result
    }

    /// Lets `ms` milliseconds pass.
    pub(super) fn run(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        while let Some(at) = self.next()
            && at <= until
        {
            self.step(at);
        }
        self.now = until;
    }

    /// Lets time pass until nothing is left to do; `None` if that takes more than an hour.
    pub(super) fn run_out(&mut self) -> Option<()> {
        let limit = self.now + Duration::from_secs(3_600);
        while let Some(at) = self.next() {
            if at > limit {
                return None;
            }
            self.step(at);
        }
        Some(())
    }

    /// Asserts that nothing is remembered on either side.
    pub(super) fn assert_empty(&self) {
        for (side, end) in self.ends.iter().enumerate() {
            assert!(end.dialogs.is_empty(), "side {side} remembers dialogs: {:?}\n{}", end.dialogs, self.ladder());
            assert!(end.tx.is_empty(), "side {side} remembers transactions\n{}", self.ladder());
        }
    }

    pub(super) fn ladder(&self) -> String {
        self.log.join("\n")
    }

    /// How many messages of the log contain all of `parts`, in order.
    pub(super) fn count(&self, what: &str) -> usize {
        self.log.iter().filter(|line| line.contains(what)).count()
    }

    /// Every message of `side` that left since the start, as parsed.
    pub(super) fn sent(&self, side: usize) -> impl DoubleEndedIterator<Item = &Message> {
        self.verbatim.iter().filter(move |(from, _)| *from == side).map(|(_, message)| message)
    }

    /// The first message of `side` that begins so, as it left.
    pub(super) fn text(&self, side: usize, start: &str) -> String {
        let found = self.texts.iter().find(|(from, text)| *from == side && text.starts_with(start));
        found.map(|(_, text)| text.clone()).expect("a message that begins so")
    }

    /// Puts bytes on the wire to `to`, as if the other side had sent them.
    pub(super) fn inject(&mut self, to: usize, text: impl AsRef<[u8]>) {
        self.post(to, Duration::ZERO, Bytes::copy_from_slice(text.as_ref()));
        self.run(1);
    }

    fn next(&self) -> Option<Instant> {
        let wire = self.wire.first_key_value().map(|((at, _), _)| *at);
        let ends = self.ends.iter().flat_map(|end| [end.tx.poll_timeout(), end.dialogs.poll_timeout()]);
        ends.flatten().chain(wire).min()
    }

    fn step(&mut self, at: Instant) {
        self.now = self.now.max(at);
        if let Some(first) = self.wire.first_entry()
            && first.key().0 <= self.now
        {
            let (to, bytes) = first.remove();
            let flow = self.flow(to);
            let message = Message::parse(bytes, &ParseLimits::default()).expect("our own message parses");
            message.validate().expect("our own message is valid");
            self.ends[to].tx.handle_message(flow, message, self.now);
            self.drain(to);
            return;
        }
        for side in [A, B] {
            let end = &mut self.ends[side];
            if end.tx.poll_timeout().is_some_and(|at| at <= self.now) {
                end.tx.handle_timeout(self.now);
            }
            if end.dialogs.poll_timeout().is_some_and(|at| at <= self.now) {
                end.dialogs.handle_timeout(&mut end.tx, self.now);
            }
            self.drain(side);
        }
    }

    fn drain(&mut self, side: usize) {
        let end = &mut self.ends[side];
        while let Some(event) = end.tx.poll_event() {
            end.rise(event, self.now);
        }
        while let Some(event) = end.dialogs.poll_event() {
            end.events.push(event);
        }
        while let Some(transmit) = self.ends[side].tx.poll_transmit() {
            self.send(side, transmit.bytes);
        }
    }

    fn send(&mut self, from: usize, bytes: Bytes) {
        let message = Message::parse(bytes.clone(), &ParseLimits::default()).expect("our own message parses");
        let fate = (self.filter)(from, &message);
        let lost = self.chance(self.weather.loss_percent) && !self.transport.is_reliable();
        let mark = if fate == Fate::Drop || lost { " (lost)" } else { "" };
        self.log.push(format!("{} {}{mark}", ["A->B", "B->A"][from], title(&message)));
        self.verbatim.push((from, message));
        self.texts.push((from, String::from_utf8_lossy(&bytes).into_owned()));
        let copies = if self.chance(self.weather.repeat_percent) && !self.transport.is_reliable() { 2 } else { 1 };
        for _ in 0..copies {
            let delay = match fate {
                Fate::Drop => continue,
                Fate::Delay(delay) => delay,
                Fate::Pass => self.delay(),
            };
            if !lost {
                self.post(1 - from, delay, bytes.clone());
            }
        }
    }

    fn post(&mut self, to: usize, delay: Duration, bytes: Bytes) {
        self.posted += 1;
        self.wire.insert((self.now + delay, self.posted), (to, bytes));
    }

    fn delay(&mut self) -> Duration {
        let (least, most) = self.weather.delay_ms;
        Duration::from_millis(u64::from(least + self.rng.u32() % (most - least + 1)))
    }

    fn chance(&mut self, percent: u32) -> bool {
        percent > 0 && self.rng.u32() % 100 < percent
    }
}

impl End {
    /// What `switch::Core` does with the events of the transaction layer.
    fn rise(&mut self, event: sip_transaction::Event, now: Instant) {
        use sip_transaction::Event as E;
        match event {
            E::Request { key, flow, request } => {
                let tagged = request.to().is_ok_and(|to| to.tag().is_some());
                if request.method() == Some(Method::Invite) && !tagged {
                    let dialog = self.dialogs.incoming(key, flow, request, now);
                    self.arrived.push(dialog);
                } else {
                    self.dialogs.handle_request(&mut self.tx, key, flow, request, now);
                }
            }
            E::Ack { flow, request } => self.dialogs.handle_ack(&mut self.tx, flow, &request, now),
            E::Cancelled { invite, request } => self.dialogs.handle_cancel(&mut self.tx, invite, &request, now),
            E::Response { key, response, flow, .. } => {
                self.dialogs.handle_response(&mut self.tx, key, response, flow, now);
            }
            E::ClientFailed { key, why } => self.dialogs.handle_client_failed(&mut self.tx, key, why, now),
            E::ServerFailed { key, why } => self.dialogs.handle_server_failed(&mut self.tx, key, why, now),
            // Nothing is watched here.
            E::Leaving { held, .. } => panic!("{held:?}"),
        }
    }

    /// The names of the events so far, for short assertions.
    pub(super) fn names(&self) -> Vec<String> {
        self.events.iter().map(name).collect()
    }
}

/// An event in a word or two.
pub(super) fn name(event: &Event) -> String {
    match event {
        Event::Progress { status, sdp, .. } => format!("Progress {status} {}", show(sdp.as_ref())),
        Event::Answered { sdp, .. } => format!("Answered {}", show(sdp.as_ref())),
        Event::Failed { status, why, .. } => {
            let why = match why {
                crate::Failed::Response(_) => "Response",
                crate::Failed::Timeout => "Timeout",
                crate::Failed::Transport => "Transport",
                crate::Failed::Cancelled => "Cancelled",
                crate::Failed::Withheld => "Withheld",
            };
            format!("Failed {status} {why}")
        }
        Event::Cancelled { .. } => "Cancelled".to_owned(),
        Event::Accepted { .. } => "Accepted".to_owned(),
        Event::Confirmed { sdp, .. } => format!("Confirmed {}", show(sdp.as_ref())),
        Event::Reinvited { offer, .. } => format!("Reinvited {}", show(offer.as_ref())),
        Event::ReinviteCancelled { .. } => "ReinviteCancelled".to_owned(),
        Event::ReinviteAnswered { sdp, .. } => format!("ReinviteAnswered {}", show(Some(sdp))),
        Event::ReinviteFailed { status, .. } => format!("ReinviteFailed {status}"),
        Event::Request { request, .. } => format!("Request {}", title(request)),
        Event::Response { id, status, .. } => format!("Response {id} {status}"),
        Event::Ended { why, .. } => format!("Ended {why:?}"),
    }
}

fn show(sdp: Option<&Bytes>) -> String {
    sdp.map_or_else(|| "-".to_owned(), |sdp| String::from_utf8_lossy(sdp).into_owned())
}

/// A message in a line of the ladder.
pub(super) fn title(message: &Message) -> String {
    let method = message.cseq().map(|cseq| cseq.method.to_string()).unwrap_or_default();
    let number = message.cseq().map(|cseq| cseq.number).unwrap_or_default();
    match message.status() {
        Some(status) => format!("{status} ({number} {method})"),
        None => format!("{method} {number}"),
    }
}

/// The message as the layers share it.
pub(super) fn shared(text: &str) -> Message {
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    Message::parse(bytes, &ParseLimits::default()).expect("a test's message parses")
}
