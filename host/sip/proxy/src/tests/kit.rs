//! A proxy between strings: what comes in, what goes out, and what it tells.

use crate::{Below, Bodies, Carried, Config, ContextKey, Event, Layer, Opening, Passage, Says, Target};
use bytes::Bytes;
use core::time::Duration;
use model::{Flow, IdSource, Instant, Transport};
use sip_message::{Message, ParseLimits};
use smallvec::SmallVec;
use std::sync::Arc;

pub(crate) const INVITE: &str = "INVITE sip:1002@demo.test SIP/2.0\r\n\
    Via: SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bKa1\r\n\
    Max-Forwards: 70\r\n\
    From: <sip:1001@demo.test>;tag=alice\r\n\
    To: <sip:1002@demo.test>\r\n\
    Call-ID: c1\r\n\
    CSeq: 7 INVITE\r\n\
    Contact: <sip:1001@10.0.0.1:5060>\r\n\
    Content-Type: application/sdp\r\n\
    Content-Length: 5\r\n\r\nv=0\r\n";

/// The proxy, its transactions, and the time.
pub(crate) struct Kit {
    pub(crate) tx: sip_transaction::Layer,
    pub(crate) proxy: Layer,
    pub(crate) now: Instant,
    /// The owner of anchored media.
    pub(crate) bodies: Stamps,
    branch: u32,
}

/// Writes over each body what it is, and keeps the list.
#[derive(Default)]
pub(crate) struct Stamps(pub(crate) Vec<String>);

impl Bodies for Stamps {
    fn carry(&mut self, passage: &Passage<'_>) -> Carried {
        let body = |message: &Message| String::from_utf8_lossy(message.body()).trim_end().to_owned();
        let what = match passage.says {
            Says::Nothing => "nothing".to_owned(),
            Says::Offer => format!("offer {}", body(passage.message)),
            Says::Answer(offer) => format!("answer {} to {}", body(passage.message), body(offer)),
        };
        let accepts = if passage.accepts { " accepts" } else { "" };
        self.0.push(format!("{} {} {:?}: {what}{accepts}", passage.token, passage.tag, passage.from));
        match passage.says {
            _ if body(passage.message) == "v=bad" => Carried::Refused(488),
            Says::Nothing => Carried::AsItIs,
            Says::Offer | Says::Answer(_) => Carried::Instead(Bytes::from(format!("v={}\r\n", self.0.len()))),
        }
    }
}

/// One message that left.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) flow: Flow,
    pub(crate) text: String,
}

pub(crate) fn flow(host: u8) -> Flow {
    let remote = format!("10.0.0.{host}:5060").parse().expect("an address");
    Flow::new(Transport::Udp, "10.0.0.9:5060".parse().expect("an address"), remote)
}

pub(crate) fn tcp(host: u8) -> Flow {
    Flow { transport: Transport::Tcp, connection: Some(model::ConnectionId(u64::from(host))), ..flow(host) }
}

pub(crate) fn target(token: u16, q: u16) -> Target {
    let host = u8::try_from(token).expect("a host");
    Target {
        token,
        request_uri: format!("sip:100{token}@10.0.0.{host}:5060"),
        routes: Vec::new(),
        hops: core::iter::once(flow(host)).collect(),
        q,
        header_ops: Arc::from([]),
        body: None,
    }
}

pub(crate) fn with_hops(token: u16, hops: &[u8]) -> Target {
    Target { hops: hops.iter().map(|host| flow(*host)).collect::<SmallVec<_>>(), ..target(token, 1000) }
}

pub(crate) fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    fields(text, name).next()
}

