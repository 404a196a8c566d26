//! Both ends of a master key: hiding what is sent, showing what is received.

use super::cipher::{Layout, Transform};
use super::kdf::Protocol;
use super::replay::Window;
use super::{MasterKey, SOURCES_MAX, SrtpError};
use crate::payload_start;

/// Bytes of RTCP that stay in clear: the first header and SSRC (RFC 3711 section 3.4).
const RTCP_CLEAR: usize = 8;
/// The index word of SRTCP.
const WORD: usize = 4;
/// The flag of that word which says that the packet is hidden.
const HIDDEN: u32 = 1 << 31;

/// Packet numbers of one source, of both protocols.
#[derive(Clone, Copy, Debug)]
struct Source {
    ssrc: u32,
    rtp: Window,
    rtcp: Window,
    /// The next index of SRTCP we send.
    next_rtcp: u32,
}

/// The sources of one key, the one that was used last in front.
#[derive(Clone, Default, Debug)]
struct Sources(Vec<Source>);

impl Sources {
    /// The place of a source: known ones move to the front, so that looking is one comparison as a rule.
    fn find(&mut self, ssrc: u32) -> Option<&mut Source> {
        let at = self.0.iter().position(|s| s.ssrc == ssrc)?;
        if let Some(front) = self.0.get_mut(..=at) {
            front.rotate_right(1);
        }
        self.0.first_mut()
    }

    fn known(&self, ssrc: u32) -> Option<&Source> {
        self.0.iter().find(|s| s.ssrc == ssrc)
    }

    fn add(&mut self, ssrc: u32) -> Option<&mut Source> {
        self.0.insert(0, Source { ssrc, rtp: Window::default(), rtcp: Window::default(), next_rtcp: 0 });
        self.0.first_mut()
    }
}

/// Hides what we send under our master key.
///
/// # Invariants
/// No pair of SSRC and index is used twice.
pub struct Sender {
    rtp: Transform,
    rtcp: Transform,
    sources: Sources,
}

/// Shows what a peer sends under its master key.
///
/// # Invariants
/// Only packets whose tag fits make or move a source; none is given twice.
pub struct Receiver {
    rtp: Transform,
    rtcp: Transform,
    sources: Sources,
}

impl Sender {
    /// Whether an RTP packet of another's numbers may go out under this key: of a source that has its place, or finds one
    /// and leaves as many for others, and whose numbers go on.
    #[must_use]
    pub fn has_room_for(&self, ssrc: u32, sequence: u16) -> bool {
        match self.sources.known(ssrc) {
            Some(source) => !source.rtp.has_left(sequence),
            None => self.sources.0.len() < SOURCES_MAX / 2,
        }
    }

    /// The same for an RTCP compound.
    #[must_use]
    pub fn has_room_for_rtcp(&self, compound: &[u8]) -> bool {
        let known = rtcp_ssrc(compound).is_ok_and(|ssrc| self.sources.known(ssrc).is_some());
        known || self.sources.0.len() < SOURCES_MAX / 2
    }

    /// Ready to send under this key.
    #[must_use]
    pub fn new(master: &MasterKey) -> Sender {
        Sender {
            rtp: Transform::new(master, Protocol::Rtp),
            rtcp: Transform::new(master, Protocol::Rtcp),
            sources: Sources::default(),
        }
    }

    fn source(&mut self, ssrc: u32) -> Result<&mut Source, SrtpError> {
        let room = self.sources.0.len() < SOURCES_MAX;
        if self.sources.known(ssrc).is_some() {
            self.sources.find(ssrc)
        } else if room {
            self.sources.add(ssrc)
        } else {
            None
        }
        .ok_or(SrtpError::TooManySources)
    }

    /// Hides an RTP packet of `len` bytes in its buffer and gives its new length.
    ///
    /// # Errors
    /// It is no RTP, its number was used, there is no room, or it is one source too many.
    pub fn protect(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let tag_len = self.rtp.tag_len();
        let (packet, room) = split(buffer, len, tag_len)?;
        let clear = payload_start(packet).map_err(|_| SrtpError::Malformed)?;
        let (sequence, ssrc) = numbers(packet)?;
        let source = self.source(ssrc)?;
        let index = source.rtp.index_of(sequence);
        if !source.rtp.is_fresh(index) {
            return Err(SrtpError::Replayed);
        }
        source.rtp.note(index);
        let word = (index >> 16) as u32;
        let tag = self.rtp.seal(Layout { protocol: Protocol::Rtp, ssrc, index, clear, word, packet })?;
        put(room, &[tag.get(..tag_len).unwrap_or_default()]);
        Ok(len + tag_len)
    }

    /// Hides an RTCP compound of `len` bytes in its buffer and gives its new length.
    ///
    /// # Errors
    /// It is no RTCP, there is no room, or it is one source too many.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let tag_len = self.rtcp.tag_len();
        let tag_is_first = self.rtcp.tag_is_first();
        let (packet, room) = split(buffer, len, tag_len + WORD)?;
        let ssrc = rtcp_ssrc(packet)?;
        let source = self.source(ssrc)?;
        let index = source.next_rtcp;
        source.next_rtcp = index.wrapping_add(1) & !HIDDEN;
        let word = index | HIDDEN;
        let layout =
            Layout { protocol: Protocol::Rtcp, ssrc, index: u64::from(index), clear: RTCP_CLEAR, word, packet };
        let tag = self.rtcp.seal(layout)?;
        let (tag, word) = (tag.get(..tag_len).unwrap_or_default(), word.to_be_bytes());
        put(room, &if tag_is_first { [tag, &word] } else { [&word, tag] });
        Ok(len + tag_len + WORD)
    }
}

