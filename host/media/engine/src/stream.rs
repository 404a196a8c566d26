//! One party's audio.

use crate::digits::Detector;
use crate::latch::Latch;
use crate::output::Output;
use crate::player::Player;
use crate::route::Route;
use crate::{MediaPortId, StreamId, StreamStats};
use core::net::SocketAddr;
use model::{IdSource, Instant};
use rtp::Header;
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
    pub(crate) echo: bool,
    pub(crate) digits: bool,
    pub(crate) detector: Detector,
    pub(crate) player: Option<Player>,
    pub(crate) output: Option<Output>,
    pub(crate) silence: Silence,
    pub(crate) stats: StreamStats,
    reception: Option<Reception>,
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
            echo: false,
            digits: false,
            detector: Detector::new(),
            player: None,
            output: None,
            silence: Silence { heard_at: now, look_at: None, exempt: false },
            stats: StreamStats::default(),
            reception: None,
        }
    }

    /// Where to send RTP now; `None` while the party takes none.
    #[inline]
    pub(crate) fn destination(&self) -> Option<SocketAddr> {
        match &self.remote {
            Some(remote) if !remote.held => self.latch.destination(),
            Some(_) | None => None,
        }
    }

    /// What to play in.
    pub(crate) fn audio(&self) -> Option<(Codec, u8)> {
        self.remote.as_ref().filter(|r| !r.secure).and_then(RemoteMedia::audio)
    }

    /// Whether the switch may read and write what passes.
    pub(crate) fn is_secure(&self) -> bool {
        self.remote.as_ref().is_some_and(|r| r.secure)
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
        let Some(own) = remote.dtmf_pt else { return false };
        let offered = Codec::TelephoneEvent.payload_type();
        !remote.secure && (pt == own || (pt == offered && remote.payload(offered).is_none()))
    }

    /// Whether silence is no fault: the call says so, or the party's description does.
    pub(crate) fn may_be_silent(&self) -> bool {
        self.silence.exempt || self.remote.as_ref().is_none_or(|r| r.held || !r.direction.sends())
    }

    /// Counts one packet taken.
    #[inline]
    pub(crate) fn count_in(&mut self, header: &Header, len: usize, now: Instant) {
        self.silence.heard_at = now;
        self.stats.packets_in += 1;
        self.stats.bytes_in += len as u64;
        match &mut self.reception {
            Some(reception) if reception.ssrc == header.ssrc => reception.heard(header.sequence),
            reception => {
                self.stats.lost_in += reception.map_or(0, |r| r.lost());
                *reception = Some(Reception::new(header.ssrc, header.sequence));
            }
        }
    }

    /// Counters with what is still open.
    pub(crate) fn stats(&self) -> StreamStats {
        let open = self.reception.map_or(0, |r| r.lost());
        StreamStats { lost_in: self.stats.lost_in + open, remote: self.latch.heard_from(), ..self.stats }
    }
}

/// How much of one source arrived (RFC 3550 appendix A.3).
#[derive(Clone, Copy, Debug)]
struct Reception {
    ssrc: u32,
    newest: u16,
    expected: u64,
    received: u64,
}

impl Reception {
    const fn new(ssrc: u32, sequence: u16) -> Self {
        Reception { ssrc, newest: sequence, expected: 1, received: 1 }
    }

    #[inline]
    const fn heard(&mut self, sequence: u16) {
        let ahead = sequence.wrapping_sub(self.newest);
        self.received += 1;
        if ahead < 1 << 15 {
            self.expected += ahead as u64;
            self.newest = sequence;
        }
    }

    const fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.received)
    }
}
