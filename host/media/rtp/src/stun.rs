//! STUN as ICE uses it (RFC 8489; RFC 8445 section 7): binding requests read and checked, their answers written.
//!
//! Only what an agent needs that is asked and never asks (ICE-lite): short-term credentials, whose password is the key of
//! the HMAC as it is. [`kind`] tells STUN from what else comes to such a port (RFC 7983).

use core::net::{IpAddr, SocketAddr};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// Longest message that is read: what browsers send is about a hundred bytes.
pub const MESSAGE_MAX: usize = 1_280;
/// Longest answer that is written.
pub const ANSWER_MAX: usize = 128;

const HEADER: usize = 20;
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;
const USERNAME: u16 = 0x0006;
const INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLED: u16 = 0x8029;
/// Attributes from here on may be passed over (section 14).
const OPTIONAL: u16 = 0x8000;
const INTEGRITY_LEN: usize = 20;
/// Most unknown attributes that are listed.
const UNKNOWN_MAX: usize = 8;

/// What a datagram on a port of ICE, DTLS-SRTP and rtcp-mux is (RFC 7983 section 7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// STUN.
    Stun,
    /// A DTLS record.
    Dtls,
    /// RTP or RTCP.
    Rtp,
    /// None of them: dropped.
    Other,
}

/// Tells what a datagram is by its first byte.
#[inline]
#[must_use]
pub fn kind(datagram: &[u8]) -> Kind {
    match datagram.first() {
        Some(128..=191) => Kind::Rtp,
        Some(20..=63) => Kind::Dtls,
        Some(0..=3) => Kind::Stun,
        Some(_) | None => Kind::Other,
    }
}

/// A binding request, whole and with a fingerprint that fits. Nobody's yet: see [`Request::is_of`].
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    message: &'a [u8],
    username: Option<&'a str>,
    /// Where MESSAGE-INTEGRITY begins, and its value.
    integrity: Option<(usize, &'a [u8])>,
    /// The peer has chosen this pair (RFC 8445 section 7.3.1.5).
    pub use_candidate: bool,
    /// The peer takes itself for the controlled agent (section 7.3.1.1).
    pub controlled: bool,
    unknown: [u16; UNKNOWN_MAX],
    unknowns: usize,
}

