//! What an offer or answer says about one audio stream, in the words the switch uses.

use core::fmt;
use core::net::SocketAddr;

/// A local address pair to write into a description: where we receive RTP and RTCP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MediaAddr {
    /// RTP.
    pub rtp: SocketAddr,
    /// RTCP (RFC 3605 `a=rtcp` is written where it is not RTP's port + 1).
    pub rtcp: SocketAddr,
}

/// Which way media flows, seen from the party that wrote the description (RFC 3264 section 5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Direction {
    /// Both ways; also where nothing is said.
    #[default]
    SendRecv,
    /// The writer only sends: it holds the other.
    SendOnly,
    /// The writer only receives.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// The attribute's name.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }

    /// The direction with this attribute name.
    #[must_use]
    pub fn from_token(token: &str) -> Option<Direction> {
        [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive]
            .into_iter()
            .find(|d| d.token() == token)
    }

    /// What the other side answers (RFC 3264 section 6.1).
    #[must_use]
    pub const fn mirrored(self) -> Direction {
        match self {
            Direction::SendRecv => Direction::SendRecv,
            Direction::SendOnly => Direction::RecvOnly,
            Direction::RecvOnly => Direction::SendOnly,
            Direction::Inactive => Direction::Inactive,
        }
    }

    /// Whether the writer takes media.
    #[must_use]
    pub const fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    /// Whether the writer gives media.
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// The same without receiving.
    #[must_use]
    pub(crate) const fn without_receiving(self) -> Direction {
        if self.sends() { Direction::SendOnly } else { Direction::Inactive }
    }
}

/// The events we take: the sixteen keys (RFC 4733 section 2.5.1.1).
const EVENTS: &str = "0-15";

/// A payload format the switch itself speaks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Codec {
    /// G.711 mu-law, static payload type 0.
    Pcmu,
    /// G.711 A-law, static payload type 8.
    Pcma,
    /// G.722, static payload type 9: 16 kHz under a clock of 8.
    G722,
    /// Opus (RFC 7587); we offer 111, as browsers do.
    Opus,
    /// RFC 4733 events at 8 kHz; we offer 101.
    TelephoneEvent,
}

impl Codec {
    /// What the switch answers by itself, the least work first.
    pub const ALL: &'static [Codec] = &[Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus, Codec::TelephoneEvent];
    /// What it offers a party of which it knows nothing, where it speaks all of it.
    pub const OFFERED: &'static [Codec] = &[Codec::Pcmu, Codec::Pcma, Codec::Opus, Codec::TelephoneEvent];

    /// The encoding name of `a=rtpmap`.
    #[must_use]
    pub const fn encoding(self) -> &'static str {
        match self {
            Codec::Pcmu => "PCMU",
            Codec::Pcma => "PCMA",
            Codec::G722 => "G722",
            Codec::Opus => "opus",
            Codec::TelephoneEvent => "telephone-event",
        }
    }

    /// The payload type we offer it with.
    #[must_use]
    pub const fn payload_type(self) -> u8 {
        match self {
            Codec::Pcmu => 0,
            Codec::Pcma => 8,
            Codec::G722 => 9,
            Codec::Opus => 111,
            Codec::TelephoneEvent => 101,
        }
    }

    /// The RTP clock and the channels that it is named with.
    const fn clock_and_channels(self) -> (u32, u8) {
        match self {
            Codec::Opus => (48_000, 2),
            Codec::Pcmu | Codec::Pcma | Codec::G722 | Codec::TelephoneEvent => (8_000, 1),
        }
    }

    /// As we describe it.
    #[must_use]
    pub fn payload(self) -> Payload {
        let (clock, channels) = self.clock_and_channels();
        let fmtp = match self {
            Codec::Opus => Some(crate::formats::OPUS_PARAMETERS),
            Codec::TelephoneEvent => Some(EVENTS),
            Codec::Pcmu | Codec::Pcma | Codec::G722 => None,
        };
        let (pt, encoding) = (self.payload_type(), self.encoding().to_owned());
        Payload { pt, encoding, clock, channels, fmtp: fmtp.map(str::to_owned) }
    }

    /// Whether it carries sound.
    #[must_use]
    pub const fn is_audio(self) -> bool {
        !matches!(self, Codec::TelephoneEvent)
    }
}

/// One format of an m-line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Payload {
    /// RTP payload type, 0 to 127.
    pub pt: u8,
    /// Encoding name as written, or RFC 3551's for a static type without `a=rtpmap`.
    pub encoding: String,
    /// RTP clock rate.
    pub clock: u32,
    /// Channels; 1 where nothing is said.
    pub channels: u8,
    /// The value of `a=fmtp` for it.
    pub fmtp: Option<String>,
}

