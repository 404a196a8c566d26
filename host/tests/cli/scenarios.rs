//! The scenarios of every shipped plugin, and what `plugin test` says when one fails.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "test code outside the switch")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SHIPPED: [(&str, &[u8]); 13] = [
    ("attendant", shipped::ATTENDANT),
    ("conference", shipped::CONFERENCE),
    ("echo", shipped::ECHO),
    ("extensions", shipped::EXTENSIONS),
    ("forwards", shipped::FORWARDS),
    ("fraud-guard", shipped::FRAUD_GUARD),
    ("header-rules", shipped::HEADER_RULES),
    ("lcr", shipped::LCR),
    ("queue", shipped::QUEUE),
    ("rating", shipped::RATING),
    ("screening", shipped::SCREENING),
    ("voice-agent", shipped::VOICE_AGENT),
    ("voicemail", shipped::VOICEMAIL),
];

fn guests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/guests")
}

fn play(folder: &Path, component: &[u8], more: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("component.wasm");
    std::fs::write(&file, component).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_strowger"));
    command.args(["plugin", "test"]).arg(folder).arg("--component").arg(&file).args(more);
    command.output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn every_shipped_plugin_passes_its_scenarios_astray_too() {
    for (name, component) in SHIPPED {
        let folder = guests().join(name);
        let scenarios = std::fs::read_dir(folder.join("tests")).unwrap().count();
        let played = play(&folder, component, &["--fuzz", "--seeds", "5"]);
        assert!(played.status.success(), "{name}: {}", String::from_utf8_lossy(&played.stderr));
        assert_eq!(out(&played).matches("ok  tests/").count(), scenarios, "{}", out(&played));
    }
}

/// Those that `cargo xtask test languages` has built; without their tool they are skipped aloud.
#[test]
fn shipped_plugins_in_other_languages_pass_their_scenarios() {
    use std::io::Write as _;
    let root = guests().join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
    for folder in ["javascript/webhook-events", "python/http-router"] {
        let name = folder.rsplit('/').next().unwrap();
        let Ok(component) = std::fs::read(target.join("languages").join(format!("{name}.wasm"))) else {
            let _ = writeln!(std::io::stderr(), "!!! SKIPPED {name}: `cargo xtask test languages` builds it");
            assert!(std::env::var_os("CI").is_none(), "{name} must be here in CI");
            continue;
        };
        let folder = root.join("plugins").join(folder);
        let scenarios = std::fs::read_dir(folder.join("tests")).unwrap().count();
        let played = play(&folder, &component, &[]);
        assert!(played.status.success(), "{name}: {}", String::from_utf8_lossy(&played.stderr));
        assert_eq!(out(&played).matches("ok  tests/").count(), scenarios, "{}", out(&played));
    }
}

#[test]
fn the_fuel_figure_is_the_same_every_time() {
    let once = || out(&play(&guests().join("attendant"), shipped::ATTENDANT, &[]));
    let first = once();
    assert_eq!(first, once());
    let figure = |line: &str| line.split_whitespace().rev().nth(1).and_then(|n| n.parse::<u64>().ok());
    assert!(first.lines().filter_map(figure).all(|n| n > 1_000), "{first}");
}

/// A plugin's folder with one scenario, and the sentence that says why it fails.
fn refused(name: &str, component: &[u8], scenario: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(guests().join(name).join("plugin.toml"), dir.path().join("plugin.toml")).unwrap();
    std::fs::create_dir(dir.path().join("tests")).unwrap();
    std::fs::write(dir.path().join("tests/x.yaml"), scenario).unwrap();
    let played = play(dir.path(), component, &[]);
    assert_eq!(played.status.code(), Some(1), "{}", out(&played));
    String::from_utf8_lossy(&played.stderr).into_owned()
}

#[test]
fn a_failure_names_line_and_step() {
    let attendant = |scenario: &str| refused("attendant", shipped::ATTENDANT, scenario);
    for (scenario, words) in [
        (
            "steps:\n  - { expect: answer }\n  - { expect: dial }\n",
            "tests/x.yaml:3: step 2: expected dial, the plugin asks for collect",
        ),
        (
            "steps:\n  - { expect: answer }\n  - expect: collect\n    with: { max-digits: 2 }\n",
            "tests/x.yaml:3: step 2: collect: max-digits is 1, expected 2",
        ),
        ("steps:\n  - { expect: answer }\n", "after the last step: the plugin asks for collect"),
        ("steps:\n  - { expects: answer }\n", "tests/x.yaml:2: "),
        (
            "steps:\n  - { expect: answer, reply: { error: hung-up } }\nends: {}\n",
            "tests/x.yaml:3: after the last step",
        ),
        (
            "steps:\n  - { ask: route, to: \"1\" }\n  - { expect: answer, reply: { error: never } }\n",
            "step 2: never is no error",
        ),
    ] {
        let why = attendant(scenario);
        assert!(why.contains(words), "{scenario}\n{why}");
    }
    let screening =
        "call: { config: { numbers: { block: [\"9*\"] } } }\nsteps:\n  - { ask: route, to: \"91\", expect: next }\n";
    let why = refused("screening", shipped::SCREENING, screening);
    assert!(why.contains("tests/x.yaml:3: step 1: expected next, it decided refuse"), "{why}");
}
