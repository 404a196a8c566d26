//! What goes in and out of the engine.

use core::fmt;
use core::net::SocketAddr;
use core::ops::Deref;
use core::time::Duration;
use model::MediaPortId;

/// One stream: one party's audio on one port pair. Never reused by an engine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StreamId(pub(crate) u64);

impl StreamId {
    /// The port's place is the lower half, so that finding a stream is an array index; the upper half counts up.
    pub(crate) const fn new(generation: u32, port: u32) -> Self {
        StreamId((generation as u64) << 32 | port as u64)
    }

    pub(crate) const fn place(self) -> u32 {
        self.0 as u32
    }

    pub(crate) const fn index(self) -> usize {
        self.place() as usize
    }
}

/// One play; never reused by an engine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct JobId {
    pub(crate) stream: StreamId,
    pub(crate) number: u32,
}

/// Which socket of a pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PacketKind {
    /// The RTP socket.
    Rtp,
    /// The RTCP socket.
    Rtcp,
}

/// Send the very packet just handled, as it is now in its buffer, from this socket to this address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct Forward {
    /// The port pair to send from.
    pub port: MediaPortId,
    /// Which socket of it.
    pub kind: PacketKind,
    /// Where to.
    pub to: SocketAddr,
}

/// Most bytes of a packet the engine makes itself: 20 ms of G.711, or an RTCP report.
pub const OWN_PACKET_MAX: usize = 192;

/// A packet the engine made, held inline: queueing and polling one allocates nothing.
#[derive(Clone, Copy)]
pub struct OwnPacket {
    len: u8,
    bytes: [u8; OWN_PACKET_MAX],
}

impl OwnPacket {
    /// Joins two parts; what does not fit is cut.
    pub(crate) fn new(head: &[u8], tail: &[u8]) -> Self {
        let mut bytes = [0; OWN_PACKET_MAX];
        let (first, rest) = bytes.split_at_mut(head.len().min(OWN_PACKET_MAX));
        first.copy_from_slice(head.get(..first.len()).unwrap_or_default());
        let (second, _) = rest.split_at_mut(tail.len().min(rest.len()));
        second.copy_from_slice(tail.get(..second.len()).unwrap_or_default());
        let len = first.len() + second.len();
        OwnPacket { len: len as u8, bytes }
    }
}

impl Deref for OwnPacket {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&self.bytes)
    }
}

impl fmt::Debug for OwnPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnPacket({} bytes)", self.len)
    }
}

/// A packet of our own to send now: prompts, tones, sender reports.
#[derive(Clone, Copy, Debug)]
pub struct MediaTransmit {
    /// The port pair to send from.
    pub port: MediaPortId,
    /// Which socket of it.
    pub kind: PacketKind,
    /// Where to.
    pub to: SocketAddr,
    /// The packet.
    pub bytes: OwnPacket,
}

/// What climbs to the call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A key was pressed (RFC 4733). Told once per key press, at its first packet.
    Digit {
        /// Whose key.
        stream: StreamId,
        /// `0`-`9`, `*`, `#`, `A`-`D`.
        digit: char,
        /// How long the key had been down when it was told.
        duration: Duration,
    },
    /// A play came to its end. A play that was stopped, replaced or closed tells nothing.
    PlayEnded {
        /// Whose.
        stream: StreamId,
        /// Which.
        job: JobId,
    },
    /// A watched stream heard nothing for the media timeout. Told again after each further timeout.
    Silent {
        /// Whose.
        stream: StreamId,
    },
}

/// No port of the wanted family is free and rested.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no free media port")]
pub struct NoPort;

/// Why a play did not begin.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PlayError {
    /// No prompt of this name, or a tone that breaks the grammar.
    #[error("unknown prompt {0:?}")]
    UnknownPrompt(String),
    /// The party takes no G.711, or the line is SRTP.
    #[error("the party takes no codec that the switch speaks")]
    NoCodec,
    /// The stream is closed.
    #[error("no such stream")]
    NoStream,
}

/// Counters of one stream.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct StreamStats {
    /// RTP packets taken from the party.
    pub packets_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// RTP packets sent to the party.
    pub packets_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
    /// Packets that should have come by their sequence numbers and did not.
    pub lost_in: u64,
    /// Packets from an address that is not the party's: dropped.
    pub strangers: u64,
    /// Packets that are not RTP or RTCP: dropped.
    pub malformed: u64,
    /// RTP packets that could not be passed on: a format the other side lacks.
    pub unmapped: u64,
    /// Keys told.
    pub digits: u64,
    /// Where the party's RTP comes from, once known.
    pub remote: Option<SocketAddr>,
}
