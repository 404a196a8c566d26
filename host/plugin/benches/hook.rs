//! The routing hook with a fresh instance, everything included: the shipped `extensions` plugin from question to
//! answer. `cargo bench -p plugin` prints criterion's figures; p50 and p99 come first, from single asks.
#![allow(clippy::expect_used, clippy::print_stdout, missing_docs)]

use criterion::{Criterion, criterion_group, criterion_main};
use plugin::{Host, HostConfig, Point};
use std::time::{Duration, Instant};

#[allow(dead_code, reason = "shared by two benches and an example, each of which uses a part")]
mod world;

const ASKS: usize = 20_000;

fn percentiles(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |p: usize| times[(times.len() - 1) * p / 1_000];
    println!("{name}: p50 {:?}  p90 {:?}  p99 {:?}  p99.9 {:?}", at(500), at(900), at(990), at(999));
}

fn hook(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
    let host = Host::new(HostConfig::default()).expect("a host");
    let directory = world::directory();
    let ask = || host.ask(world::question(), directory.clone());

    let answer = runtime.block_on(ask());
    assert!(answer.hooks.is_empty());
    c.bench_function("ask, nothing bound", |b| b.to_async(&runtime).iter(ask));

    world::bind(&host, "extensions", Point::Router, shipped::EXTENSIONS);
    let (mut inside, mut outside) = (Vec::with_capacity(ASKS), Vec::with_capacity(ASKS));
    runtime.block_on(async {
        for i in 0..ASKS + 1_000 {
            let began = Instant::now();
            let answer = ask().await;
            let took = began.elapsed();
            assert!(answer.decision.is_some(), "{answer:?}");
            if i >= 1_000 {
                outside.push(took);
                inside.push(answer.hooks[0].took);
            }
        }
    });
    percentiles("hook, fresh instance (store, instantiate, call, validate, drop)", inside);
    percentiles("ask, from another runtime and back (two thread switches more)", outside);
    c.bench_function("ask, extensions, fresh instance", |b| b.to_async(&runtime).iter(ask));
}

criterion_group!(benches, hook);
criterion_main!(benches);
