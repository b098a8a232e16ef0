//! What [`crate::raw_lock`], [`crate::biased_lock`], [`crate::side`] and [`crate::belonging`] are made of,
//! under a name that a test can give to loom's.

pub use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicUsize, Ordering};

use core::sync::atomic::compiler_fence;

pub use crate::host::{barrier_on_every_processor as heavy_barrier, nap};

/// So often a thread looks whether a lock is free before it sleeps, for some ten microseconds in all.
pub const LOOKS: u32 = 9;

/// What is between a look and the next, twice as long each time, up to a limit: a look takes the cache line of
/// the lock from the thread that holds it, and a turn taken at once takes the lines of what it guards.
pub fn pause_after(look: u32) {
    for _ in 0..1u32 << look.min(6) {
        core::hint::spin_loop();
    }
}

/// Of two threads, one that passes this between a store and a load, and one that passes
/// [`heavy_barrier`] between two others, at least one sees the other's store.
#[inline(always)]
pub fn light_barrier() {
    compiler_fence(Ordering::SeqCst);
}