impl<'a> Request<'a> {
    /// Reads a datagram; `None` for what is no binding request, broken, or without the FINGERPRINT that ICE demands
    /// (RFC 8445 section 7.2.2).
    #[must_use]
    pub fn read(datagram: &'a [u8]) -> Option<Request<'a>> {
        if datagram.len() > MESSAGE_MAX || datagram.get(4..8)? != COOKIE {
            return None;
        }
        let length = usize::from(number(datagram, 2)?);
        if number(datagram, 0)? != BINDING_REQUEST || !length.is_multiple_of(4) || datagram.len() != HEADER + length {
            return None;
        }
        let mut request = Request {
            message: datagram,
            username: None,
            integrity: None,
            use_candidate: false,
            controlled: false,
            unknown: [0; UNKNOWN_MAX],
            unknowns: 0,
        };
        let mut at = HEADER;
        while at < datagram.len() {
            let (kind, length) = (number(datagram, at)?, usize::from(number(datagram, at + 2)?));
            let value = datagram.get(at + 4..at + 4 + length)?;
            let next = at + 4 + length.next_multiple_of(4);
            if kind == FINGERPRINT {
                // It is the last one (RFC 8489 section 14.7).
                let fits = value == fingerprint(datagram.get(..at)?) && next == datagram.len();
                return fits.then_some(request);
            }
            // Behind MESSAGE-INTEGRITY nothing else is believed (section 14.5).
            if request.integrity.is_none() {
                request.take(kind, value, at);
            }
            at = next;
        }
        None
    }

    fn take(&mut self, kind: u16, value: &'a [u8], at: usize) {
        match kind {
            USERNAME => self.username = core::str::from_utf8(value).ok(),
            INTEGRITY => self.integrity = Some((at, value)),
            USE_CANDIDATE => self.use_candidate = true,
            ICE_CONTROLLED => self.controlled = true,
            PRIORITY | OPTIONAL.. => {}
            unknown => {
                if let Some(slot) = self.unknown.get_mut(self.unknowns) {
                    *slot = unknown;
                    self.unknowns += 1;
                }
            }
        }
    }

    /// Whether it is for this agent, and from somebody who has its password. The username is `ours:theirs`; the first
    /// half must be ours (RFC 8445 section 7.3).
    #[must_use]
    pub fn is_of(&self, ufrag: &str, password: &str) -> bool {
        let ours = self.username.and_then(|name| name.split_once(':')).is_some_and(|(ours, _)| ours == ufrag);
        ours && self.is_authentic(password)
    }

    /// Whether MESSAGE-INTEGRITY fits this password.
    fn is_authentic(&self, password: &str) -> bool {
        let Some((at, tag)) = self.integrity else { return false };
        integrity(self.message, at, password).is_some_and(|mac| mac.verify_slice(tag).is_ok())
    }

    /// The answer to one of ours: where it came from. Its length within `out`.
    #[must_use]
    pub fn accept(&self, from: SocketAddr, password: &str, out: &mut [u8; ANSWER_MAX]) -> Option<usize> {
        let mut answer = Writer::new(out, BINDING_SUCCESS, self.transaction()?)?;
        answer.mapped(from)?;
        answer.finish(Some(password))
    }

    /// The refusal of one of ours: 420 where it has attributes that we would have to understand, 487 where the peer takes
    /// itself for controlled: an agent that never asks is controlled for ever. `None` where nothing is wrong.
    #[must_use]
    pub fn refusal(&self, password: &str, out: &mut [u8; ANSWER_MAX]) -> Option<usize> {
        let unknown = self.unknown.get(..self.unknowns).unwrap_or_default();
        if unknown.is_empty() && !self.controlled {
            return None;
        }
        let mut answer = Writer::new(out, BINDING_ERROR, self.transaction()?)?;
        if unknown.is_empty() {
            answer.error(4, 87, b"Role Conflict")?;
        } else {
            answer.error(4, 20, b"Unknown Attribute")?;
            answer.attribute(UNKNOWN_ATTRIBUTES, u16::try_from(unknown.len() * 2).ok()?)?;
            unknown.iter().try_for_each(|kind| answer.push(&kind.to_be_bytes()))?;
            answer.pad()?;
        }
        answer.finish(Some(password))
    }

    /// The refusal of one that is not ours: 401, or 400 where it has no credentials at all (RFC 8489 section 9.1.3).
    #[must_use]
    pub fn reject(&self, out: &mut [u8; ANSWER_MAX]) -> Option<usize> {
        let mut answer = Writer::new(out, BINDING_ERROR, self.transaction()?)?;
        if self.username.is_none() || self.integrity.is_none() {
            answer.error(4, 0, b"Bad Request")?;
        } else {
            answer.error(4, 1, b"Unauthenticated")?;
        }
        answer.finish(None)
    }

    fn transaction(&self) -> Option<&[u8]> {
        self.message.get(8..HEADER)
    }
}

/// The HMAC over a message up to its MESSAGE-INTEGRITY, whose length counts already (section 14.5).
fn integrity(message: &[u8], at: usize, password: &str) -> Option<Hmac<Sha1>> {
    let length = u16::try_from(at + 4 + INTEGRITY_LEN - HEADER).ok()?;
    let mut mac = Hmac::<Sha1>::new_from_slice(password.as_bytes()).ok()?;
    mac.update(message.get(..2)?);
    mac.update(&length.to_be_bytes());
    mac.update(message.get(4..at)?);
    Some(mac)
}

/// CRC-32 of what is before FINGERPRINT, under its mask (section 14.7).
fn fingerprint(before: &[u8]) -> [u8; 4] {
    (crc32fast::hash(before) ^ 0x5354_554e).to_be_bytes()
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

/// Writes one message.
struct Writer<'a> {
    out: &'a mut [u8; ANSWER_MAX],
    len: usize,
}

impl Writer<'_> {
    fn new<'a>(out: &'a mut [u8; ANSWER_MAX], kind: u16, transaction: &[u8]) -> Option<Writer<'a>> {
        let mut writer = Writer { out, len: 0 };
        writer.push(&kind.to_be_bytes())?;
        writer.push(&[0, 0])?;
        writer.push(&COOKIE)?;
        writer.push(transaction)?;
        Some(writer)
    }

    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        self.out.get_mut(self.len..self.len + bytes.len())?.copy_from_slice(bytes);
        self.len += bytes.len();
        Some(())
    }

    fn pad(&mut self) -> Option<()> {
        let missing = self.len.next_multiple_of(4) - self.len;
        self.push([0; 3].get(..missing)?)
    }

    fn attribute(&mut self, kind: u16, length: u16) -> Option<()> {
        self.push(&kind.to_be_bytes())?;
        self.push(&length.to_be_bytes())
    }

    fn error(&mut self, class: u8, number: u8, reason: &[u8]) -> Option<()> {
        self.attribute(ERROR_CODE, u16::try_from(4 + reason.len()).ok()?)?;
        self.push(&[0, 0, class, number])?;
        self.push(reason)?;
        self.pad()
    }

    /// Section 14.2.
    fn mapped(&mut self, from: SocketAddr) -> Option<()> {
        let port = from.port() ^ u16::from_be_bytes([COOKIE[0], COOKIE[1]]);
        // The key of the address is cookie and transaction.
        let key: [u8; 16] = self.out.get(4..HEADER)?.try_into().ok()?;
        let (family, octets, len) = match from.ip() {
            IpAddr::V4(ip) => {
                let mut octets = [0; 16];
                octets.first_chunk_mut::<4>()?.copy_from_slice(&ip.octets());
                (1, octets, 4)
            }
            IpAddr::V6(ip) => (2, ip.octets(), 16),
        };
        self.attribute(XOR_MAPPED_ADDRESS, 4 + len)?;
        self.push(&[0, family])?;
        self.push(&port.to_be_bytes())?;
        octets.iter().zip(key).take(usize::from(len)).try_for_each(|(byte, key)| self.push(&[byte ^ key]))
    }

    /// Writes length, MESSAGE-INTEGRITY under the password, and FINGERPRINT.
    fn finish(mut self, password: Option<&str>) -> Option<usize> {
        if let Some(password) = password {
            let tag = integrity(self.out.get(..self.len)?, self.len, password)?.finalize().into_bytes();
            self.attribute(INTEGRITY, 20)?;
            self.push(&tag)?;
        }
        let length = u16::try_from(self.len + 8 - HEADER).ok()?;
        self.out.get_mut(2..4)?.copy_from_slice(&length.to_be_bytes());
        let check = fingerprint(self.out.get(..self.len)?);
        self.attribute(FINGERPRINT, 4)?;
        self.push(&check)?;
        Some(self.len)
    }
}

