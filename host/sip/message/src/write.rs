//! Writers of new messages. Bodies are bytes; nothing a caller passes can add a line to the header block.

use crate::scan::{has_line_end, is_token_byte};
use crate::{Message, Method, Name, ParseError, ViaStamp, is_token, reason_phrase};
use bytes::Bytes;
use core::fmt::Display;
use core::net::{IpAddr, SocketAddr};
use model::Transport;
use std::borrow::Cow;
use std::io::Write;

/// Room for a usual header block, so that writing it moves nothing.
const HEAD_BYTES: usize = 1_024;

/// What both writers share: the header block so far and the body.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Block {
    head: Vec<u8>,
    /// Just past the start line: where a Via goes.
    start_end: usize,
    content_type: Option<Vec<u8>>,
    body: Bytes,
}

impl Block {
    /// `start_line` has room for the rest already: [`HEAD_BYTES`].
    fn new(start_line: Vec<u8>) -> Self {
        let start_end = start_line.len();
        Block { head: start_line, start_end, content_type: None, body: Bytes::new() }
    }

    /// Adds a field. A name that is no token is left out; Content-Length is the writer's own.
    fn header(&mut self, name: Name<'_>, value: &[u8]) {
        let named = name.id() != 0 || is_token(name.as_str());
        if !named || name.id() == Name::ContentLength.id() {
            return;
        }
        if name.id() == Name::ContentType.id() {
            self.content_type = Some(clean(value).into_owned());
            return;
        }
        self.line(name, &clean(value));
    }

    /// Adds fields of `message` as they are, folds made spaces.
    fn copy(&mut self, message: &Message, name: Name<'_>) {
        if name.id() == 0 {
            for value in message.headers(name) {
                self.line(name, &value.unfolded());
            }
            return;
        }
        for field in message.fields_of(name) {
            match message.canonical_line(field, name.as_str()) {
                Some(line) => self.head.extend_from_slice(line),
                None => self.line(name, &message.value_at(field.value).unfolded()),
            }
        }
    }

    fn line(&mut self, name: Name<'_>, value: &[u8]) {
        self.head.extend_from_slice(name.as_str().as_bytes());
        self.head.extend_from_slice(b": ");
        self.head.extend_from_slice(value);
        self.head.extend_from_slice(b"\r\n");
    }

    fn body(&mut self, content_type: &str, body: Bytes) {
        self.content_type = Some(clean(content_type.as_bytes()).into_owned());
        self.body = body;
    }

    fn finish(mut self) -> Bytes {
        if let Some(content_type) = self.content_type.take().filter(|_| !self.body.is_empty()) {
            self.line(Name::ContentType, &content_type);
        }
        self.head.reserve(32 + self.body.len());
        self.head.extend_from_slice(b"Content-Length: ");
        push_number(&mut self.head, u32::try_from(self.body.len()).unwrap_or(u32::MAX));
        self.head.extend_from_slice(b"\r\n");
        self.head.extend_from_slice(b"\r\n");
        self.head.extend_from_slice(&self.body);
        Bytes::from(self.head)
    }
}

/// A value that cannot end its line: each CR, LF and NUL becomes a space. Nearly every value is clean already.
fn clean(value: &[u8]) -> Cow<'_, [u8]> {
    let ends_line = |b: &u8| matches!(b, b'\r' | b'\n' | 0);
    if !has_line_end(value) {
        return Cow::Borrowed(crate::scan::trim(value));
    }
    let spaced: Vec<u8> = value.iter().map(|b| if ends_line(b) { b' ' } else { *b }).collect();
    Cow::Owned(crate::scan::trim(&spaced).to_vec())
}

/// `text` with token characters only, for tags and branches.
fn token(text: &str) -> String {
    text.chars().filter(|c| u8::try_from(*c).is_ok_and(is_token_byte)).collect()
}

/// A value for a Via header field that names us (section 18.1.1, `rport` of RFC 3581).
#[must_use]
pub fn via_value(transport: Transport, sent_by: SocketAddr, branch: &str) -> String {
    format!("SIP/2.0/{} {sent_by};branch={};rport", transport.via_token(), token(branch))
}

