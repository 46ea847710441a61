//! Overwrites what the library leaves on the stack.

use std::hint::black_box;

/// More than the library's HMAC and everything that calls it use.
const WIPED_WORDS: usize = 1024;

/// Does some work and then overwrites the stack that it used.
///
/// The library returns HMAC keys by value, and where they are moved from, their states stay: as good as the keys. All work on
/// them is done in here, and what outlives it lies on the heap.
#[inline(never)]
pub(super) fn wiping_stack<T>(work: impl FnOnce() -> T) -> T {
    let outcome = in_a_frame_below(work);
    wipe();
    outcome
}

/// Does some work in a frame of its own: inlined, its variables would lie above what [`wipe`] overwrites.
#[inline(never)]
pub(super) fn in_a_frame_below<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// Overwrites the stack below the caller's frame.
#[inline(never)]
pub(super) fn wipe() {
    // Zeros that somebody might look at must be written; the memory scan in the tests holds the compiler to it.
    black_box(&mut [0_u64; WIPED_WORDS]);
}
