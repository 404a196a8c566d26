//! Live events by WebSocket (RFC 6455): the same as by server-sent events, for clients that have no other way.
//!
//! Framing is ours, as for SIP (`net`). What the client sends is read for its pings and its end only. It is pinged as often
//! as the stream would say that it lives, and gone when it has sent nothing for three times as long. What cannot be written
//! for some seconds ends it too: a reader that does not read costs a socket's buffer and no more.

use super::events::{Happening, Heard, LOST, Reader};
use crate::problem::Problem;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use core::time::Duration;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use net::websocket::{Frame, Opcode, WsFramer, accept_key, encode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::mpsc;

/// The subprotocol.
const PROTOCOL: &str = "strowger-events";
/// Longest message of a client, which has nothing to say.
const MESSAGE_MAX: usize = 4_096;
/// How long a frame may take to be written.
const WRITE_MAX: Duration = Duration::from_secs(10);
/// How many heartbeats a client may be silent.
const SILENT_BEATS: u32 = 3;
/// Bytes read at once.
const PIECE: usize = 1_024;

/// The stream is over: nothing follows.
const NORMAL: u16 = 1_000;
/// The token is good no more, or the right was taken.
const UNAUTHENTICATED: u16 = 4_401;
/// The client answered no ping.
const SILENT: u16 = 4_408;
/// The client read too slowly, or came back too late: events were lost.
const TOO_SLOW: u16 = 4_429;

type Io = TokioIo<Upgraded>;

fn names(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().filter_map(|v| v.to_str().ok());
    values.flat_map(|v| v.split(',')).map(str::trim)
}

/// Whether a request asks for a WebSocket.
pub(crate) fn is_asked_for(headers: &HeaderMap) -> bool {
    names(headers, header::UPGRADE).any(|word| word.eq_ignore_ascii_case("websocket"))
}

/// The token that a client offers as a subprotocol, because it can set no header.
pub(crate) fn token(headers: &HeaderMap) -> Option<&str> {
    let offered = names(headers, header::SEC_WEBSOCKET_PROTOCOL).find_map(|word| word.strip_prefix("bearer."));
    offered.filter(|_| is_asked_for(headers))
}

/// Opens the WebSocket (RFC 6455 section 4.2.2).
pub(crate) fn opened(reader: Reader, request: &mut Request) -> Result<Response, Problem> {
    let headers = request.headers();
    let version = headers.get(header::SEC_WEBSOCKET_VERSION).and_then(|v| v.to_str().ok());
    let key = headers.get(header::SEC_WEBSOCKET_KEY).and_then(|v| v.to_str().ok()).and_then(accept_key);
    let upgraded = |words: &HeaderMap| names(words, header::CONNECTION).any(|w| w.eq_ignore_ascii_case("upgrade"));
    let offered = names(headers, header::SEC_WEBSOCKET_PROTOCOL).any(|word| word == PROTOCOL);
    let (Some("13"), Some(key), true) = (version, key, upgraded(headers)) else {
        return Err(Problem::malformed("It is no request for a WebSocket of version 13."));
    };
    let answer = HeaderValue::from_str(&key).map_err(|_| Problem::internal())?;
    let socket = request.extensions_mut().remove::<OnUpgrade>();
    let socket = socket.ok_or_else(|| Problem::malformed("This connection can become no WebSocket."))?;
    tokio::spawn(async move {
        match socket.await {
            Ok(io) => serve(reader, TokioIo::new(io)).await,
            Err(error) => tracing::debug!(%error, "a WebSocket was not opened"),
        }
    });
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, answer);
    if offered {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    }
    Ok(response)
}

/// What the client's side of the socket gave.
enum Said {
    /// It lives, and a pong may be due.
    Alive(Option<Vec<u8>>),
    /// It is over; what to answer.
    Over(Vec<u8>),
}

async fn serve(mut reader: Reader, io: Io) {
    let silence = reader.heartbeat() * SILENT_BEATS;
    let (from, mut to) = tokio::io::split(io);
    let (say, mut said) = mpsc::channel(8);
    let listening = tokio::spawn(listen(from, say));
    let mut heard_at = tokio::time::Instant::now();
    let code = loop {
        let frame = tokio::select! {
            biased;
            word = said.recv() => match word {
                Some(Said::Alive(pong)) => {
                    heard_at = tokio::time::Instant::now();
                    match pong {
                        Some(pong) => pong,
                        None => continue,
                    }
                }
                Some(Said::Over(answer)) => {
                    let _ = write(&mut to, &answer).await;
                    break None;
                }
                None => break None,
            },
            heard = reader.next() => match heard {
                Some(Heard::Alive) if heard_at.elapsed() > silence => break Some((SILENT, "no answer to pings")),
                Some(Heard::Lost(id)) => {
                    let _ = write(&mut to, &text("lost", &id, json!(LOST))).await;
                    break Some((TOO_SLOW, "events were lost"));
                }
                Some(heard) => message(heard),
                None if reader.is_over() => break Some((NORMAL, "that was all")),
                None => break Some((UNAUTHENTICATED, "the token is good no more")),
            },
        };
        if !write(&mut to, &frame).await {
            break Some((TOO_SLOW, "read too slowly"));
        }
    };
    listening.abort();
    if let Some((code, why)) = code {
        let close = [&code.to_be_bytes()[..], why.as_bytes()].concat();
        let _ = tokio::time::timeout(Duration::from_secs(1), to.write_all(&encode(Opcode::Close, &close))).await;
    }
    let _ = tokio::time::timeout(Duration::from_secs(1), to.shutdown()).await;
}

/// As a frame.
fn message(heard: Heard) -> Vec<u8> {
    match heard {
        Heard::Alive => encode(Opcode::Ping, b"").to_vec(),
        Heard::Begin(id) => text("begin", &id, Value::Null),
        Heard::Lost(id) => text("lost", &id, json!(LOST)),
        Heard::Event(id, told) => text(told.kind, &id, json!(Happening::from(&*told))),
    }
}

fn text(kind: &str, id: &str, data: Value) -> Vec<u8> {
    encode(Opcode::Text, json!({ "id": id, "kind": kind, "data": data }).to_string().as_bytes()).to_vec()
}

async fn write(to: &mut WriteHalf<Io>, bytes: &[u8]) -> bool {
    let written = async {
        to.write_all(bytes).await?;
        to.flush().await
    };
    matches!(tokio::time::timeout(WRITE_MAX, written).await, Ok(Ok(())))
}

/// Reads what the client sends, until it is over.
async fn listen(mut from: ReadHalf<Io>, say: mpsc::Sender<Said>) {
    let (mut framer, mut piece) = (WsFramer::new(MESSAGE_MAX), [0; PIECE]);
    loop {
        let read = match from.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(read) => read,
        };
        framer.push(piece.get(..read).unwrap_or_default());
        loop {
            let word = match framer.next() {
                Ok(Some(Frame::Message(_))) => Said::Alive(None),
                Ok(Some(Frame::Ping(pong))) => Said::Alive(Some(pong.to_vec())),
                Ok(Some(Frame::Close(answer))) => Said::Over(answer.to_vec()),
                // Whatever came: a pong is nothing else to see.
                Ok(None) => {
                    if say.send(Said::Alive(None)).await.is_err() {
                        return;
                    }
                    break;
                }
                Err(fault) => Said::Over(net::websocket::close(fault).to_vec()),
            };
            let over = matches!(word, Said::Over(_));
            if say.send(word).await.is_err() || over {
                return;
            }
        }
    }
}
