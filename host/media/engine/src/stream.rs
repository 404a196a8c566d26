//! One party's audio.

use crate::conference::ConferenceId;
use crate::digits::Detector;
use crate::ear::Ear;
use crate::fork::Fork;
use crate::ice::Ice;
use crate::keys::Sending;
use crate::latch::Latch;
use crate::listening::Listening;
use crate::output::Output;
use crate::player::Player;
use crate::quality::Quality;
use crate::record::Recording;
use crate::route::Route;
use crate::secure::Secured;
use crate::source::SourceNo;
use crate::voice::Voice;
use crate::{Forward, MediaPortId, MediaTransmit, OwnPacket, PacketKind, StreamId, StreamStats};
use core::net::SocketAddr;
use core::time::Duration;
use model::{IdSource, Instant};
use rtp::{Header, rtcp};
use sdp::{Codec, RemoteMedia};

/// The state of one stream.
///
/// # Invariants
/// `peer` is mutual. `route` is from this party to the peer, and new whenever either describes itself anew.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) id: StreamId,
    pub(crate) port: MediaPortId,
    pub(crate) latch: Latch,
    pub(crate) remote: Option<RemoteMedia>,
    pub(crate) peer: Option<StreamId>,
    pub(crate) route: Route,
    /// What its party sends now is in a format that the peer does not take: the ear hears it for the peer, too.
    pub(crate) carried: bool,
    pub(crate) echo: bool,
    pub(crate) digits: bool,
    pub(crate) detector: Detector,
    pub(crate) player: Option<Player>,
    /// The source it hears while nothing plays for it alone.
    pub(crate) music: Option<SourceNo>,
    /// What is heard, while somebody needs it.
    pub(crate) ear: Option<Box<Ear>>,
    /// Finds keys in what is heard, where the party has no events.
    pub(crate) key_ear: Option<Box<rtp::tones::KeyDetector>>,
    /// What the party is spoken to in, once it was.
    pub(crate) voice: Option<Box<Voice>>,
    /// Keys on their way to the party.
    pub(crate) sending: Option<Box<Sending>>,
    pub(crate) conference: Option<ConferenceId>,
    pub(crate) recording: Option<Box<Recording>>,
    pub(crate) listening: Option<Box<Listening>>,
    /// Its line to another end that is no phone.
    pub(crate) fork: Option<Box<Fork>>,
    /// Whether it stands in the list of what ticks.
    pub(crate) ticks: bool,
    pub(crate) output: Option<Output>,
    pub(crate) silence: Silence,
    pub(crate) stats: StreamStats,
    pub(crate) quality: Quality,
    /// How the party is found and keyed, where its description says ICE and DTLS.
    pub(crate) ice: Option<Box<Ice>>,
    /// SRTP, where keys were agreed.
    pub(crate) secured: Option<Box<Secured>>,
    /// Its party agrees on formats and keys with the other one, and not with the switch.
    pub(crate) untouched: bool,
    /// It carries a fax (T.38): datagrams of UDPTL and nothing else.
    pub(crate) udptl: Option<Udptl>,
}

/// A stream that carries a fax.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Udptl {
    /// The number of the sound that came before it: what of that is still on its way is no part of the fax.
    former: Option<u32>,
}

impl Udptl {
    /// Whether a datagram is sound of before.
    fn is_late_sound(self, datagram: &[u8]) -> bool {
        let ssrc = datagram.get(8..12).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
        datagram.first().is_some_and(|byte| byte >> 6 == 2) && ssrc.is_some() && ssrc == self.former
    }
}

/// A datagram's circumstances.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) from: SocketAddr,
    pub(crate) len: usize,
    pub(crate) now: Instant,
}

/// What the media timeout needs to know.
#[derive(Debug)]
pub(crate) struct Silence {
    /// Last sign of life, or when silence began to count.
    pub(crate) heard_at: Instant,
    /// When the engine will look next; the key of its entry there.
    pub(crate) look_at: Option<Instant>,
    /// The call exempts it: on hold, or not answered yet.
    pub(crate) exempt: bool,
}

impl Stream {
    pub(crate) fn new(id: StreamId, port: MediaPortId, now: Instant) -> Self {
        Stream {
            id,
            port,
            latch: Latch::new(),
            remote: None,
            peer: None,
            route: Route::transparent(),
            carried: false,
            echo: false,
            digits: false,
            detector: Detector::new(),
            player: None,
            music: None,
            ear: None,
            key_ear: None,
            voice: None,
            sending: None,
            conference: None,
            recording: None,
            listening: None,
            fork: None,
            ticks: false,
            output: None,
            silence: Silence { heard_at: now, look_at: None, exempt: false },
            stats: StreamStats::default(),
            quality: Quality::default(),
            ice: None,
            secured: None,
            untouched: false,
            udptl: None,
        }
    }

    /// The party goes over to fax, or back to sound. Its keys rest meanwhile: a fax goes in clear.
    /// Gives whether it did.
    pub(crate) fn carry_fax(&mut self, on: bool) -> bool {
        let other = on != self.udptl.is_some();
        if other {
            let former = self.latch.renumber();
            self.udptl = on.then_some(Udptl { former });
        }
        other
    }

