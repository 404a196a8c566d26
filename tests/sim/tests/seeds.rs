//! Some seeds with every `cargo test`, and every seed that once failed. `cargo xtask sim --seeds 1000` is the real thing.

fn holds(seed: u64) {
    holds_with(seed, 1);
}

fn holds_with(seed: u64, shards: u8) {
    let one = sim::run_shards(seed, shards, false);
    assert_eq!(one.broken, None, "cargo xtask sim --seed {seed} --shards {shards} --trace shows the ladder");
    let two = sim::run_shards(seed, shards, false);
    assert_eq!(one.hash, two.hash, "seed {seed} went another way the second time");
    assert!(one.tally.calls > 0, "seed {seed} has no call");
}

#[test]
fn forty_seeds_hold() {
    (10_000..10_040).for_each(holds);
}

#[test]
fn forty_seeds_hold_on_a_node_of_several_shards() {
    (20_000..20_020).for_each(|seed| holds_with(seed, 2));
    (20_020..20_040).for_each(|seed| holds_with(seed, 3));
}

#[test]
fn seeds_that_once_failed_hold() {
    for line in include_str!("seeds.txt").lines().filter(|l| !l.starts_with('#') && !l.is_empty()) {
        let (seed, why) = line.split_once(' ').expect("a seed and why");
        assert!(!why.trim().is_empty());
        holds(seed.parse().expect("a number"));
    }
}
