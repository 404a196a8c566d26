//! SIP messages out of the plain bytes of a connection and into them: RFC 3261 section 18.3 on TCP and TLS, RFC 7118 on
//! a WebSocket.

use crate::upgrade::{Upgrade, Upgrading};
use crate::ws::{self, Frame, WsFramer};
use bytes::Bytes;
use model::Transport;
use sip_message::{Framed, FramingFault, ParseLimits, StreamFramer};
use std::sync::Arc;

/// The answer to a keep-alive (RFC 5626 section 4.4.1).
const PONG: &[u8] = b"\r\n";
pub(crate) const UNFRAMED: &str = "what it sends cannot be framed";

/// One thing that came.
#[derive(Debug)]
pub(crate) enum Unit {
    /// A whole message.
    Message(Bytes),
    /// Plain bytes to send back: a pong, or the answer to a WebSocket's handshake.
    Reply(Bytes),
}

/// Why nothing more can be read.
#[derive(Debug)]
pub(crate) struct Cut {
    pub(crate) why: &'static str,
    /// A message's header block that may still be answered.
    pub(crate) head: Option<Bytes>,
    /// Plain bytes to send before the cut.
    pub(crate) last: Option<Bytes>,
    /// The peer closed in order.
    pub(crate) in_order: bool,
}

impl Cut {
    fn faulty(why: &'static str, last: Option<Bytes>) -> Cut {
        Cut { why, head: None, last, in_order: false }
    }
}

/// How the bytes of a connection are cut.
#[derive(Debug)]
pub(crate) enum Framing {
    Stream(StreamFramer),
    /// A WebSocket before its handshake.
    Upgrading(Upgrading, Arc<[String]>, usize),
    Ws(WsFramer),
}

impl Framing {
    /// For a connection of `transport`; `origins` may open a WebSocket.
    pub(crate) fn new(transport: Transport, limits: &ParseLimits, origins: &Arc<[String]>) -> Framing {
        match transport {
            Transport::Udp | Transport::Tcp | Transport::Tls => Framing::Stream(StreamFramer::new(*limits)),
            Transport::Ws | Transport::Wss => {
                Framing::Upgrading(Upgrading::default(), Arc::clone(origins), limits.message_bytes_max)
            }
        }
    }

    /// Takes plain bytes; then call [`Framing::next`] until it gives none. Gives an answer or an end at once where the
    /// bytes belong to a WebSocket's handshake.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Option<Bytes>, Cut> {
        match self {
            Framing::Stream(framer) => framer.push(bytes),
            Framing::Ws(framer) => framer.push(bytes),
            Framing::Upgrading(upgrading, origins, message_max) => match upgrading.push(bytes, origins) {
                Upgrade::More => {}
                Upgrade::Refused(response, why) => return Err(Cut::faulty(why, Some(response))),
                Upgrade::Accepted(response, rest) => {
                    let mut framer = WsFramer::new(*message_max);
                    framer.push(&rest);
                    *self = Framing::Ws(framer);
                    return Ok(Some(response));
                }
            },
        }
        Ok(None)
    }

    /// The next thing, `None` if more bytes are needed.
    pub(crate) fn next(&mut self) -> Result<Option<Unit>, Cut> {
        match self {
            Framing::Upgrading(..) => Ok(None),
            Framing::Stream(framer) => match framer.next() {
                Ok(Some(Framed::Message(bytes))) => Ok(Some(Unit::Message(bytes))),
                Ok(Some(Framed::Ping)) => Ok(Some(Unit::Reply(Bytes::from_static(PONG)))),
                Ok(None) => Ok(None),
                // With its header block whole the request is answered (400, 513) before the cut. Without a
                // Content-Length it would pass for a valid one: that stream is cut at once.
                Err(error) => {
                    let head = error.head.filter(|_| error.fault != FramingFault::NoContentLength);
                    Err(Cut { head, ..Cut::faulty(UNFRAMED, None) })
                }
            },
            Framing::Ws(framer) => match framer.next() {
                Ok(None) => Ok(None),
                // A keep-alive in a message of its own (RFC 7118 section 6).
                Ok(Some(Frame::Message(bytes))) if bytes.iter().all(|b| matches!(b, b'\r' | b'\n')) => {
                    Ok(Some(Unit::Reply(ws::message(PONG))))
                }
                Ok(Some(Frame::Message(bytes))) => Ok(Some(Unit::Message(bytes))),
                Ok(Some(Frame::Ping(pong))) => Ok(Some(Unit::Reply(pong))),
                Ok(Some(Frame::Close(answer))) => {
                    Err(Cut { in_order: true, ..Cut::faulty("it closed the WebSocket", Some(answer)) })
                }
                Err(fault) => Err(Cut::faulty(fault.why, Some(ws::close(fault)))),
            },
        }
    }

    /// Plain bytes that carry one message; `None` while a WebSocket is not open.
    pub(crate) fn wrap(&self, message: Bytes) -> Option<Bytes> {
        match self {
            Framing::Stream(_) => Some(message),
            Framing::Ws(_) => Some(ws::message(&message)),
            Framing::Upgrading(..) => None,
        }
    }

    /// Whether a WebSocket still waits for its handshake.
    pub(crate) fn is_upgrading(&self) -> bool {
        matches!(self, Framing::Upgrading(..))
    }

    /// Whether something has come in part.
    pub(crate) fn is_mid(&self) -> bool {
        match self {
            Framing::Stream(framer) => framer.buffered() > 0,
            Framing::Upgrading(..) => true,
            Framing::Ws(framer) => framer.is_mid(),
        }
    }
}
