//! Nonces that carry their own proof, and the memory of those that were used (RFC 7616 section 3.3).
//!
//! A nonce is `issued at | serial | HMAC(secret, both | source | realm)`: nothing is kept when a challenge is sent, so a
//! flood of unauthenticated requests costs no memory. The source address is in it, so credentials made with a nonce of
//! ours show that who sent them hears us: nobody can fail in another's name (decision 0072). Only a nonce that was used with the right password is remembered, with
//! its highest nonce-count. The memory is bounded: when it is full the oldest nonce is forgotten, and it and all
//! older ones count as stale from then on, so forgetting never lets a replay in.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use core::net::IpAddr;
use core::time::Duration;
use hmac::{Hmac, KeyInit, Mac};
use model::Instant;
use sha2::Sha256;
use std::collections::BTreeMap;
use subtle::ConstantTimeEq;

const MAC_BYTES: usize = 16;
const NONCE_BYTES: usize = 16 + MAC_BYTES;

/// What names one nonce: when it was issued, and a serial number for those of the same instant.
pub(crate) type NonceId = (Instant, u64);

/// For whom a nonce is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Realm<'a> {
    /// The realm's name.
    pub name: &'a str,
    /// Where the request came from.
    pub source: IpAddr,
}

/// What a nonce is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    /// Ours and fresh.
    Fresh(NonceId),
    /// Ours, but too old or forgotten.
    Expired,
    /// Not ours, or not this source's.
    Foreign,
}

/// Mints nonces and remembers the used ones.
///
/// # Invariants
/// - `used` holds at most `max` nonces, all younger than `forgotten`.
/// - The nonce-count of a nonce in `used` never falls.
pub(crate) struct Nonces {
    secret: [u8; 32],
    /// The keyed state: keying takes half of the work of an HMAC.
    keyed: Hmac<Sha256>,
    ttl: Duration,
    max: usize,
    serial: u64,
    used: BTreeMap<NonceId, u32>,
    forgotten: Option<NonceId>,
}

impl Nonces {
    pub(crate) fn new(secret: [u8; 32], max: usize, ttl: Duration) -> Self {
        Nonces {
            secret,
            keyed: keyed(&secret),
            ttl,
            max: max.max(1),
            serial: 0,
            used: BTreeMap::new(),
            forgotten: None,
        }
    }

    pub(crate) const fn secret(&self) -> [u8; 32] {
        self.secret
    }

    /// Goes on with the secret of an earlier run, whose nonces are known as ours but are all expired: their counts are
    /// not known any more.
    pub(crate) fn resume(&mut self, secret: [u8; 32], now: Instant) {
        self.secret = secret;
        self.keyed = keyed(&secret);
        self.used.clear();
        self.forgotten = Some((now, u64::MAX));
    }

    pub(crate) fn mint(&mut self, realm: Realm<'_>, now: Instant) -> String {
        self.serial = self.serial.wrapping_add(1);
        let id = (now, self.serial);
        let mut raw = [0_u8; NONCE_BYTES];
        raw[..8].copy_from_slice(&now.unix_nanos().to_be_bytes());
        raw[8..16].copy_from_slice(&self.serial.to_be_bytes());
        raw[16..].copy_from_slice(&self.mac(id, realm));
        URL_SAFE_NO_PAD.encode(raw)
    }

    pub(crate) fn standing(&self, nonce: &str, realm: Realm<'_>, now: Instant) -> Standing {
        let mut raw = [0_u8; NONCE_BYTES];
        if URL_SAFE_NO_PAD.decode_slice(nonce, &mut raw) != Ok(NONCE_BYTES) {
            return Standing::Foreign;
        }
        let (issued, rest) = raw.split_at(8);
        let (serial, mac) = rest.split_at(8);
        let id = (Instant::from_unix_nanos(be_u64(issued)), be_u64(serial));
        if !bool::from(self.mac(id, realm).ct_eq(mac)) {
            return Standing::Foreign;
        }
        let remembered = self.forgotten.is_none_or(|horizon| id > horizon);
        if remembered && now.since(id.0) <= self.ttl { Standing::Fresh(id) } else { Standing::Expired }
    }

    /// Uses the nonce once more with this nonce-count; false if that count or a higher one was used already.
    pub(crate) fn spend(&mut self, id: NonceId, count: u32, now: Instant) -> bool {
        match self.used.get_mut(&id) {
            Some(highest) if count <= *highest => return false,
            Some(highest) => *highest = count,
            None => {
                self.used.insert(id, count);
            }
        }
        while let Some((&oldest, _)) = self.used.first_key_value()
            && (self.used.len() > self.max || now.since(oldest.0) > self.ttl)
        {
            self.used.remove(&oldest);
            self.forgotten = Some(oldest);
        }
        true
    }

    pub(crate) fn len(&self) -> usize {
        self.used.len()
    }

    fn mac(&self, (issued, serial): NonceId, realm: Realm<'_>) -> [u8; MAC_BYTES] {
        let mut mac = self.keyed.clone();
        let mut fixed = [0_u8; 32];
        fixed[..8].copy_from_slice(&issued.unix_nanos().to_be_bytes());
        fixed[8..16].copy_from_slice(&serial.to_be_bytes());
        fixed[16..].copy_from_slice(&source_bytes(realm.source));
        mac.update(&fixed);
        mac.update(realm.name.as_bytes());
        let full = mac.finalize().into_bytes();
        let mut out = [0_u8; MAC_BYTES];
        out.copy_from_slice(&full[..MAC_BYTES]);
        out
    }
}

fn keyed(secret: &[u8; 32]) -> Hmac<Sha256> {
    // The block-sized key is the secret padded with zeros, which is what HMAC does with a shorter one (RFC 2104).
    let mut key = [0_u8; 64];
    key[..32].copy_from_slice(secret);
    Hmac::<Sha256>::new(&key.into())
}

/// IPv4 as it is mapped into IPv6.
fn source_bytes(source: IpAddr) -> [u8; 16] {
    match source {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn be_u64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}
