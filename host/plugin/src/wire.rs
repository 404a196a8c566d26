//! What is said on a line: a task per connection, between the shard's frames and a WebSocket (RFC 6455). The words are in
//! `wit/call/voice.wit`.
//!
//! Nobody waits for the other end: what it does not read is kept for [`QUEUE_MAX`] frames, then the oldest is dropped and it
//! is told how much. What it sends is counted against the time that passes, before it goes to the shard.

use core::future::poll_fn;
use core::task::{Poll, ready};
use core::time::Duration;
use futures_util::{Sink, SinkExt, StreamExt};
use model::{ForkIn, ForkOut};
use serde::Deserialize;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error as WsError, Message};

/// Frames of 20 ms that wait for the other end to read: 2 s.
pub(crate) const QUEUE_MAX: usize = 100;
/// Texts that wait for it; past it the line ends.
const TEXTS_MAX: usize = 2_000;
/// Longest message, in bytes.
const MESSAGE_MAX: usize = 64 << 10;
/// Longest text, in bytes.
const TEXT_MAX: usize = 8 << 10;
/// Longest name of a mark, and longest last words, in bytes.
const MARK_MAX: usize = 128;
const NOTE_MAX: usize = 4_096;
/// Messages a second, for long, and at once.
const MESSAGES_PER_S: u32 = 200;
const MESSAGES_BURST: u32 = 3_200;
/// How often it is asked whether it is there, and how long it may take to say so.
const PING_EVERY: Duration = Duration::from_secs(5);
const PONG_WITHIN: Duration = Duration::from_secs(15);
/// How long a farewell may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
const FRAME: Duration = Duration::from_millis(20);

/// A line's side of the switch.
pub(crate) struct Wire {
    /// The first text.
    pub(crate) hello: String,
    /// Samples per second of what comes back.
    pub(crate) rate: u32,
    /// What the other end is told; closed when the line ends.
    pub(crate) told: mpsc::Receiver<ForkOut>,
    /// Frames that found no room on their way here.
    pub(crate) lost: Arc<AtomicU64>,
}

/// The client's end of an upgraded connection.
pub(crate) async fn open<S: AsyncRead + AsyncWrite + Unpin>(connection: S) -> WebSocketStream<S> {
    let config = WebSocketConfig::default()
        .read_buffer_size(16 << 10)
        .write_buffer_size(0)
        .max_write_buffer_size(256 << 10)
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX));
    WebSocketStream::from_raw_socket(connection, Role::Client, Some(config)).await
}

/// Why a line ends by the other end's doing: the word for the script, its note, and the close code.
#[derive(Debug)]
struct Fault(String, CloseCode);

fn fault<T>(why: impl Into<String>, code: CloseCode) -> Result<T, Fault> {
    Err(Fault(why.into(), code))
}

/// How the other end has left: without a word or by 1000 it was done, any other code is a failure of its own (RFC 6455
/// section 7.4.1).
fn parted(frame: Option<&CloseFrame>) -> (&'static str, String, CloseCode) {
    match frame {
        Some(frame) if frame.code != CloseCode::Normal => {
            ("failed", format!("the other end closed with {}", u16::from(frame.code)), CloseCode::Normal)
        }
        Some(_) | None => ("closed", String::new(), CloseCode::Normal),
    }
}