/// A binding request as a browser's agent writes it: for tests of those above.
#[must_use]
pub fn write_request(username: &str, password: &str, transaction: &[u8; 12], attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut out = [&BINDING_REQUEST.to_be_bytes()[..], &[0, 0], &COOKIE, transaction].concat();
    let mut push = |kind: u16, value: &[u8]| {
        out.extend_from_slice(&kind.to_be_bytes());
        out.extend_from_slice(&u16::try_from(value.len()).unwrap_or(0).to_be_bytes());
        out.extend_from_slice(value);
        out.resize(out.len().next_multiple_of(4), 0);
    };
    push(USERNAME, username.as_bytes());
    attributes.iter().for_each(|(kind, value)| push(*kind, value));
    let tag = integrity(&out, out.len(), password).map(|mac| mac.finalize().into_bytes()).unwrap_or_default();
    out.extend_from_slice(&INTEGRITY.to_be_bytes());
    out.extend_from_slice(&[0, 20]);
    out.extend_from_slice(&tag);
    let length = u16::try_from(out.len() + 8 - HEADER).unwrap_or(0);
    out[2..4].copy_from_slice(&length.to_be_bytes());
    let check = fingerprint(&out);
    out.extend_from_slice(&FINGERPRINT.to_be_bytes());
    out.extend_from_slice(&[0, 4]);
    out.extend_from_slice(&check);
    out
}

#[cfg(test)]
mod tests;
