//! The same routing question asked of fresh and of warm instances: the shipped `extensions` plugin, and the front desk in
//! each language whose component `cargo xtask test languages` has built; not in C, where nothing is freed. Percentiles first, from single asks; then
//! criterion's figures. `cargo bench -p plugin --bench warm`.
#![allow(clippy::expect_used, clippy::print_stdout, missing_docs)]

use criterion::{Criterion, criterion_group, criterion_main};
use plugin::{Host, HostConfig, Point, Reuse};
use std::path::PathBuf;
use std::time::Duration;

#[allow(dead_code, reason = "shared by two benches and an example, each of which uses a part")]
mod world;

const WARM_UP: usize = 500;

/// The component of a language, where it was built.
fn component(language: &str) -> Option<Vec<u8>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
    let read = std::fs::read(target.join("languages").join(format!("{language}.wasm")));
    read.inspect_err(|_| println!("{language}: not built, left out")).ok()
}

fn percentiles(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |p: usize| times[(times.len() - 1) * p / 1_000];
    println!("{name}: p50 {:?}  p90 {:?}  p99 {:?}  p99.9 {:?}", at(500), at(900), at(990), at(999));
}

fn warm(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
    let directory = world::directory();
    let languages = ["javascript", "python"];
    let desks = languages.iter().filter_map(|language| Some((*language, component(language)?)));
    let extensions = std::iter::once(("extensions", shipped::EXTENSIONS.to_vec()));
    for (name, bytes) in extensions.chain(desks) {
        for reuse in [Reuse::Fresh, Reuse::Warm] {
            let host = Host::new(HostConfig::default()).expect("a host");
            // The desk takes every number.
            world::bind_as(&host, ("desk", Point::Router, reuse), &bytes, r#"{"prefix":"","account":"1002"}"#);
            let asks = if reuse == Reuse::Fresh && name != "extensions" { 2_000 } else { 20_000 };
            let mut inside = Vec::with_capacity(asks);
            runtime.block_on(async {
                for i in 0..asks + WARM_UP {
                    let answer = host.ask(world::question(), directory.clone()).await;
                    assert!(answer.decision.is_some(), "{answer:?}");
                    if i >= WARM_UP {
                        assert_eq!(answer.hooks[0].warm, reuse == Reuse::Warm, "{answer:?}");
                        inside.push(answer.hooks[0].took);
                    }
                }
            });
            let label = format!("{name}, {reuse:?}").to_lowercase();
            percentiles(&format!("hook, {label} (seat, call, check, rest or drop)"), inside);
            c.bench_function(&format!("ask, {label}"), |b| {
                b.to_async(&runtime).iter(|| host.ask(world::question(), directory.clone()));
            });
        }
    }
}

criterion_group!(benches, warm);
criterion_main!(benches);
