//! An author's files: the folder of a plugin, and what cargo makes of it.

use crate::exit::Failure;
use bundle::{Bundle, COMPONENT, MANIFEST, SCHEMA};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-unknown-unknown";

pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|e| Failure::start(format!("cannot read {}: {e}", path.display())))
}

pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, bytes).map_err(|e| Failure::start(format!("cannot write {}: {e}", path.display())))
}

/// Writes what only its owner may read.
pub(super) fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let wrote = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(bytes));
    wrote.map_err(|e| Failure::start(format!("cannot write {}: {e}", path.display())))
}

/// The bundle of a plugin's folder: `plugin.toml`, `config.schema.json`, `tests/`, `media/`, and this component.
pub(crate) fn pack(dir: &Path, component: Vec<u8>) -> Result<Bundle, Failure> {
    let mut files = BTreeMap::from([(MANIFEST.to_owned(), read(&dir.join(MANIFEST))?)]);
    files.insert(COMPONENT.to_owned(), component);
    if dir.join(SCHEMA).exists() {
        files.insert(SCHEMA.to_owned(), read(&dir.join(SCHEMA))?);
    }
    // Rust's own integration tests live in `tests/` too: only scenarios go into the bundle.
    for (folder, endings) in [("tests", &["yaml", "json"][..]), ("media", &["wav"][..])] {
        let Ok(entries) = std::fs::read_dir(dir.join(folder)) else { continue };
        for path in entries.flatten().map(|e| e.path()) {
            let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
            if let Some(name) = path.file_name().and_then(|n| n.to_str()).filter(|_| endings.contains(&ending)) {
                files.insert(format!("{folder}/{name}"), read(&path)?);
            }
        }
    }
    Bundle::of(files).map_err(Failure::refused)
}

/// Builds a Rust plugin's folder; gives its component.
pub(super) fn cargo_build(dir: &Path) -> Result<Vec<u8>, Failure> {
    let crate_name = crate_name(dir)?;
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(dir)
        .args(["build", "--release", "--quiet", "--target", TARGET, "--target-dir", "target"])
        .output()
        .map_err(|e| Failure::start(format!("cargo did not start: {e}; install Rust by rustup")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Failure::refused(format!("the plugin did not build: {said}")));
    }
    read(&dir.join(format!("target/{TARGET}/release/{}.wasm", crate_name.replace('-', "_"))))
}

fn crate_name(dir: &Path) -> Result<String, Failure> {
    #[derive(serde::Deserialize)]
    struct Cargo {
        package: Package,
    }
    #[derive(serde::Deserialize)]
    struct Package {
        name: String,
    }
    let path: PathBuf = dir.join("Cargo.toml");
    let text = String::from_utf8_lossy(&read(&path)?).into_owned();
    let cargo: Cargo = toml::from_str(&text).map_err(|e| Failure::start(format!("{}: {e}", path.display())))?;
    Ok(cargo.package.name)
}
