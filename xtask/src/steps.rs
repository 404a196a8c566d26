//! `cargo xtask test`: the checks, in order of speed.

use crate::run::{cargo, go, root};
use crate::{install, purity};
use std::process::Command;
use std::time::Instant;

/// Seeds of the simulation in CI.
const CI_SEEDS: &str = "2000";
/// The same of nodes of two and of three shards, each.
const SHARD_SEEDS: &str = "400";
/// Seeds of the two proxies in a row.
const CHAIN_SEEDS: &str = "300";

/// A step: its name, what it is for, and how it runs.
type Step = (&'static str, &'static str, fn() -> Result<(), String>);

const STEPS: &[Step] = &[
    ("fmt", "the code is formatted", fmt),
    ("install", "what the tests need is here", install::everything),
    ("tidy", "floors, sizes, names", tidy),
    ("clippy", "lints, warnings are errors", clippy),
    ("doc", "the documentation builds without a warning", doc),
    ("deny", "licences, sources, one version of each crate", deny),
    ("languages", "the plugins in JavaScript, Python and C, built to components", crate::languages::build),
    (
        "tests",
        "every test of the workspace, with real PostgreSQL, baresip, PJSIP, sipp, linphone and Chromium",
        crate::lanes::run,
    ),
    ("contract", "the API keeps what its document says, whatever it is asked", crate::contract::check),
    ("soap", "the SOAP services as a client of others finds them", crate::soap::check),
    ("purity", "floors 0-4 import nothing", purity::check),
    ("guests", "the plugins and the SDK: format and lints", guests),
    ("sdk", "the SDK builds against wit/, and its examples hold", sdk),
    ("fuzz", "the fuzz targets take their corpora, its mutations and the torture messages", fuzz),
    ("sim", "the simulation's seeds, each run twice", sim),
    ("planted", "planted faults are caught by the simulation", crate::run::planted),
];

/// Runs all steps or the named ones.
pub(crate) fn test(args: &[String]) -> Result<(), String> {
    if args.iter().any(|a| a == "--list") {
        for (name, what, _) in STEPS {
            eprintln!("{name:10} {what}");
        }
        return Ok(());
    }
    if let Some(unknown) = args.iter().find(|a| !STEPS.iter().any(|(name, ..)| name == a)) {
        return Err(format!("no step {unknown:?}: see cargo xtask test --list"));
    }
    let mut took = Vec::new();
    for (name, what, step) in STEPS.iter().filter(|(name, ..)| args.is_empty() || args.iter().any(|a| a == name)) {
        eprintln!("\nxtask: === {name}: {what}");
        let begun = Instant::now();
        step().map_err(|why| format!("step {name} failed: {why}"))?;
        took.push(format!("{name} {} s", begun.elapsed().as_secs()));
    }
    eprintln!("\nxtask: all steps passed: {}", took.join(", "));
    Ok(())
}

fn fmt() -> Result<(), String> {
    go(cargo().args(["fmt", "--all", "--check"]))
}

fn tidy() -> Result<(), String> {
    go(cargo().args(["test", "--quiet", "--package", "tidy"]))
}

fn clippy() -> Result<(), String> {
    go(cargo().args(["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn doc() -> Result<(), String> {
    go(cargo().env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links").args([
        "doc",
        "--quiet",
        "--workspace",
        "--no-deps",
    ]))
}

fn deny() -> Result<(), String> {
    let deny = root().join("target/tools/bin/cargo-deny");
    // The check reads every crate of the lock file, also those that this machine does not build.
    go(cargo().args(["fetch", "--quiet", "--locked"]))?;
    go(Command::new(deny).current_dir(root()).args([
        "--offline",
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ]))
}

fn guests() -> Result<(), String> {
    for dir in ["plugins/guests", "sdk/rust"] {
        go(cargo().current_dir(root().join(dir)).args(["fmt", "--all", "--check"]))?;
    }
    go(cargo().current_dir(root().join("plugins/guests")).args([
        "clippy",
        "--quiet",
        "--workspace",
        "--target",
        "wasm32-unknown-unknown",
        "--",
        "-D",
        "warnings",
    ]))
}

/// The SDK's own examples hold against `wit/`.
fn sdk() -> Result<(), String> {
    go(cargo().current_dir(root().join("sdk/rust")).args(["test", "--quiet"]))
}

/// The fuzz targets' bodies, without a fuzzer: a workspace of its own, as libFuzzer needs nightly.
fn fuzz() -> Result<(), String> {
    go(cargo().current_dir(root().join("tests/fuzz")).args(["test", "--quiet"]))
}

fn sim() -> Result<(), String> {
    crate::run::sim(&["--seeds".to_owned(), CI_SEEDS.to_owned()])?;
    for shards in ["2", "3"] {
        crate::run::sim(&["--shards", shards, "--seeds", SHARD_SEEDS].map(str::to_owned))?;
    }
    crate::run::sim(&["--chain".to_owned(), "--seeds".to_owned(), CHAIN_SEEDS.to_owned()])
}
