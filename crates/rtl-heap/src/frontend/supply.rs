//! Slabs from the back end, and back to it.

use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering;

use crate::backend::blocks::Block;
use crate::backend::coalesce;
use crate::backend::split::{self, Request};
use crate::buckets::{self, Bucket, Frontend, link, unlink};
use crate::entry::{Entry, EntryFlags, USER_OFFSET};
use crate::frontend::emptying;
use crate::heap::{Heap, State};
use crate::slab::{LARGEST_SLAB, Slab};
use crate::slab_map::{self, SPAN};
use crate::units::{GRANULE, Granules};

/// Slots a bucket's first slab has at least, span by span; each later one is twice as large.
const FIRST_SLOTS: usize = 8;
/// Slabs of slots whose size has a bucket of its own stay smaller than the others, but where there are many.
const LARGEST_EXACT_SLAB: usize = 0x1_0000;
const LARGEST_OTHER_SLAB: usize = 0x2_0000;
/// With so many of them the next one's record is worth more than what it may leave unused.
const MANY: u32 = 32;

/// Bytes of the next slab of a bucket with slots of `slot_size`, which has `slabs` of them.
fn slab_bytes(slot_size: Granules, slabs: u32) -> usize {
    let least = (slot_size.bytes() * FIRST_SLOTS + GRANULE).next_multiple_of(SPAN);
    let most = if slot_size > buckets::LARGEST_EXACT {
        LARGEST_OTHER_SLAB
    } else if slabs < MANY {
        LARGEST_EXACT_SLAB
    } else {
        LARGEST_SLAB
    };
    least
        .saturating_mul(1 << slabs.min(LARGEST_SLAB.ilog2()))
        .min(most)
}

/// Adds a slab to bucket `index`, which has `slabs` of them. `None` when there is no memory.
pub fn add_slab(heap: &Heap, front: &Frontend, bucket: (u32, Granules), slabs: u32) -> Option<()> {
    let bytes = slab_bytes(bucket.1, slabs);
    let entered = &front.buckets[bucket.0 as usize];
    heap.lock.enter();
    // SAFETY: the lock is held.
    unsafe { emptying::before_growth(heap, heap.state(), front) };
    // SAFETY: the lock is held.
    let made = unsafe { carve_slab(heap, heap.state(), entered, bucket, bytes) };
    if let Some(slab) = made {
        entered.lock.enter();
        // SAFETY: both locks are held; the slab is new.
        unsafe {
            link_in_heap(front, slab);
            front.untouched.fetch_add(bytes, Ordering::Relaxed);
            let state = entered.state();
            link(&mut state.idle, slab);
            state.slabs += 1;
        }
        entered.lock.leave();
    }
    heap.lock.leave();
    made.map(drop)
}

/// # Safety
/// 1. The heap's lock is held and `state` is its state.
unsafe fn carve_slab(
    heap: &Heap,
    state: &mut State,
    bucket: &Bucket,
    (index, slot_size): (u32, Granules),
    bytes: usize,
) -> Option<NonNull<Slab>> {
    let slab = take_spare(bucket, bytes)
        .or_else(|| Slab::create(heap.handle, slot_size, bytes as u32, index))?;
    // With its header the block fills whole spans, so slabs lie one behind the other.
    let request = Request {
        grows: false,
        size: Granules::exactly(bytes)?,
        requested: bytes - GRANULE,
        flags: EntryFlags::empty(),
        alignment: SPAN,
    };
    // SAFETY: (1).
    let Ok(block) = (unsafe { split::allocate(heap, state, request) }) else {
        put_spare(bucket, slab);
        return None;
    };
    // Nobody's block, as its header says: the way a parked one's does (INV-PARKED).
    let nobodys = Entry {
        unused: 0,
        ..block.entry
    };
    // SAFETY: (1).
    unsafe { heap.key.write(block.address, nobodys) };
    let first = block.user();
    if !slab_map::make_room(first, bytes) {
        put_spare(bucket, slab);
        // SAFETY: (1): nobody has seen the block. Damage beside it is found by who trips over it.
        let _ = unsafe { coalesce::release(heap, state, &block) };
        return None;
    }
    // SAFETY: (1) the record is new or was spare.
    unsafe { Slab::place(slab, block.region, first) };
    slab_map::set(first, bytes, slab.as_ptr() as usize);
    Some(slab)
}

/// A spare record of a slab of `bytes`.
fn take_spare(bucket: &Bucket, bytes: usize) -> Option<NonNull<Slab>> {
    bucket.lock.enter();
    // SAFETY: the lock is held, and spare records are the bucket's alone.
    let spare = unsafe {
        let mut place: *mut *mut Slab = &raw mut bucket.state().spare;
        while !(*place).is_null() && (**place).bytes as usize != bytes {
            place = &raw mut (**place).next;
        }
        let spare = NonNull::new(*place);
        if let Some(spare) = spare {
            *place = spare.as_ref().next;
        }
        spare
    };
    bucket.lock.leave();
    spare
}

