//! What the tests need beside Rust: Debian packages, wasm targets, cargo-deny.

use crate::run::{cargo, go, has, read, root};
use std::process::Command;

/// Debian packages and the program that shows each is there.
const PACKAGES: &[(&str, &str)] =
    &[("sip-tester", "sipp"), ("baresip-core", "baresip"), ("postgresql", "pg_ctlcluster")];

/// The components' target; part of rust-toolchain.toml, so rustup usually has it.
const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// The cargo-deny that deny.toml was written for.
const DENY_VERSION: &str = "0.20.2";

/// Installs everything.
pub(crate) fn everything() -> Result<(), String> {
    wasm_target()?;
    let wanted: Vec<&str> = PACKAGES.iter().map(|(package, _)| *package).collect();
    packages(&wanted)?;
    deny()
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
    let missing: Vec<&str> = PACKAGES
        .iter()
        .filter(|(package, program)| wanted.contains(package) && !has(program))
        .map(|(package, _)| *package)
        .collect();
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
    go(cargo()
        .args([
            "install",
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
