//! What the pure core may allocate for each unit of a scenario of `examples/calls`. Instructions are counted by hand, under
//! callgrind; allocations are the part of the cost that a test can see, and the same on every machine.

#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "../examples/calls/bench.rs"]
mod bench;

use bench::Bench;
use model::{
    Brand, BrandId, BrandRules, DefaultVerdict, Directory, Instant, Row, Transport, Trunk, TrunkHeaders, TrunkId,
    TrunkServer, TrunkStir,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use switch::{Core, CoreConfig, Input, Listener, Prompts};

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

fn trunk(id: i64) -> Trunk {
    let host = format!("192.0.2.{}", 1 + id % 250);
    let server = TrunkServer { host, port: Some(5060), transport: None, priority: 1, weight: 1 };
    Trunk {
        id: TrunkId(id),
        brand: BrandId(1),
        name: format!("t{id}"),
        enabled: true,
        servers: vec![server],
        credentials: None,
        registration: None,
        from_user: None,
        from_domain: None,
        headers: TrunkHeaders::default(),
        calls_max: None,
        cps_max: None,
        answer_ms: Trunk::ANSWER_MS,
        ping_s: None,
        translation: None,
        anchor: false,
        sources: Vec::new(),
        stir: TrunkStir::default(),
    }
}

#[test]
fn a_change_of_a_row_that_is_no_trunk_does_not_look_at_the_trunks() {
    let brand = |name: &str| {
        let brand = Brand { id: BrandId(1), name: name.to_owned(), default_verdict: DefaultVerdict::Refuse };
        Row::Brand(brand, BrandRules::NOTHING)
    };
    let mut directory = Directory::default();
    directory.put(brand("b")).unwrap();
    for id in 1..=250 {
        directory.put(Row::Trunk(trunk(id))).unwrap();
    }
    let listeners = vec![Listener { transport: Transport::Udp, local: "192.0.2.254:5060".parse().unwrap() }];
    let config = CoreConfig { listeners, ..CoreConfig::default() };
    let mut core = Core::new(config, Arc::new(directory.clone()), Vec::new(), Prompts::default(), [4; 32]);
    let now = Instant::from_unix_nanos(1_800_000_000_000_000_000);
    let mut give = |directory: &Directory| {
        let directory = Arc::new(directory.clone());
        COUNT.with(|count| count.set(0));
        ON.with(|cell| cell.set(true));
        core.handle(Input::Directory(directory), now);
        while core.poll_output().is_some() {}
        ON.with(|cell| cell.set(false));
        COUNT.with(Cell::get)
    };
    let first = give(&directory);
    directory.put(brand("other")).unwrap();
    let no_trunk = give(&directory);
    directory.put(Row::Trunk(Trunk { cps_max: Some(1), ..trunk(7) })).unwrap();
    let one_trunk = give(&directory);
    assert!(no_trunk <= 4 && one_trunk > 20, "{first} {no_trunk} {one_trunk}");
}
