//! The project's own commands: `cargo xtask demo`, `cargo xtask test` and the steps they are made of.
//!
//! Each says what it does, can be run twice, and explains what is missing where it may not install. No crate beside
//! std, so that it builds in a moment.

mod contract;
mod dist;
mod install;
mod lanes;
mod languages;
mod purity;
mod run;
mod scale;
mod soap;
mod steps;

use std::process::ExitCode;

const USAGE: &str = "cargo xtask COMMAND

  demo [ARGS]     build everything and start the switch on the embedded database with a demo tenant
  test            install what the tests need, start real servers, run everything (what CI runs)
  test STEP ...   only these steps; `cargo xtask test --list` names them
  sim [ARGS]      the simulation: --seeds N, --from SEED; --nightly = 10,000 seeds and more that no other night has
  purity          build floors 0-4 for wasm32-unknown-unknown and check that nothing is imported
  load [ARGS]     sipp load against the switch; --list names the scenarios
  scale [ARGS]    a large platform: memory, start, change to live, API times; --url postgres://... for PostgreSQL
  bench           the criterion benchmarks of the hot paths
  dist [--plain]  the binary that is shipped, trained by its own load (target/dist/strowger)
  install         only install what the tests need
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let rest = args.get(1..).unwrap_or_default();
    let outcome = match args.first().map(String::as_str) {
        Some("demo") => run::demo(rest),
        Some("test") => steps::test(rest),
        Some("sim") => run::sim(rest),
        Some("purity") => purity::check(),
        Some("load") => run::load(rest),
        Some("scale") => scale::run(rest),
        Some("bench") => run::bench(rest),
        Some("dist") => dist::build(rest),
        Some("install") => install::everything(),
        Some("help" | "--help" | "-h") => {
            eprint!("{USAGE}");
            Ok(())
        }
        Some(other) => Err(format!("no command {other:?}.\n\n{USAGE}")),
        None => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(words) => {
            eprintln!("xtask: {words}");
            ExitCode::FAILURE
        }
    }
}
