//! `planted`: puts each fault of `tests/sim/planted/*.patch` into a copy of the switch and demands that the simulation
//! catches it by the right rule within 200 seeds.
//!
//! The copy and its build live in `target/planted`; only files that differ are written, so that a second run builds
//! little. A patch says which rule must catch it (`Rule:`), and applies wherever its lines are found.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const SEEDS: &str = "200";
/// What is planted into, and all that it is built from.
const ROOT_PART: &str = "tests/sim";

type Outcome<T> = Result<T, String>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(words) => {
            eprintln!("planted: {words}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.parent().and_then(Path::parent).ok_or("no workspace around this crate")?;
    let home = root.join("target/planted");
    let mut patches: Vec<PathBuf> = list(&here.join("planted"))?.into_iter().filter(|p| ends_in_patch(p)).collect();
    patches.sort();
    if patches.is_empty() {
        return Err("there is no fault to plant".to_owned());
    }
    let parts = parts(root)?;
    let mut escaped = Vec::new();
    for patch in &patches {
        let name = patch.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = read(patch)?;
        let rule = text.lines().find_map(|l| l.strip_prefix("Rule: ")).ok_or(format!("{name}: no line Rule:"))?;
        let tree = home.join("tree");
        sync(root, &tree, &parts)?;
        apply(&text, &tree).map_err(|why| format!("{name}: {why}"))?;
        build(&tree, &home.join("build")).map_err(|why| format!("{name}: {why}"))?;
        match caught(&home.join("build/debug/sim"), rule)? {
            Some(seed) => eprintln!("planted: {name} is caught by rule {rule}, seed {seed}"),
            None => escaped.push(format!("{name} was not caught by rule {rule} within {SEEDS} seeds")),
        }
    }
    if escaped.is_empty() { Ok(()) } else { Err(escaped.join("; ")) }
}

fn ends_in_patch(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "patch")
}

fn failed(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

fn read(path: &Path) -> Outcome<String> {
    std::fs::read_to_string(path).map_err(|error| failed(path, &error))
}

fn list(dir: &Path) -> Outcome<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).map_err(|error| failed(dir, &error))?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

/// The folders of `ROOT_PART` and of every crate of the workspace that it, or one of those, names in its manifest (used
/// or not: cargo reads the manifests of optional ones too).
fn parts(root: &Path) -> Outcome<Vec<String>> {
    let workspace = read(&root.join("Cargo.toml"))?;
    let mut parts = vec![ROOT_PART.to_owned()];
    let mut next = 0;
    while let Some(part) = parts.get(next) {
        let manifest = read(&root.join(part).join("Cargo.toml"))?;
        let named = manifest.lines().filter_map(|line| line.split(['.', ' ']).next());
        let folders = named.filter_map(|name| folder(&workspace, name)).map(str::to_owned);
        for folder in folders.collect::<Vec<_>>() {
            if !parts.contains(&folder) {
                parts.push(folder);
            }
        }
        next += 1;
    }
    Ok(parts)
}

/// Where the workspace says that its crate of this name lies.
fn folder<'a>(workspace: &'a str, name: &str) -> Option<&'a str> {
    let line = workspace.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(" = {")))?;
    line.split_once("path = \"")?.1.split('"').next()
}

/// Makes `tree` a workspace of the parts, as they are now.
fn sync(root: &Path, tree: &Path, parts: &[String]) -> Outcome<()> {
    let mut wanted = BTreeSet::new();
    for part in parts {
        copy(&root.join(part), &tree.join(part), &mut wanted)?;
    }
    let manifest = reduced(&read(&root.join("Cargo.toml"))?, parts)?;
    for (name, text) in [("Cargo.toml", manifest), ("rust-toolchain.toml", read(&root.join("rust-toolchain.toml"))?)] {
        write(&tree.join(name), text.as_bytes())?;
    }
    if !tree.join("Cargo.lock").is_file() {
        write(&tree.join("Cargo.lock"), read(&root.join("Cargo.lock"))?.as_bytes())?;
    }
    for part in parts {
        remove_others(&tree.join(part), &wanted)?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path, wanted: &mut BTreeSet<PathBuf>) -> Outcome<()> {
    std::fs::create_dir_all(to).map_err(|error| failed(to, &error))?;
    for path in list(from)? {
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy(&path, &target, wanted)?;
        } else {
            write(&target, &std::fs::read(&path).map_err(|error| failed(&path, &error))?)?;
            wanted.insert(target);
        }
    }
    Ok(())
}

/// Writes what differs, so that the build sees only that.
fn write(path: &Path, bytes: &[u8]) -> Outcome<()> {
    if std::fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    std::fs::write(path, bytes).map_err(|error| failed(path, &error))
}

fn remove_others(dir: &Path, wanted: &BTreeSet<PathBuf>) -> Outcome<()> {
    for path in list(dir)? {
        if path.is_dir() {
            remove_others(&path, wanted)?;
        } else if !wanted.contains(&path) {
            std::fs::remove_file(&path).map_err(|error| failed(&path, &error))?;
        }
    }
    Ok(())
}

/// The workspace's manifest with the parts as its only members.
fn reduced(manifest: &str, parts: &[String]) -> Outcome<String> {
    let (before, rest) = manifest.split_once("members = [").ok_or("the workspace has no members")?;
    let (_, after) = rest.split_once("\n]").ok_or("the list of members has no end")?;
    let members: Vec<String> = parts.iter().map(|part| format!("\"{part}\"")).collect();
    let after: Vec<&str> = after.lines().filter(|l| !l.starts_with("exclude")).collect();
    Ok(format!("{before}members = [{}]{}\n", members.join(", "), after.join("\n")))
}

/// Applies a unified diff: the old lines of each hunk must be in the file exactly once.
fn apply(patch: &str, tree: &Path) -> Outcome<()> {
    for file in patch.split("\n--- a/").skip(1) {
        let name = file.lines().next().unwrap_or_default();
        let path = tree.join(name);
        let mut text = read(&path)?;
        for hunk in file.split("\n@@ ").skip(1) {
            let lines = || hunk.split('\n').skip(1).filter(|l| !l.is_empty());
            let side = |gone: char| -> String {
                lines().filter(|l| !l.starts_with(gone)).map(|l| format!("{}\n", &l[1..])).collect()
            };
            let (old, new) = (side('+'), side('-'));
            if text.matches(&old).count() != 1 {
                return Err(format!("{name} has changed: write the fault anew"));
            }
            text = text.replacen(&old, &new, 1);
        }
        write(&path, text.as_bytes())?;
    }
    Ok(())
}

fn build(tree: &Path, target: &Path) -> Outcome<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(tree)
        .env("CARGO_TARGET_DIR", target)
        .args(["build", "--quiet", "--offline", "--package", "sim", "--bin", "sim"])
        .status()
        .map_err(|error| format!("cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err("the switch with the fault in it does not build".to_owned()) }
}

/// The first seed that breaks the rule.
fn caught(sim: &Path, rule: &str) -> Outcome<Option<u64>> {
    let output =
        Command::new(sim).args(["--seeds", SEEDS, "--until", rule]).output().map_err(|error| failed(sim, &error))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let end = format!(" breaks rule {rule}:");
    Ok(said.lines().find_map(|line| {
        let (seed, _) = line.strip_prefix("sim: seed ")?.split_once(&end)?;
        seed.parse().ok()
    }))
}
