//! What the pure core may allocate for each unit of a scenario of `examples/calls`. Instructions are counted by hand, under
//! callgrind; allocations are the part of the cost that a test can see, and the same on every machine.

#[path = "../examples/calls/bench.rs"]
mod bench;

use bench::Bench;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static ON: Cell<bool> = const { Cell::new(false) };
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn note() {
    if ON.with(Cell::get) {
        COUNT.with(|count| count.set(count.get() + 1));
    }
}

#[allow(unsafe_code, reason = "an allocator that counts is the only way to see allocations")]
// SAFETY: every call goes to the system allocator unchanged; counting touches thread-local cells without drop.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: as the caller promised.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of the core for one unit, on average of a hundred after as many others.
fn allocations(scenario: &str) -> u64 {
    let mut bench = Bench::new();
    bench.meter = |on| ON.with(|cell| cell.set(on));
    let mut play = |units: core::ops::Range<u64>| {
        for n in units {
            assert!(bench.play(scenario, n), "{scenario} is a scenario");
        }
        COUNT.with(|count| count.replace(0))
    };
    play(0..100);
    play(100..200) / 100
}

#[test]
fn a_unit_of_each_scenario_allocates_no_more_than_it_did() {
    let bounds = [("proxy", 122), ("b2bua", 299), ("options", 8), ("register", 46)];
    let counted: Vec<_> = bounds.iter().map(|(scenario, most)| (*scenario, allocations(scenario), *most)).collect();
    let over = counted.iter().any(|(_, counted, most)| counted > most);
    assert!(!over, "scenario, counted, most: {counted:?}");
}
