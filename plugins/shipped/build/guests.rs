//! Builds guests to components by a nested cargo, and copies them to `OUT_DIR`. Shared by the build scripts of
//! `plugins/shipped` and `tests/plugins`.

use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-unknown-unknown";
/// What the outer cargo sets for its own build and must not reach the inner one.
const OUTER: [&str; 9] = [
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTFLAGS",
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_TARGET",
    "CARGO_MAKEFLAGS",
    "CLIPPY_ARGS",
];

/// Builds these packages of `plugins/guests`; `root` is the repository's.
pub(crate) fn build(root: &Path, packages: &[&str]) -> Result<(), String> {
    let guests = root.join("plugins/guests");
    let out = PathBuf::from(var("OUT_DIR")?);
    watch(root, &guests, packages);
    check_target()?;
    let target_dir = target_dir(&out);
    let mut cargo = Command::new(var("CARGO")?);
    for name in OUTER {
        cargo.env_remove(name);
    }
    // The same source gives the same digest wherever it is built: no path of the machine may stand in a panic message.
    cargo.env("CARGO_ENCODED_RUSTFLAGS", remaps(root, &target_dir).join("\u{1f}"));
    cargo.current_dir(&guests).args(["build", "--release", "--locked", "--quiet"]);
    cargo.args(["--target", TARGET, "--target-dir"]).arg(&target_dir);
    for package in packages {
        cargo.args(["--package", package]);
    }
    let output = cargo.output().map_err(|e| format!("the inner cargo did not start: {e}"))?;
    if !output.status.success() {
        return Err(format!("the guests did not build:\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    for package in packages {
        // rustc names a library with underscores.
        let from = target_dir.join(TARGET).join(format!("release/{}.wasm", package.replace('-', "_")));
        std::fs::copy(&from, out.join(format!("{package}.wasm"))).map_err(|e| format!("{}: {e}", from.display()))?;
    }
    Ok(())
}

fn var(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("{name} is not set: run this by cargo"))
}

fn watch(root: &Path, guests: &Path, packages: &[&str]) {
    let watch = |path: PathBuf| println!("cargo::rerun-if-changed={}", path.display());
    ["Cargo.toml", "Cargo.lock", ".cargo/config.toml"].iter().for_each(|f| watch(guests.join(f)));
    packages.iter().for_each(|p| ["src", "Cargo.toml"].iter().for_each(|f| watch(guests.join(p).join(f))));
    ["src", "build.rs", "Cargo.toml"].iter().for_each(|f| watch(root.join("sdk/rust").join(f)));
    watch(root.join("wit"));
    watch(root.join("plugins/shipped/build"));
    println!("cargo::rerun-if-env-changed=RUSTUP_TOOLCHAIN");
}

fn check_target() -> Result<(), String> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let found = Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]).output();
    let found = found.map_err(|e| format!("rustc did not start: {e}"))?;
    let folder = String::from_utf8_lossy(&found.stdout).trim().to_owned();
    if found.status.success() && Path::new(&folder).is_dir() {
        return Ok(());
    }
    Err(format!("the plugins need Rust's {TARGET} target, which is missing: run `rustup target add {TARGET}`"))
}

/// `<target>/plugins`, shared by every profile and by both build scripts; under `OUT_DIR` where cargo's layout is not
/// the usual one.
fn target_dir(out: &Path) -> PathBuf {
    let build = out.ancestors().find(|p| p.file_name().is_some_and(|n| n == "build"));
    match build.and_then(|b| b.parent()?.parent()) {
        Some(target) => target.join("plugins"),
        None => out.join("plugins"),
    }
}

fn remaps(root: &Path, target_dir: &Path) -> Vec<String> {
    let home = std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|h| format!("{h}/.cargo")));
    let mut flags = vec![format!("--remap-path-prefix={}=/strowger", root.display())];
    if let Ok(home) = home {
        flags.push(format!("--remap-path-prefix={home}=/cargo"));
    }
    // The last that fits counts: the target folder may lie within the clone or not.
    flags.push(format!("--remap-path-prefix={}=/target", target_dir.display()));
    flags
}
