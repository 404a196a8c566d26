//! What the tests need beside Rust: Debian packages, wasm targets, cargo-deny, JsSIP, PJSIP.

use crate::run::{cargo, go, has, read, root};
use std::path::PathBuf;
use std::process::Command;

/// Debian packages and the program that shows each is there.
const PACKAGES: &[(&str, &str)] = &[
    ("sip-tester", "sipp"),
    ("baresip-core", "baresip"),
    ("postgresql", "pg_ctlcluster"),
    ("espeak-ng", "espeak-ng"),
    ("poppler-utils", "pdftoppm"),
];

/// Debian packages that have no program, and a file of each: SpanDSP, which the product goes without where it is not there.
const LIBRARIES: &[(&str, &str)] = &[("libspandsp2", "libspandsp.so.2")];

/// Where Debian keeps libraries.
const LIBRARY_DIRS: [&str; 3] = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib"];

/// The same for the peers that a machine may go without: their tests are then left out, by name.
const PEERS: &[(&str, &str)] =
    &[("linphone-cli", "linphone-daemon"), ("chromium", "chromium"), ("npm", "npm"), ("sipvicious", "svmap")];

/// The components' target; part of rust-toolchain.toml, so rustup usually has it.
const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// The cargo-deny that deny.toml was written for.
const DENY_VERSION: &str = "0.20.2";

/// Installs everything.
pub(crate) fn everything() -> Result<(), String> {
    wasm_target()?;
    let wanted: Vec<&str> = PACKAGES.iter().map(|(package, _)| *package).collect();
    packages(&wanted)?;
    debian(LIBRARIES)?;
    peers(debian(PEERS).and_then(|()| jssip()))?;
    peers(pjsip())?;
    deny()
}

/// Linphone, a browser, and JsSIP for it; PJSIP. In CI nothing may be missing.
fn peers(outcome: Result<(), String>) -> Result<(), String> {
    match outcome {
        Err(words) if !in_ci() => {
            eprintln!("xtask: !!! the tests that need them are left out: {words}");
            Ok(())
        }
        done => done,
    }
}

/// The peers that the interop tests go without.
pub(crate) fn missing_peers() -> Vec<&'static str> {
    if in_ci() {
        return Vec::new();
    }
    let programs = PEERS.iter().map(|(_, program)| *program).filter(|program| *program != "npm" && !has(program));
    let jssip = (!npm_dir().join("node_modules/jssip").is_dir()).then_some("jssip");
    programs.chain(jssip).chain((!pjsip_dir().join(PINNED).is_file()).then_some("pjsua")).collect()
}

fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty())
}

fn npm_dir() -> PathBuf {
    root().join("target/npm")
}

/// JsSIP, as the lock file pins it, in target/npm.
fn jssip() -> Result<(), String> {
    let (from, to) = (root().join("tests/interop/browser"), npm_dir());
    let lock = |dir: &PathBuf| std::fs::read(dir.join("package-lock.json")).ok();
    if to.join("node_modules/jssip").is_dir() && lock(&from) == lock(&to) {
        return Ok(());
    }
    std::fs::create_dir_all(&to).map_err(|error| format!("{}: {error}", to.display()))?;
    for name in ["package.json", "package-lock.json"] {
        std::fs::copy(from.join(name), to.join(name)).map_err(|error| format!("{name}: {error}"))?;
    }
    go(Command::new("npm").current_dir(&to).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))
}

/// In the folder of the environment: what it was made of, written when it is whole.
const PINNED: &str = "pinned";

fn pjsip_dir() -> PathBuf {
    root().join("target/tools/pjsip")
}

/// PJSIP for Python, and PESQ, as their files pin them by version and hash, in target/tools/pjsip.
fn pjsip() -> Result<(), String> {
    let (from, tools) = (root().join("tests/interop/pjsip"), pjsip_dir());
    let files = ["requirements.txt", "quality.txt"].map(|name| from.join(name));
    let texts: Result<Vec<String>, String> =
        files.iter().map(|f| std::fs::read_to_string(f).map_err(|e| format!("{}: {e}", f.display()))).collect();
    let pinned = texts?.concat();
    if std::fs::read_to_string(tools.join(PINNED)).is_ok_and(|is| is == pinned) {
        return Ok(());
    }
    if !has("python3") {
        return Err("python3 is not here".to_owned());
    }
    go(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&tools))?;
    let hows: [&[&str]; 2] = [&["--only-binary", ":all:"], &["--no-build-isolation", "--no-deps"]];
    for (file, how) in files.iter().zip(hows) {
        let mut pip = Command::new(tools.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check", "--require-hashes"]).args(how);
        go(pip.arg("-r").arg(file))?;
    }
    std::fs::write(tools.join(PINNED), pinned).map_err(|error| format!("{}: {error}", tools.display()))
}

/// The wasm target, by rustup.
pub(crate) fn wasm_target() -> Result<(), String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let sysroot = read(Command::new(rustc).current_dir(root()).args(["--print", "sysroot"]))?;
    if std::path::Path::new(sysroot.trim()).join("lib/rustlib").join(WASM_TARGET).is_dir() {
        return Ok(());
    }
    if !has("rustup") {
        return Err(format!(
            "the Rust target {WASM_TARGET} is missing and rustup is not here: install it for this compiler"
        ));
    }
    go(Command::new("rustup").current_dir(root()).args(["target", "add", WASM_TARGET]))
}

/// Debian packages, by apt-get when root; else a sentence.
pub(crate) fn packages(wanted: &[&str]) -> Result<(), String> {
    let wanted: Vec<(&str, &str)> = PACKAGES.iter().filter(|(p, _)| wanted.contains(p)).copied().collect();
    debian(&wanted)
}

fn debian(wanted: &[(&str, &str)]) -> Result<(), String> {
    let is_there = |file: &str| has(file) || LIBRARY_DIRS.iter().any(|dir| PathBuf::from(dir).join(file).exists());
    let missing: Vec<&str> = wanted.iter().filter(|(_, file)| !is_there(file)).map(|(package, _)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let command = format!("apt-get install -y --no-install-recommends {}", missing.join(" "));
    if !has("apt-get") || read(Command::new("id").arg("-u"))?.trim() != "0" {
        return Err(format!("missing Debian packages: {}. As root: {command}", missing.join(" ")));
    }
    go(Command::new("apt-get").args(["update", "-qq"]))?;
    go(Command::new("apt-get")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(&missing))
}

/// The pinned cargo-deny, built once into target/tools.
pub(crate) fn deny() -> Result<(), String> {
    let tools = root().join("target/tools");
    if tools.join("bin/cargo-deny").is_file() {
        return Ok(());
    }
    eprintln!("xtask: building cargo-deny {DENY_VERSION} once into target/tools");
    // It reads one lock file in a moment, optimised or not.
    go(cargo()
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .args([
            "install",
            "--debug",
            "--quiet",
            "--locked",
            "--no-default-features",
            "--version",
            DENY_VERSION,
            "cargo-deny",
            "--root",
        ])
        .arg(&tools)
        .arg("--target-dir")
        .arg(root().join("target/tools/build")))
}
