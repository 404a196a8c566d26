//! `cargo xtask load [SCENARIO ...]`: loads against the real binary, and their figures.
//!
//! Every load is bounded in count and time, runs on 127.0.0.1 against a switch of its own on free ports, and prints what
//! it measured as a table and as one JSON line. What must hold (no failed call, no retransmission, no lost packet) makes
//! the exit code; times and memory are figures, not verdicts.
#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stdout)]

mod beside;
mod calls;
mod delay;
mod held;
mod hostile;
mod overload;
mod parked;
mod probe;
mod report;
mod shards;
mod swap;
mod talk;
mod world;

use report::Report;
use std::process::ExitCode;

/// A scenario: its name, what it is, and how it runs.
type Scenario = (&'static str, &'static str, fn() -> Report);

/// No load of its own right: it is left out unless it is named.
const TRAIN: &str = "train";
/// Needs another maker's server: the same.
const BESIDE: &str = "beside";

const SCENARIOS: &[Scenario] = &[
    ("calls", "sipp, 100 calls a second for 60 s: router plugin, direct media", calls::direct),
    ("relay", "the same through the relay, while 200 more calls carry RTP both ways", calls::relayed),
    ("swap", "100 calls a second while the router is replaced and rolled back", swap::run),
    ("hostile", "what another brand's hostile router does to the others' INVITEs", hostile::run),
    ("overload", "twice what the switch can do with a part of a core, some 1,000 calls a second", overload::run),
    ("delay", "what is added to a call's setup at 70 % of what the switch can do", delay::run),
    ("held", "memory of 10,000 calls that are held, proxied and with two dialogs", held::run),
    ("shards", "CPU of a call with one shard and with two", shards::run),
    (BESIDE, "CPU of a call beside Kamailio's in the same run; only where it is named", beside::run),
    (TRAIN, "calls and a little RTP for `cargo xtask dist`; only where it is named", calls::train),
    ("parked", "memory of 1,000 and 5,000 parked attendant calls", parked::run),
];

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted.iter().any(|w| w.starts_with('-')) {
        SCENARIOS.iter().for_each(|(name, what, _)| println!("{name:8} {what}"));
        return ExitCode::SUCCESS;
    }
    if let Some(unknown) = wanted.iter().find(|w| !SCENARIOS.iter().any(|(name, ..)| name == w)) {
        println!("no scenario {unknown:?}: see cargo xtask load --list");
        return ExitCode::from(2);
    }
    let mut reports = Vec::new();
    let runs = |name: &str| {
        if wanted.is_empty() { ![TRAIN, BESIDE].contains(&name) } else { wanted.iter().any(|w| w == name) }
    };
    for (name, what, run) in SCENARIOS.iter().filter(|(name, ..)| runs(name)) {
        println!("{name}: {what}");
        let report = run();
        print!("{}", report.table());
        reports.push((name, report));
    }
    println!();
    reports.iter().for_each(|(name, report)| println!("{}", report.json(name)));
    if reports.iter().all(|(_, report)| report.holds()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
