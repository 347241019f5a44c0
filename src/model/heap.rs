//! Memory that is freed goes back to the system while a model is opened.
//!
//! Opening moves every tensor from where the file was read to into one vector per network. Each tensor is freed as it is
//! moved, but glibc comes to keep freed blocks of up to 32 MB for later, so that a large model would stand in memory
//! twice after all.

/// Runs `f` with an allocator that returns large blocks at once.
pub(super) fn returning_memory<T>(f: impl FnOnce() -> T) -> T {
    set_limits(1 << 20, 1 << 20);
    let result = f();
    // Where glibc's own limits end up in a long computation.
    set_limits(32 << 20, 64 << 20);
    result
}

/// From which size blocks are the system's own, and from which size free memory at the end of the heap is returned.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn set_limits(own_block: i32, trim: i32) {
    /// The parameters' numbers in `malloc.h`.
    const M_TRIM_THRESHOLD: i32 = -1;
    const M_MMAP_THRESHOLD: i32 = -3;
    unsafe extern "C" {
        fn mallopt(parameter: i32, value: i32) -> i32;
    }
    // SAFETY: `mallopt` takes two numbers, locks what it changes, and fails by doing nothing.
    unsafe {
        mallopt(M_MMAP_THRESHOLD, own_block);
        mallopt(M_TRIM_THRESHOLD, trim);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn set_limits(_own_block: i32, _trim: i32) {}
