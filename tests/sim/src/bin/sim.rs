//! `sim --seeds N --from S`: each seed twice, the hashes compared. `sim --seed S --trace`: one ladder. With `--chain` the
//! world of two proxies in a row, with `--shards N` a node of so many shards.

use sim::{Broken, Outcome, Tally, coverage};
use std::io::Write;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Lines of the ladder shown with a failure.
const LAST_LINES: usize = 40;

struct Args {
    from: u64,
    seeds: u64,
    one: Option<u64>,
    trace: bool,
    threads: usize,
    keep_going: bool,
    /// Two proxies in a row.
    chain: bool,
    /// Shards of the node.
    shards: u64,
    /// Go on until this rule breaks.
    until: Option<String>,
}

fn args() -> Result<Args, String> {
    let mut args = Args {
        from: 0,
        seeds: 100,
        one: None,
        trace: false,
        threads: 2,
        keep_going: false,
        chain: false,
        shards: 1,
        until: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        let mut number = || value()?.parse::<u64>().map_err(|_| format!("{word} needs a number"));
        match word.as_str() {
            "--seeds" => args.seeds = number()?,
            "--from" => args.from = number()?,
            "--seed" => args.one = Some(number()?),
            "--threads" => args.threads = number()?.clamp(1, 64) as usize,
            "--trace" => args.trace = true,
            "--chain" => args.chain = true,
            "--shards" => args.shards = number()?,
            "--keep-going" => args.keep_going = true,
            "--until" => {
                args.until = Some(value()?);
                args.keep_going = true;
            }
            _ => {
                return Err(format!(
                    "no argument {word:?}: --seeds N, --from S, --seed S, --trace, --threads N, --keep-going, --chain, --shards 1|2|3, --until RULE"
                ));
            }
        }
    }
    if !(1..=3).contains(&args.shards) || (args.chain && args.shards > 1) {
        return Err("--shards is 1, 2 or 3, and not of a chain".to_owned());
    }
    Ok(args)
}

fn main() -> ExitCode {
    let args = match args() {
        Ok(args) => args,
        Err(words) => {
            eprintln!("sim: {words}");
            return ExitCode::from(2);
        }
    };
    let failed = match args.one {
        Some(seed) => one(world(&args), seed, args.trace),
        None => many(&args),
    };
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Runs one seed of a world; `true` keeps the ladder.
type World = fn(u64, bool) -> Outcome;

fn world(args: &Args) -> World {
    match args.shards {
        _ if args.chain => sim::run_chain,
        2 => |seed, keep| sim::run_shards(seed, 2, keep),
        3 => |seed, keep| sim::run_shards(seed, 3, keep),
        _ => sim::run,
    }
}

/// Runs one seed and shows its ladder, or the end of it if it fails.
fn one(run: World, seed: u64, whole: bool) -> bool {
    let outcome = run(seed, true);
    let shown = if whole { 0 } else { outcome.lines.len().saturating_sub(LAST_LINES) };
    if whole || outcome.broken.is_some() {
        let mut out = std::io::stdout().lock();
        for line in &outcome.lines[shown..] {
            // A reader that went away (`| head`) is no failure of the run.
            let _ = writeln!(out, "{line}");
        }
    }
    match &outcome.broken {
        Some(broken) => eprintln!("sim: seed {seed} breaks {}: {}", broken.rule, broken.words),
        None => eprintln!("sim: seed {seed} holds, hash {:016x}", outcome.hash),
    }
    outcome.broken.is_some()
}

/// One seed twice: the rules, and the same hash.
fn twice(run: World, seed: u64) -> Outcome {
    let mut first = run(seed, false);
    if first.broken.is_none() {
        let second = run(seed, false);
        if second.hash != first.hash || second.broken.is_some() {
            let words = format!("hash {:016x}, then {:016x} {:?}", first.hash, second.hash, second.broken);
            first.broken = Some(Broken { rule: "determinism", words });
        }
    }
    first
}

/// Totals, failures, and how many seeds ran.
type Results = (Tally, Vec<(u64, Broken)>, u64);

fn many(args: &Args) -> bool {
    let (run, begun) = (world(args), std::time::Instant::now());
    let (next, stop) = (AtomicU64::new(args.from), AtomicBool::new(false));
    let end = args.from + args.seeds;
    let results: Mutex<Results> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..args.threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let outcome = twice(run, seed);
                    let Ok(mut results) = results.lock() else { return };
                    results.0.add(&outcome.tally);
                    results.2 += 1;
                    if let Some(broken) = outcome.broken {
                        let wanted = args.until.as_deref().is_some_and(|rule| rule == broken.rule);
                        stop.fetch_or(wanted || !args.keep_going, Ordering::Relaxed);
                        if args.keep_going {
                            eprintln!("seed {seed} {} {:.300}", broken.rule, broken.words);
                        }
                        results.1.push((seed, broken));
                    }
                }
            });
        }
    });
    let Ok((tally, mut failures, ran)) = results.into_inner() else { return true };
    // The wanted rule first, then the lowest seed.
    failures.sort_by_key(|(seed, broken)| (args.until.as_deref().is_some_and(|rule| rule != broken.rule), *seed));
    if let Some((seed, broken)) = failures.first() {
        if broken.rule != "determinism" && !args.keep_going {
            one(run, *seed, false);
        }
        eprintln!("sim: seed {seed} breaks rule {}: {}", broken.rule, broken.words);
    }
    summary(&tally, ran, failures.len(), begun.elapsed());
    let missing = if args.until.is_none() && ran >= coverage::ENOUGH { missing(args, &tally) } else { Vec::new() };
    if !missing.is_empty() {
        eprintln!("sim: never occurred: {}", missing.join(", "));
    }
    !failures.is_empty() || !missing.is_empty()
}

/// Features that no seed had.
fn missing(args: &Args, tally: &Tally) -> Vec<&'static str> {
    let wanted = if args.chain { coverage::CHAIN } else { coverage::WORLD };
    wanted.iter().filter(|feature| !tally.features.contains_key(*feature)).copied().collect()
}

fn summary(tally: &Tally, ran: u64, failed: usize, took: std::time::Duration) {
    let causes: Vec<String> = tally.causes.iter().map(|(cause, n)| format!("{cause} {n}")).collect();
    let statuses: Vec<String> = tally.statuses.iter().map(|(status, n)| format!("{status} {n}")).collect();
    let features: Vec<String> = tally.features.iter().map(|(feature, n)| format!("{feature} {n}")).collect();
    eprintln!(
        "sim: {ran} seeds twice, {failed} failed: {} calls, {} answered, {} SIP messages, {} RTP packets, {:.1} virtual hours in {:.1} s\n\
         sim: legs ended: {}\nsim: responses: {}\nsim: seeds with: {}",
        tally.calls,
        tally.answered,
        tally.sip,
        tally.rtp,
        tally.virtual_ms as f64 / 3_600_000.0,
        took.as_secs_f64(),
        causes.join(", "),
        statuses.join(", "),
        features.join(", ")
    );
}
