//! What is no plugin of this switch is refused in words its author understands.

use plugin::{ArtifactError, Digest, Point};
use plugin_tests::{HOSTILE, PROBE, host, host_with};

/// The component with every occurrence of a name replaced by one of the same length.
fn renamed(from: &str, to: &str) -> Vec<u8> {
    renamed_in(HOSTILE, from, to)
}

fn renamed_in(component: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = component.to_vec();
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(from.len()).position(|w| w == from.as_bytes()) {
        bytes[at + found..at + found + from.len()].copy_from_slice(to.as_bytes());
        at += found + to.len();
    }
    assert!(at > 0, "{from} does not occur");
    bytes
}

#[test]
fn points_and_imports_are_discovered_and_the_same_bytes_are_compiled_once() {
    let host = host();
    let hostile = host.compile(HOSTILE).expect("compiles");
    assert_eq!(hostile.points().iter().copied().collect::<Vec<_>>(), [Point::Router, Point::App]);
    let probe = host.compile(PROBE).expect("compiles");
    let hooks = [Point::RouterIo, Point::Registration, Point::Feature, Point::EventSink, Point::SipFilter];
    assert_eq!(probe.points().iter().copied().collect::<Vec<_>>(), hooks, "it imports http, so its router may wait");
    assert!(hostile.imports().iter().any(|i| i == "strowger:call/control@0.1.0"));
    assert!(std::sync::Arc::ptr_eq(&hostile, &host.compile(HOSTILE).expect("compiles")));
    assert_eq!(hostile.digest(), Digest::of(HOSTILE));
    assert_eq!(hostile.bytes(), HOSTILE.len());
}

#[test]
fn shipped_components_import_nothing_but_our_own() {
    let host = host();
    for (bytes, points) in
        [(shipped::EXTENSIONS, 1), (shipped::ATTENDANT, 1), (shipped::ECHO, 1), (shipped::FORWARDS, 3)]
    {
        let artifact = host.compile(bytes).expect("compiles");
        assert_eq!(artifact.points().len(), points);
        assert!(artifact.imports().iter().all(|i| i.starts_with("strowger:")), "{:?}", artifact.imports());
    }
}

#[test]
fn unknown_imports_exports_and_versions_are_named() {
    let host = host();
    for (from, to, hint) in [
        ("strowger:host/log@0.1.0", "strowger:host/sql@0.1.0", "wit/PENDING.md"),
        ("strowger:host/log@0.1.0", "strowger:host/log@0.9.0", "built for version 0.9.0, this switch speaks 0.1.0"),
        ("strowger:host/log@0.1.0", "wasi:sockets/tcps@0.2.0", "no WASI"),
    ] {
        let Err(ArtifactError::UnknownImport { name, hint: said }) = host.compile(&renamed(from, to)) else {
            panic!("{to} was accepted")
        };
        assert_eq!(name, to);
        assert!(said.contains(hint), "{said}");
    }
    for (from, to, hint) in [
        ("strowger:call/app@0.1.0", "strowger:call/ivr@0.1.0", "strowger:call/app@0.1.0"),
        ("strowger:call/app@0.1.0", "strowger:call/app@2.0.0", "rebuild"),
    ] {
        let Err(ArtifactError::UnknownExport { name, hint: said }) = host.compile(&renamed(from, to)) else {
            panic!("{to} was accepted")
        };
        assert_eq!(name, to);
        assert!(said.contains(hint), "{said}");
    }
    let text = host.compile(&renamed("strowger:host/log@0.1.0", "strowger:host/sql@0.1.0")).expect_err("refused");
    assert!(text.to_string().starts_with("the plugin imports `strowger:host/sql@0.1.0`"));
}

#[test]
fn types_of_another_version_are_refused_when_they_come_and_the_wit_item_is_named() {
    let host = host();
    let rater = Point::Rater;
    for (component, from, to, point, item) in [
        // A field of a record that it answers.
        (HOSTILE, "ring-timeout-ms", "ring-timeout-us", Point::Router, "`route` of `strowger:routing/router@0.1.0`"),
        // One of a record that it is given, and a case.
        (PROBE, "user-agent", "user-angel", Point::Registration, "`register` of `strowger:hooks/registration@0.1.0`"),
        (PROBE, "run-app", "run-ivr", Point::Feature, "`invoke` of `strowger:hooks/feature@0.1.0`"),
        (shipped::RATING, "answered-at-ms", "answered-at-us", rater, "`settle` of `strowger:billing/rater@0.1.0`"),
        (
            shipped::RATING,
            "recheck-before-s",
            "recheck-before-m",
            rater,
            "`authorize` of `strowger:billing/rater@0.1.0`",
        ),
        // A function that is not there.
        (PROBE, "deliver", "deliwer", Point::EventSink, "`strowger:hooks/event-sink@0.1.0` has no function `deliver`"),
        // What it imports.
        (HOSTILE, "by-remote", "by-remove", Point::Router, "`strowger:host/directory@0.1.0`"),
    ] {
        let refused = host.compile(&renamed_in(component, from, to)).expect_err(to);
        let ArtifactError::Mismatch { point: said, reason } = &refused else { panic!("{to}: {refused}") };
        assert_eq!(*said, point, "{to}: {reason}");
        assert!(reason.contains(item), "{to}: {reason}");
        assert!(reason.contains("has no function") || reason.contains(from), "{to}: {reason}");
        assert!(refused.to_string().ends_with("rebuild it with this version's SDK"), "{refused}");
    }
}

#[test]
fn what_is_no_component_is_refused() {
    let host = host_with(|c| c.artifact_bytes_max = 1 << 20);
    let core = b"\0asm\x01\0\0\0";
    for bytes in [&b""[..], b"hello", b"(component)", core, &HOSTILE[..HOSTILE.len() / 2], &[0; 100]] {
        let error = host.compile(bytes).expect_err("refused");
        assert!(matches!(error, ArtifactError::NotAComponent(_)), "{error}");
    }
    let empty = b"\0asm\x0d\0\x01\0";
    assert!(matches!(host.compile(empty), Err(ArtifactError::NoPoint { .. })));
    let large = host.compile(&vec![0; (1 << 20) + 1]).expect_err("refused");
    assert!(matches!(large, ArtifactError::TooLarge { .. }), "{large}");
}

#[test]
fn a_plugin_that_starts_larger_than_it_may_grow_is_refused_in_words() {
    let host = host_with(|c| c.memory_bytes_max = 1 << 20);
    let error = host.compile(HOSTILE).expect_err("its stack alone is a mebibyte");
    assert!(matches!(error, ArtifactError::OverLimit(_)), "{error}");
}
