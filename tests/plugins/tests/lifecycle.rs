//! What a component says about its own configuration, and that it may nothing else meanwhile.

#![allow(clippy::expect_used, reason = "test code")]

use bundle::Fault;
use core::time::Duration;
use plugin::{ArtifactError, Host, HostConfig, LifecycleError};
use plugin_tests::{HOSTILE, PROBE, host, host_with};
use std::sync::{Arc, Barrier};

fn validated(host: &Host, json: &str) -> Result<Vec<Fault>, LifecycleError> {
    host.validate_config(&host.compile(PROBE).expect("compiles"), json)
}

fn migrated(host: &Host, json: &str) -> Result<Option<Result<String, Vec<Fault>>>, LifecycleError> {
    host.migrate_config(&host.compile(PROBE).expect("compiles"), "0.9.0", json)
}

/// Why it has not said.
fn failed<T: core::fmt::Debug>(said: Result<T, LifecycleError>) -> String {
    let Err(LifecycleError::Failed { why, .. }) = said else { panic!("{said:?}") };
    why
}

#[test]
fn a_component_says_what_it_thinks_of_a_configuration() {
    let host = host();
    assert_eq!(validated(&host, "{}"), Ok(Vec::new()));
    assert_eq!(validated(&host, r#"{"do":"log","text":"who reads this"}"#), Ok(Vec::new()));
    let faults = validated(&host, r#"{"do":"faults","number":2,"text":"so\nnot"}"#).expect("said");
    let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["/text/0: so not", "/text/1: so not"]);
    let wordless = validated(&host, r#"{"do":"faults"}"#).expect("said");
    assert_eq!(wordless[0].to_string(), "/: the plugin refuses it without a word");
    let text = "x".repeat(300);
    let many = validated(&host, &format!(r#"{{"do":"faults","number":100,"text":"{text}"}}"#)).expect("said");
    assert_eq!((many.len(), many[0].why.len()), (20, 200));
    assert_eq!(migrated(&host, r#"{"text":"old"}"#), Ok(Some(Ok(r#"{"text":"0.9.0"}"#.to_owned()))));
    let refused = Fault { at: "/do".to_owned(), why: "0.9.0".to_owned() };
    assert_eq!(migrated(&host, r#"{"do":"refuse"}"#), Ok(Some(Err(vec![refused]))));
    // One that says nothing has no objection.
    let silent = host.compile(HOSTILE).expect("compiles");
    assert!(!silent.has_lifecycle());
    assert_eq!(host.validate_config(&silent, "{}"), Ok(Vec::new()));
    assert_eq!(host.migrate_config(&silent, "0.9.0", "{}"), Ok(None));
}

#[test]
fn the_attendant_finds_menus_that_are_not_there() {
    let host = host();
    let attendant = host.compile(shipped::ATTENDANT).expect("compiles");
    let whole = r#"{"digits":{"1":"menu:sales","2":"1001"},"menus":{"sales":{"digits":{"*":"back","0":"menu:main"}}},
        "schedules":[{"menu":"sales"},{"menu":"main"}]}"#;
    assert_eq!(host.validate_config(&attendant, whole), Ok(Vec::new()));
    let holes =
        r#"{"digits":{"1":"menu:gone"},"menus":{"a/b":{"digits":{"*":"menu:lost"}}},"schedules":[{"menu":"never"}]}"#;
    let faults = host.validate_config(&attendant, holes).expect("said");
    let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
    let expected = [
        r#"/digits/1: there is no menu "gone""#,
        r#"/menus/a~1b/digits/*: there is no menu "lost""#,
        r#"/schedules/0/menu: there is no menu "never""#,
    ];
    assert_eq!(said, expected);
    // It has nothing to take over: what it had it has.
    assert_eq!(host.migrate_config(&attendant, "0.0.9", whole), Ok(Some(Ok(whole.to_owned()))));
}

#[test]
fn a_conferences_pin_can_be_pressed() {
    let host = host();
    let conference = host.compile(shipped::CONFERENCE).expect("compiles");
    assert_eq!(host.validate_config(&conference, r#"{"pin":"4711"}"#), Ok(Vec::new()));
    let faults = host.validate_config(&conference, r#"{"pin":"47x"}"#).expect("said");
    assert_eq!(faults[0].to_string(), "/pin: digits only: nobody could press it");
}

#[test]
fn a_component_that_is_asked_about_a_configuration_may_nothing_else() {
    let host = host_with(|c: &mut HostConfig| {
        c.lifecycle_cpu = Duration::from_millis(200);
        c.config_bytes_max = 64 << 10;
    });
    let keys = failed(validated(&host, r#"{"do":"get"}"#));
    assert!(keys.contains("strowger:host/kv@0.1.0"), "{keys}");
    let trap = failed(validated(&host, r#"{"do":"trap"}"#));
    assert!(trap.contains("on purpose"), "{trap}");
    assert_eq!(validated(&host, r#"{"do":"spin"}"#), Err(LifecycleError::TooLong("validate-config")));
    assert_eq!(migrated(&host, r#"{"do":"spin"}"#), Err(LifecycleError::TooLong("migrate-config")));
    failed(validated(&host, r#"{"do":"grow","number":100000000}"#));
    failed(migrated(&host, r#"{"do":"grow","number":70000}"#));
    let large = format!(r#"{{"text":"{}"}}"#, "x".repeat(64 << 10));
    assert_eq!(validated(&host, &large), Err(LifecycleError::TooLarge { bytes: large.len(), max: 64 << 10 }));
    assert_eq!(validated(&host, "{}"), Ok(Vec::new()), "and nothing of it is left");
}

#[test]
fn only_so_many_are_asked_at_once() {
    let host = host_with(|c: &mut HostConfig| c.lifecycle_cpu = Duration::from_secs(1));
    let probe = host.compile(PROBE).expect("compiles");
    let together = Arc::new(Barrier::new(8));
    let asked: Vec<_> = (0..8)
        .map(|_| {
            let (host, probe, together) = (host.clone(), Arc::clone(&probe), Arc::clone(&together));
            std::thread::spawn(move || {
                together.wait();
                host.validate_config(&probe, r#"{"do":"spin"}"#)
            })
        })
        .collect();
    let said: Vec<_> = asked.into_iter().map(|thread| thread.join().expect("no panic")).collect();
    let busy = said.iter().filter(|said| **said == Err(LifecycleError::Busy)).count();
    let long = said.iter().filter(|said| **said == Err(LifecycleError::TooLong("validate-config"))).count();
    assert!(busy > 0 && long >= 4 && busy + long == 8, "{said:?}");
    assert_eq!(host.validate_config(&probe, "{}"), Ok(Vec::new()), "their places are free again");
}

#[test]
fn an_interface_of_another_version_is_refused_when_the_component_comes() {
    let host = host();
    let renamed = |from: &str, to: &str| {
        let mut bytes = PROBE.to_vec();
        let mut found = 0;
        for at in 0..bytes.len() - from.len() {
            if bytes[at..].starts_with(from.as_bytes()) {
                bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
                found += 1;
            }
        }
        assert!(found > 0, "{from} does not occur");
        host.compile(&bytes).expect_err("refused")
    };
    let missing = renamed("migrate-config", "migrate-konfig");
    let ArtifactError::Lifecycle { reason } = &missing else { panic!("{missing}") };
    assert!(reason.contains("has no function `migrate-config`"), "{reason}");
    let version = renamed("strowger:host/lifecycle@0.1.0", "strowger:host/lifecycle@2.0.0");
    assert!(matches!(&version, ArtifactError::UnknownExport { name, .. } if name.contains("lifecycle")), "{version}");
}
