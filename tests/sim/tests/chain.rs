//! Two proxies in a row, on some seeds.

fn holds(seed: u64) -> u64 {
    let one = sim::run_chain(seed, false);
    if let Some(broken) = &one.broken {
        let lines = sim::run_chain(seed, true).lines;
        let stuck = broken.words.split("calling ").nth(1).and_then(|rest| rest.split('"').next());
        let shown: Vec<&str> = match stuck {
            Some(call_id) => lines.iter().filter(|l| l.contains(&format!(" {call_id} "))).map(String::as_str).collect(),
            None => lines[lines.len().saturating_sub(40)..].iter().map(String::as_str).collect(),
        };
        panic!("seed {seed} breaks {}: {}\n{}", broken.rule, broken.words, shown.join("\n"));
    }
    let two = sim::run_chain(seed, false);
    assert_eq!(one.hash, two.hash, "seed {seed} went another way the second time");
    one.tally.answered
}

#[test]
fn a_hundred_seeds_hold() {
    let answered: u64 = (0..100).map(holds).sum();
    assert!(answered > 500, "only {answered} legs were answered");
}
