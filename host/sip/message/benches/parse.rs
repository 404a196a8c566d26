//! The cost of the hot path: parse, the reads of a proxy or transaction layer, one response.
#![allow(clippy::unwrap_used, reason = "a test")]
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

#[path = "../tests/common/mod.rs"]
mod common;

use core::hint::black_box;
use core::net::SocketAddr;
use criterion::{Criterion, criterion_group, criterion_main};
use sip_message::{Message, ParseLimits, ResponseWriter};

fn benches(c: &mut Criterion) {
    let limits = ParseLimits::default();
    let bytes = common::invite();
    let message = Message::parse(bytes.clone(), &limits).unwrap();
    let source = SocketAddr::from(([192, 0, 2, 10], 5060));
    c.bench_function("parse", |b| b.iter(|| Message::parse(black_box(bytes.clone()), &limits)));
    c.bench_function("validate", |b| b.iter(|| black_box(&message).validate()));
    c.bench_function("reads", |b| b.iter(|| common::reads(black_box(&message))));
    c.bench_function("respond", |b| {
        b.iter(|| ResponseWriter::to(black_box(&message), 180, "Ringing", source).to_tag("a1b2c3").finish())
    });
}

criterion_group!(all, benches);
criterion_main!(all);
