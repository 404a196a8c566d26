//! WebSocket framing, the server's side (RFC 6455, RFC 7118): no socket, no clock.
//!
//! Own code and not a crate's: what exists wraps a stream and keeps buffers of its own per connection (tungstenite: 128
//! KiB each way unless told otherwise), while a phone that only waits for a call shall cost a few hundred bytes. A
//! server needs the unmasking, the reassembly and four control rules: `host/docs/decisions/0042`.

use bytes::{Buf, Bytes, BytesMut};

/// Longest payload of a control frame (RFC 6455 section 5.5).
const CONTROL_MAX: usize = 125;

/// One thing the peer sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    /// A whole message, text or binary (RFC 7118 section 5.2 has both).
    Message(Bytes),
    /// A ping; the pong is to be sent.
    Ping(Bytes),
    /// The peer closes; the answer is to be sent and the connection cut.
    Close(Bytes),
}

/// Why the connection must be cut: the close code and the words for the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WsFault {
    /// The close code (section 7.4).
    pub code: u16,
    /// The words.
    pub why: &'static str,
}

const PROTOCOL: u16 = 1002;
const TOO_BIG: u16 = 1009;

fn fault(why: &'static str) -> WsFault {
    WsFault { code: PROTOCOL, why }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Continuation,
    Data,
    Close,
    Ping,
    Pong,
}

#[derive(Clone, Copy, Debug)]
struct Header {
    kind: Kind,
    last: bool,
    mask: [u8; 4],
    head_len: usize,
    payload_len: usize,
}

/// Cuts a byte stream into WebSocket messages.
///
/// # Invariants
/// `buffer` begins at a frame; `message` is not empty or `begun` only between the first and the last frame of a
/// message; neither grows beyond `message_max` and a header.
#[derive(Clone, Debug)]
pub struct WsFramer {
    buffer: BytesMut,
    message: BytesMut,
    begun: bool,
    message_max: usize,
}

impl WsFramer {
    /// One that takes messages of at most so many bytes.
    #[must_use]
    pub fn new(message_max: usize) -> WsFramer {
        WsFramer { buffer: BytesMut::new(), message: BytesMut::new(), begun: false, message_max }
    }

    /// Takes bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes of something that is not whole yet.
    pub(crate) fn is_mid(&self) -> bool {
        self.begun || !self.buffer.is_empty()
    }

