//! SRTP on one stream: what leaves is hidden, what comes is shown, and nothing in clear is taken.

use core::time::Duration;
use model::Instant;
use rtp::srtp::{MasterKey, Receiver, Sender};

/// After a rekeying, packets under the party's former key are taken so long: what was on its way, and what the party
/// sent before it had our answer (RFC 4568 section 7.1.4).
const OLD_KEY: Duration = Duration::from_secs(2);

/// The keys of one leg (RFC 4568: each side names the key it sends under).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keys {
    /// What we send under.
    pub ours: MasterKey,
    /// What the party sends under.
    pub theirs: MasterKey,
}

/// The state behind the keys.
///
/// # Invariants
/// `sender` and `receiver` live as long as their key: the same key is never begun twice, since its packet numbers would
/// start over.
#[derive(Debug)]
pub(crate) struct Secured {
    keys: Keys,
    sender: Sender,
    receiver: Receiver,
    old: Option<(Receiver, Instant)>,
}

impl Secured {
    pub(crate) fn new(keys: &Keys) -> Self {
        Secured { keys: *keys, sender: Sender::new(&keys.ours), receiver: Receiver::new(&keys.theirs), old: None }
    }

    /// Goes over to other keys; what stayed the same goes on counting.
    pub(crate) fn rekey(&mut self, keys: &Keys, now: Instant) {
        if keys.ours != self.keys.ours {
            self.sender = Sender::new(&keys.ours);
        }
        if keys.theirs != self.keys.theirs {
            let former = core::mem::replace(&mut self.receiver, Receiver::new(&keys.theirs));
            self.old = Some((former, now + OLD_KEY));
        }
        self.keys = *keys;
    }

    /// Shows an RTP packet in place and gives its length; `None` for one that is not the party's.
    pub(crate) fn open(&mut self, packet: &mut [u8], now: Instant) -> Option<usize> {
        if self.old.as_ref().is_some_and(|(_, until)| now >= *until) {
            self.old = None;
        }
        // A tag that does not fit leaves the packet as it was with HMAC, but not with AES-GCM: the former key, which is
        // rarely there, is tried on a copy.
        let Some((old, _)) = self.old.as_mut() else { return self.receiver.unprotect(packet).ok() };
        let mut copy = packet.to_vec();
        match self.receiver.unprotect(packet) {
            Ok(len) => {
                self.old = None;
                Some(len)
            }
            Err(_) => {
                let len = old.unprotect(&mut copy).ok()?;
                packet.copy_from_slice(&copy);
                Some(len)
            }
        }
    }

    /// Shows an RTCP packet in place and gives its length.
    pub(crate) fn open_rtcp(&mut self, packet: &mut [u8]) -> Option<usize> {
        self.receiver.unprotect_rtcp(packet).ok()
    }

    /// Whether what another party sends can go out under its own source. Where not, it has to be ours.
    pub(crate) fn has_room_for(&self, header: &rtp::Header) -> bool {
        self.sender.has_room_for(header.ssrc, header.sequence)
    }

    /// The same for RTCP.
    pub(crate) fn has_room_for_rtcp(&self, compound: &[u8]) -> bool {
        self.sender.has_room_for_rtcp(compound)
    }

    /// Hides an RTP packet in its buffer and gives its length.
    pub(crate) fn seal(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        self.sender.protect(buffer, len).ok()
    }

    /// Hides an RTCP packet in its buffer and gives its length.
    pub(crate) fn seal_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        self.sender.protect_rtcp(buffer, len).ok()
    }
}