/// Carries a line until either side ends it; `said` takes what the other end says.
pub(crate) async fn carry<S: AsyncRead + AsyncWrite + Unpin>(
    socket: WebSocketStream<S>,
    mut wire: Wire,
    said: impl Fn(ForkIn) + Send,
) {
    let (mut sink, mut stream) = socket.split();
    let mut out = Outbox::new(core::mem::take(&mut wire.hello));
    let mut taker = Taker::new(wire.rate, Instant::now());
    let mut ping = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    let ended = loop {
        let step = tokio::select! {
            told = wire.told.recv() => match told {
                None | Some(ForkOut::Over) => break None,
                Some(told) => out.push(told),
            },
            sent = out.flush(&mut sink), if out.waits() => sent.or_else(|e| fault(e.to_string(), CloseCode::Away)),
            _ = ping.tick() => taker.look(Instant::now()).map(|()| out.pings = true),
            got = stream.next() => match got {
                None => break Some(("closed", String::new(), CloseCode::Normal)),
                Some(Ok(Message::Close(frame))) => break Some(parted(frame.as_ref())),
                Some(Err(error)) => fault(error.to_string(), CloseCode::Protocol),
                Some(Ok(message)) => taker.take(message, Instant::now()).map(|took| {
                    took.into_iter().for_each(&said);
                }),
            },
        };
        out.count_lost(wire.lost.swap(0, Ordering::Relaxed));
        if let Some(dropped) = out.newly_dropped() {
            said(ForkIn::Dropped(dropped));
        }
        if let Err(Fault(why, code)) = step {
            break Some(("failed", why, code));
        }
    };
    let code = match ended {
        None => {
            out.texts.push_back(r#"{"event":"stop"}"#.to_owned());
            CloseCode::Normal
        }
        Some((why, note, code)) => {
            // Who has said its last word already is not asked again.
            said(ForkIn::Over(why, note));
            code
        }
    };
    let farewell = async {
        out.sound.clear();
        let _sent = out.flush(&mut sink).await;
        let _sent = sink.send(Message::Close(Some(CloseFrame { code, reason: "".into() }))).await;
        let _closed = sink.close().await;
    };
    let _in_time = timeout(CLOSE_WITHIN, farewell).await;
}

/// What waits for the other end to read.
///
/// # Invariants
/// `sound` has at most [`QUEUE_MAX`] frames, `texts` at most [`TEXTS_MAX`] and a few.
#[derive(Debug)]
struct Outbox {
    texts: VecDeque<String>,
    sound: VecDeque<Bytes>,
    /// Frames that were dropped and not told yet: to the other end, to the engine.
    untold: u32,
    uncounted: u32,
    pings: bool,
    unflushed: bool,
}

impl Outbox {
    fn new(hello: String) -> Outbox {
        let texts = VecDeque::from([hello]);
        Outbox { texts, sound: VecDeque::new(), untold: 0, uncounted: 0, pings: false, unflushed: false }
    }

    fn push(&mut self, told: ForkOut) -> Result<(), Fault> {
        match told {
            ForkOut::Sound(samples) => {
                if self.sound.len() >= QUEUE_MAX {
                    self.sound.pop_front();
                    self.count_lost(1);
                }
                self.sound.push_back(samples.iter().flat_map(|s| s.to_le_bytes()).collect::<Vec<u8>>().into());
            }
            ForkOut::Digit(digit) => self.text(&serde_json::json!({ "event": "dtmf", "digit": digit })),
            ForkOut::Mark(name) => self.text(&serde_json::json!({ "event": "mark", "name": name })),
            ForkOut::Overflow(lost) => {
                self.text(&serde_json::json!({ "event": "overflow", "ms": lost.as_millis() as u64 }));
            }
            // A script's line is no fax machine's.
            ForkOut::Datagram(_) | ForkOut::Medium { .. } | ForkOut::Over => {}
        }
        if self.texts.len() > TEXTS_MAX {
            return fault("it does not read what it asked for", CloseCode::Policy);
        }
        Ok(())
    }

    fn text(&mut self, value: &serde_json::Value) {
        self.texts.push_back(value.to_string());
    }

    fn count_lost(&mut self, frames: u64) {
        let frames = u32::try_from(frames).unwrap_or(u32::MAX);
        self.untold = self.untold.saturating_add(frames);
        self.uncounted = self.uncounted.saturating_add(frames);
    }

    /// What was dropped since the last look.
    fn newly_dropped(&mut self) -> Option<Duration> {
        let frames = core::mem::take(&mut self.uncounted);
        (frames > 0).then(|| FRAME * frames)
    }

    fn waits(&self) -> bool {
        self.unflushed || self.pings || !self.texts.is_empty() || !self.sound.is_empty()
    }

    fn next(&mut self) -> Option<Message> {
        if core::mem::take(&mut self.pings) {
            return Some(Message::Ping(Bytes::new()));
        }
        if let Some(text) = self.texts.pop_front() {
            return Some(Message::Text(text.into()));
        }
        let untold = core::mem::take(&mut self.untold);
        if untold > 0 {
            let told = serde_json::json!({ "event": "dropped", "ms": (FRAME * untold).as_millis() as u64 });
            return Some(Message::Text(told.to_string().into()));
        }
        self.sound.pop_front().map(Message::Binary)
    }

    /// Writes what waits, as far as the other end reads. May be given up at any time: nothing is lost by it.
    async fn flush<K: Sink<Message, Error = WsError> + Unpin>(&mut self, sink: &mut K) -> Result<(), WsError> {
        poll_fn(|cx| {
            loop {
                ready!(sink.poll_ready_unpin(cx))?;
                let Some(message) = self.next() else { break };
                self.unflushed = true;
                sink.start_send_unpin(message)?;
            }
            ready!(sink.poll_flush_unpin(cx))?;
            self.unflushed = false;
            Poll::Ready(Ok(()))
        })
        .await
    }
}

/// A text of the other end.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Word {
    Clear,
    Mark {
        name: String,
    },
    End {
        #[serde(default)]
        note: String,
    },
    Hangup,
    #[serde(other)]
    Other,
}

