//! Messages out of a byte stream (RFC 3261 section 18.3; keep-alives of RFC 5626 section 3.5.1).

use crate::scan::{Step, digits, step};
use crate::{Name, ParseLimits};
use bytes::{Buf, Bytes, BytesMut};

/// One thing the stream held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Framed {
    /// One whole message, for [`crate::Message::parse`].
    Message(Bytes),
    /// A double CRLF between messages: answer with one CRLF.
    Ping,
}

/// Why a stream cannot be read on: close it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FramingFault {
    /// A message larger than the limit.
    #[error("message larger than the limit")]
    TooLarge,
    /// No Content-Length: the end of the message cannot be known.
    #[error("no Content-Length on a stream")]
    NoContentLength,
    /// Content-Length is no number, or there are two that differ.
    #[error("Content-Length cannot be read")]
    BadContentLength,
}

/// The stream's end: nothing after it can be told apart.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{fault}")]
pub struct FramingError {
    /// What was wrong.
    pub fault: FramingFault,
    /// The header block it was wrong in, if it was whole; it may be answered 400 or 513 before the stream is closed.
    pub head: Option<Bytes>,
}

/// Cuts a stream into messages, the same ones whatever pieces it comes in.
///
/// # Invariants
/// `buffer` begins at a message or keep-alive; `scanned` bytes of it hold no end of a header block; after an error
/// nothing more is given.
#[derive(Clone, Debug)]
pub struct StreamFramer {
    buffer: BytesMut,
    limits: ParseLimits,
    scanned: usize,
    /// Length of the message at the front, once its header block was read.
    whole: Option<usize>,
    /// One CRLF of a double one was seen.
    half_ping: bool,
    fault: Option<FramingFault>,
}

impl StreamFramer {
    /// A framer for a new stream.
    #[must_use]
    pub fn new(limits: ParseLimits) -> Self {
        let buffer = BytesMut::new();
        StreamFramer { buffer, limits, scanned: 0, whole: None, half_ping: false, fault: None }
    }

    /// Takes bytes as they came. Call [`StreamFramer::next`] until it gives none before pushing more: that bounds
    /// the memory.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.fault.is_none() {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Bytes held and not yet given.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// The next message or keep-alive, `None` if more bytes are needed.
    #[allow(clippy::should_implement_trait, reason = "an iterator ends; this may go on after the next push")]
    pub fn next(&mut self) -> Result<Option<Framed>, FramingError> {
        if let Some(fault) = self.fault {
            return Err(FramingError { fault, head: None });
        }
        if self.whole.is_none() {
            if self.skip_line_ends() {
                return Ok(Some(Framed::Ping));
            }
            self.find_head()?;
        }
        match self.whole {
            Some(whole) if self.buffer.len() >= whole => {
                self.whole = None;
                self.scanned = 0;
                Ok(Some(Framed::Message(self.buffer.split_to(whole).freeze())))
            }
            _ => Ok(None),
        }
    }

    /// Drops line ends before a message; true when a double CRLF was completed.
    fn skip_line_ends(&mut self) -> bool {
        loop {
            match (self.buffer.first(), self.buffer.get(1)) {
                (Some(b'\r'), Some(b'\n')) => {
                    self.buffer.advance(2);
                    self.half_ping = !self.half_ping;
                    if !self.half_ping {
                        return true;
                    }
                }
                (Some(b'\r'), None) | (None, _) => return false,
                (Some(b'\r' | b'\n'), _) => self.buffer.advance(1),
                (Some(_), _) => {
                    self.half_ping = false;
                    return false;
                }
            }
        }
    }

    /// Looks for the empty line and reads Content-Length from the block before it.
    fn find_head(&mut self) -> Result<(), FramingError> {
        if self.buffer.first().is_none_or(|b| *b == b'\r') {
            return Ok(());
        }
        let Some(head) = head_end(&self.buffer, self.scanned) else {
            // The last two bytes may be the beginning of the empty line.
            self.scanned = self.buffer.len().saturating_sub(2);
            return if self.buffer.len() > self.limits.message_bytes_max {
                Err(self.fail(FramingFault::TooLarge, None))
            } else {
                Ok(())
            };
        };
        let whole = match content_length(&self.buffer[..head]) {
            Ok(length) => head.saturating_add(length),
            Err(fault) => return Err(self.fail(fault, Some(head))),
        };
        if whole > self.limits.message_bytes_max {
            return Err(self.fail(FramingFault::TooLarge, Some(head)));
        }
        self.whole = Some(whole);
        Ok(())
    }

    #[cold]
    fn fail(&mut self, fault: FramingFault, head: Option<usize>) -> FramingError {
        self.fault = Some(fault);
        let head = head.filter(|len| *len <= self.limits.message_bytes_max);
        let head = head.map(|len| self.buffer.split_to(len).freeze());
        self.buffer = BytesMut::new();
        FramingError { fault, head }
    }
}

/// Offset just past the empty line, looking from `from`.
fn head_end(buf: &[u8], from: usize) -> Option<usize> {
    memchr::memchr_iter(b'\n', buf.get(from..)?).map(|at| at + from).find_map(|lf| {
        match (buf.get(lf + 1), buf.get(lf + 2)) {
            (Some(b'\n'), _) => Some(lf + 2),
            (Some(b'\r'), Some(b'\n')) => Some(lf + 3),
            _ => None,
        }
    })
}

/// Reads Content-Length with the parser's own line scanner.
fn content_length(head: &[u8]) -> Result<usize, FramingFault> {
    let mut pos = memchr::memchr(b'\n', head).map_or(head.len(), |lf| lf + 1);
    let mut length = None;
    loop {
        match step(head, pos) {
            Step::End(_) | Step::Cut => return length.ok_or(FramingFault::NoContentLength),
            Step::Bad(next) => pos = next,
            Step::Field(line) => {
                pos = line.next;
                let name = &head[line.start..line.start + line.name_len];
                if crate::name::lookup(name) == Name::ContentLength.id() {
                    let value: usize =
                        digits(&head[line.value_start..line.value_end]).ok_or(FramingFault::BadContentLength)?;
                    if length.replace(value).is_some_and(|other| other != value) {
                        return Err(FramingFault::BadContentLength);
                    }
                }
            }
        }
    }
}