    /// The next thing, `None` if more bytes are needed.
    ///
    /// # Errors
    /// The peer broke the rules: the connection must be cut.
    #[allow(clippy::should_implement_trait, reason = "it may go on after none")]
    pub fn next(&mut self) -> Result<Option<Frame>, WsFault> {
        while let Some(header) = self.header()? {
            if self.buffer.len() < header.head_len + header.payload_len {
                return Ok(None);
            }
            self.buffer.advance(header.head_len);
            let mut payload = self.buffer.split_to(header.payload_len);
            if self.buffer.is_empty() {
                self.buffer = BytesMut::new();
            }
            unmask(&mut payload, header.mask);
            match header.kind {
                Kind::Ping => return Ok(Some(Frame::Ping(encode(Opcode::Pong, &payload)))),
                Kind::Pong => {}
                Kind::Close => {
                    // The answer repeats the code (section 5.5.1).
                    let code = payload.get(..2).unwrap_or_default();
                    return Ok(Some(Frame::Close(encode(Opcode::Close, code))));
                }
                Kind::Data if header.last => return Ok(Some(Frame::Message(payload.freeze()))),
                Kind::Data | Kind::Continuation => {
                    self.message.unsplit(payload);
                    self.begun = !header.last;
                    if header.last {
                        return Ok(Some(Frame::Message(core::mem::take(&mut self.message).freeze())));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Reads a header and holds it against the rules; `None` if it is not whole.
    fn header(&self) -> Result<Option<Header>, WsFault> {
        let &[first, second, ref rest @ ..] = &self.buffer[..] else { return Ok(None) };
        let kind = match first & 0x0f {
            0 => Kind::Continuation,
            1 | 2 => Kind::Data,
            8 => Kind::Close,
            9 => Kind::Ping,
            10 => Kind::Pong,
            _ => return Err(fault("an unknown WebSocket opcode")),
        };
        let last = first & 0x80 != 0;
        if first & 0x70 != 0 {
            return Err(fault("WebSocket bits of an extension that was not agreed"));
        }
        if second & 0x80 == 0 {
            return Err(fault("an unmasked WebSocket frame"));
        }
        let (extra, payload_len) = match second & 0x7f {
            126 => (2, rest.get(..2).map(|b| u64::from(u16::from_be_bytes([b[0], b[1]])))),
            127 => (8, rest.first_chunk::<8>().map(|b| u64::from_be_bytes(*b))),
            len => (0, Some(u64::from(len))),
        };
        let Some(payload_len) = payload_len else { return Ok(None) };
        let payload_len = usize::try_from(payload_len).unwrap_or(usize::MAX);
        match kind {
            Kind::Continuation if !self.begun => return Err(fault("a WebSocket continuation of nothing")),
            Kind::Data if self.begun => return Err(fault("a WebSocket message within another")),
            Kind::Close | Kind::Ping | Kind::Pong if !last || payload_len > CONTROL_MAX => {
                return Err(fault("a WebSocket control frame that is too long or in pieces"));
            }
            Kind::Continuation | Kind::Data | Kind::Close | Kind::Ping | Kind::Pong => {}
        }
        if payload_len.saturating_add(self.message.len()) > self.message_max {
            return Err(WsFault { code: TOO_BIG, why: "a WebSocket message larger than the limit" });
        }
        let Some(mask) = rest.get(extra..).and_then(<[u8]>::first_chunk::<4>) else { return Ok(None) };
        Ok(Some(Header { kind, last, mask: *mask, head_len: 2 + extra + 4, payload_len }))
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    for (byte, mask) in payload.iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= mask;
    }
}

/// What a frame carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opcode {
    /// Text.
    Text = 1,
    /// Bytes.
    Binary = 2,
    /// The end.
    Close = 8,
    /// Are you there?
    Ping = 9,
    /// Yes.
    Pong = 10,
}

/// One whole frame of ours, unmasked as a server's are (section 5.1).
#[must_use]
pub fn encode(opcode: Opcode, payload: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(payload.len() + 10);
    out.push(0x80 | opcode as u8);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(len @ 0..126), _) => out.push(len),
        (_, Ok(len)) => {
            out.push(126);
            out.extend_from_slice(&len.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
    Bytes::from(out)
}

/// A SIP message as one frame: text, or binary where it is not UTF-8, which a text frame may not be.
pub(crate) fn message(bytes: &[u8]) -> Bytes {
    let opcode = if core::str::from_utf8(bytes).is_ok() { Opcode::Text } else { Opcode::Binary };
    encode(opcode, bytes)
}

/// The close frame for a fault.
#[must_use]
pub fn close(fault: WsFault) -> Bytes {
    encode(Opcode::Close, &fault.code.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client's frame.
    pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let mut out = vec![first];
        match payload.len() {
            len @ 0..126 => out.push(0x80 | len as u8),
            len @ 126..65_536 => {
                out.push(0x80 | 126);
                out.extend_from_slice(&(len as u16).to_be_bytes());
            }
            len => {
                out.push(0x80 | 127);
                out.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        out.extend_from_slice(&mask);
        let mut payload = payload.to_vec();
        unmask(&mut payload, mask);
        out.extend_from_slice(&payload);
        out
    }

    fn all(framer: &mut WsFramer) -> Result<Vec<Frame>, WsFault> {
        let mut found = Vec::new();
        while let Some(frame) = framer.next()? {
            found.push(frame);
        }
        Ok(found)
    }

    fn message_of(text: &'static str) -> Frame {
        Frame::Message(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn the_example_of_the_rfc() {
        // RFC 6455 section 5.7: "Hello", masked.
        let mut framer = WsFramer::new(100);
        framer.push(&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
        assert_eq!(all(&mut framer), Ok(vec![message_of("Hello")]));
        assert!(!framer.is_mid());
        assert_eq!(message(b"Hello")[..], [0x81, 0x05, b'H', b'e', b'l', b'l', b'o']);
        assert_eq!(message(&[0xff])[..], [0x82, 0x01, 0xff]);
    }

    #[test]
    fn the_same_messages_whatever_pieces_they_come_in() {
        let mut bytes = masked(0x01, b"REGI");
        bytes.extend(masked(0x89, b"ping"));
        bytes.extend(masked(0x00, b"ST"));
        bytes.extend(masked(0x80, b"ER"));
        bytes.extend(masked(0x8a, b"pong"));
        bytes.extend(masked(0x82, &[b'x'; 300]));
        let expected = vec![
            Frame::Ping(encode(Opcode::Pong, b"ping")),
            message_of("REGISTER"),
            Frame::Message(Bytes::from(vec![b'x'; 300])),
        ];
        for piece in [1, 2, 3, 7, 1_000] {
            let mut framer = WsFramer::new(65_535);
            let mut found = Vec::new();
            for part in bytes.chunks(piece) {
                framer.push(part);
                found.extend(all(&mut framer).unwrap());
            }
            assert_eq!((found, framer.is_mid()), (expected.clone(), false), "in pieces of {piece}");
        }
    }

    #[test]
    fn a_close_is_answered_with_its_code() {
        let mut framer = WsFramer::new(100);
        framer.push(&masked(0x88, &[0x03, 0xe8, b'b', b'y', b'e']));
        assert_eq!(framer.next(), Ok(Some(Frame::Close(Bytes::from_static(&[0x88, 2, 0x03, 0xe8])))));
        framer.push(&masked(0x88, &[]));
        assert_eq!(framer.next(), Ok(Some(Frame::Close(Bytes::from_static(&[0x88, 0])))));
    }

    #[test]
    fn what_breaks_the_rules_is_cut() {
        let big = masked(0x82, &[0; 101]);
        let two_halves = [masked(0x02, &[0; 60]), masked(0x80, &[0; 60])].concat();
        let nested = [masked(0x01, b"a"), masked(0x81, b"b")].concat();
        let table: [(&[u8], u16); 9] = [
            (&[0x81, 0x01, b'a'], PROTOCOL),
            (&masked(0xc1, b"a"), PROTOCOL),
            (&masked(0x83, b"a"), PROTOCOL),
            (&masked(0x80, b"a"), PROTOCOL),
            (&masked(0x09, b"a"), PROTOCOL),
            (&masked(0x89, &[0; 126]), PROTOCOL),
            (&nested, PROTOCOL),
            (&big, TOO_BIG),
            (&two_halves, TOO_BIG),
        ];
        for (bytes, code) in table {
            let mut framer = WsFramer::new(100);
            framer.push(bytes);
            assert_eq!(all(&mut framer).map_err(|f| f.code), Err(code), "{bytes:?}");
        }
        // The length alone is enough: nothing is kept of a message that would be too large.
        let mut framer = WsFramer::new(100);
        framer.push(&[0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(all(&mut framer).map_err(|f| f.code), Err(TOO_BIG));
    }

    #[test]
    fn long_frames_have_long_headers() {
        assert_eq!(encode(Opcode::Text, &[b'a'; 126])[..4], [0x81, 126, 0, 126]);
        assert_eq!(encode(Opcode::Text, &vec![b'a'; 65_536])[..10], [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
}
