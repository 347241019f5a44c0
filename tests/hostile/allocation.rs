//! Counts what the current thread holds of the heap, and the most it has held.

use std::cell::Cell;

use crate::counting::Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting { took, gave };

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
