//! What one call costs the pure shard: `calls b2bua 1000` runs so many calls through a core, caller and callee played
//! by prepared bytes. Under `valgrind --tool=callgrind --toggle-collect='*switch::core::Core::handle*'` it counts the
//! switch's own instructions and nothing else; the difference of two counts leaves out the start.
#![allow(clippy::expect_used, clippy::wildcard_enum_match_arm)]

mod bench;

use bench::Bench;
use core::time::Duration;
use model::Handling;

/// As in the binary: the figures are of what is shipped.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let mut args = std::env::args().skip(1);
    let (scenario, count) = (args.next().unwrap_or_default(), args.next().and_then(|n| n.parse().ok()).unwrap_or(100));
    let mut bench = Bench::new();
    for n in 0..count {
        match scenario.as_str() {
            "hold-b2bua" => bench.answered(n, Handling::B2bua).0,
            "hold-proxy" => bench.answered(n, Handling::Proxy).0,
            known if bench.play(known, n) => {}
            _ => return eprintln!("usage: calls b2bua|proxy|hold-b2bua|hold-proxy|options|register [COUNT]"),
        }
    }
    if scenario.starts_with("hold-") {
        // Every transaction is over; what is left is what a call costs that is held.
        bench.wait(Duration::from_secs(40));
        eprintln!("{} calls held", bench.core.counters().calls_alive);
        std::process::exit(0);
    }
    assert!(bench.core.counters().calls_alive == 0, "every call is over");
    eprintln!("{count} x {scenario}: {} messages in, {} out", bench.received, bench.sent);
}
