//! `call/voice`: a leg's sound to a WebSocket and back. Here is who may open a line and where to; what is said on it is in
//! [`crate::wire`], what becomes of the sound in the media engine.
//!
//! The address is held against the grants and the resolver of `host/http`: what may not be asked may not be spoken to. The
//! shard hands frames over by a channel that it never waits for.

use crate::HttpAsked;
use crate::bindings::app::strowger::call::{sound, voice};
use crate::bindings::router::strowger::types::types::Error;
use crate::capability::failure;
use crate::control::{Leg, Verb, argument, expect_reply};
use crate::guest::Guest;
use crate::rules;
use crate::tape::taped;
use crate::wire::{self, Wire};
use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::time::Duration;
use model::{AppReply, AppVerb, CallId, Channels, ForkEnd, ForkId, ForkOut, ForkSpec, LegHandle};
use reqwest::header::{AUTHORIZATION, CONNECTION, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use sha1::{Digest, Sha1};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use wasmtime::Result;
use wasmtime::component::Resource;

/// From the first packet to the answer of the other end.
const OPEN_WITHIN: Duration = Duration::from_secs(10);
/// Frames on their way from the shard to the connection's task: 5 s.
const HANDED_MAX: usize = 250;
/// Longest note, in bytes.
const NOTE_MAX: usize = 4_096;
/// RFC 6455 section 1.3.
const ACCEPT: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const KEY: HeaderName = HeaderName::from_static("sec-websocket-key");
const VERSION: HeaderName = HeaderName::from_static("sec-websocket-version");
const ACCEPTED: HeaderName = HeaderName::from_static("sec-websocket-accept");

/// Every line that is open. Cheap to clone; telling one something takes no lock.
#[derive(Clone, Debug, Default)]
pub(crate) struct Forks(Arc<Open>);

#[derive(Debug, Default)]
struct Open {
    last: AtomicU64,
    lines: ArcSwap<BTreeMap<ForkId, Line>>,
}

#[derive(Clone, Debug)]
struct Line {
    to: mpsc::Sender<ForkOut>,
    lost: Arc<AtomicU64>,
}

impl Forks {
    fn name(&self) -> ForkId {
        ForkId(self.0.last.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// A new line: what it is told comes here, and how many frames found no room.
    fn begin(&self) -> (ForkId, mpsc::Receiver<ForkOut>, Arc<AtomicU64>) {
        let (to, told) = mpsc::channel(HANDED_MAX);
        let (fork, lost) = (self.name(), Arc::new(AtomicU64::new(0)));
        let line = Line { to, lost: Arc::clone(&lost) };
        self.0.lines.rcu(|lines| {
            let mut lines = BTreeMap::clone(lines);
            lines.insert(fork, line.clone());
            lines
        });
        (fork, told, lost)
    }

    /// Tells the other end, without waiting: sound that finds no room is counted, and the last word closes the line.
    pub(crate) fn tell(&self, fork: ForkId, told: ForkOut) {
        let lines = self.0.lines.load();
        let Some(line) = lines.get(&fork) else { return };
        if told == ForkOut::Over {
            return self.forget(fork);
        }
        if let Err(mpsc::error::TrySendError::Full(ForkOut::Sound(_))) = line.to.try_send(told) {
            line.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Closes a line; one that is closed already is no fault.
    fn forget(&self, fork: ForkId) {
        if !self.0.lines.load().contains_key(&fork) {
            return;
        }
        self.0.lines.rcu(|lines| {
            let mut lines = BTreeMap::clone(lines);
            lines.remove(&fork);
            lines
        });
    }
}

/// The lines of one script: they end with it.
#[derive(Debug)]
pub(crate) struct Held {
    forks: Forks,
    own: Vec<ForkId>,
    /// Lets the line that was connected last begin: nothing is said on it before the shard knows it.
    begins: Option<oneshot::Sender<()>>,
}

impl Held {
    pub(crate) const fn new(forks: Forks) -> Held {
        Held { forks, own: Vec::new(), begins: None }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.own.iter().for_each(|fork| self.forks.forget(*fork));
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn line_end(end: ForkEnd) -> voice::LineEnd {
    voice::LineEnd {
        ended_by: end.ended_by,
        note: end.note,
        digit: end.digit,
        sent_ms: ms(end.sent),
        heard_ms: ms(end.heard),
        dropped_ms: ms(end.dropped),
        attrs: Vec::new(),
    }
}

const fn channels(of: sound::Channels) -> Channels {
    match of {
        sound::Channels::Party => Channels::Party,
        sound::Channels::Mixed => Channels::Mixed,
        sound::Channels::Stereo => Channels::Stereo,
    }
}

/// The URL as its handshake asks for it.
fn http_url(url: &str) -> Verb<String> {
    let plain = url.strip_prefix("ws://").map(|rest| format!("http://{rest}"));
    let hidden = || url.strip_prefix("wss://").map(|rest| format!("https://{rest}"));
    plain.or_else(hidden).ok_or_else(|| Error::InvalidArgument("url: ws:// or wss://".to_owned()))
}

/// The header of the handshake, and what the answer must say.
fn handshake(bearer: Option<&str>) -> Verb<(HeaderMap, String)> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|e| Error::Unavailable(format!("no randomness: {e}")))?;
    let key = STANDARD.encode(random);
    let accept = STANDARD.encode(Sha1::digest(format!("{key}{ACCEPT}")));
    let mut headers = HeaderMap::new();
    let bad = |what: &str| Error::InvalidArgument(format!("{what} fits no header"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(VERSION, HeaderValue::from_static("13"));
    headers.insert(KEY, HeaderValue::from_str(&key).map_err(|_| bad("the key"))?);
    if let Some(secret) = bearer {
        let mut value = HeaderValue::from_str(&format!("Bearer {secret}")).map_err(|_| bad("the secret"))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok((headers, accept))
}

/// What the handshake gave, if it is a WebSocket.
async fn upgraded(response: reqwest::Response, accept: &str) -> Verb<reqwest::Upgraded> {
    let status = response.status().as_u16();
    if status != 101 {
        return Err(Error::Unavailable(format!("the other end answered {status}, not 101")));
    }
    if response.headers().get(ACCEPTED).is_none_or(|got| got.as_bytes() != accept.as_bytes()) {
        return Err(Error::Unavailable("the other end speaks no WebSocket".to_owned()));
    }
    response.upgrade().await.map_err(failure)
}

/// As a recording shows it.
fn shown(spec: &voice::LineSpec) -> (&str, Option<&str>, u32, &str) {
    (&spec.url, spec.auth_secret.as_deref(), spec.rate, &spec.note)
}

impl Guest {
    /// Connects to the other end; gives the line's number. Its task begins when the shard has the line.
    async fn connect(&mut self, spec: &voice::LineSpec, (call, leg): (CallId, LegHandle)) -> Verb<u64> {
        if self.strayed() {
            return Err(Error::Unavailable("a replay reaches nobody".to_owned()));
        }
        let bearer = match &spec.auth_secret {
            Some(name) => Some(self.secret(name)?.clone()),
            None => None,
        };
        let power = &self.bound.powers.http;
        let url = power.admit("GET", &http_url(&spec.url)?)?;
        let denied = || Error::Denied("call control is for call apps".to_owned());
        if let Some(script) = power.clients.script() {
            let asked = HttpAsked { method: "GET".to_owned(), url: spec.url.clone(), body: Vec::new() };
            let answer = script.answer(&asked).map_err(crate::convert::error)?;
            if answer.status != 101 {
                return Err(Error::Unavailable(format!("the other end answered {}, not 101", answer.status)));
            }
            return Ok(self.script.as_ref().ok_or_else(denied)?.held.forks.name().0);
        }
        let permits = power.permits()?;
        let (headers, accept) = handshake(bearer.as_ref().map(|b| b.reveal()))?;
        let sending = power.clients.client(power.private)?.get(url).headers(headers).send();
        let mut under = power.clients.spawn(async move {
            let _permits = permits;
            let opening = async { upgraded(sending.await.map_err(failure)?, &accept).await };
            timeout(OPEN_WITHIN, opening).await.map_err(|_| Error::Timeout)?
        })?;
        let gone = |_| Error::Unavailable("the line was given up".to_owned());
        let connection = self.park(&mut under.0).await.map_err(gone)??;
        let script = self.script.as_mut().ok_or_else(denied)?;
        let (fork, told, lost) = script.held.forks.begin();
        script.held.own.push(fork);
        let (begins, begun) = oneshot::channel();
        script.held.begins = Some(begins);
        let line = script.line();
        let hello = serde_json::json!({
            "event": "hello", "version": 1, "call": call.to_string(), "leg": leg.0, "encoding": "pcm_s16le",
            "rate": spec.rate, "channels": channels(spec.channels).count(), "note": spec.note,
        });
        let wire = Wire { hello: hello.to_string(), rate: spec.rate, told, lost };
        let said = move |said| line.fork_said(fork, said);
        let clients = self.bound.powers.http.clients.clone();
        clients.detach(async move {
            if begun.await.is_ok() {
                wire::carry(wire::open(connection).await, wire, said).await;
            }
        })?;
        Ok(fork.0)
    }

    /// A verb about a leg's line that gives how it stands.
    async fn line_verb(&mut self, leg: &Resource<Leg>, verb: AppVerb) -> Result<Verb<voice::LineEnd>> {
        let reply = self.verb(verb).await;
        self.note(leg, &reply, None)?;
        Ok(expect_reply!(reply, AppReply::Forked(end) => line_end(end)))
    }
}

impl voice::Host for Guest {
    async fn open(&mut self, leg: Resource<Leg>, spec: voice::LineSpec) -> Result<Verb<()>> {
        let (handle, call) = (self.leg(&leg)?.handle(), self.leg(&leg)?.call());
        if ![8_000, 16_000].contains(&spec.rate) || spec.note.len() > NOTE_MAX {
            let rule = format!("rate: 8000 or 16000; note: at most {NOTE_MAX} bytes");
            return Ok(Err(Error::InvalidArgument(rule)));
        }
        let opened = taped!(self, "voice.open", shown(&spec), self.connect(&spec, (call, handle)).await);
        let fork = match opened {
            Ok(number) => ForkId(number),
            Err(error) => return Ok(Err(error)),
        };
        let spec = ForkSpec { fork, channels: channels(spec.channels), rate: spec.rate, fax: false };
        let reply = self.verb(AppVerb::Fork(handle, spec)).await;
        self.note(&leg, &reply, None)?;
        let begins = self.script.as_mut().and_then(|script| script.held.begins.take());
        if let (Ok(_), Some(begins)) = (&reply, begins) {
            let _given_up = begins.send(());
        }
        if let (Err(_), Some(script)) = (&reply, &self.script) {
            script.held.forks.forget(fork);
        }
        Ok(expect_reply!(reply, AppReply::Done => ()))
    }

    async fn attend(&mut self, leg: Resource<Leg>, stop_on: String, max_ms: u32) -> Result<Verb<voice::LineEnd>> {
        let handle = self.leg(&leg)?.handle();
        let stop_on = match rules::digits(stop_on) {
            Ok(stop_on) => stop_on,
            Err(rule) => return Ok(Err(argument(rule))),
        };
        let max = Duration::from_millis(u64::from(max_ms));
        self.line_verb(&leg, AppVerb::ForkAttend(handle, stop_on, max)).await
    }

    async fn close(&mut self, leg: Resource<Leg>) -> Result<Verb<voice::LineEnd>> {
        let handle = self.leg(&leg)?.handle();
        self.line_verb(&leg, AppVerb::ForkStop(handle)).await
    }
}
