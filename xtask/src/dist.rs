//! `cargo xtask dist`: the binary that is shipped, laid out by what it does under load.
//!
//! Signalling is a flat profile: thousands of short paths, of which a call takes the same few hundred each time. A
//! compiler that has seen them taken puts them beside each other and inlines along them; that is worth more than any
//! one change to the code (decision 0310). So the switch is built twice: once counting, to be trained by the pure
//! scenarios and by sipp, and once by those counts. The counts are not committed: this command makes them.

use crate::run::{cargo, go, has, read, root, target_dir};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the pure shard is trained with, and how often.
const SCENARIOS: &[(&str, &str)] = &[("b2bua", "2000"), ("proxy", "3000"), ("options", "3000"), ("register", "3000")];
/// What the whole binary is trained with: see `cargo xtask load --list`.
const LOAD: &str = "train";

/// Builds it; `--plain` without training.
pub(crate) fn build(args: &[String]) -> Result<(), String> {
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => trained(),
        ["--plain"] => {
            crate::install::wasm_target()?;
            go(cargo().args(["build", "--profile", "dist", "--package", "strowger"]))?;
            eprintln!("xtask: built without training: {}", target_dir().join("dist/strowger").display());
            Ok(())
        }
        _ => Err("cargo xtask dist [--plain]".to_owned()),
    }
}

fn trained() -> Result<(), String> {
    crate::install::wasm_target()?;
    crate::install::packages(&["sip-tester"])?;
    let (host, merger) = merger()?;
    let training = target_dir().join("training");
    let (counts, profile) = (training.join("counts"), training.join("switch.profdata"));
    if counts.is_dir() {
        std::fs::remove_dir_all(&counts).map_err(|error| format!("{}: {error}", counts.display()))?;
    }
    std::fs::create_dir_all(&counts).map_err(|error| format!("{}: {error}", counts.display()))?;
    eprintln!("xtask: 1 of 3: a switch that counts (ten minutes on two cores)");
    let counting = format!("-Cprofile-generate={}", counts.display());
    let build = |flags: &str, lto: &str, what: &[&str]| {
        let mut command = cargo();
        command.env("RUSTFLAGS", flags).env("CARGO_PROFILE_DIST_LTO", lto);
        command.args(["build", "--quiet", "--profile", "dist", "--target", &host]);
        go(command.arg("--target-dir").arg(&training).args(what))
    };
    let built = training.join(&host).join("dist");
    // Counting comes before linking, so what counts need not be optimised across crates: that takes most of the time.
    build(&counting, "off", &["--package", "switch", "--example", "calls"])?;
    build(&counting, "off", &["--package", "strowger"])?;
    eprintln!("xtask: 2 of 3: training (three minutes)");
    for (scenario, count) in SCENARIOS {
        go(Command::new(built.join("examples/calls")).args([scenario, count]))?;
    }
    go(cargo().args(["build", "--quiet", "--workspace", "--bin", "load"]))?;
    let mut load = Command::new(target_dir().join("debug/load"));
    load.current_dir(root()).env("STROWGER_BIN", built.join("strowger")).arg(LOAD);
    if let Err(words) = go(&mut load) {
        // A binary that counts is slow: what it did not keep up with has trained it all the same.
        eprintln!("xtask: {words}; its counts are used as they are");
    }
    go(Command::new(merger).arg("merge").arg("--output").arg(&profile).arg(&counts))?;
    eprintln!("xtask: 3 of 3: the switch that is shipped");
    build(&format!("-Cprofile-use={}", profile.display()), "thin", &["--package", "strowger"])?;
    let shipped = target_dir().join("dist/strowger");
    std::fs::create_dir_all(target_dir().join("dist")).map_err(|error| format!("target/dist: {error}"))?;
    std::fs::copy(built.join("strowger"), &shipped).map_err(|error| format!("{}: {error}", shipped.display()))?;
    eprintln!("xtask: {}", shipped.display());
    Ok(())
}

/// This machine's triple, and the compiler's own llvm-profdata, by rustup where it is missing.
fn merger() -> Result<(String, PathBuf), String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let told = read(Command::new(&rustc).current_dir(root()).arg("-vV"))?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc does not say its host")?;
    let sysroot = read(Command::new(&rustc).current_dir(root()).args(["--print", "sysroot"]))?;
    let merger = Path::new(sysroot.trim()).join("lib/rustlib").join(host).join("bin/llvm-profdata");
    if !merger.is_file() {
        if !has("rustup") {
            return Err("llvm-profdata of this compiler is missing and rustup is not here: install the compiler's \
                        llvm-tools, or build without training by `cargo xtask dist --plain`"
                .to_owned());
        }
        go(Command::new("rustup").current_dir(root()).args(["component", "add", "llvm-tools"]))?;
    }
    Ok((host.to_owned(), merger))
}