impl Receiver {
    /// Ready to receive under this key.
    #[must_use]
    pub fn new(master: &MasterKey) -> Receiver {
        Receiver {
            rtp: Transform::new(master, Protocol::Rtp),
            rtcp: Transform::new(master, Protocol::Rtcp),
            sources: Sources::default(),
        }
    }

    /// The source of a packet whose tag fits. The one that was heard longest ago makes room for a new one.
    fn note(&mut self, ssrc: u32, note: impl FnOnce(&mut Source)) {
        let known = if self.sources.known(ssrc).is_some() {
            self.sources.find(ssrc)
        } else {
            self.sources.0.truncate(SOURCES_MAX - 1);
            self.sources.add(ssrc)
        };
        if let Some(source) = known {
            note(source);
        }
    }

    /// Shows an SRTP packet in place and gives its length without tag.
    ///
    /// # Errors
    /// It is no SRTP of this key, or was had before.
    pub fn unprotect(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let (sequence, ssrc) = numbers(packet)?;
        let clear = payload_start(packet).map_err(|_| SrtpError::Malformed)?;
        let len = packet.len().checked_sub(self.rtp.tag_len()).filter(|l| *l >= clear).ok_or(SrtpError::Malformed)?;
        let window = self.sources.known(ssrc).map(|s| s.rtp).unwrap_or_default();
        let index = window.index_of(sequence);
        if !window.is_fresh(index) {
            return Err(SrtpError::Replayed);
        }
        let (packet, tag) = packet.split_at_mut_checked(len).ok_or(SrtpError::Malformed)?;
        let word = (index >> 16) as u32;
        self.rtp.open(Layout { protocol: Protocol::Rtp, ssrc, index, clear, word, packet }, tag)?;
        self.note(ssrc, |source| source.rtp.note(index));
        Ok(len)
    }

    /// Shows an SRTCP packet in place and gives its length without tag and index.
    ///
    /// # Errors
    /// It is no SRTCP of this key, or was had before.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let ssrc = rtcp_ssrc(packet)?;
        let tag_len = self.rtcp.tag_len();
        let len = packet.len().checked_sub(tag_len + WORD).filter(|l| *l >= RTCP_CLEAR).ok_or(SrtpError::Malformed)?;
        let (packet, behind) = packet.split_at_mut_checked(len).ok_or(SrtpError::Malformed)?;
        let (tag, word) = if self.rtcp.tag_is_first() {
            behind.split_at_checked(tag_len)
        } else {
            behind.split_at_checked(WORD).map(|(word, tag)| (tag, word))
        }
        .ok_or(SrtpError::Malformed)?;
        let word = word.first_chunk().map(|w| u32::from_be_bytes(*w)).ok_or(SrtpError::Malformed)?;
        let index = u64::from(word & !HIDDEN);
        if !self.sources.known(ssrc).is_none_or(|s| s.rtcp.is_fresh(index)) {
            return Err(SrtpError::Replayed);
        }
        let layout = Layout { protocol: Protocol::Rtcp, ssrc, index, clear: RTCP_CLEAR, word, packet };
        if word & HIDDEN == 0 {
            self.rtcp.verify_clear(&layout, tag)?;
        } else {
            self.rtcp.open(layout, tag)?;
        }
        self.note(ssrc, |source| source.rtcp.note(index));
        Ok(len)
    }
}

/// A key is never printed.
impl core::fmt::Debug for Sender {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sender").field("sources", &self.sources).finish_non_exhaustive()
    }
}

/// A key is never printed.
impl core::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Receiver").field("sources", &self.sources).finish_non_exhaustive()
    }
}

/// The packet, and the room behind it.
fn split(buffer: &mut [u8], len: usize, growth: usize) -> Result<(&mut [u8], &mut [u8]), SrtpError> {
    let (packet, room) = buffer.split_at_mut_checked(len).ok_or(SrtpError::Malformed)?;
    room.get_mut(..growth).map(|room| (packet, room)).ok_or(SrtpError::NoRoom)
}

fn put(room: &mut [u8], parts: &[&[u8]]) {
    room.iter_mut().zip(parts.iter().copied().flatten()).for_each(|(to, from)| *to = *from);
}

/// Sequence number and SSRC of RTP.
fn numbers(packet: &[u8]) -> Result<(u16, u32), SrtpError> {
    match packet {
        [flags, _, s0, s1, _, _, _, _, c0, c1, c2, c3, ..] if flags >> 6 == 2 => {
            Ok((u16::from_be_bytes([*s0, *s1]), u32::from_be_bytes([*c0, *c1, *c2, *c3])))
        }
        _ => Err(SrtpError::Malformed),
    }
}

/// The SSRC of RTCP's first packet.
fn rtcp_ssrc(packet: &[u8]) -> Result<u32, SrtpError> {
    match packet {
        [flags, 192..=223, _, _, c0, c1, c2, c3, ..] if flags >> 6 == 2 => Ok(u32::from_be_bytes([*c0, *c1, *c2, *c3])),
        _ => Err(SrtpError::Malformed),
    }
}
