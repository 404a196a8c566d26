//! What a call costs that is held: so many stand in the pure core, every transaction over, and what each takes is counted by
//! the allocator. What the process takes for them in all, `cargo xtask load held` measures.

#[path = "../examples/calls/bench.rs"]
mod bench;

use bench::Bench;
use core::time::Duration;
use model::Handling;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);

#[allow(unsafe_code, reason = "an allocator that counts is the only way to see what is held")]
// SAFETY: every call goes to the system allocator unchanged; counting is an atomic.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Calls that are held; tables that grow by doubling are hardly half full with so many.
const CALLS: u64 = 2_200;
/// Every transaction is over by then: 64*T1, and T4.
const SETTLED: Duration = Duration::from_secs(40);

/// Bytes of each call that stands.
fn held(handling: Handling) -> usize {
    let mut bench = Bench::new();
    // What is paid for once.
    bench.answered(0, handling);
    bench.wait(SETTLED);
    let before = HELD.load(Ordering::Relaxed);
    for n in 1..=CALLS {
        bench.answered(n, handling);
    }
    bench.wait(SETTLED);
    let counters = bench.core.counters();
    assert_eq!((counters.calls_alive as u64, counters.transactions_alive), (CALLS + 1, 0), "{counters:?}");
    (HELD.load(Ordering::Relaxed) - before) / CALLS as usize
}

/// One after the other: what is counted is the process's.
#[test]
fn calls_that_are_held_take_little_memory_each() {
    let counted = [("proxy", held(Handling::Proxy), 12 * 1_024), ("b2bua", held(Handling::B2bua), 24 * 1_024)];
    eprintln!("bytes a call, and most: {counted:?}");
    assert!(counted.iter().all(|(_, each, most)| each <= most), "bytes a call, and most: {counted:?}");
}
