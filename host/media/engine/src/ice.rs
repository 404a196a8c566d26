//! One party that is found by ICE and keyed by DTLS: connectivity checks answered, addresses that passed them, records
//! handed to whoever shakes hands. ICE-lite (RFC 8445 section 2.5): we are asked and never ask, and the party is in control.
//!
//! 1. A check counts only with the password that we gave this party in its description (RFC 8489 section 9.1).
//! 2. An address that a check came from is the party's for [`CONSENT`] (RFC 7675 section 5.1). DTLS and SRTP are taken
//!    from such addresses alone, and sent to nobody else.
//! 3. The party names the pair to use (USE-CANDIDATE); until it has, the first address that passed is as good.
//! 4. A check shows that its sender knows the password, not that it is where it says: anybody can write a source. Until an
//!    address has answered something of ours (the cookie of RFC 6347 section 4.2.1), and after, it is sent at most
//!    three times as many bytes of records as came from it ([`AMPLIFICATION`]).
//! 5. Nothing in clear is ever taken or sent: without keys there is no sound.

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
/// Bytes of records that are sent for each byte that came from an address (as RFC 9000 section 8 has it).
const AMPLIFICATION: usize = 3;

/// One handshake with one party, unlike all before: what comes of a former one is nothing to the next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Handshake {
    /// Whose.
    pub stream: StreamId,
    /// Given once in the life of an engine.
    pub number: u64,
}

/// What descriptions agreed on about the party's end of a DTLS association (RFC 8842).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DtlsPeer {
    /// Whether we begin.
    pub active: bool,
    /// The party's certificate has one of these; in order.
    pub fingerprints: Vec<Fingerprint>,
    /// The name that the party gave the association, where it gives names.
    pub tls_id: Option<String>,
}

impl DtlsPeer {
    /// Whether the association that was agreed on `before` goes on: roles, certificates and name are what they were
    /// (RFC 8842 section 4). A name that only one of the descriptions has says nothing.
    #[must_use]
    pub fn goes_on(&self, before: &DtlsPeer) -> bool {
        let renamed = self.tls_id.as_ref().zip(before.tls_id.as_ref()).is_some_and(|(now, then)| now != then);
        self.active == before.active && self.fingerprints == before.fingerprints && !renamed
    }
}

/// What whoever shakes hands is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ToDtls {
    /// A party's address is known: shake hands with it.
    Open {
        /// Which.
        handshake: Handshake,
        /// Whether we begin.
        active: bool,
        /// The party's certificate has one of these.
        fingerprints: Vec<Fingerprint>,
    },
    /// A record of the party's.
    Record {
        /// Of which.
        handshake: Handshake,
        /// It.
        bytes: Box<[u8]>,
    },
    /// The party is gone, or begins anew.
    Close {
        /// Which.
        handshake: Handshake,
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
    /// Whoever shakes hands is gone, or has no room: no fault of the party's.
    Lost,
}

/// # Invariants
/// `selected` is one of `valid`, or was.
#[derive(Debug)]
pub(crate) struct Ice {
    ours: sdp::Ice,
    /// Addresses that passed a check.
    valid: [Option<Address>; ADDRESSES_MAX],
    selected: Option<SocketAddr>,
    hands: Option<Hands>,
}

/// An address that passed a check.
///
/// # Invariants
/// `told` is never more than [`AMPLIFICATION`] times `heard`.
#[derive(Clone, Copy, Debug)]
struct Address {
    at: SocketAddr,
    /// It is the party's so long.
    until: Instant,
    /// Bytes of checks and records from there.
    heard: usize,
    /// Bytes of records sent there.
    told: usize,
}

/// The handshake to come, or under way, or over.
#[derive(Debug)]
struct Hands {
    peer: DtlsPeer,
    /// Its number, once it has begun.
    number: Option<u64>,
    records: u32,
    /// Where the party's last record came from.
    from: Option<SocketAddr>,
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

