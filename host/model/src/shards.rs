//! Several shards of one node: which one this is, and which one a brand lives on.
//!
//! A brand lives whole on one shard, by rendezvous hashing: every shard has a weight for the brand, the greatest wins. So
//! a node that gets one shard more moves only the brands that go to it, and nothing is kept of who lives where.

use crate::BrandId;

/// Which shard of a node this is, and how many there are.
///
/// # Invariants
/// `own < count`, and `count` is from 1 to [`Shards::MAX`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shards {
    own: u8,
    count: u8,
}

impl Shards {
    /// Most shards of a node: the number of one fits into the first letter of a token ([`crate::IdSource`]).
    pub const MAX: u8 = 32;

    /// The only shard of a node.
    pub const ALONE: Shards = Shards { own: 0, count: 1 };

    /// Shard `own` of `count`; `None` where there can be no such shard.
    #[must_use]
    pub const fn new(own: u8, count: u8) -> Option<Shards> {
        if own < count && count <= Shards::MAX { Some(Shards { own, count }) } else { None }
    }

    /// Every shard of a node with so many; none where there cannot be so many.
    pub fn all(count: u8) -> impl Iterator<Item = Shards> {
        (0..count).filter_map(move |own| Shards::new(own, count))
    }

    /// The number of this one, from 0.
    #[must_use]
    pub const fn own(self) -> u8 {
        self.own
    }

    /// How many there are.
    #[must_use]
    pub const fn count(self) -> u8 {
        self.count
    }

    /// Whether there is no other.
    #[must_use]
    pub const fn is_alone(self) -> bool {
        self.count == 1
    }

    /// The shard on which a brand lives.
    #[must_use]
    pub fn of_brand(self, brand: BrandId) -> u8 {
        // Of two that weigh the same the last: it cannot matter, as long as all agree.
        (0..self.count).max_by_key(|shard| weight(brand, *shard)).unwrap_or(0)
    }

    /// Whether a brand lives on this shard.
    #[must_use]
    pub fn owns(self, brand: BrandId) -> bool {
        self.is_alone() || self.of_brand(brand) == self.own
    }
}

impl Default for Shards {
    fn default() -> Self {
        Shards::ALONE
    }
}

/// `SplitMix64`: the brand's number begins a stream, of which the shards have one number each.
fn weight(brand: BrandId, shard: u8) -> u64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let begin = mixed(brand.0.cast_unsigned().wrapping_mul(STEP));
    mixed(begin.wrapping_add((u64::from(shard) + 1).wrapping_mul(STEP)))
}

fn mixed(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shards(own: u8, count: u8) -> Shards {
        Shards::new(own, count).unwrap()
    }

    #[test]
    fn a_brand_lives_on_one_shard_and_all_agree_on_which() {
        for brand in (1..500).map(BrandId) {
            let homes: Vec<u8> = Shards::all(5).filter(|s| s.owns(brand)).map(Shards::own).collect();
            assert_eq!(homes, [shards(3, 5).of_brand(brand)], "{brand}");
            assert!(Shards::ALONE.owns(brand));
        }
    }

    #[test]
    fn brands_are_spread_evenly_and_one_shard_more_moves_only_what_goes_to_it() {
        let brands = || (1..=3_000).map(BrandId);
        for count in 2..=8 {
            let mut each = vec![0_u32; usize::from(count)];
            brands().for_each(|b| each[usize::from(shards(0, count).of_brand(b))] += 1);
            let fair = 3_000 / u32::from(count);
            assert!(each.iter().all(|n| n.abs_diff(fair) < fair / 4), "{count}: {each:?}");
            let moved = brands().filter(|b| shards(0, count).of_brand(*b) != shards(0, count + 1).of_brand(*b));
            assert!(moved.into_iter().all(|b| shards(0, count + 1).of_brand(b) == count));
        }
    }

    #[test]
    fn there_is_no_shard_beyond_the_last() {
        assert_eq!((Shards::new(1, 1), Shards::new(0, 0), Shards::new(0, 33)), (None, None, None));
        assert_eq!(Shards::all(32).count(), 32);
    }
}
