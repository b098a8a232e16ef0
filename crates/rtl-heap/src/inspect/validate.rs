//! The equations of [`crate::heap`], checked: the whole of `RtlValidateHeap` (4.1).
//!
//! Reads nothing that is not known to be a header, and takes at most as many steps as a segment
//! has granules, whatever the memory holds (R16).

use core::ptr::NonNull;

use crate::backend::blocks::{self, Block};
use crate::backend::decommit::hole_bounds;
use crate::entry::{EntryFlags, TAIL_SPILL};
use crate::failure::{FailureKind, HeapFailure};
use crate::flags::HeapFlags;
use crate::heap::{Heap, State};
use crate::region::Region;
use crate::slab::Slab;
use crate::slab_map;

/// Sums the walk over all segments must agree with.
#[derive(Default)]
struct Totals {
    free_blocks: usize,
    free_bytes: usize,
    live_blocks: usize,
    live_bytes: usize,
    parked_blocks: usize,
}

/// Checks every block, free list, bitmap and sum of the heap.
///
/// # Errors
/// The first thing found wrong.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state.
pub unsafe fn heap(heap: &Heap, state: &State) -> Result<(), HeapFailure> {
    let mut totals = Totals::default();
    for region in state.segments.iter() {
        // SAFETY: (1).
        unsafe { segment(heap, region, &mut totals) }?;
    }
    for region in state.large.iter() {
        totals.live_blocks += 1;
        // SAFETY: (1).
        totals.live_bytes += unsafe { region.as_ref() }.requested;
    }
    let wrong = |kind, address| Err(blocks::failure(heap, kind, address));
    // INV-HEAP-3: every listed block is free, and all free blocks are listed.
    match state.free.count(&heap.key) {
        Ok((count, bytes)) if (count, bytes) == (totals.free_blocks, totals.free_bytes) => {}
        Ok(_) => return wrong(FailureKind::FreeListsCorruption, heap.handle),
        Err(link) => return wrong(FailureKind::FreeListsCorruption, link.0),
    }
    // INV-PARKED.
    if state.lookaside.count() != totals.parked_blocks {
        return wrong(FailureKind::EntryCorruption, heap.handle);
    }
    // INV-HEAP-5.
    let accounting = &state.accounting;
    if (accounting.live_blocks, accounting.live_bytes) != (totals.live_blocks, totals.live_bytes) {
        return wrong(FailureKind::EntryCorruption, heap.handle);
    }
    Ok(())
}

/// # Safety
/// 1. As for [`heap`]; `region` is one of its segments.
unsafe fn segment(
    heap: &Heap,
    region: NonNull<Region>,
    totals: &mut Totals,
) -> Result<(), HeapFailure> {
    // SAFETY: (1).
    let record = unsafe { region.as_ref() };
    let damaged = |address| blocks::failure(heap, FailureKind::EntryCorruption, address);
    let mut address = record.first_block;
    let mut previous = EntryFlags::empty();
    let mut previous_size = None;
    // INV-HEAP-1: each step moves on by a block, so there are fewer steps than granules.
    loop {
        if !record.is_block_start(address) {
            return Err(damaged(address));
        }
        record.prefetch_after(address);
        // SAFETY: (1) INV-STARTS.
        let entry = unsafe { heap.key.read(address) }.ok_or_else(|| damaged(address))?;
        let block = Block {
            region,
            address,
            entry,
        };
        let end = block.end();
        let inner = (
            record.granule(address) + 1,
            record.granule(record.end.min(end)),
        );
        if end > record.end
            || entry.is_last() != (end == record.end)
            || entry.flags & EntryFlags::PREVIOUS != previous
            || record.starts.find(inner.0, inner.1) != inner.1
        {
            return Err(damaged(address));
        }
        if let Some(size) = previous_size
            && previous == EntryFlags::PREVIOUS_FREE
            // SAFETY: (1): a free block larger than the minimum ends here.
            && unsafe { heap.key.read_footer(address) } != size
        {
            return Err(damaged(address));
        }
        if let Some(slab) = slab_of(&block) {
            if !slab_is_right(heap, slab) {
                return Err(damaged(address));
            }
            previous_size = None;
        } else if entry.is_parked() {
            totals.parked_blocks += 1;
            previous_size = None;
        } else if entry.is_busy() {
            totals.live_blocks += 1;
            totals.live_bytes += entry.requested();
            previous_size = None;
        } else {
            // INV-HEAP-2.
            let coalesces = !heap
                .settings
                .flags
                .contains(HeapFlags::DISABLE_COALESCE_ON_FREE);
            if coalesces && previous_size.is_some() {
                return Err(damaged(address));
            }
            totals.free_blocks += 1;
            totals.free_bytes += entry.size.bytes();
            previous_size = Some(entry.size);
        }
        if !pages_are_right(record, &block) {
            return Err(damaged(address));
        }
        previous = entry.as_previous();
        if entry.is_last() {
            return Ok(());
        }
        address = end;
    }
}

/// INV-HEAP-4: what must be committed is.
fn pages_are_right(record: &Region, block: &Block) -> bool {
    let end = (block.end() + TAIL_SPILL).min(record.commit_limit);
    let committed = |from: usize, to: usize| {
        let last = record.page(to - 1) + 1;
        record.pages.find(record.page(from), last, false) == last
    };
    let hole = hole_bounds(block)
        .filter(|_| !block.entry.is_busy() && block.entry.flags.contains(EntryFlags::HOLE));
    match hole {
        None => committed(block.address, end),
        Some((from, to)) => committed(block.address, from) && (to >= end || committed(to, end)),
    }
}

/// The slab whose slots fill a block.
fn slab_of(block: &Block) -> Option<NonNull<Slab>> {
    let slab = NonNull::new(slab_map::at(block.user()) as *mut Slab)?;
    // SAFETY: the heap's lock is held, so a slab in the table is live.
    (unsafe { slab.as_ref() }.first() == block.user()).then_some(slab)
}

/// INV-SLAB: as many slots are free as the slab counts.
fn slab_is_right(heap: &Heap, slab: NonNull<Slab>) -> bool {
    // SAFETY: the heap's lock is held, so a slab in the table is live.
    let record = unsafe { slab.as_ref() };
    let Some(front) = heap.frontend() else {
        return false;
    };
    let Some(bucket) = front.buckets.get(record.bucket as usize) else {
        return false;
    };
    bucket.lock.enter();
    let free = (0..record.slots)
        // SAFETY: (1) the slot is the slab's.
        .filter(|slot| unsafe { Slab::is_free(slab, *slot) })
        .count();
    let right = free == record.free as usize;
    bucket.lock.leave();
    right
}
