//! What `plugin new` writes, in every language and for every point: it is built, tested, signed, installed and bound.
//!
//! The tools are those that `cargo xtask test languages` has put into `target/tools`; one that is not there is skipped
//! aloud. A component of an interpreter takes a machine many seconds to compile, and is compiled for each of these: so what
//! is not Rust is walked again only when its text, its SDK or the contract changed (`target/templates`), and of JavaScript
//! and Python two points are installed and bound, the others built and tested. Unless `STROWGER_ALL_TEMPLATES` is set, two
//! points of JavaScript are walked and one of Python, so that all tests stay within their hour.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "test code outside the switch")]

use crate::process::Demo;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const ALL: [&str; 8] = [
    "routing/router",
    "routing/router-io",
    "call/app",
    "hooks/registration",
    "hooks/feature",
    "hooks/event-sink",
    "hooks/sip-filter",
    "billing/rater",
];
/// Those of the interpreters that are always walked: each takes a machine most of a minute to compile.
const ALWAYS: [(&str, &[&str]); 2] = [("javascript", &["routing/router", "call/app"]), ("python", &["routing/router"])];
/// Set, the others are walked too.
const WALK_ALL: &str = "STROWGER_ALL_TEMPLATES";
const OF_C: [&str; 3] = ["routing/router", "call/app", "hooks/sip-filter"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// A language, and how its folder finds the tool: a link of this name to a folder of `target/tools` with this file in it.
struct Language {
    name: &'static str,
    points: &'static [&'static str],
    tool: Option<(&'static str, &'static str, &'static str)>,
}

const LANGUAGES: [Language; 4] = [
    Language { name: "rust", points: &ALL, tool: None },
    Language {
        name: "javascript",
        points: &ALL,
        tool: Some(("node_modules", "javascript/node_modules", ".bin/componentize-qjs")),
    },
    Language { name: "python", points: &ALL, tool: Some((".venv", "python", "bin/componentize-py")) },
    Language { name: "c", points: &OF_C, tool: Some((".venv", "c", "bin/python-zig")) },
];

#[track_caller]
fn done(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

fn strowger(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strowger"));
    command.args(["plugin"]).args(args);
    // The crates of the guests' lock file are on this machine.
    command.env("STROWGER_SDK", root().join("sdk/rust")).env("CARGO_NET_OFFLINE", "true");
    command.env("ZIG_GLOBAL_CACHE_DIR", target().join("tools/zig-cache"));
    command
}

/// Every text of a folder, in a row.
fn texts(dir: &Path) -> Vec<u8> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        if path.is_dir() {
            all.extend(texts(&path));
        } else {
            all.extend(path.file_name().unwrap().as_encoded_bytes());
            all.extend(std::fs::read(&path).unwrap());
        }
    }
    all
}

/// The folder of a new plugin, with its tool; and what it is kept under.
fn write(language: &Language, point: &str, name: &str, work: &Path) -> (PathBuf, String) {
    let dir = work.join(name);
    let made = done(strowger(&["new", name, "--lang", language.name, "--point", point, "--dir"]).arg(&dir));
    assert!(made.contains("is ready"), "{made}");
    let digest = plugin::Digest::of(&texts(&dir)).to_string();
    match language.tool {
        Some((link, folder, _)) => {
            std::os::unix::fs::symlink(target().join("tools").join(folder).canonicalize().unwrap(), dir.join(link))
                .unwrap();
        }
        None => {
            // One build of what they all depend on, at the versions of the guests.
            std::fs::copy(root().join("plugins/guests/Cargo.lock"), dir.join("Cargo.lock")).unwrap();
            let shared = target().join("templates/rust");
            std::fs::create_dir_all(&shared).unwrap();
            std::os::unix::fs::symlink(shared.canonicalize().unwrap(), dir.join("target")).unwrap();
        }
    }
    (dir, digest)
}