/// `display` as a quoted string, escaped; empty text gives none.
#[must_use]
pub fn quoted(display: &str) -> String {
    let mut out = String::with_capacity(display.len() + 2);
    out.push('"');
    for c in display.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\r' | '\n' | '\0' => out.push(' '),
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

/// `"display" <uri>`; without display, `<uri>`. Angle brackets and line ends in `uri` are escaped.
#[must_use]
pub fn name_addr(display: Option<&str>, uri: impl Display) -> String {
    let mut out = String::new();
    if let Some(display) = display.filter(|d| !d.is_empty()) {
        out.push_str(&quoted(display));
        out.push(' ');
    }
    out.push('<');
    for c in uri.to_string().chars() {
        match c {
            '<' | '>' | '"' | '\0'..=' ' | '\x7f' => out.push_str(&format!("%{:02X}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out.push('>');
    out
}

/// Writes a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestWriter {
    block: Block,
    method_len: usize,
    /// What stands behind our parameters in the top Via.
    via_more: &'static str,
}

impl RequestWriter {
    /// Begins `method uri SIP/2.0`. What may not stand in a method is left out; what may not stand in a
    /// Request-URI is escaped.
    #[must_use]
    pub fn new(method: &str, uri: &str) -> Self {
        let mut line = Vec::with_capacity(HEAD_BYTES);
        line.extend(method.bytes().filter(|b| is_token_byte(*b)));
        let method_len = line.len();
        line.push(b' ');
        if crate::scan::has_blank(uri.as_bytes()) {
            for byte in uri.bytes() {
                match byte {
                    0..=b' ' | 0x7f => line.extend_from_slice(format!("%{byte:02X}").as_bytes()),
                    _ => line.push(byte),
                }
            }
        } else {
            line.extend_from_slice(uri.as_bytes());
        }
        line.extend_from_slice(b" SIP/2.0\r\n");
        RequestWriter { block: Block::new(line), method_len, via_more: "" }
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> Method<'_> {
        Method::new(core::str::from_utf8(&self.block.head[..self.method_len]).unwrap_or_default())
    }

    /// The Request-URI.
    #[must_use]
    pub fn uri(&self) -> &str {
        let line = self.block.head.get(self.method_len + 1..self.block.start_end).unwrap_or_default();
        core::str::from_utf8(line).unwrap_or_default().split(' ').next().unwrap_or_default()
    }

    /// The Via says that we would send less if we were asked (RFC 7339 section 4.1).
    #[must_use]
    pub fn offer_overload_control(mut self) -> Self {
        self.via_more = crate::overload::OFFER;
        self
    }

    /// Puts a Via on top of all others, whatever was written before.
    #[must_use]
    pub fn via(mut self, transport: Transport, sent_by: SocketAddr, branch: &str) -> Self {
        let head = &mut self.block.head;
        let before = head.len();
        head.extend_from_slice(b"Via: SIP/2.0/");
        head.extend_from_slice(transport.via_token().as_bytes());
        head.push(b' ');
        push_address(head, sent_by);
        head.extend_from_slice(b";branch=");
        head.extend(branch.bytes().filter(|b| is_token_byte(*b)));
        head.extend_from_slice(b";rport");
        head.extend_from_slice(self.via_more.as_bytes());
        head.extend_from_slice(b"\r\n");
        let added = head.len() - before;
        if let Some(tail) = head.get_mut(self.block.start_end..) {
            tail.rotate_right(added);
        }
        self
    }
}

/// Writes a response to a request (section 8.2.6).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResponseWriter {
    block: Block,
    /// Where a To-tag goes, if the request had none.
    tag_at: Option<usize>,
}

impl ResponseWriter {
    /// Copies Via, From, To, Call-ID and CSeq of `request`, which came from `source`.
    ///
    /// The top Via gets `received` and a filled `rport` (section 18.2.1, RFC 3581 section 4). An empty `reason`
    /// means the registered phrase. A 100 carries Timestamp back. Fields the request does not have are left out:
    /// see [`Message::is_answerable`].
    #[must_use]
    pub fn to(request: &Message, status: u16, reason: &str, source: SocketAddr) -> Self {
        let reason = if reason.is_empty() { reason_phrase(status) } else { reason };
        let mut line = Vec::with_capacity(HEAD_BYTES);
        line.extend_from_slice(b"SIP/2.0 ");
        push_number(&mut line, u32::from(status.clamp(100, 699)));
        line.push(b' ');
        line.extend_from_slice(&clean(reason.as_bytes()));
        line.extend_from_slice(b"\r\n");
        let mut block = Block::new(line);
        copy_vias(&mut block, request, source);
        block.copy(request, Name::From);
        block.copy(request, Name::To);
        let has_tag = request.to().map(|to| to.tag().is_some());
        let tag_at = (has_tag == Ok(false)).then_some(block.head.len() - 2);
        block.copy(request, Name::CallId);
        block.copy(request, Name::CSeq);
        if status == 100 {
            block.copy(request, Name::Timestamp);
        }
        ResponseWriter { block, tag_at }
    }

    /// Gives To a tag, if the request's To had none (section 8.2.6.2).
    #[must_use]
    pub fn to_tag(mut self, tag: &str) -> Self {
        if let Some(at) = self.tag_at.take() {
            let head = &mut self.block.head;
            let before = head.len();
            head.extend_from_slice(b";tag=");
            head.extend(tag.bytes().filter(|b| is_token_byte(*b)));
            let added = head.len() - before;
            if let Some(tail) = head.get_mut(at..) {
                tail.rotate_right(added);
            }
        }
        self
    }
}

/// What both writers do.
macro_rules! writes_fields {
    ($writer:ident) => {
        impl $writer {
            /// Adds a field. Line ends in `value` become spaces; a `name` that is no token is left out; Content-Length is
            /// the writer's own.
            #[must_use]
            pub fn header<'n>(mut self, name: impl Into<Name<'n>>, value: impl AsRef<[u8]>) -> Self {
                self.block.header(name.into(), value.as_ref());
                self
            }

            /// Adds every field called `name` of `message`.
            #[must_use]
            pub fn copy<'n>(mut self, message: &Message, name: impl Into<Name<'n>>) -> Self {
                self.block.copy(message, name.into());
                self
            }

            /// Sets the body.
            #[must_use]
            pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
                self.block.body(content_type, body.into());
                self
            }

            /// The message, with its Content-Length.
            #[must_use]
            pub fn finish(self) -> Bytes {
                self.block.finish()
            }
        }
    };
}

