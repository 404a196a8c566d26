//! The shard's own source of unpredictable ids: tags, branches, Call-IDs, nonces, SSRCs.
//!
//! A ChaCha12 stream seeded once by the shell (from the kernel) or by the simulator (from its seed), so that a run
//! can be repeated bit by bit and an outsider cannot guess a tag.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A seeded generator of ids. Never cloned: two holders would draw the same ids.
#[derive(Debug)]
pub struct IdSource(ChaCha12Rng);

impl IdSource {
    /// Starts the stream of `seed`.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        IdSource(ChaCha12Rng::from_seed(seed))
    }

    /// Splits off an independent source, for another owner on the same shard.
    #[must_use]
    pub fn split(&mut self) -> Self {
        let mut seed = [0; 32];
        self.0.fill_bytes(&mut seed);
        IdSource::new(seed)
    }

    /// 32 random bits.
    pub fn u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// 64 random bits.
    pub fn u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// 128 random bits.
    pub fn u128(&mut self) -> u128 {
        (u128::from(self.u64()) << 64) | u128::from(self.u64())
    }

    /// Fills `out` with random bytes.
    pub fn fill(&mut self, out: &mut [u8]) {
        self.0.fill_bytes(out);
    }

    /// A token of `len` characters (5 bits each) that is legal in a SIP token, tag or branch.
    pub fn token(&mut self, len: usize) -> String {
        let mut out = String::with_capacity(len);
        self.append_token(len, &mut out);
        out
    }

    /// The same at the end of a text.
    pub fn append_token(&mut self, len: usize, out: &mut String) {
        let mut left = len;
        while left > 0 {
            let mut pool = self.u64();
            let mut letters = [0; 12];
            for letter in &mut letters {
                *letter = ALPHABET[(pool & 31) as usize];
                pool >>= 5;
            }
            let some = left.min(letters.len());
            out.push_str(core::str::from_utf8(&letters[..some]).unwrap_or_default());
            left -= some;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_ids_and_a_split_gives_others() {
        let mut one = IdSource::new([7; 32]);
        let mut two = IdSource::new([7; 32]);
        assert_eq!(one.token(20), two.token(20));
        assert_ne!(one.split().token(20), one.token(20));
    }
}
