//! Maps by ids that this process hands out itself: counters and random numbers.
//!
//! Nobody outside chooses such a key, so the hash need not withstand anybody: a multiplication does. Whatever comes
//! from the wire as text stays in maps with the standard hash.

use core::hash::{BuildHasherDefault, Hasher};
use std::collections::HashMap;

/// A map by such an id.
pub type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// The hash of an id.
#[derive(Clone, Copy, Default, Debug)]
pub struct IdHasher(u64);

/// Odd, and its bits are mixed: 2^64 divided by the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(u64::from(number));
    }

    fn write_u16(&mut self, number: u16) {
        self.write_u64(u64::from(number));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(FACTOR);
    }

    fn write_u128(&mut self, number: u128) {
        // Both halves count.
        self.write_u64(number as u64);
        self.write_u64((number >> 64) as u64);
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn finish(&self) -> u64 {
        // A table takes its place from the low bits, which a product mixes least.
        self.0 ^ (self.0 >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::hash::BuildHasher;
    use std::collections::BTreeSet;

    #[test]
    fn neighbours_do_not_meet() {
        let build = BuildHasherDefault::<IdHasher>::default();
        let low: BTreeSet<u64> = (0..1_000_u64).map(|n| build.hash_one(n) & 0xffff).collect();
        assert!(low.len() > 950, "{}", low.len());
        let wide: BTreeSet<u64> = (0..1_000_u128).map(|n| build.hash_one(n << 64) & 0xffff).collect();
        assert!(wide.len() > 950, "{}", wide.len());
    }
}
