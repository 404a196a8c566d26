//! Compiled code: made once, kept sealed, given back when it is not bound any more.
#![allow(clippy::expect_used)]

use plugin::{CODE_FOLDER, CodeCache, CodeFigures, Host, Point};
use plugin_tests::{HOSTILE, PROBE, ask, bind, host_with};
use std::path::Path;
use std::sync::Arc;

fn node(data: &Path, change: impl FnOnce(&mut plugin::HostConfig)) -> Host {
    let cache = CodeCache::open(data, 1 << 30).expect("a cache");
    host_with(|config| {
        config.code_cache = Some(Arc::new(cache));
        change(config);
    })
}

fn code(host: &Host) -> (u64, u64, u64) {
    let CodeFigures { compiled, loaded, refused, .. } = host.metrics().code;
    (compiled, loaded, refused)
}

#[tokio::test]
async fn code_of_this_node_is_used_again_and_runs() {
    let data = tempfile::tempdir().expect("a folder");
    let first = node(data.path(), |_| {});
    for bytes in [HOSTILE, PROBE, HOSTILE] {
        first.compile(bytes).expect("compiles");
    }
    // Both are for both engines.
    assert_eq!(code(&first), (4, 2, 0), "nobody has kept the first artifact: it is read, not compiled again");
    drop(first);
    let second = node(data.path(), |_| {});
    let artifact = second.compile(HOSTILE).expect("it was compiled");
    assert_eq!(code(&second), (0, 2, 0));
    second
        .set_bindings(vec![bind(1, "r", Point::Router, &artifact, r#"{"do":"refuse","text":"kept"}"#)])
        .expect("bound");
    assert!(ask(&second, "7").await.decision.is_some());
}

#[test]
fn code_made_for_other_settings_or_damaged_is_made_anew() {
    let data = tempfile::tempdir().expect("a folder");
    node(data.path(), |_| {}).compile(PROBE).expect("compiles");
    let other = node(data.path(), |config| config.memory_bytes_max = 16 << 20);
    other.compile(PROBE).expect("compiles");
    // The size of a memory shows in the code for call apps only.
    assert_eq!(code(&other), (1, 1, 1));
    drop(other);
    for file in std::fs::read_dir(data.path().join(CODE_FOLDER)).expect("files") {
        let path = file.expect("a file").path();
        let mut bytes = std::fs::read(&path).expect("it is read");
        let last = bytes.len() - 40;
        bytes[last] ^= 1;
        std::fs::write(&path, bytes).expect("written");
    }
    let third = node(data.path(), |_| {});
    let artifact = third.compile(PROBE).expect("compiles");
    assert_eq!(code(&third), (2, 0, 2));
    assert!(artifact.points().contains(&Point::Feature));
    let fourth = node(data.path(), |_| {});
    fourth.compile(PROBE).expect("compiles");
    assert_eq!(code(&fourth), (0, 2, 0), "what was made anew is kept");
}

#[test]
fn what_the_pool_cannot_hold_is_refused_from_the_disk_too() {
    let data = tempfile::tempdir().expect("a folder");
    for _ in 0..2 {
        let host = node(data.path(), |config| config.memory_bytes_max = 1 << 20);
        let error = host.compile(HOSTILE).expect_err("its stack alone is a mebibyte");
        assert!(matches!(error, plugin::ArtifactError::OverLimit(_)), "{error}");
    }
}

/// What this process has mapped and what is in its memory, in KiB.
fn memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let field = |name: &str| {
        let line = status.lines().find(|l| l.starts_with(name)).expect("a field");
        line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
    };
    (field("VmSize:"), field("VmRSS:"))
}

fn executable_maps() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux");
    maps.lines().filter(|line| line.split_whitespace().nth(1).is_some_and(|rights| rights.contains('x'))).count()
}

#[tokio::test]
async fn loading_and_unloading_a_hundred_times_leaves_no_code_behind() {
    let data = tempfile::tempdir().expect("a folder");
    let host = node(data.path(), |_| {});
    let cycle = async || {
        let artifact = host.compile(PROBE).expect("it is there");
        host.set_bindings(vec![bind(1, "f", Point::Router, &host.compile(HOSTILE).expect("it is there"), "{}")])
            .expect("bound");
        ask(&host, "7").await;
        drop(artifact);
        host.set_bindings(Vec::new()).expect("nothing is bound");
    };
    for _ in 0..10 {
        cycle().await;
    }
    assert_eq!(host.metrics().artifacts, 0, "nobody keeps one");
    let (before, maps) = (memory(), executable_maps());
    for _ in 0..100 {
        cycle().await;
    }
    let (after, maps_after) = (memory(), executable_maps());
    eprintln!("KiB mapped and resident: {before:?} before 100 cycles, {after:?} after; code maps {maps}, {maps_after}");
    assert_eq!(maps_after, maps, "mappings of code");
    let grown = |before: u64, after: u64| after.saturating_sub(before);
    assert!(grown(before.0, after.0) < 4 << 10, "mapped: {before:?}, {after:?}");
    assert!(grown(before.1, after.1) < 4 << 10, "resident: {before:?}, {after:?}");
    assert_eq!(code(&host).0, 4, "and each was compiled once");
}
