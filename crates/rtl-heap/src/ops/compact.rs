//! Giving back what is free (5.1).

use crate::backend::blocks::{self, Block};
use crate::backend::{commit, decommit, large, park, segment, warm};
use crate::entry::{Entry, EntryFlags};
use crate::frontend::{emptying, lanes, supply};
use crate::heap::{Heap, State};
use crate::region::Backing;
use crate::units::GRANULE;

/// Releases the empty segment that is kept, decommits every whole page inside free blocks that was
/// not committed at creation, and returns the bytes of the largest committed free run.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state.
pub unsafe fn compact(heap: &Heap, state: &mut State) -> usize {
    lanes::empty_own(heap);
    // SAFETY: (1).
    unsafe {
        park::release_all(heap, state);
        supply::release_all_idle(heap, state);
        emptying::empty_all(heap);
        segment::release_kept(heap, state);
    }
    let mut largest = 0;
    for region in state.segments.iter() {
        // SAFETY: (1).
        let record = unsafe { region.as_ref() };
        let first = record.first_block;
        // SAFETY: (1) INV-STARTS.
        let Some(entry) = (unsafe { heap.key.read(first) }) else {
            continue;
        };
        let mut at = Some(Block {
            region,
            address: first,
            entry,
        });
        while let Some(block) = at {
            // A size that leads out of the segment is damage, and ends the pass below.
            if !block.entry.is_busy() && block.end() <= record.end {
                // SAFETY: (1).
                largest = largest.max(unsafe { trim(heap, state, &block) });
            }
            // A damaged block ends the pass over its segment.
            // SAFETY: (1).
            at = unsafe { blocks::next(heap, &block) }.ok().flatten();
        }
    }
    // SAFETY: (1).
    unsafe {
        warm::give_back(heap, state, 0);
        large::release_kept(heap, state);
    }
    largest
}

/// Decommits what can be of a free block; returns the bytes of its largest committed run.
///
/// # Safety
/// 1. As for [`compact`]; `block` is free.
unsafe fn trim(heap: &Heap, state: &mut State, block: &Block) -> usize {
    // SAFETY: (1).
    let record = unsafe { block.region.as_ref() };
    let Some((from, to)) = decommit::hole_bounds(block) else {
        return block.entry.size.bytes();
    };
    let from = from.max(record.initial_commit_end);
    let decommits = matches!(record.backing, Backing::Heap | Backing::CallerReserved);
    if decommits && from < to {
        let flags = block.entry.flags | EntryFlags::HOLE;
        // SAFETY: (1); the bounds keep header, links and footer committed.
        unsafe {
            heap.key.write(
                block.address,
                Entry {
                    flags,
                    ..block.entry
                },
            );
            commit::take_back(heap, &mut state.accounting, block.region, from, to);
        }
    }
    if !block.entry.flags.contains(EntryFlags::HOLE) && from >= to {
        return block.entry.size.bytes();
    }
    let hole = record
        .pages
        .find(record.page(block.address), record.page(to - 1) + 1, false);
    (record.base + hole * crate::units::PAGE).saturating_sub(block.address) / GRANULE * GRANULE
}
