//! The shard's own source of unpredictable ids: tags, branches, Call-IDs, nonces, SSRCs.
//!
//! A ChaCha12 stream seeded once by the shell (from the kernel) or by the simulator (from its seed), so that a run
//! can be repeated bit by bit and an outsider cannot guess a tag.

use crate::Shards;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A seeded generator of ids. Never cloned: two holders would draw the same ids.
///
/// Where a node has several shards, the first letter of every token is the number of the shard that drew it: a tag, a
/// branch or a mark that comes back says whose it is.
#[derive(Debug)]
pub struct IdSource {
    stream: ChaCha12Rng,
    /// The shard, where there is more than one.
    shard: Option<u8>,
}

impl IdSource {
    /// Starts the stream of `seed`, on a node's only shard.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        IdSource::of_shard(seed, Shards::ALONE)
    }

    /// Starts the stream of `seed`.
    #[must_use]
    pub fn of_shard(seed: [u8; 32], shards: Shards) -> Self {
        let shard = (!shards.is_alone()).then(|| shards.own());
        IdSource { stream: ChaCha12Rng::from_seed(seed), shard }
    }

    /// Splits off an independent source, for another owner on the same shard.
    #[must_use]
    pub fn split(&mut self) -> Self {
        let mut seed = [0; 32];
        self.stream.fill_bytes(&mut seed);
        IdSource { stream: ChaCha12Rng::from_seed(seed), shard: self.shard }
    }

    /// The shard that ids are drawn for; 0 on a node with one.
    #[must_use]
    pub fn shard(&self) -> u8 {
        self.shard.unwrap_or(0)
    }

    /// Which shard drew this token, if it is one of a node with several; whoever made it up may be wrong.
    #[must_use]
    pub fn shard_of(token: &str) -> Option<u8> {
        let first = token.bytes().next()?;
        ALPHABET.iter().position(|letter| *letter == first).and_then(|at| u8::try_from(at).ok())
    }

    /// `letters` letters of five bits each as a number, whose first letter is as that of a token.
    pub fn letters(&mut self, letters: u32) -> u128 {
        let value = self.u128() & (1_u128 << (5 * letters)).wrapping_sub(1);
        match self.shard {
            Some(shard) => {
                let first = 5 * letters.saturating_sub(1);
                (value & ((1_u128 << first) - 1)) | (u128::from(shard) << first)
            }
            None => value,
        }
    }

    /// 32 random bits.
    pub fn u32(&mut self) -> u32 {
        self.stream.next_u32()
    }

    /// 64 random bits.
    pub fn u64(&mut self) -> u64 {
        self.stream.next_u64()
    }

    /// 128 random bits.
    pub fn u128(&mut self) -> u128 {
        (u128::from(self.u64()) << 64) | u128::from(self.u64())
    }

    /// Fills `out` with random bytes.
    pub fn fill(&mut self, out: &mut [u8]) {
        self.stream.fill_bytes(out);
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
            if let Some(shard) = self.shard
                && left == len
            {
                letters[0] = ALPHABET[usize::from(shard & 31)];
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

    #[test]
    fn a_token_says_which_of_several_shards_drew_it() {
        for shards in Shards::all(32) {
            let mut ids = IdSource::of_shard([7; 32], shards);
            let mut split = ids.split();
            for token in [ids.token(20), split.token(1), split.split().token(12)] {
                assert_eq!(IdSource::shard_of(&token), Some(shards.own()), "{token}");
            }
            let value = ids.letters(20);
            assert_eq!((value >> 95, value >> 100), (u128::from(shards.own()), 0));
        }
        assert_eq!((IdSource::shard_of(""), IdSource::shard_of("Zoe"), IdSource::shard_of("l1")), (None, None, None));
    }

    #[test]
    fn a_single_shard_draws_what_it_always_drew() {
        let mut ids = IdSource::new([7; 32]);
        let firsts: std::collections::BTreeSet<char> = (0..400).filter_map(|_| ids.token(12).chars().next()).collect();
        assert_eq!(firsts.len(), 32);
        let (mut one, mut two) = (IdSource::new([9; 32]), IdSource::new([9; 32]));
        assert_eq!(one.letters(20), two.u128() & ((1 << 100) - 1));
    }
}
