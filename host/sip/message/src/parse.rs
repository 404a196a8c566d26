//! Bytes to [`Message`]: one pass, no allocation, nothing copied (RFC 3261 section 7).
//!
//! The pass goes on after the first error, so that a broken request can still be answered.

use crate::message::{Field, First, Parsed, Span, Start};
use crate::name::lookup;
use crate::scan::{Line, Step, digits, has_blank, is_token_byte, plain_line, step};
use crate::{Message, Method, Name, ParseError, Rejected};
use bytes::Bytes;
use bytestring::ByteString;
use smallvec::SmallVec;
use std::sync::{Arc, OnceLock};

const CONTENT_LENGTH: u8 = Name::ContentLength.id();

/// Limits of the parser and the stream framer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseLimits {
    /// Largest message, in bytes.
    pub message_bytes_max: usize,
    /// Most header fields.
    pub headers_max: usize,
}

impl Default for ParseLimits {
    fn default() -> Self {
        ParseLimits::from(&model::Limits::default())
    }
}

impl From<&model::Limits> for ParseLimits {
    fn from(limits: &model::Limits) -> Self {
        ParseLimits { message_bytes_max: limits.message_bytes_max, headers_max: limits.message_headers_max }
    }
}

impl Message {
    /// Reads one datagram or one framed message.
    ///
    /// Leading line ends are skipped. Content-Length is authoritative: bytes past it are cut off, fewer are an
    /// error; without it the body is the rest (section 18.3). What this accepts is well framed; whether it is a
    /// valid message is [`Message::validate`]'s question.
    pub fn parse(bytes: Bytes, limits: &ParseLimits) -> Result<Message, Rejected> {
        let lead = bytes.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(bytes.len());
        if lead == bytes.len() {
            return Err(Rejected { error: ParseError::Empty, answerable: None });
        }
        if u32::try_from(bytes.len()).is_err() {
            return Err(Rejected { error: ParseError::TooLarge, answerable: None });
        }
        let mut pass = Pass::new(&bytes);
        if bytes.len() > limits.message_bytes_max {
            pass.error = Some(ParseError::TooLarge);
        }
        let (start, next) = pass.start_line(lead);
        let body = pass.header_block(next, limits.headers_max).and_then(|at| pass.body(at));
        let Pass { error, fields, first, plain, .. } = pass;
        let body = body.unwrap_or(span(bytes.len(), bytes.len()));
        let whole = body.end as usize;
        let bytes = if whole < bytes.len() { bytes.slice(..whole) } else { bytes };
        let Some(start) = start else {
            return Err(Rejected { error: error.unwrap_or(ParseError::RequestLine), answerable: None });
        };
        let head = ByteString::try_from(bytes.slice(..body.start as usize)).ok();
        let parsed = Parsed { bytes, head, start, fields, first, body, plain, known: OnceLock::new() };
        let message = Message(Arc::new(parsed));
        match error {
            None => Ok(message),
            Some(error) => Err(reject(message, error)),
        }
    }

    /// Whether a response to this request could be sent and matched: the fields every response copies are there.
    #[must_use]
    pub fn is_answerable(&self) -> bool {
        let needed = [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq];
        self.method().is_some_and(|method| method != Method::Ack)
            && needed.into_iter().all(|name| self.header(name).is_some())
    }
}

#[cold]
fn reject(message: Message, error: ParseError) -> Rejected {
    let answerable = error.status().is_some() && message.is_answerable();
    Rejected { error, answerable: answerable.then_some(message) }
}

/// Offsets fit: the length was checked against `u32` first.
const fn span(start: usize, end: usize) -> Span {
    Span { start: start as u32, end: end as u32 }
}

struct Pass<'a> {
    bytes: &'a [u8],
    /// The first one.
    error: Option<ParseError>,
    fields: SmallVec<[Field; 16]>,
    first: First,
    content_length: Option<usize>,
    plain: bool,
}

