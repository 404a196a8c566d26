//! What goes in and out of the engine.

use crate::conference::ConferenceId;
use crate::record::RecordEnd;
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
    /// How long the packet is now.
    pub len: usize,
}

/// Bytes of a packet of our own that are held inline: 20 ms of G.711 or G.722, or an RTCP report, and the tag of SRTP.
pub const OWN_PACKET_INLINE: usize = 192;

/// A packet the engine made. Up to [`OWN_PACKET_INLINE`] bytes are held inline: queueing and polling one allocates
/// nothing. Longer ones (L16) are boxed.
#[derive(Clone)]
pub struct OwnPacket {
    len: usize,
    inline: [u8; OWN_PACKET_INLINE],
    boxed: Option<Box<[u8]>>,
}

impl OwnPacket {
    /// Joins two parts, with room for SRTP behind.
    pub(crate) fn new(head: &[u8], tail: &[u8]) -> Self {
        let len = head.len() + tail.len();
        let mut packet = OwnPacket { len, inline: [0; OWN_PACKET_INLINE], boxed: None };
        if len + rtp::srtp::GROWTH_MAX > OWN_PACKET_INLINE {
            packet.boxed = Some(vec![0; len + rtp::srtp::GROWTH_MAX].into_boxed_slice());
        }
        let both = head.iter().chain(tail);
        packet.buffer().iter_mut().zip(both).for_each(|(to, from)| *to = *from);
        packet
    }

    fn buffer(&mut self) -> &mut [u8] {
        match &mut self.boxed {
            Some(boxed) => boxed,
            None => &mut self.inline,
        }
    }

    /// Lets `grow` work on the whole buffer, given the length so far; it gives the new one, or `None` for no packet.
    pub(crate) fn grow(&mut self, grow: impl FnOnce(&mut [u8], usize) -> Option<usize>) -> Option<()> {
        let len = self.len;
        self.len = grow(self.buffer(), len)?;
        Some(())
    }
}

impl Deref for OwnPacket {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        let bytes = self.boxed.as_deref().unwrap_or(&self.inline);
        bytes.get(..self.len).unwrap_or(bytes)
    }
}

impl fmt::Debug for OwnPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnPacket({} bytes)", self.len)
    }
}

/// A packet of our own to send now: prompts, tones, sender reports.
#[derive(Clone, Debug)]
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
    /// A key was pressed: by RFC 4733, told at its first packet; or, by a party that has no such events, as tones in its
    /// sound. Told once per key press.
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
    /// All keys of [`crate::Engine::send_keys`] are sent.
    KeysSent {
        /// To whom.
        stream: StreamId,
    },
    /// Another member of a conference speaks.
    Speaker {
        /// Where.
        conference: ConferenceId,
        /// Who.
        stream: StreamId,
    },
    /// A recording came to an end that it was given. One that was stopped or closed tells nothing.
    RecordEnded {
        /// Whose.
        stream: StreamId,
        /// Which, and how long it is.
        end: RecordEnd,
        /// The party was silent; else it is as long as it may be.
        by_silence: bool,
    },
    /// The other end of a stream's line has ended it, and all that it said was heard.
    ForkOver {
        /// Whose.
        stream: StreamId,
    },
    /// The end of a beep.
    Beep {
        /// Whose.
        stream: StreamId,
        /// Its frequency.
        hertz: u16,
    },
    /// A silence of the length that was asked for.
    Quiet {
        /// Whose.
        stream: StreamId,
    },
    /// A party is not who its description says it is, or no keys could be agreed on with it: there will be no sound.
    Unsecured {
        /// Whose.
        stream: StreamId,
    },
    /// Whoever shakes hands for us is gone or has no room: there will be no sound, and the party is not to blame.
    HandshakeLost {
        /// Whose.
        stream: StreamId,
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
    /// The party takes nothing that the switch can encode, or the line is SRTP without our keys.
    #[error("the party takes no codec that the switch speaks")]
    NoCodec,
    /// Something that is no key, or too many keys.
    #[error("no keys, or too many: {0:?}")]
    NoKeys(String),
    /// The stream is being recorded already.
    #[error("it is being recorded already")]
    Recorded,
    /// The stream has a line already.
    #[error("it has a line already")]
    Forked,
    /// The list has no sound at all.
    #[error("nothing to be heard")]
    Empty,
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
    /// Packets that are not the party's SRTP, replayed, or in clear where SRTP was agreed: dropped.
    pub unauthentic: u64,
    /// RTP packets that could not be passed on: a format the other side lacks.
    pub unmapped: u64,
    /// Keys told.
    pub digits: u64,
    /// Where the party's RTP comes from, once known.
    pub remote: Option<SocketAddr>,
    /// Jitter of what came from the party, in microseconds (RFC 3550 section 6.4.1).
    pub jitter_in_us: u32,
    /// What the party reports of what we sent to it; `None` where it sends no reports.
    pub told: Option<Told>,
    /// Mean opinion score, in hundredths, of what came from the party, by the E-model; `None` before anything came.
    pub mos_in: Option<u16>,
    /// The same of what we sent to it; `None` where it sends no reports.
    pub mos_out: Option<u16>,
}

/// What a party's reports say of what it hears (RFC 3550 section 6.4).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Told {
    /// Packets it misses, over all sources it heard.
    pub lost: u64,
    /// Packets it should have had, over the same.
    pub expected: u64,
    /// Jitter where it is, in microseconds.
    pub jitter_us: u32,
    /// Time there and back between us and it, in microseconds; `None` until it named a report.
    pub round_trip_us: Option<u32>,
}
