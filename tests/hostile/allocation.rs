//! Counts what the current thread holds of the heap, and the most it has held.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn took(size: usize) {
    let held = HELD.get().wrapping_add(size);
    HELD.set(held);
    // What another thread allocated and this one freed makes a number below zero.
    if held < usize::MAX / 2 && held > PEAK.get() {
        PEAK.set(held);
    }
}

fn gave(size: usize) {
    HELD.set(HELD.get().wrapping_sub(size));
}

// SAFETY: every call is the system allocator's own; the counters are plain numbers.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        gave(layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        took(size);
        gave(layout.size());
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Forgets the peak; gives what is held now.
pub fn restart() -> usize {
    let held = HELD.get();
    let held = if held < usize::MAX / 2 { held } else { 0 };
    HELD.set(held);
    PEAK.set(held);
    held
}

/// The most that was held since the last restart.
pub fn peak() -> usize {
    PEAK.get()
}