impl Payload {
    /// The codec, if the switch speaks it. Names compare without case (RFC 4855).
    #[must_use]
    pub fn codec(&self) -> Option<Codec> {
        let is = |codec: &&Codec| {
            self.encoding.eq_ignore_ascii_case(codec.encoding())
                && (self.clock, self.channels) == codec.clock_and_channels()
        };
        Codec::ALL.iter().find(is).copied()
    }

    /// Whether it carries RFC 4733 events, at whatever clock.
    #[must_use]
    pub fn is_events(&self) -> bool {
        self.encoding.eq_ignore_ascii_case(Codec::TelephoneEvent.encoding()) && self.channels == 1
    }

    /// Whether both are the same format under possibly different payload types.
    #[must_use]
    pub fn same_format(&self, other: &Payload) -> bool {
        self.encoding.eq_ignore_ascii_case(&other.encoding)
            && self.clock == other.clock
            && self.channels == other.channels
    }
}

/// What a party's description says about the audio stream we use: where it listens, and what it takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RemoteMedia {
    /// Where it wants RTP. The address may be unspecified (RFC 2543 hold).
    pub rtp: SocketAddr,
    /// Where it wants RTCP (RFC 3605, else RTP's port + 1).
    pub rtcp: SocketAddr,
    /// Which way, seen from the party.
    pub direction: Direction,
    /// The formats it takes, best first.
    pub payloads: Vec<Payload>,
    /// Its payload type for RFC 4733 events: those at 8 kHz, else at whatever clock it has them.
    pub dtmf_pt: Option<u8>,
    /// `a=ptime`, in milliseconds.
    pub ptime: Option<u32>,
    /// Whether it holds us: it takes no media (`sendonly`, `inactive`, or the unspecified address).
    pub held: bool,
    /// Whether the line's profile is SRTP (`RTP/SAVP..`): nothing in clear is taken.
    pub secure: bool,
    /// Its keys by SDES (RFC 4568), best first. Keys under a profile in clear offer SRTP to whoever can.
    pub crypto: Vec<crate::Crypto>,
    /// Whether RTCP may come and go on RTP's port (RFC 5761).
    pub rtcp_mux: bool,
    /// ICE and DTLS, where the line's keys come from there (RFC 5763).
    pub webrtc: Option<Box<crate::Webrtc>>,
    /// Whether it is a fax line (ITU-T T.38): datagrams of UDPTL come and go at `rtp`, and there are no formats.
    pub udptl: bool,
}

impl RemoteMedia {
    /// The format under this payload type.
    #[must_use]
    pub fn payload(&self, pt: u8) -> Option<&Payload> {
        self.payloads.iter().find(|p| p.pt == pt)
    }

    /// The clock of its events, in Hz; `None` where it knows none.
    #[must_use]
    pub fn events_clock(&self) -> Option<u32> {
        self.dtmf_pt.and_then(|pt| self.payload(pt)).map(|p| p.clock.max(1))
    }

    /// The first sound format of its list that the switch speaks: what we play in.
    #[must_use]
    pub fn audio(&self) -> Option<(Codec, u8)> {
        self.payloads.iter().find_map(|p| p.codec().filter(|c| c.is_audio()).map(|c| (c, p.pt)))
    }
}

/// What our own answer settled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Negotiated {
    /// The party, with only the formats both speak: what `media::Engine::set_remote` takes.
    pub remote: RemoteMedia,
    /// The sound codec we send.
    pub codec: Codec,
    /// Its payload type.
    pub pt: u8,
    /// Our direction as answered.
    pub direction: Direction,
}

/// No line of the offer has a sound codec that the switch speaks: answer 488.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no audio line with a common codec")]
pub struct NoCommonCodec;

/// Why a description gives no usable audio stream.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoMedia {
    /// No audio line and no fax line, or each has port 0: all was refused.
    #[error("no audio or fax line, or all refused")]
    NoAudio,
    /// The connection address is absent, a name, or multicast.
    #[error("unusable connection address {0:?}")]
    Address(String),
}

/// Why bytes are not a session description.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParseError {
    /// A line breaks RFC 8866.
    #[error("{0}")]
    Syntax(String),
    /// More than [`crate::MEDIA_LINES_MAX`] m-lines.
    #[error("too many media lines")]
    TooManyMedia,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.token())
    }
}
