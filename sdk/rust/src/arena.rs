//! The allocator of a plugin: a static arena first, the ordinary heap after it.
//!
//! A hook's instance lives for microseconds and uses a few kilobytes. The ordinary heap begins by growing the memory,
//! which costs the host two system calls per instance; the arena is part of the memory from the start, and its pages
//! cost nothing until they are touched. What it gives out last can be given back or grown in place; the rest of it is
//! given back with the instance. A script that runs for hours leaves the arena once and goes on with the heap.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::{Cell, UnsafeCell};
use std::alloc::System;

const SIZE: usize = 64 << 10;

/// See the module.
///
/// # Invariants
/// `used <= SIZE`; every byte below `used` belongs to somebody or to nobody for good.
#[repr(align(16))]
pub(crate) struct Arena {
    bytes: UnsafeCell<[u8; SIZE]>,
    used: Cell<usize>,
}

// SAFETY: a component of this target has one thread.
unsafe impl Sync for Arena {}

impl Arena {
    pub(crate) const fn new() -> Arena {
        Arena { bytes: UnsafeCell::new([0; SIZE]), used: Cell::new(0) }
    }

    fn base(&self) -> *mut u8 {
        self.bytes.get().cast()
    }

    /// Where `at` lies in the arena, if it does.
    fn offset(&self, at: *mut u8) -> Option<usize> {
        (at as usize).checked_sub(self.base() as usize).filter(|offset| *offset < SIZE)
    }
}

// SAFETY: blocks from the arena are disjoint, aligned (the arena is to 16, more is rounded up from its address) and
// inside it; all others are the system's. Which of the two a block is, its address says.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.base() as usize;
        let start = (base + self.used.get()).next_multiple_of(layout.align()) - base;
        match start.checked_add(layout.size()).filter(|end| *end <= SIZE) {
            Some(end) => {
                self.used.set(end);
                // SAFETY: `start <= end <= SIZE`.
                unsafe { self.base().add(start) }
            }
            // SAFETY: the caller's promise.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        match self.offset(at) {
            Some(offset) if offset + layout.size() == self.used.get() => self.used.set(offset),
            Some(_) => {}
            // SAFETY: not ours, so the system's.
            None => unsafe { System.dealloc(at, layout) },
        }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(offset) = self.offset(at) else {
            // SAFETY: not ours, so the system's.
            return unsafe { System.realloc(at, layout, size) };
        };
        if offset + layout.size() == self.used.get() && size <= SIZE - offset {
            self.used.set(offset + size);
            return at;
        }
        // SAFETY: `size` is not zero and does not overflow with this alignment: the caller's promise.
        let to = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !to.is_null() {
            // SAFETY: both are at least so long, and disjoint.
            unsafe { core::ptr::copy_nonoverlapping(at, to, layout.size().min(size)) };
            // SAFETY: the caller's promise.
            unsafe { self.dealloc(at, layout) };
        }
        to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_block_moves_and_a_full_arena_hands_over_to_the_heap() {
        let arena = Box::new(Arena::new());
        let layout = |size, align| Layout::from_size_align(size, align).unwrap();
        unsafe {
            let a = arena.alloc(layout(3, 1));
            let b = arena.alloc(layout(8, 8));
            assert_eq!(b as usize % 8, 0);
            assert_eq!(arena.realloc(b, layout(8, 8), 100), b);
            b.write_bytes(7, 100);
            let c = arena.realloc(a, layout(3, 1), 10);
            assert!(c > b);
            arena.dealloc(c, layout(10, 1));
            assert_eq!(arena.used.get(), b as usize + 100 - arena.base() as usize);
            let big = arena.alloc(layout(SIZE, 1));
            assert!(arena.offset(big).is_none());
            arena.dealloc(big, layout(SIZE, 1));
            let moved = arena.realloc(b, layout(100, 8), SIZE);
            assert!(arena.offset(moved).is_none() && *moved.add(99) == 7);
            arena.dealloc(moved, layout(SIZE, 8));
            assert_eq!(arena.used.get(), 8);
        }
    }
}
