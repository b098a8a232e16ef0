//! Slabs from the back end, and back to it.

use core::ptr::NonNull;

use crate::backend::blocks::Block;
use crate::backend::coalesce;
use crate::backend::split::{self, Request};
use crate::buckets::{BucketState, Frontend};
use crate::entry::{Entry, EntryFlags, USER_OFFSET};
use crate::heap::{Heap, State};
use crate::regions::Region;
use crate::slab::Slab;
use crate::units::{GRANULE, Granules, PAGE};

/// Slots a bucket's first slab has at least, page by page; later slabs are larger.
const FIRST_SLOTS: usize = 8;
const LARGEST_SLAB: usize = 0x1_0000;

/// Adds a slab of slots of `slot_size` to bucket number `index`, which has `slabs` of them.
/// `None` when there is no memory.
pub fn add_slab(
    heap: &Heap,
    front: &Frontend,
    index: u32,
    slot_size: Granules,
    slabs: u32,
) -> Option<()> {
    let stride = slot_size.bytes();
    let bytes = ((stride * FIRST_SLOTS) << slabs.min(4))
        .next_multiple_of(PAGE)
        .min(LARGEST_SLAB.max(stride.next_multiple_of(PAGE)));
    heap.lock.enter();
    // SAFETY: the lock is held.
    let made = unsafe { carve_slab(heap, heap.state(), index, stride as u32, bytes) };
    if let Some(slab) = made {
        let bucket = &front.buckets[index as usize];
        bucket.lock.enter();
        // SAFETY: both locks are held; the slab is new.
        unsafe {
            link_in_heap(front, slab);
            let state = bucket.state();
            state.link(slab);
            state.slabs += 1;
            state.empty += 1;
        }
        bucket.lock.leave();
    }
    heap.lock.leave();
    made.map(drop)
}

/// # Safety
/// 1. The heap's lock is held and `state` is its state.
unsafe fn carve_slab(
    heap: &Heap,
    state: &mut State,
    index: u32,
    stride: u32,
    bytes: usize,
) -> Option<NonNull<Slab>> {
    // With its header the block fills whole pages, so slabs lie page to page.
    let request = Request {
        size: Granules::exactly(bytes)?,
        requested: bytes - GRANULE,
        flags: EntryFlags::empty(),
        alignment: PAGE,
    };
    // SAFETY: (1).
    let block = unsafe { split::allocate(heap, state, request) }.ok()?;
    // Nobody's block, as its header says: the way a parked one's does (INV-PARKED).
    let nobodys = Entry {
        unused: 0,
        ..block.entry
    };
    // SAFETY: (1).
    unsafe { heap.key.write(block.address, nobodys) };
    let slab = Slab::create(block.region, block.user(), stride, bytes as u32, index)
        // SAFETY: (1).
        .filter(|slab| unsafe { enter_in_table(block.region, *slab, bytes) || drop_slab(*slab) });
    if slab.is_none() {
        // SAFETY: (1): nobody has seen the block. Damage beside it is found by who trips over it.
        let _ = unsafe { coalesce::release(heap, state, &block) };
    }
    slab
}

/// # Safety
/// 1. The slab is in no list and no table.
unsafe fn drop_slab(slab: NonNull<Slab>) -> bool {
    // SAFETY: (1).
    unsafe { Slab::destroy(slab) };
    false
}

/// # Safety
/// 1. The heap's lock is held; the slab's pages belong to it alone.
unsafe fn enter_in_table(region: NonNull<Region>, slab: NonNull<Slab>, bytes: usize) -> bool {
    // SAFETY: (1).
    let record = unsafe { region.as_ref() };
    // SAFETY: (1).
    record.has_slab_table() && {
        // SAFETY: (1).
        let first = unsafe { slab.as_ref() }.first;
        record.set_slab(first, bytes, slab.as_ptr() as usize);
        true
    }
}

/// # Safety
/// 1. The heap's lock is held; the slab is in no heap list.
unsafe fn link_in_heap(front: &Frontend, slab: NonNull<Slab>) {
    // SAFETY: (1).
    unsafe {
        let head = &mut *front.slabs.get();
        (*slab.as_ptr()).next_in_heap = *head;
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

/// Gives `slab`, which held `address`, back to the back end if it is still there and empty, and
/// the heap's lock is free: whoever holds it must not stop a free (specification 11).
pub fn release_if_empty(heap: &Heap, address: usize, slab: NonNull<Slab>) {
    if !heap.lock.try_enter() {
        return;
    }
    let region = crate::regions::find(address);
    // SAFETY: INV-REGION; the heap's lock is held, so a slab in the table is live.
    unsafe {
        if let Some(region) = region
            && region.as_ref().slab_at(address) == slab.as_ptr() as usize
        {
            release(heap, heap.state(), slab);
        }
    }
    heap.lock.leave();
}

/// Gives every empty slab back.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state.
pub unsafe fn release_all_empty(heap: &Heap, state: &mut State) {
    let Some(front) = heap.frontend() else { return };
    // SAFETY: (1).
    let mut at = unsafe { *front.slabs.get() };
    while let Some(slab) = NonNull::new(at) {
        // SAFETY: (1): listed slabs are live, and the next one is read before this one goes.
        unsafe {
            at = slab.as_ref().next_in_heap;
            release(heap, state, slab);
        }
    }
}

/// # Safety
/// 1. The heap's lock is held and `state` is its state; `slab` is live.
unsafe fn release(heap: &Heap, state: &mut State, slab: NonNull<Slab>) {
    let Some(front) = heap.frontend() else { return };
    // SAFETY: (1).
    let record = unsafe { slab.as_ref() };
    let bucket = &front.buckets[record.bucket as usize];
    bucket.lock.enter();
    // SAFETY: both locks are held.
    let taken = unsafe { take_empty(bucket.state(), slab) };
    if taken {
        // SAFETY: (1).
        unsafe { record.region.as_ref() }.set_slab(record.first, record.bytes as usize, 0);
    }
    bucket.lock.leave();
    if !taken {
        return;
    }
    let address = record.first - USER_OFFSET;
    // SAFETY: (1) INV-STARTS: the slab's own block.
    unsafe {
        if let Some(entry) = heap.key.read(address) {
            let block = Block {
                region: record.region,
                address,
                entry,
            };
            // Damage beside it keeps the block busy: nobody's, and never reused.
            let _ = coalesce::release(heap, state, &block);
        }
        unlink_in_heap(front, slab);
        Slab::destroy(slab);
    }
}

/// # Safety
/// 1. The bucket's lock is held; `slab` is one of its slabs.
unsafe fn take_empty(state: &mut BucketState, slab: NonNull<Slab>) -> bool {
    // SAFETY: (1).
    unsafe {
        if slab.as_ref().free != slab.as_ref().slots {
            return false;
        }
        state.unlink(slab);
    }
    state.empty -= 1;
    state.slabs -= 1;
    true
}
