//! Overwriting what is free (5.1).

use core::ops::Range;

use crate::backend::blocks::{self, Block};
use crate::backend::park;
use crate::flags::HeapFlags;
use crate::frontend::supply;
use crate::heap::{Heap, State};
use crate::pattern;

/// Fills every committed byte of free blocks, but for the heap's own data in them, with zero, or
/// with what free memory holds where it is checked. Free slots of slabs that are in use are not
/// touched: other threads may be taking them.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state.
pub unsafe fn zero(heap: &Heap, state: &mut State) {
    // SAFETY: (1).
    unsafe {
        park::release_all(heap, state);
        supply::release_all_idle(heap, state);
    }
    let checks = HeapFlags::FREE_CHECKING_ENABLED;
    let checks = heap.settings.flags.contains(checks);
    for region in state.segments.iter() {
        // SAFETY: (1).
        let first = unsafe { region.as_ref() }.first_block;
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
            // SAFETY: (1).
            unsafe {
                if !block.entry.is_busy() && block.end() <= block.region.as_ref().end {
                    fill(&block, checks);
                }
                // A damaged block ends the pass over its segment.
                at = blocks::next(heap, &block).ok().flatten();
            }
        }
    }
}

/// # Safety
/// 1. `block` is a free block of a heap whose lock is held, and ends in its segment.
unsafe fn fill(block: &Block, checks: bool) {
    let fill_run = |run: Range<usize>| {
        if checks {
            // SAFETY: (1): committed, and the free block's own; its bounds are multiples of 4.
            unsafe { pattern::fill_freed(run.start, run.end) };
        } else {
            // SAFETY: as above.
            unsafe { (run.start as *mut u8).write_bytes(0, run.len()) };
        }
    };
    let body = blocks::free_body(block.address, block.end());
    // SAFETY: (1).
    unsafe { blocks::committed_runs(block.region, body, fill_run) };
}
