//! The front end's buckets: which sizes share one, and what each remembers.

use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::fork_lock::ForkLock;
use crate::slab::Slab;
use crate::units::Granules;

/// Blocks larger than this, 16 KiB on 64-bit, are never the front end's (7.3).
pub const LARGEST: Granules = Granules(1024);

/// Sizes up to this have a bucket each; above, eight share a power of two.
const EXACT: u32 = 64;

/// Number of buckets, with some numbers unused.
pub const COUNT: usize = EXACT as usize + 4 * 8 + 1;

/// Requests of one bucket's sizes that the back end serves before the front end takes over: the
/// last of them switches it on (7.3; C218, C219).
pub const REQUESTS_BEFORE: u8 = 18;

/// The bucket for blocks of `size`, at most [`LARGEST`], and the size its slots have.
#[inline]
pub fn bucket_of(size: Granules) -> (usize, Granules) {
    if size.0 <= EXACT {
        return (size.0 as usize, size);
    }
    let step = 1 << (size.0.ilog2() - 3);
    let slot = size.0.next_multiple_of(step);
    let power = slot.ilog2();
    let index = EXACT + (power - EXACT.ilog2()) * 8 + ((slot - (1 << power)) >> (power - 3));
    (index as usize, Granules(slot))
}

/// One bucket.
pub struct Bucket {
    /// Guards the bucket's slabs and its list. Taken after the heap's lock, if that is taken.
    pub lock: ForkLock,
    /// The front end serves it.
    pub active: AtomicBool,
    state: UnsafeCell<BucketState>,
}

/// What a bucket's lock guards.
pub struct BucketState {
    /// Slabs with free slots, the one to allocate from first.
    pub partial: *mut Slab,
    /// Number of slabs without a busy slot.
    pub empty: u32,
    /// Number of slabs.
    pub slabs: u32,
    /// Blocks callers hold.
    pub live_blocks: usize,
    /// Bytes they asked for.
    pub live_bytes: usize,
}

// SAFETY: `state` is touched only with `lock` held.
unsafe impl Sync for Bucket {}

impl Bucket {
    /// What the lock guards.
    ///
    /// # Safety
    /// 1. The lock is held and no other reference from this function is alive.
    #[allow(clippy::mut_from_ref, reason = "the lock makes it exclusive")]
    pub unsafe fn state(&self) -> &mut BucketState {
        // SAFETY: (1).
        unsafe { &mut *self.state.get() }
    }
}

impl BucketState {
    /// Puts a slab that has free slots in front.
    ///
    /// # Safety
    /// 1. The slab is live, of this bucket, in no bucket list, and the lock is held.
    pub unsafe fn link(&mut self, slab: NonNull<Slab>) {
        let slab = slab.as_ptr();
        // SAFETY: (1).
        unsafe {
            (*slab).previous = ptr::null_mut();
            (*slab).next = self.partial;
            if let Some(next) = self.partial.as_mut() {
                next.previous = slab;
            }
        }
        self.partial = slab;
    }

    /// Takes a slab out of the list.
    ///
    /// # Safety
    /// 1. The slab is in this list and the lock is held.
    pub unsafe fn unlink(&mut self, slab: NonNull<Slab>) {
        // SAFETY: (1).
        unsafe {
            let (next, previous) = (slab.as_ref().next, slab.as_ref().previous);
            if let Some(next) = next.as_mut() {
                next.previous = previous;
            }
            match previous.as_mut() {
                Some(previous) => previous.next = next,
                None => self.partial = next,
            }
        }
    }
}

/// A heap's front end: made when its first bucket is switched on. Zero bytes are one without
/// slabs.
pub struct Frontend {
    /// By number.
    pub buckets: [Bucket; COUNT],
    /// All slabs of the heap, newest first. Guarded by the heap's lock.
    pub slabs: UnsafeCell<*mut Slab>,
    /// Bytes callers hold in slots, for the heap's peak.
    pub live_bytes: AtomicUsize,
}

// SAFETY: `slabs` is guarded by the heap's lock, the rest guards itself.
unsafe impl Sync for Frontend {}

impl Frontend {
    /// The bucket for blocks of `size` and its slots' size, if the front end serves it.
    #[inline]
    pub fn active(&self, size: Granules) -> Option<(&Bucket, u32, Granules)> {
        if size > LARGEST {
            return None;
        }
        let (index, slot) = bucket_of(size);
        let bucket = &self.buckets[index];
        // Acquire pairs with the Release in `activation`.
        bucket
            .active
            .load(Ordering::Acquire)
            .then_some((bucket, index as u32, slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_rise_with_size_and_slots_hold_what_maps_to_them() {
        let mut previous = (1, Granules(1));
        for size in 2..=LARGEST.0 {
            let (bucket, slot) = bucket_of(Granules(size));
            assert!(slot >= Granules(size) && bucket < COUNT);
            assert!(slot.0 - size < 1.max(size / 8));
            assert_eq!(bucket_of(slot), (bucket, slot));
            assert!(bucket > previous.0 || (bucket, slot) == previous, "{size}");
            previous = (bucket, slot);
        }
    }
}