/// From nothing to a bound plugin; gives whether it was done, or had been before.
fn walk(language: &Language, point: &str, (work, demo): (&Path, &Demo)) -> bool {
    let name = format!("{}-{}", language.name, point.rsplit('/').next().unwrap());
    let (dir, digest) = write(language, point, &name, work);
    let (dir, kept) = (dir.to_str().unwrap(), target().join("templates").join(&name));
    let passed = kept.join("passed");
    if language.name != "rust" && std::fs::read_to_string(&passed).is_ok_and(|before| before == digest) {
        return false;
    }
    let built = done(&mut strowger(&["build", dir]));
    assert!(built.contains(&format!("serves    {point}\n")), "{built}");
    let bundle = format!("{dir}/{name}-0.1.0.splug");
    let played = done(&mut strowger(&["test", &bundle]));
    assert!(played.contains("ok  tests/first.yaml") && played.contains("1 scenarios of"), "{played}");
    let small = ["rust", "c"].contains(&language.name);
    if small || ["routing/router", "hooks/event-sink"].contains(&point) {
        install(&name, point, (&bundle, work, demo));
    }
    std::fs::create_dir_all(&kept).unwrap();
    std::fs::write(&passed, digest).unwrap();
    true
}

/// Signs a bundle, and has it installed, bound, seen alive, and unbound.
fn install(name: &str, point: &str, (bundle, work, demo): (&str, &Path, &Demo)) {
    let key = work.join("key");
    if !key.exists() {
        done(strowger(&["keygen"]).arg(&key));
    }
    let signed = done(strowger(&["sign", bundle, "--key"]).arg(&key));
    assert!(signed.contains("is signed by"), "{signed}");
    let installed = demo.client(&["plugin", "install", bundle]);
    assert!(installed.contains(&format!("Installed {name}@0.1.0 for {point}")), "{installed}");
    let bound = demo.client(&["plugin", "bind", name, "--brand", "demo"]);
    assert!(bound.contains(&format!("Binding {name} ({point}) runs {name}@0.1.0 now")), "{bound}");
    let state = demo.client(&["plugin", "state", name]);
    assert!(state.starts_with(&format!("{name} is live.")), "{state}");
    demo.client(&["plugin", "unbind", name]);
}

#[test]
fn every_template_is_built_tested_signed_installed_and_bound() {
    let data = tempfile::tempdir().unwrap();
    let work = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(data.path());
    let mut walked = 0;
    for language in &LANGUAGES {
        let here = |(_, folder, file): (&str, &str, &str)| target().join("tools").join(folder).join(file).exists();
        if !language.tool.is_none_or(here) {
            let _ = writeln!(std::io::stderr(), "!!! SKIPPED templates in {}: no tool in target/tools", language.name);
            assert!(std::env::var_os("CI").is_none(), "{} must be here in CI", language.name);
            continue;
        }
        let few = ALWAYS.into_iter().find(|(name, _)| *name == language.name).map(|(_, points)| points);
        let few = few.filter(|_| std::env::var_os(WALK_ALL).is_none());
        for point in language.points.iter().filter(|point| few.is_none_or(|few| few.contains(point))) {
            let began = std::time::Instant::now();
            let what = if walk(language, point, (work.path(), &demo)) { "walked" } else { "as it was" };
            let _ =
                writeln!(std::io::stderr(), "{} {point}: {what}, {} ms", language.name, began.elapsed().as_millis());
            walked += 1;
        }
    }
    assert!(walked >= ALL.len(), "Rust is always here");
    demo.stop();
}

#[test]
fn a_point_without_a_template_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("x");
    let dir = dir.to_str().unwrap();
    for (language, point) in [("c", "billing/rater"), ("python", "hooks/nothing"), ("rust", "hooks/nothing")] {
        let said =
            crate::process::refused(&["plugin", "new", "x", "--lang", language, "--point", point, "--dir", dir], 2);
        assert!(said.contains(point) && said.contains("routing/router-io"), "{said}");
    }
}