    /// Takes a datagram of a fax: admitted and counted, not looked into.
    pub(crate) fn receive_udptl(&mut self, datagram: &[u8], of: &Arrival, window: Duration) -> bool {
        if self.udptl.is_some_and(|fax| fax.is_late_sound(datagram)) {
            return false;
        }
        if datagram.is_empty() {
            self.stats.malformed += 1;
            return false;
        }
        if !self.latch.admit_datagram(of.from, of.now, window) {
            self.stats.strangers += 1;
            return false;
        }
        self.silence.heard_at = of.now;
        self.stats.packets_in += 1;
        self.stats.bytes_in += of.len as u64;
        true
    }

    /// Sends the datagram in the buffer on to this party. One of two parties of a fax may listen for as long as a page
    /// lasts: what goes to it is a sign of its life, too.
    pub(crate) fn forward_udptl(&mut self, len: usize, now: Instant) -> Option<Forward> {
        if self.udptl.is_none() {
            self.stats.unmapped += 1;
            return None;
        }
        let to = self.destination(now)?;
        self.silence.heard_at = now;
        self.stats.packets_out += 1;
        self.stats.bytes_out += len as u64;
        Some(Forward { port: self.port, kind: PacketKind::Rtp, to, len })
    }

    /// Where to send RTP now; `None` while the party takes none.
    #[inline]
    pub(crate) fn destination(&self, now: Instant) -> Option<SocketAddr> {
        match &self.remote {
            Some(remote) if !remote.held => self.reached_at(now),
            Some(_) | None => None,
        }
    }

    /// Where the party's RTP goes, whether it wants some or not.
    #[inline]
    fn reached_at(&self, now: Instant) -> Option<SocketAddr> {
        match &self.ice {
            None => self.latch.destination(),
            Some(ice) => self.secured.as_ref().and_then(|_| ice.address(now)),
        }
    }

    /// Whether the party is still to be found and keyed: nothing can be heard yet.
    pub(crate) fn is_opening(&self) -> bool {
        self.ice.is_some() && self.secured.is_none()
    }

    /// Whether it has work at the next tick.
    pub(crate) fn has_work(&self) -> bool {
        self.player.as_ref().is_some_and(|p| !p.paused)
            || self.sending.is_some()
            || self.recording.is_some()
            || self.listening.is_some()
            || self.fork.as_ref().is_some_and(|f| f.is_open())
            || self.ear.as_ref().is_some_and(|e| !e.rests())
    }

    /// What the switch says to it alone has the floor before any music.
    pub(crate) fn has_floor(&self) -> bool {
        self.is_played_to() || self.fork.as_ref().is_some_and(|f| f.speaks())
    }

    /// Something plays for it, or keys are on their way to it: that comes before what the other end of its line says.
    pub(crate) const fn is_played_to(&self) -> bool {
        self.player.is_some() || self.sending.is_some()
    }

    /// What the switch says has the floor before any bridge or conference.
    pub(crate) fn is_spoken_to(&self) -> bool {
        self.has_floor() || self.music.is_some()
    }

    /// Whether the party knows telephone events.
    pub(crate) fn has_events(&self) -> bool {
        self.remote.as_ref().is_some_and(|r| r.dtmf_pt.is_some())
    }

    /// Whether the party can be spoken to; the voice is made at the first need.
    pub(crate) fn has_voice(&mut self, codecs: &dyn rtp::codec::Codecs) -> bool {
        if self.voice.is_none() {
            self.voice = self.remote.as_ref().and_then(|r| Voice::new(r, codecs)).map(Box::new);
        }
        self.voice.is_some()
    }

    /// An RTP packet of our own for the party, hidden where SRTP was agreed.
    pub(crate) fn own_packet(&mut self, to: SocketAddr, mut bytes: OwnPacket) -> Option<MediaTransmit> {
        if let Some(secured) = &mut self.secured {
            bytes.grow(|buffer, len| secured.seal(buffer, len))?;
        }
        self.stats.packets_out += 1;
        self.stats.bytes_out += bytes.len() as u64;
        Some(MediaTransmit { port: self.port, kind: PacketKind::Rtp, to, bytes })
    }

    /// Whether what passes can be relayed as it is, and nothing else.
    pub(crate) fn is_opaque(&self) -> bool {
        self.untouched || self.udptl.is_some() || self.is_hidden()
    }

    /// Whether what passes is SRTP that the switch has no keys for. Keys under a profile in clear may have been agreed
    /// on, where it is the parties who agree.
    pub(crate) fn is_hidden(&self) -> bool {
        let hides = |r: &RemoteMedia| r.secure || (self.untouched && !r.crypto.is_empty());
        self.secured.is_none() && self.ice.is_none() && self.remote.as_ref().is_some_and(hides)
    }

    /// Whether RTCP comes and goes on RTP's port (RFC 5761).
    pub(crate) fn is_mux(&self) -> bool {
        self.remote.as_ref().is_some_and(|r| r.rtcp_mux)
    }

