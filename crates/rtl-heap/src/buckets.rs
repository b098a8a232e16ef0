//! The front end's buckets: which sizes share one, and what each remembers.

use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use crate::fork_lock::ForkLock;
use crate::lane::Lane;
use crate::slab::Slab;
use crate::units::Granules;

/// Blocks larger than this, 16 KiB on 64-bit, are never the front end's (7.3).
pub const LARGEST: Granules = Granules(1024);

/// Sizes up to this have a bucket each; above, eight share a power of two.
pub const LARGEST_EXACT: Granules = Granules(EXACT);
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
    let shared = SHARED[((size.0 - 1) / SHARED_STEP) as usize % SHARED.len()];
    (shared.index.into(), Granules(shared.slot.into()))
}

/// A bucket that several sizes share.
#[derive(Clone, Copy)]
struct Shared {
    index: u16,
    /// Granules of a slot.
    slot: u16,
}

/// The smallest difference between the slots of two such buckets.
const SHARED_STEP: u32 = EXACT / 8;

/// The buckets for sizes of so many steps, less one; those up to [`LARGEST_EXACT`] are not looked up.
static SHARED: [Shared; (LARGEST.0 / SHARED_STEP) as usize] = {
    let mut table = [Shared { index: 0, slot: 0 }; (LARGEST.0 / SHARED_STEP) as usize];
    let mut size = EXACT + SHARED_STEP;
    while size <= LARGEST.0 {
        let step = 1 << ((size - 1).ilog2() - 3);
        let slot = size.next_multiple_of(step);
        let power = slot.ilog2();
        let index = EXACT + (power - EXACT.ilog2()) * 8 + ((slot - (1 << power)) >> (power - 3));
        table[(size / SHARED_STEP) as usize - 1] = Shared {
            index: index as u16,
            slot: slot as u16,
        };
        size += SHARED_STEP;
    }
    table
};

/// The last bucket whose slabs have side entries of one byte, with slots of twice [`LARGEST_EXACT`]: of none
/// of them is more left over than that can say.
pub const LAST_NARROW: u32 = EXACT + 8;

/// Whether side entries of a bucket's slabs have two bytes.
#[inline(always)]
pub const fn is_wide(bucket: u32) -> bool {
    bucket > LAST_NARROW
}

/// One bucket.
pub struct Bucket {
    /// Guards the bucket's slabs and its list. Taken after the heap's lock, if that is taken.
    pub lock: ForkLock,
    /// The front end serves it.
    pub active: AtomicBool,
    /// Its slabs come to be shared so often that none is given to a lane.
    pub often_shared: AtomicBool,
    state: UnsafeCell<BucketState>,
}

/// What a bucket's lock guards.
pub struct BucketState {
    /// Slabs with free slots and others, the one to allocate from first.
    pub partial: *mut Slab,
    /// Number of those.
    pub partial_slabs: u32,
    /// Slabs with nothing but free slots.
    pub idle: *mut Slab,
    /// Number of slabs.
    pub slabs: u32,
    /// How often a slab all of whose slots were free was taken from.
    begun: u32,
    /// How often a slab that belonged to a lane came to be shared.
    shared: u32,
    /// Records of slabs that were given back, singly linked.
    pub spare: *mut Slab,
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
    /// No more than one slab of so many may come to be shared, if lanes are to have some.
    const SELDOM: u32 = 16;

    /// An idle slab, the first, is about to be taken from: not idle any more.
    ///
    /// # Safety
    /// 1. The lock is held.
    pub unsafe fn begin_idle(&mut self) -> Option<NonNull<Slab>> {
        let slab = NonNull::new(self.idle)?;
        // SAFETY: (1): a listed slab is live.
        unsafe {
            unlink(&mut self.idle, slab);
            self.link_partial(slab);
        }
        self.begun = self.begun.saturating_add(1);
        Some(slab)
    }

    /// A slab that belonged to a lane came to be shared.
    pub fn note_shared(&mut self) {
        self.shared = self.shared.saturating_add(1);
    }

    /// What the bucket's `often_shared` should say.
    pub fn is_often_shared(&self) -> bool {
        self.shared > BucketState::SELDOM + self.begun / BucketState::SELDOM
    }

    /// Puts a slab, which has free slots and others, in front.
    ///
    /// # Safety
    /// 1. As for [`link`].
    pub unsafe fn link_partial(&mut self, slab: NonNull<Slab>) {
        // SAFETY: (1).
        unsafe { link(&mut self.partial, slab) };
        self.partial_slabs += 1;
    }

    /// Takes it out.
    ///
    /// # Safety
    /// 1. As for [`unlink`].
    pub unsafe fn unlink_partial(&mut self, slab: NonNull<Slab>) {
        // SAFETY: (1).
        unsafe { unlink(&mut self.partial, slab) };
        self.partial_slabs -= 1;
    }
}

/// Puts a slab in front of a bucket's list.
///
/// # Safety
/// 1. The slab is live and in no bucket list, `list` is one of its bucket, and the lock is held.
pub unsafe fn link(list: &mut *mut Slab, slab: NonNull<Slab>) {
    let slab = slab.as_ptr();
    // SAFETY: (1).
    unsafe {
        (*slab).previous = ptr::null_mut();
        (*slab).next = *list;
        if let Some(next) = list.as_mut() {
            next.previous = slab;
        }
    }
    *list = slab;
}

/// Takes a slab out of a bucket's list.
///
/// # Safety
/// 1. The slab is in this list and the lock is held.
pub unsafe fn unlink(list: &mut *mut Slab, slab: NonNull<Slab>) {
    // SAFETY: (1).
    unsafe {
        let (next, previous) = (slab.as_ref().next, slab.as_ref().previous);
        if let Some(next) = next.as_mut() {
            next.previous = previous;
        }
        match previous.as_mut() {
            Some(previous) => previous.next = next,
            None => *list = next,
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
    /// The lanes that threads have of the heap. Changed with the lock of all lanes held.
    pub lanes: AtomicPtr<Lane>,
    /// Number of those.
    pub lanes_count: AtomicU32,
    /// Bytes of the slabs' pages that hold nothing (`Slab::untouched`).
    pub untouched: AtomicUsize,
}

// SAFETY: `slabs` is guarded by the heap's lock, the rest guards itself.
unsafe impl Sync for Frontend {}

impl Frontend {
    /// Number of its lanes.
    pub fn lanes(&self) -> u32 {
        self.lanes_count.load(Ordering::Relaxed)
    }

    /// The number of the bucket for blocks of `size` and its slots' size, if the front end serves it.
    #[inline]
    pub fn active(&self, size: Granules) -> Option<(u32, Granules)> {
        if size > LARGEST {
            return None;
        }
        let (index, slot) = bucket_of(size);
        // Acquire pairs with the Release in `activation`.
        let active = self.buckets[index].active.load(Ordering::Acquire);
        active.then_some((index as u32, slot))
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
            assert_eq!(is_wide(bucket as u32), size > 2 * EXACT);
            assert!(bucket > previous.0 || (bucket, slot) == previous, "{size}");
            previous = (bucket, slot);
        }
    }
}