    /// Says who the party is. Gives the number of the handshake that is over by that.
    pub(crate) fn meet(&mut self, peer: &DtlsPeer) -> Option<u64> {
        if let Some(hands) = self.hands.as_mut().filter(|h| peer.goes_on(&h.peer)) {
            let known = hands.peer.tls_id.take();
            hands.peer.tls_id = peer.tls_id.clone().or(known);
            return None;
        }
        self.hands.replace(Hands { peer: peer.clone(), number: None, records: 0, from: None })?.number
    }

    /// The handshake, once it can begin: both who and where are known. Given once.
    pub(crate) fn begin(&mut self, stream: StreamId, next: &mut u64, now: Instant) -> Option<ToDtls> {
        self.address(now)?;
        let hands = self.hands.as_mut().filter(|h| h.number.is_none())?;
        *next += 1;
        hands.number = Some(*next);
        let handshake = Handshake { stream, number: *next };
        Some(ToDtls::Open { handshake, active: hands.peer.active, fingerprints: hands.peer.fingerprints.clone() })
    }

    /// The number of the handshake that has begun last.
    pub(crate) fn number(&self) -> Option<u64> {
        self.hands.as_ref().and_then(|h| h.number)
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
        self.pass(from, datagram.len(), now);
        if request.use_candidate {
            self.selected = Some(from);
        }
        request.accept(from, &self.ours.pwd, out)
    }

    /// An address passed a check. Where the table is full, the one that was heard longest ago goes.
    fn pass(&mut self, from: SocketAddr, len: usize, now: Instant) {
        let until = now + CONSENT;
        if let Some(known) = self.valid.iter_mut().flatten().find(|a| a.at == from) {
            known.until = until;
            known.heard = known.heard.saturating_add(len);
            return;
        }
        let oldest = || (0..ADDRESSES_MAX).min_by_key(|n| self.valid[*n].map(|a| a.until));
        let place = self.valid.iter().position(Option::is_none).or_else(oldest);
        if let Some(slot) = place.and_then(|n| self.valid.get_mut(n)) {
            *slot = Some(Address { at: from, until, heard: len, told: 0 });
        }
    }

    /// Whether an address is the party's.
    #[inline]
    pub(crate) fn is_valid(&self, from: SocketAddr, now: Instant) -> bool {
        self.valid.iter().flatten().any(|a| a.at == from && a.until > now)
    }

    /// Where the party is; `None` where no check has passed lately.
    #[inline]
    pub(crate) fn address(&self, now: Instant) -> Option<SocketAddr> {
        let selected = self.selected.filter(|s| self.is_valid(*s, now));
        selected.or_else(|| self.valid.iter().flatten().find(|a| a.until > now).map(|a| a.at))
    }

    /// The handshake whose a record is: it comes from an address of the party's, and there are not too many.
    pub(crate) fn takes_record(&mut self, from: SocketAddr, len: usize, now: Instant) -> Option<u64> {
        let address = self.valid.iter_mut().flatten().find(|a| a.at == from && a.until > now)?;
        let hands = self.hands.as_mut().filter(|h| h.number.is_some() && h.records < RECORDS_MAX)?;
        address.heard = address.heard.saturating_add(len);
        hands.records += 1;
        hands.from = Some(from);
        hands.number
    }

    /// Where a record of ours goes: back to where the party's last one came from, which alone has shown that what we send
    /// arrives, and no more than [`AMPLIFICATION`] allows. `None`: it is lost, and a later repetition finds room.
    pub(crate) fn tell_record(&mut self, len: usize, now: Instant) -> Option<SocketAddr> {
        let back = self.hands.as_ref().and_then(|h| h.from).filter(|from| self.is_valid(*from, now));
        let to = back.or_else(|| self.address(now))?;
        let address = self.valid.iter_mut().flatten().find(|a| a.at == to)?;
        let told = address.told.saturating_add(len);
        if told > address.heard.saturating_mul(AMPLIFICATION) {
            return None;
        }
        address.told = told;
        Some(to)
    }
}

/// A packet of our own that is no RTP: an answer to a check, a record.
pub(crate) fn raw(port: MediaPortId, to: SocketAddr, bytes: &[u8]) -> MediaTransmit {
    MediaTransmit { port, kind: PacketKind::Rtp, to, bytes: OwnPacket::new(bytes, &[]) }
}