impl<'a> Pass<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let (error, content_length, plain) = (None, None, false);
        Pass { bytes, error, fields: SmallVec::new(), first: First::NONE, content_length, plain }
    }

    fn fail(&mut self, error: ParseError) {
        self.error.get_or_insert(error);
    }

    /// Reads the first line; gives it, if it tells at least method and URI, and where the next line begins.
    fn start_line(&mut self, from: usize) -> (Option<Start>, usize) {
        let buf = self.bytes;
        let Some(lf) = memchr::memchr(b'\n', &buf[from..]).map(|at| at + from) else {
            self.fail(ParseError::Truncated);
            return (None, buf.len());
        };
        let end = if lf > from && buf[lf - 1] == b'\r' { lf - 1 } else { lf };
        let line = &buf[from..end];
        let start = if line.get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b"SIP/")) {
            let start = status_line(line, from);
            if start.is_none() {
                self.fail(ParseError::StatusLine);
            }
            start
        } else {
            self.request_line(line, from)
        };
        (start, lf + 1)
    }

    /// `Method SP Request-URI SP SIP-Version`, with exactly these two spaces (section 7.1).
    fn request_line(&mut self, line: &[u8], from: usize) -> Option<Start> {
        let method_len = line.iter().position(|b| !is_token_byte(*b)).unwrap_or(line.len());
        if method_len == 0 || line.get(method_len) != Some(&b' ') {
            self.fail(ParseError::RequestLine);
            return None;
        }
        let rest = &line[method_len + 1..];
        let uri_len = memchr::memrchr(b' ', rest).unwrap_or(rest.len());
        let (uri, version) = (&rest[..uri_len], rest.get(uri_len + 1..).unwrap_or_default());
        let uri_start = from + method_len + 1;
        let known = core::str::from_utf8(&line[..method_len]).ok().and_then(Method::known);
        let method = span(from, from + method_len);
        if !version.get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b"SIP/")) {
            self.fail(ParseError::RequestLine);
        } else if !version.eq_ignore_ascii_case(b"SIP/2.0") {
            self.fail(ParseError::Version);
        }
        if uri.is_empty() || has_blank(uri) || core::str::from_utf8(uri).is_err() {
            self.fail(ParseError::RequestLine);
        }
        Some(Start::Request { method, known, uri: span(uri_start, uri_start + uri_len) })
    }

    /// Indexes the fields; gives where the body begins, if the empty line was found.
    fn header_block(&mut self, pos: usize, headers_max: usize) -> Option<usize> {
        if let Some(body) = self.plain_block(pos, headers_max) {
            self.plain = true;
            return Some(body);
        }
        self.fields.clear();
        (self.first, self.content_length) = (First::NONE, None);
        self.any_block(pos, headers_max)
    }

    /// [`Pass::any_block`] for what nearly all send: CRLF at each end, nothing folded, nothing wrong. `None` where
    /// there is anything else, or an error was noted: then the other reads it anew and has the say.
    fn plain_block(&mut self, pos: usize, headers_max: usize) -> Option<usize> {
        let (buf, mut start) = (self.bytes, pos);
        loop {
            if buf.get(start..start + 2) == Some(b"\r\n") {
                return Some(start + 2);
            }
            let line = plain_line(buf, start)?;
            let name = buf.get(start..start + line.name_len)?;
            let id = lookup(name);
            // A name that is known is a token.
            if self.fields.len() == headers_max || (id == 0 && !name.iter().copied().all(is_token_byte)) {
                return None;
            }
            self.field(line, id);
            start = line.next;
        }
    }

    fn any_block(&mut self, mut pos: usize, headers_max: usize) -> Option<usize> {
        loop {
            match step(self.bytes, pos) {
                Step::End(body) => return Some(body),
                Step::Cut => {
                    self.fail(ParseError::Truncated);
                    return None;
                }
                Step::Bad(next) => {
                    self.fail(ParseError::HeaderLine);
                    pos = next;
                }
                Step::Field(_) if self.fields.len() == headers_max => {
                    self.fail(ParseError::TooManyHeaders);
                    return None;
                }
                Step::Field(line) => {
                    self.field(line, lookup(&self.bytes[line.start..line.start + line.name_len]));
                    pos = line.next;
                }
            }
        }
    }

    fn field(&mut self, line: Line, id: u8) {
        if id == CONTENT_LENGTH {
            match (self.content_length, digits(&self.bytes[line.value_start..line.value_end])) {
                (None, Some(length)) => self.content_length = Some(length),
                // Two that agree do no harm; two that differ are how messages are smuggled.
                (Some(one), Some(two)) if one == two => {}
                (Some(_), Some(_)) => self.fail(ParseError::Repeated(Name::ContentLength)),
                (_, None) => self.fail(ParseError::Malformed(Name::ContentLength)),
            }
        }
        self.first.note(id, self.fields.len());
        self.fields.push(Field {
            id,
            name_len: line.name_len as u16,
            start: line.start as u32,
            value: span(line.value_start, line.value_end),
        });
    }

    fn body(&mut self, at: usize) -> Option<Span> {
        let have = self.bytes.len() - at;
        match self.content_length {
            Some(length) if length > have => {
                self.fail(ParseError::BodyShort);
                None
            }
            Some(length) => Some(span(at, at + length)),
            None => Some(span(at, self.bytes.len())),
        }
    }
}

/// `SIP-Version SP Status-Code SP Reason-Phrase`; the blank before an empty reason may be missing, as it often is.
fn status_line(line: &[u8], from: usize) -> Option<Start> {
    let (version, rest) = line.split_at_checked(8)?;
    let (code, reason) = rest.split_at_checked(3)?;
    let status: u16 = digits(code)?;
    let spaced = matches!(reason.first(), None | Some(b' '));
    if !version.eq_ignore_ascii_case(b"SIP/2.0 ") || !spaced || !(100..700).contains(&status) {
        return None;
    }
    let reason_start = from + 8 + 3 + usize::from(!reason.is_empty());
    Some(Start::Response { status, reason: span(reason_start, from + line.len()) })
}
