//! Parse, validity and reads of a good request allocate nothing.

mod common;

use core::cell::Cell;
use sip_message::{Message, Name, ParseLimits};
use std::alloc::{GlobalAlloc, Layout, System};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

#[allow(unsafe_code, reason = "an allocator that counts is the only way to see allocations")]
// SAFETY: every call is passed on to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_message_is_one_allocation_and_reading_it_none() {
    let limits = ParseLimits::default();
    let bytes = common::invite();
    let before = COUNT.get();
    let message = Message::parse(bytes, &limits).unwrap();
    let sum = common::reads(&message);
    let allow = message.values(Name::Allow).count();
    let agent = message.header("User-Agent").is_some();
    message.validate().unwrap();
    let after = COUNT.get();
    assert!(sum > 0 && allow == 7 && agent);
    assert_eq!(after - before, 1, "the index, which lies in one place");
}
