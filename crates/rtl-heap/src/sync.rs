//! What [`crate::raw_lock`], [`crate::biased_lock`], [`crate::side`] and [`crate::belonging`] are made of,
//! under a name that a test can give to loom's.

pub use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicUsize, Ordering};

use core::sync::atomic::compiler_fence;

pub use crate::host::{barrier_on_every_processor as heavy_barrier, nap};

/// So often a thread looks whether a lock is free before it sleeps.
pub const SPINS: u32 = 100;

/// Of two threads, one that passes this between a store and a load, and one that passes
/// [`heavy_barrier`] between two others, at least one sees the other's store.
#[inline(always)]
pub fn light_barrier() {
    compiler_fence(Ordering::SeqCst);
}
