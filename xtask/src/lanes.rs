//! Every test of the workspace, in two lanes: those that hold real calls wait for phones most of the time, so the others
//! compute beside them, with less weight.

use crate::install;
use crate::run::{cargo, go, has, root, show, target_dir};
use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::process::Command;

/// The package whose tests hold real calls.
const CALLS: &str = "tests/interop";
/// How many of those are held at once.
const CALL_THREADS: &str = "3";
/// Folders with packages of the workspace; the fuzz targets are a workspace of their own.
const PACKAGES: [&str; 3] = ["host", "tests", "plugins/shipped"];
const APART: [&str; 2] = ["target", "fuzz"];

/// Runs them.
pub(crate) fn run() -> Result<(), String> {
    go(test().arg("--no-run"))?;
    let calls = targets(&root().join(CALLS).join("tests"));
    let mut all = BTreeSet::new();
    PACKAGES.iter().for_each(|folder| gather(&root().join(folder), &mut all));
    if calls.is_empty() || !all.is_superset(&calls) {
        return Err(format!("no tests in {CALLS}: xtask/src/lanes.rs looks for them there"));
    }
    let log = target_dir().join("calls.log");
    let fail = |error: std::io::Error| format!("{}: {error}", log.display());
    let out = File::create(&log).map_err(fail)?;
    let threads = std::env::var("RUST_TEST_THREADS").unwrap_or_else(|_| CALL_THREADS.to_owned());
    let mut with_calls = test();
    with_calls.env("RUST_TEST_THREADS", threads).args(named(&calls));
    eprintln!("xtask: beside what follows, and shown after it: {}", show(&with_calls));
    let mut beside = with_calls.stdout(out.try_clone().map_err(fail)?).stderr(out).spawn().map_err(fail)?;
    let mut others = test();
    others.args(["--lib", "--bins"]).args(named(&all.difference(&calls).cloned().collect()));
    let rest = go(&mut gently(others)).and_then(|()| go(test().arg("--doc")));
    let status = beside.wait().map_err(fail)?;
    eprint!("{}", String::from_utf8_lossy(&std::fs::read(&log).map_err(fail)?));
    rest?;
    if status.success() { Ok(()) } else { Err(format!("the tests with real calls: {status}")) }
}

/// All of them are run, also after one has failed: whoever reads learns of every failure at once. The selection is always the
/// whole workspace: with another, crates would be built with other features.
fn test() -> Command {
    let mut command = cargo();
    // The interop tests take the binary that this very build makes: one of their own would differ in features.
    command
        .env("STROWGER_BIN", target_dir().join("debug/strowger"))
        .env("STROWGER_WITHOUT", install::missing_peers().join(","))
        .args(["test", "--workspace", "--exclude", "purity", "--no-fail-fast"]);
    command
}

fn named(targets: &BTreeSet<String>) -> Vec<&str> {
    targets.iter().flat_map(|name| ["--test", name]).collect()
}

/// The test targets of a package, by cargo's own rule: files, and folders with a `main.rs`.
fn targets(tests: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(tests).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_target =
        |path: &std::path::PathBuf| path.extension().is_some_and(|e| e == "rs") || path.join("main.rs").is_file();
    entries.filter(is_target).filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect()
}

/// Those of every package under a folder.
fn gather(folder: &Path, all: &mut BTreeSet<String>) {
    if folder.join("Cargo.toml").is_file() {
        all.extend(targets(&folder.join("tests")));
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    for inner in entries.filter(|path| path.is_dir()) {
        if !APART.iter().any(|name| inner.ends_with(name)) {
            gather(&inner, all);
        }
    }
}

/// The same with less weight, where the machine can.
fn gently(command: Command) -> Command {
    if !has("nice") {
        return command;
    }
    let mut gentle = Command::new("nice");
    gentle.args(["-n", "10"]).arg(command.get_program()).args(command.get_args()).current_dir(root());
    gentle.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    gentle
}
