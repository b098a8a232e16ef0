//! Taking a busy block back and merging it with the free blocks beside it.

use crate::backend::blocks::{self, Block};
use crate::backend::split::{broken_link, make_free};
use crate::backend::{decommit, segment};
use crate::entry::{Entry, EntryFlags};
use crate::failure::HeapFailure;
use crate::flags::HeapFlags;
use crate::heap::{Heap, State};
use crate::units::Granules;

/// Makes `block` free, merges it with its free neighbours, and gives pages back by the thresholds.
///
/// # Errors
/// A neighbour or a link was found damaged; nothing was changed.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state; `block` is busy and nobody uses it.
#[inline]
pub unsafe fn release(heap: &Heap, state: &mut State, block: &Block) -> Result<(), HeapFailure> {
    // SAFETY: (1).
    let after = unsafe { blocks::next(heap, block) }?;
    // SAFETY: (1).
    let before = unsafe { blocks::previous_free(heap, block) }?;
    let coalesce = !heap
        .settings
        .flags
        .contains(HeapFlags::DISABLE_COALESCE_ON_FREE);
    let before = before.filter(|_| coalesce);
    let merged_after = after.filter(|after| coalesce && !after.entry.is_busy());
    let beyond = match &merged_after {
        // SAFETY: (1).
        Some(free) => unsafe { blocks::next(heap, free) }?,
        None => after,
    };

    let mut merged = Block {
        entry: Entry {
            size: block.entry.size,
            unused: 0,
            flags: block.entry.flags & EntryFlags::NEIGHBOURS,
        },
        ..*block
    };
    if let Some(free) = &merged_after {
        // SAFETY: (1): a free block is in the index (INV-HEAP-3).
        unsafe { state.free.remove(&heap.key, free.address, free.entry.size) }
            .map_err(|link| broken_link(heap, link))?;
        merged.entry.size = Granules(merged.entry.size.0 + free.entry.size.0);
        merged.entry.flags |= free.entry.flags & (EntryFlags::LAST | EntryFlags::HOLE);
    }
    if let Some(free) = &before {
        // SAFETY: (1): a free block is in the index (INV-HEAP-3).
        if let Err(link) = unsafe { state.free.remove(&heap.key, free.address, free.entry.size) } {
            if let Some(after) = &merged_after {
                // SAFETY: it was taken out a moment ago.
                unsafe {
                    state
                        .free
                        .insert(&heap.key, after.address, after.entry.size)
                };
            }
            return Err(broken_link(heap, link));
        }
        merged.address = free.address;
        merged.entry.size = Granules(merged.entry.size.0 + free.entry.size.0);
        merged.entry.flags = merged.entry.flags.difference(EntryFlags::PREVIOUS)
            | free.entry.flags & (EntryFlags::PREVIOUS | EntryFlags::HOLE);
    }

    let region = block.region.as_ptr();
    // SAFETY: (1): the absorbed headers are inside the merged block from here on.
    unsafe {
        if before.is_some() {
            let granule = (*region).granule(block.address);
            (*region).starts.clear(granule);
        }
        if let Some(free) = &merged_after {
            let granule = (*region).granule(free.address);
            (*region).starts.clear(granule);
        }
        decommit::by_thresholds(heap, state, &mut merged, block.address..block.end());
        make_free(heap, state, &merged, beyond.as_ref());
        if merged.entry.is_last() {
            segment::note_if_empty(heap, state, &merged);
        }
    }
    Ok(())
}