writes_fields!(RequestWriter);
writes_fields!(ResponseWriter);

fn copy_vias(block: &mut Block, request: &Message, source: SocketAddr) {
    for (index, value) in request.headers(Name::Via).enumerate() {
        let plain = value.unfolded();
        if index > 0 {
            block.line(Name::Via, &plain);
            continue;
        }
        let lacks = request.via_stamp(source);
        let stamp_at = match lacks {
            ViaStamp::True => None,
            // The offsets are of the field as it came.
            ViaStamp::Rport(at) | ViaStamp::Received(at) if matches!(plain, Cow::Borrowed(_)) => {
                plain.split_at_checked(at)
            }
            ViaStamp::Rport(_) | ViaStamp::Received(_) | ViaStamp::Rewrite => {
                let stamped = stamp(value, source);
                block.line(Name::Via, stamped.as_deref().unwrap_or(&plain));
                continue;
            }
        };
        let Some((before, after)) = stamp_at else {
            block.line(Name::Via, &plain);
            continue;
        };
        let head = &mut block.head;
        head.extend_from_slice(b"Via: ");
        head.extend_from_slice(before);
        push_stamp(head, lacks, source);
        head.extend_from_slice(after);
        head.extend_from_slice(b"\r\n");
    }
}

/// What a Via gets at the place that its [`ViaStamp`] tells.
pub fn push_stamp(out: &mut Vec<u8>, stamp: ViaStamp, source: SocketAddr) {
    if let ViaStamp::Rport(_) = stamp {
        out.push(b'=');
        push_number(out, u32::from(source.port()));
    }
    out.extend_from_slice(b";received=");
    push_ip(out, source.ip().to_canonical());
}

/// Appends a decimal number.
pub fn push_number(out: &mut Vec<u8>, number: u32) {
    if let Ok(digit @ 0..=9) = u8::try_from(number) {
        return out.push(b'0' + digit);
    }
    let mut digits = [0; 10];
    let (mut at, mut left) = (digits.len(), number);
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends an address as text, without brackets.
pub fn push_ip(out: &mut Vec<u8>, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => {
            for (index, octet) in ip.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                push_number(out, u32::from(octet));
            }
        }
        // Writing into a Vec cannot fail.
        IpAddr::V6(ip) => {
            let _ = write!(out, "{ip}");
        }
    }
}

/// Appends `address:port`, an IPv6 address in brackets.
pub fn push_address(out: &mut Vec<u8>, address: SocketAddr) {
    match address {
        SocketAddr::V4(_) => push_ip(out, address.ip()),
        SocketAddr::V6(_) => {
            out.push(b'[');
            push_ip(out, address.ip());
            out.push(b']');
        }
    }
    out.push(b':');
    push_number(out, u32::from(address.port()));
}

/// An address as text, without brackets.
#[must_use]
pub fn ip_text(ip: IpAddr) -> String {
    let mut out = Vec::with_capacity(16);
    push_ip(&mut out, ip);
    String::from_utf8(out).unwrap_or_default()
}

/// `address:port` as text, an IPv6 address in brackets.
#[must_use]
pub fn address_text(address: SocketAddr) -> String {
    let mut out = Vec::with_capacity(24);
    push_address(&mut out, address);
    String::from_utf8(out).unwrap_or_default()
}

/// The first Via field with its top value's `received` and `rport` made true.
pub(crate) fn stamp(field: crate::HeaderValue<'_>, source: SocketAddr) -> Result<Vec<u8>, ParseError> {
    let mut list = field.list();
    let top = list.next().ok_or(ParseError::Malformed(Name::Via))?;
    let via = crate::ViaRef::of(top)?;
    let mut out = format!("SIP/2.0/{} {}", via.transport(), via.host()).into_bytes();
    if let Some(port) = via.port() {
        out.extend_from_slice(format!(":{port}").as_bytes());
    }
    for (name, raw) in via.params().segments() {
        if !name.eq_ignore_ascii_case("received") && !name.eq_ignore_ascii_case("rport") {
            out.push(b';');
            out.extend_from_slice(&crate::HeaderValue::new(raw.as_bytes()).unfolded());
        }
    }
    let ip = source.ip().to_canonical();
    if via.rport().is_some() || via.host_ip() != Some(ip) {
        out.extend_from_slice(format!(";received={ip}").as_bytes());
    }
    if via.rport().is_some() {
        out.extend_from_slice(format!(";rport={}", source.port()).as_bytes());
    }
    for value in list {
        out.extend_from_slice(b", ");
        out.extend_from_slice(&value.unfolded());
    }
    Ok(out)
}