    /// Where to send RTCP now, and from which socket.
    pub(crate) fn rtcp_destination(&self, now: Instant) -> Option<(SocketAddr, PacketKind)> {
        if self.is_mux() || self.ice.is_some() {
            self.reached_at(now).map(|to| (to, PacketKind::Rtp))
        } else {
            self.latch.rtcp_destination().map(|to| (to, PacketKind::Rtcp))
        }
    }

    /// Takes an RTP packet: shown if it is SRTP, admitted, counted. Gives its header and its length in clear.
    pub(crate) fn receive(&mut self, buffer: &mut [u8], of: &Arrival, window: Duration) -> Option<(Header, usize)> {
        let packet = buffer.get_mut(..of.len)?;
        let Some(secured) = &mut self.secured else {
            if self.ice.is_some() {
                self.stats.unauthentic += 1;
                return None;
            }
            let Ok(header) = rtp::parse(packet) else {
                self.stats.malformed += 1;
                return None;
            };
            if !self.latch.admit(of.from, header.ssrc, of.now, window) {
                self.stats.strangers += 1;
                return None;
            }
            self.count_in(&header, of);
            return Some((header, of.len));
        };
        // Whoever has the key is the party: no window is needed, and a stranger costs no more than its tag.
        let may_speak = match &self.ice {
            None => self.latch.may_speak(of.from),
            Some(ice) => ice.is_valid(of.from, of.now),
        };
        if !may_speak {
            self.stats.strangers += 1;
            return None;
        }
        let opened = secured.open(packet, of.now);
        let Some(len) = opened else {
            self.stats.unauthentic += 1;
            return None;
        };
        let Ok(header) = rtp::parse(packet.get(..len)?) else {
            self.stats.malformed += 1;
            return None;
        };
        self.latch.trust(of.from, header.ssrc, of.now);
        self.count_in(&header, of);
        Some((header, len))
    }

    /// Takes an RTCP packet: admitted, shown if it is SRTCP, checked. Gives its length in clear.
    pub(crate) fn receive_rtcp(&mut self, buffer: &mut [u8], of: &Arrival) -> Option<usize> {
        let admitted = match &self.ice {
            Some(ice) => self.secured.is_some() && ice.is_valid(of.from, of.now),
            None if self.is_mux() => self.latch.heard_from() == Some(of.from),
            None => self.latch.admit_rtcp(of.from),
        };
        if !admitted {
            self.stats.strangers += 1;
            return None;
        }
        let packet = buffer.get_mut(..of.len)?;
        let len = match &mut self.secured {
            Some(secured) => secured.open_rtcp(packet),
            None => Some(of.len),
        };
        let Some(len) = len else {
            self.stats.unauthentic += 1;
            return None;
        };
        // SRTCP without our keys has its first header in clear and hides the rest.
        if !self.is_hidden() && !rtcp::is_valid(packet.get(..len)?) {
            self.stats.malformed += 1;
            return None;
        }
        Some(len)
    }

    /// Sends the packet in the buffer on to this party, hidden where SRTP was agreed.
    pub(crate) fn forward(&mut self, to: SocketAddr, buffer: &mut [u8], len: usize) -> Option<Forward> {
        let len = match &mut self.secured {
            Some(secured) => secured.seal(buffer, len)?,
            None => len,
        };
        self.stats.packets_out += 1;
        self.stats.bytes_out += len as u64;
        Some(Forward { port: self.port, kind: PacketKind::Rtp, to, len })
    }

    /// The sending state, made at the first need.
    pub(crate) fn output_mut(&mut self, ids: &mut IdSource) -> &mut Output {
        self.output.get_or_insert_with(|| Output::new(ids))
    }

    /// Whether a payload type carries keys. A party that renumbered them in its answer may send by our offer's
    /// number as well as by its own.
    #[inline]
    pub(crate) fn is_event(&self, pt: u8) -> bool {
        let Some(remote) = &self.remote else { return false };
        let offered = Codec::TelephoneEvent.payload_type();
        let own = match remote.payload(pt) {
            Some(payload) => payload.is_events(),
            None => pt == offered,
        };
        own && remote.dtmf_pt.is_some() && !self.is_opaque()
    }

    /// Whether silence is no fault: the call says so, or the party's description does.
    pub(crate) fn may_be_silent(&self) -> bool {
        self.silence.exempt || self.remote.as_ref().is_none_or(|r| r.held || !r.direction.sends())
    }

    /// Counts one packet taken.
    #[inline]
    fn count_in(&mut self, header: &Header, of: &Arrival) {
        self.silence.heard_at = of.now;
        self.stats.packets_in += 1;
        self.stats.bytes_in += of.len as u64;
        self.quality.heard(header, self.remote.as_ref(), of.now);
    }

    /// Counters with what is still open.
    pub(crate) fn stats(&self) -> StreamStats {
        self.quality.stats(StreamStats { remote: self.latch.heard_from(), ..self.stats }, self.remote.as_ref())
    }
}