pub(crate) fn fields<'t>(text: &'t str, name: &str) -> impl Iterator<Item = &'t str> {
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    head.lines().skip(1).filter_map(move |line| {
        let (field, value) = line.split_once(':')?;
        field.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The Route set that an INVITE gives.
pub(crate) fn recorded(invite: &Sent) -> Vec<String> {
    fields(&invite.text, "Record-Route").map(str::to_owned).collect()
}

/// A response to a request that was sent, as its target makes it.
pub(crate) fn answer(request: &str, status: u16, tag: &str) -> String {
    let copied = ["Via", "Record-Route", "From"]
        .into_iter()
        .flat_map(|name| fields(request, name).map(move |value| format!("{name}: {value}\r\n")).collect::<Vec<_>>());
    let copied: String = copied.collect();
    let of = |name| field(request, name).unwrap_or_default();
    format!(
        "SIP/2.0 {status} Words\r\n{copied}To: {};tag={tag}\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: <sip:{tag}@10.9.9.9>\r\n\
         Content-Length: 0\r\n\r\n",
        of("To"),
        of("Call-ID"),
        of("CSeq")
    )
}

impl Kit {
    pub(crate) fn new() -> Kit {
        Kit::with(Config {
            listeners: vec![(Transport::Udp, flow(1).local), (Transport::Tcp, flow(1).local)],
            ..Config::default()
        })
    }

    pub(crate) fn with(config: Config) -> Kit {
        Kit {
            tx: sip_transaction::Layer::new(sip_transaction::Config::default(), IdSource::new([1; 32])),
            proxy: Layer::new(config, IdSource::new([2; 32])),
            now: Instant::from_unix_nanos(1_800_000_000_000_000_000),
            bodies: Stamps::default(),
            branch: 0,
        }
    }

    /// Opens a context for an INVITE that came on `from`.
    pub(crate) fn open_on(&mut self, invite: &str, from: Flow, decline_ends_all: bool) -> ContextKey {
        self.feed(from, invite);
        let Some(sip_transaction::Event::Request { key, flow, request }) = self.tx.poll_event() else {
            panic!("an INVITE: {invite}");
        };
        let realm = "demo.test".to_owned();
        self.proxy.open(&mut self.tx, Opening { server: key, flow, request, decline_ends_all, realm })
    }

    pub(crate) fn open(&mut self) -> ContextKey {
        self.open_on(INVITE, flow(1), false)
    }

    pub(crate) fn fork(&mut self, key: ContextKey, targets: Vec<Target>) -> Vec<Sent> {
        self.proxy.fork(&mut self.tx, key, targets, self.now);
        self.sent()
    }

    /// A call of the INVITE to one target, that rings and answers. Gives the INVITE as it left.
    pub(crate) fn talk(&mut self) -> (ContextKey, Sent) {
        let key = self.open();
        let invite = self.fork(key, vec![target(2, 1000)]).remove(0);
        self.hear(flow(2), &answer(&invite.text, 200, "bob"));
        let ack = self.within("ACK", ("alice", "bob"), &recorded(&invite), "sip:bob@10.9.9.9");
        self.hear(flow(1), &ack);
        self.sent();
        self.events();
        (key, invite)
    }

    fn feed(&mut self, from: Flow, text: &str) {
        let message = Message::parse(Bytes::from(text.to_owned()), &ParseLimits::default()).expect("a message");
        message.validate().expect("a valid message");
        self.tx.handle_message(from, message, self.now);
    }

    /// A message comes and climbs; gives whether every event of it was the proxy's.
    pub(crate) fn hear(&mut self, from: Flow, text: &str) -> bool {
        self.feed(from, text);
        self.climb()
    }

    fn climb(&mut self) -> bool {
        use sip_transaction::Event;
        let mut ours = true;
        while let Some(event) = self.tx.poll_event() {
            let (proxy, tx, bodies, now) = (&mut self.proxy, &mut self.tx, &mut self.bodies, self.now);
            ours &= match event {
                Event::Request { key, flow, request } => {
                    proxy.handle_request(&mut Below { transactions: tx, bodies }, key, flow, &request, now)
                }
                Event::Ack { flow, request } => {
                    proxy.handle_ack(&mut Below { transactions: tx, bodies }, flow, &request, now)
                }
                Event::Cancelled { invite, request } => proxy.handle_cancel(tx, invite, &request, now),
                Event::Response { key, response, flow, .. } => {
                    proxy.handle_response(&mut Below { transactions: tx, bodies }, key, (response, flow), now)
                }
                Event::ClientFailed { key, why } => proxy.handle_client_failed(tx, key, why, now),
                Event::ServerFailed { key, why } => proxy.handle_server_failed(tx, key, why, now),
                Event::Leaving { .. } => false,
            };
        }
        ours
    }

    /// Time passes, timer by timer.
    pub(crate) fn wait(&mut self, how_long: Duration) -> Vec<Sent> {
        let end = self.now + how_long;
        let mut sent = Vec::new();
        while let Some(at) = [self.tx.poll_timeout(), self.proxy.poll_timeout()].into_iter().flatten().min()
            && at <= end
        {
            self.now = at.max(self.now);
            self.tx.handle_timeout(self.now);
            self.proxy.handle_timeout(&mut self.tx, self.now);
            self.climb();
            sent.extend(self.sent());
        }
        self.now = end;
        sent.extend(self.sent());
        sent
    }

    pub(crate) fn sent(&mut self) -> Vec<Sent> {
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        core::iter::from_fn(|| self.tx.poll_transmit())
            .map(|transmit| Sent { flow: transmit.flow, text: text(&transmit.bytes) })
            .collect()
    }

    /// What was told since, in short.
    pub(crate) fn events(&mut self) -> Vec<String> {
        core::iter::from_fn(|| self.proxy.poll_event()).map(|event| short(&event)).collect()
    }

    /// A request of one party within the dialog.
    pub(crate) fn within(&mut self, method: &str, from: (&str, &str), routes: &[String], uri: &str) -> String {
        self.branch += 1;
        let routes: String = routes.iter().map(|route| format!("Route: {route}\r\n")).collect();
        let host = if from.0 == "alice" { 1 } else { 2 };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.{host}:5060;rport;branch=z9hG4bKw{}\r\n{routes}\
             Max-Forwards: 70\r\nFrom: <sip:x@demo.test>;tag={}\r\nTo: <sip:y@demo.test>;tag={}\r\nCall-ID: c1\r\n\
             CSeq: {} {method}\r\nContact: <sip:moved@10.0.0.{host}>\r\nContent-Length: 0\r\n\r\n",
            self.branch,
            from.0,
            from.1,
            self.branch + 7,
        )
    }
}

fn short(event: &Event) -> String {
    match event {
        Event::Started { token, .. } => format!("started {token}"),
        Event::Ringing { token, status, .. } => format!("ringing {token} {status}"),
        Event::Answered { token, .. } => format!("answered {token}"),
        Event::Failed { token, status, by_remote, withdrawn, .. } => {
            let why = withdrawn.map(|w| format!(" {w:?}")).unwrap_or_default();
            format!("failed {token} {status}{}{why}", if *by_remote { "" } else { " here" })
        }
        Event::Spent { cancelled, .. } => format!("spent{}", if *cancelled { " cancelled" } else { "" }),
        Event::CallerLost { .. } => "caller lost".to_owned(),
        Event::Left { token, tag, .. } => format!("left {token} {tag}"),
        Event::Hung { token, by, .. } => format!("hung {token} by {by:?}"),
        Event::HopFailed { flow, retry_after } => format!("hop {} {retry_after:?}", flow.remote.ip()),
    }
}

/// First lines, with where they went.
pub(crate) fn lines(sent: &[Sent]) -> Vec<String> {
    sent.iter()
        .map(|sent| {
            let mut words = sent.text.split_whitespace();
            let (one, two) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let what = if one == "SIP/2.0" { two } else { one };
            format!("{what} > {}", sent.flow.remote.ip())
        })
        .collect()
}