fn put_spare(bucket: &Bucket, slab: NonNull<Slab>) {
    bucket.lock.enter();
    // SAFETY: the lock is held; the record is in no list.
    unsafe {
        let state = bucket.state();
        (*slab.as_ptr()).next = state.spare;
        state.spare = slab.as_ptr();
    }
    bucket.lock.leave();
}

/// # Safety
/// 1. The heap's lock is held; the slab is in no heap list.
unsafe fn link_in_heap(front: &Frontend, slab: NonNull<Slab>) {
    // SAFETY: (1).
    unsafe {
        let head = &mut *front.slabs.get();
        (*slab.as_ptr()).next_in_heap = *head;
        (*slab.as_ptr()).previous_in_heap = ptr::null_mut();
        if let Some(next) = head.as_mut() {
            next.previous_in_heap = slab.as_ptr();
        }
        *head = slab.as_ptr();
    }
}

/// # Safety
/// 1. The heap's lock is held; the slab is in the heap's list.
unsafe fn unlink_in_heap(front: &Frontend, slab: NonNull<Slab>) {
    // SAFETY: (1).
    unsafe {
        let (next, previous) = (slab.as_ref().next_in_heap, slab.as_ref().previous_in_heap);
        if let Some(next) = next.as_mut() {
            next.previous_in_heap = previous;
        }
        match previous.as_mut() {
            Some(previous) => previous.next_in_heap = next,
            None => *front.slabs.get() = next,
        }
    }
}

/// Gives idle slabs of bucket `index` back to the back end, if the heap's lock is free: whoever holds it must
/// not stop a free (specification 11). None is kept: lanes keep enough, and a slab that each of the many
/// buckets kept was most of what thousands of short threads left behind.
pub fn trim(heap: &Heap, front: &Frontend, index: u32) {
    if !heap.lock.try_enter() {
        return;
    }
    // SAFETY: (1) the heap's lock is held.
    unsafe { release_idle(heap, heap.state(), front, index) };
    heap.lock.leave();
}

/// Gives every idle slab back.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state.
pub unsafe fn release_all_idle(heap: &Heap, state: &mut State) {
    let Some(front) = heap.frontend() else { return };
    for index in 0..front.buckets.len() {
        // SAFETY: (1).
        unsafe { release_idle(heap, state, front, index as u32) };
    }
}

/// # Safety
/// 1. The heap's lock is held and `state` is its state.
unsafe fn release_idle(heap: &Heap, state: &mut State, front: &Frontend, index: u32) {
    let bucket = &front.buckets[index as usize];
    // SAFETY: (1).
    while let Some(slab) = unsafe { take_idle(bucket) } {
        // SAFETY: (1): it is this function's alone.
        let record = unsafe { slab.as_ref() };
        let (address, region) = (record.first() - USER_OFFSET, record.region);
        // SAFETY: (1) INV-STARTS: the slab's own block.
        unsafe {
            unlink_in_heap(front, slab);
            front
                .untouched
                .fetch_sub(record.untouched(), Ordering::Relaxed);
            if let Some(entry) = heap.key.read(address) {
                let block = Block {
                    region,
                    address,
                    entry,
                };
                // Damage beside it keeps the block busy: nobody's, and never reused.
                let _ = coalesce::release(heap, state, &block);
            }
        }
        put_spare(bucket, slab);
    }
}

/// Takes an idle slab out of its bucket and the map.
///
/// # Safety
/// 1. The heap's lock is held.
unsafe fn take_idle(bucket: &Bucket) -> Option<NonNull<Slab>> {
    bucket.lock.enter();
    // SAFETY: both locks are held; listed slabs are live.
    let slab = unsafe {
        let state = bucket.state();
        let slab = NonNull::new(state.idle);
        if let Some(slab) = slab {
            unlink(&mut state.idle, slab);
            state.slabs -= 1;
            let record = slab.as_ref();
            slab_map::set(record.first(), record.bytes as usize, 0);
        }
        slab
    };
    bucket.lock.leave();
    slab
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_slabs_are_no_smaller_and_all_hold_slots() {
        for size in 1..=buckets::LARGEST.0 {
            let (_, slot_size) = buckets::bucket_of(Granules(size));
            let mut before = slot_size.bytes() + GRANULE;
            for slabs in 0..100 {
                let bytes = slab_bytes(slot_size, slabs);
                assert!(
                    (before..=LARGEST_SLAB).contains(&bytes),
                    "{slabs} of {size}"
                );
                assert!(bytes.is_multiple_of(SPAN));
                before = bytes;
            }
        }
    }
}
