//! One party that is found by ICE and keyed by DTLS: connectivity checks answered, addresses that passed them, records
//! handed to whoever shakes hands. ICE-lite (RFC 8445 section 2.5): we are asked and never ask, and the party is in control.
//!
//! 1. A check counts only with the password that we gave this party in its description (RFC 8489 section 9.1).
//! 2. An address that a check came from is the party's for [`CONSENT`] (RFC 7675 section 5.1). DTLS and SRTP are taken
//!    from such addresses alone, and sent to nobody else.
//! 3. The party names the pair to use (USE-CANDIDATE); until it has, the first address that passed is as good.
//! 4. Nothing in clear is ever taken or sent: without keys there is no sound.

use crate::{MediaTransmit, OwnPacket, PacketKind, StreamId};
use core::net::SocketAddr;
use core::time::Duration;
use model::{Instant, MediaPortId};
use rtp::stun::{ANSWER_MAX, Request};
use sdp::Fingerprint;

/// How long an address is the party's after a check came from it (RFC 7675 section 5.1).
pub(crate) const CONSENT: Duration = Duration::from_secs(30);
/// Most addresses of one party.
const ADDRESSES_MAX: usize = 8;
/// Most DTLS records taken of one handshake: a browser's has about six, and as many again for each that is lost.
const RECORDS_MAX: u32 = 256;

/// What whoever shakes hands is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ToDtls {
    /// A party's address is known: shake hands with it.
    Open {
        /// Whose.
        stream: StreamId,
        /// Whether we begin.
        active: bool,
        /// The party's certificate has one of these.
        fingerprints: Vec<Fingerprint>,
    },
    /// A record of the party's.
    Record {
        /// Whose.
        stream: StreamId,
        /// It.
        bytes: Box<[u8]>,
    },
    /// The party is gone.
    Close {
        /// Whose.
        stream: StreamId,
    },
}

/// What comes of it.
#[derive(Clone, Debug)]
pub enum FromDtls {
    /// A record for the party.
    Record(Vec<u8>),
    /// The party's certificate is the one it described, and these are the keys (RFC 5764 section 4.2).
    Keys(Box<crate::Keys>),
    /// The party is not who it said it is, or cannot do it.
    Failed,
}

/// # Invariants
/// `selected` is one of `valid`, or was.
#[derive(Debug)]
pub(crate) struct Ice {
    ours: sdp::Ice,
    /// Addresses that passed a check, and until when they count.
    valid: [Option<(SocketAddr, Instant)>; ADDRESSES_MAX],
    selected: Option<SocketAddr>,
    hands: Option<Hands>,
}

/// The handshake to come, or under way, or over.
#[derive(Debug)]
struct Hands {
    active: bool,
    fingerprints: Vec<Fingerprint>,
    open: bool,
    records: u32,
}

impl Ice {
    pub(crate) fn new(ours: &sdp::Ice) -> Ice {
        Ice { ours: ours.clone(), valid: [None; ADDRESSES_MAX], selected: None, hands: None }
    }

    /// Other credentials: the party's checks begin anew (RFC 8445 section 9), and what passed stays good meanwhile.
    pub(crate) fn restart(&mut self, ours: &sdp::Ice) {
        if self.ours != *ours {
            self.ours = ours.clone();
        }
    }

    /// Says who begins and what the party's certificate is. Gives whether this is another handshake than before.
    pub(crate) fn meet(&mut self, active: bool, fingerprints: &[Fingerprint]) -> bool {
        if self.hands.as_ref().is_some_and(|h| h.fingerprints == fingerprints) {
            return false;
        }
        let fingerprints = fingerprints.to_vec();
        self.hands.replace(Hands { active, fingerprints, open: false, records: 0 }).is_some_and(|h| h.open)
    }

    /// The handshake, once it can begin: both who and where are known. Given once.
    pub(crate) fn begin(&mut self, stream: StreamId, now: Instant) -> Option<ToDtls> {
        self.address(now)?;
        let hands = self.hands.as_mut().filter(|h| !h.open)?;
        hands.open = true;
        Some(ToDtls::Open { stream, active: hands.active, fingerprints: hands.fingerprints.clone() })
    }

    /// Whether a handshake has begun.
    pub(crate) fn is_open(&self) -> bool {
        self.hands.as_ref().is_some_and(|h| h.open)
    }

    /// A datagram that looks like STUN: gives the length of the answer in `out`.
    pub(crate) fn check(
        &mut self,
        datagram: &[u8],
        from: SocketAddr,
        now: Instant,
        out: &mut [u8; ANSWER_MAX],
    ) -> Option<usize> {
        let request = Request::read(datagram)?;
        if !request.is_of(&self.ours.ufrag, &self.ours.pwd) {
            return request.reject(out);
        }
        if let Some(len) = request.refusal(&self.ours.pwd, out) {
            return Some(len);
        }
        self.pass(from, now);
        if request.use_candidate {
            self.selected = Some(from);
        }
        request.accept(from, &self.ours.pwd, out)
    }

    /// An address passed a check. Where the table is full, the one that was heard longest ago goes.
    fn pass(&mut self, from: SocketAddr, now: Instant) {
        let until = now + CONSENT;
        let known = self.valid.iter().position(|v| v.is_some_and(|(addr, _)| addr == from));
        let place = known.or_else(|| self.valid.iter().position(Option::is_none));
        let oldest = || (0..ADDRESSES_MAX).min_by_key(|at| self.valid[*at].map(|(_, until)| until));
        if let Some(slot) = place.or_else(oldest).and_then(|at| self.valid.get_mut(at)) {
            *slot = Some((from, until));
        }
    }

    /// Whether an address is the party's.
    #[inline]
    pub(crate) fn is_valid(&self, from: SocketAddr, now: Instant) -> bool {
        self.valid.iter().flatten().any(|(addr, until)| *addr == from && *until > now)
    }

    /// Where the party is; `None` where no check has passed lately.
    #[inline]
    pub(crate) fn address(&self, now: Instant) -> Option<SocketAddr> {
        let selected = self.selected.filter(|s| self.is_valid(*s, now));
        selected.or_else(|| self.valid.iter().flatten().find(|(_, until)| *until > now).map(|(addr, _)| *addr))
    }

    /// A record may go to whoever shakes hands: from an address of the party's, and not too many.
    pub(crate) fn takes_record(&mut self, from: SocketAddr, now: Instant) -> bool {
        if !self.is_valid(from, now) {
            return false;
        }
        let Some(hands) = self.hands.as_mut().filter(|h| h.open && h.records < RECORDS_MAX) else { return false };
        hands.records += 1;
        true
    }
}

/// A packet of our own that is no RTP: an answer to a check, a record.
pub(crate) fn raw(port: MediaPortId, to: SocketAddr, bytes: &[u8]) -> MediaTransmit {
    MediaTransmit { port, kind: PacketKind::Rtp, to, bytes: OwnPacket::new(bytes, &[]) }
}
