//! Shared maps against the standard library's.

use super::*;
use std::collections::BTreeMap;

/// Numbers that look random and are the same each time.
fn numbers(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed;
    core::iter::from_fn(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Some(state >> 33)
    })
}

fn check(map: &SharedMap<u64, u64>, model: &BTreeMap<u64, u64>) {
    assert!(map.iter().eq(model.iter()));
    assert_eq!((map.len(), map.is_empty()), (model.len(), model.is_empty()));
    assert!(map.chunks.iter().all(|chunk| (1..=CHUNK_MAX).contains(&chunk.len())));
}

#[test]
fn it_does_what_a_map_does() {
    for keys in [10, 1_000, 100_000] {
        let (mut map, mut model) = (SharedMap::default(), BTreeMap::new());
        let mut numbers = numbers(keys);
        for step in 0..6_000 {
            let (act, key) = (numbers.next().unwrap() % 8, numbers.next().unwrap() % keys);
            // More goes in at first, and more comes out later.
            if (act < 5) == (step < 3_500) {
                assert_eq!(map.insert(key, step), model.insert(key, step));
            } else {
                assert_eq!(map.remove(&key), model.remove(&key));
            }
            assert_eq!(map.get(&key), model.get(&key));
            assert!(map.starting(|known| known.cmp(&key)).take(3).eq(model.range(key..).take(3)));
        }
        check(&map, &model);
        assert_eq!(map, model.clone().into_iter().collect());
        for key in model.keys() {
            map.remove(key);
        }
        check(&map, &BTreeMap::new());
        assert!(map.chunks.is_empty(), "nothing is kept of what was removed");
    }
}

#[test]
fn a_copy_shares_all_but_what_was_changed() {
    let before: SharedMap<u64, u64> = (0..100_000).map(|n| (n * 2, n)).collect();
    assert_eq!(before.chunks.len(), 100_000_usize.div_ceil(CHUNK_MAX));
    let mut after = before.clone();
    assert_eq!(after.own_chunks(&before), 0);
    after.insert(77, 1);
    after.insert(100, 2);
    after.remove(&150_000);
    assert_eq!(after.own_chunks(&before), 3, "two halves of the chunk that was full, and one that lost an entry");
    assert_eq!((before.get(&77), before.get(&100), before.len()), (None, Some(&50), 100_000));
    assert_eq!((after.get(&77), after.get(&100), after.get(&150_000)), (Some(&1), Some(&2), None));
}

#[test]
fn what_comes_in_order_fills_its_chunks_and_what_goes_leaves_no_crumbs() {
    let mut map = SharedMap::default();
    for n in 0..10_000_u64 {
        map.insert(n, ());
    }
    assert_eq!(map.chunks.len(), 10_000_usize.div_ceil(CHUNK_MAX));
    for n in (0..10_000).filter(|n| n % 100 != 0) {
        map.remove(&n);
    }
    assert_eq!(map.len(), 100);
    assert!(map.chunks.len() <= 4, "{}", map.chunks.len());
}

#[test]
fn of_several_entries_of_a_key_the_last_counts() {
    let map: SharedMap<u8, u8> = [(2, 1), (1, 1), (2, 2), (1, 3), (2, 3)].into_iter().collect();
    assert!(map.iter().eq([(&1, &3), (&2, &3)]));
    let removed = map.clone().remove_if(|known| known.cmp(&2), |value| *value == 1);
    assert_eq!(removed, None, "the value is another's");
}