/// What the other end may send.
#[derive(Debug)]
struct Taker {
    rate: u32,
    /// Messages it may send now, in thousandths; and samples.
    messages: u64,
    samples: u64,
    at: Instant,
    cleared_at: Option<Instant>,
    /// Since when a ping has no pong.
    asked: Option<Instant>,
    /// It has said its last word.
    done: bool,
}

impl Taker {
    fn new(rate: u32, now: Instant) -> Taker {
        let messages = u64::from(MESSAGES_BURST) * 1_000;
        Taker { rate, messages, samples: ahead(rate), at: now, cleared_at: None, asked: None, done: false }
    }

    fn earn(&mut self, now: Instant) {
        let passed = u64::try_from((now - self.at).as_millis()).unwrap_or(0);
        if passed > 0 {
            self.at += Duration::from_millis(passed);
            let messages = self.messages + passed * u64::from(MESSAGES_PER_S);
            self.messages = messages.min(u64::from(MESSAGES_BURST) * 1_000);
            self.samples = (self.samples + passed * u64::from(self.rate) / 1_000).min(ahead(self.rate));
        }
    }

    /// A ping is due.
    fn look(&mut self, now: Instant) -> Result<(), Fault> {
        match self.asked {
            Some(since) if now - since >= PONG_WITHIN => fault("no pong within 15 s", CloseCode::Away),
            Some(_) => Ok(()),
            None => {
                self.asked = Some(now);
                Ok(())
            }
        }
    }

    fn take(&mut self, message: Message, now: Instant) -> Result<Option<ForkIn>, Fault> {
        self.earn(now);
        let left = self.messages.checked_sub(1_000);
        let Some(left) = left else { return fault("more than 200 messages a second", CloseCode::Policy) };
        self.messages = left;
        match message {
            Message::Binary(bytes) => self.sound(&bytes),
            Message::Text(text) => self.word(text.as_str(), now),
            Message::Pong(_) => {
                self.asked = None;
                Ok(None)
            }
            Message::Ping(_) | Message::Close(_) | Message::Frame(_) => Ok(None),
        }
    }

    fn sound(&mut self, bytes: &[u8]) -> Result<Option<ForkIn>, Fault> {
        if bytes.is_empty() || !bytes.len().is_multiple_of(2) {
            return fault("a binary message is 1 to 32,768 samples of two bytes", CloseCode::Invalid);
        }
        if self.done {
            return Ok(None);
        }
        let samples: Vec<i16> = bytes.as_chunks::<2>().0.iter().map(|b| i16::from_le_bytes(*b)).collect();
        match self.samples.checked_sub(samples.len() as u64) {
            Some(left) => {
                self.samples = left;
                Ok(Some(ForkIn::Sound(samples)))
            }
            None => {
                let micros = samples.len() as u64 * 1_000_000 / u64::from(self.rate);
                Ok(Some(ForkIn::Dropped(Duration::from_micros(micros))))
            }
        }
    }

    fn word(&mut self, text: &str, now: Instant) -> Result<Option<ForkIn>, Fault> {
        if text.len() > TEXT_MAX {
            return fault("a text longer than 8 KiB", CloseCode::Size);
        }
        let Ok(word) = serde_json::from_str::<Word>(text) else {
            return fault("a text that is no object with an `event`", CloseCode::Invalid);
        };
        if self.done {
            return Ok(None);
        }
        match word {
            Word::Clear => {
                // Once a second, so that clearing is no way around the measure.
                if self.cleared_at.is_none_or(|at| now - at >= Duration::from_secs(1)) {
                    self.cleared_at = Some(now);
                    self.samples = ahead(self.rate);
                }
                Ok(Some(ForkIn::Clear))
            }
            Word::Mark { name } if (1..=MARK_MAX).contains(&name.len()) => Ok(Some(ForkIn::Mark(name))),
            Word::Mark { .. } => fault("a mark has a name of 1 to 128 bytes", CloseCode::Invalid),
            Word::End { note } if note.len() <= NOTE_MAX => self.last("end", note),
            Word::End { .. } => fault("a note has at most 4,096 bytes", CloseCode::Size),
            Word::Hangup => self.last("hangup", String::new()),
            Word::Other => Ok(None),
        }
    }

    fn last(&mut self, why: &'static str, note: String) -> Result<Option<ForkIn>, Fault> {
        self.done = true;
        Ok(Some(ForkIn::Over(why, note)))
    }
}

/// Samples that the engine has room for.
const fn ahead(rate: u32) -> u64 {
    60 * rate as u64
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
