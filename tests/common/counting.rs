//! An allocator that tells somebody of everything the program takes and gives back.

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator; `took` and `gave` are told the bytes, on the thread that asks for them.
pub struct Counting {
    pub took: fn(usize),
    pub gave: fn(usize),
}

// SAFETY: every call is the system allocator's own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        (self.took)(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        (self.took)(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        (self.gave)(layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        (self.took)(size);
        (self.gave)(layout.size());
        unsafe { System.realloc(pointer, layout, size) }
    }
}
