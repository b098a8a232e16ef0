//! The bytes of free memory: 0xFEEEFEEE in heaps with free checking (10.3; C354, C170).
//!
//! INV-FILL: in such a heap every committed byte of a free block's body
//! ([`blocks::free_body`]: what is not header, links or footer) has the pattern.
//! `backend::segment` and `backend::commit` fill what is new; what was a block's, and what was
//! header, links or footer before blocks merged, is filled here.

use core::ops::Range;
use core::sync::atomic::Ordering;

use crate::backend::blocks::{self, Block};
use crate::entry::USER_OFFSET;
use crate::flags::HeapFlags;
use crate::heap::Heap;
use crate::pattern;
use crate::regions;
use crate::units::{GRANULE, POINTER};

/// Bytes before a block's start that may hold its predecessor's footer.
const FOOTER: usize = size_of::<u32>();
/// Bytes from a block's start that its header and links take.
const HEAD: usize = USER_OFFSET + 2 * POINTER;

/// The heap checks free memory.
pub fn is_checked(heap: &Heap) -> bool {
    heap.settings
        .flags
        .contains(HeapFlags::FREE_CHECKING_ENABLED)
}

/// Restores the pattern after the block `freed` became a free one, or a part of one.
///
/// # Safety
/// 1. The heap's lock is held; the block is in the index now, or its segment is gone.
pub unsafe fn fill(heap: &Heap, freed: Range<usize>) {
    // SAFETY: (1).
    unsafe { fill_part(heap, freed.start, freed.start - FOOTER..freed.end + HEAD) };
}

/// [`fill`] of its two ends only: the middle has the pattern, or is to stay as it is.
///
/// # Safety
/// 1. As for [`fill`].
pub unsafe fn fill_ends(heap: &Heap, freed: Range<usize>) {
    let Range { start, end } = freed;
    // SAFETY: (1).
    unsafe {
        fill_part(heap, start, start - FOOTER..start + HEAD);
        fill_part(heap, start, end - FOOTER..end + HEAD);
    }
}

/// Restores the pattern of the two words at `address`, in a free block.
///
/// # Safety
/// 1. As for [`fill`].
pub unsafe fn fill_words(heap: &Heap, address: usize) {
    // SAFETY: (1).
    unsafe { fill_part(heap, address, address..address + 2 * POINTER) };
}

/// Fills what of `part` is body of the free block around `address`.
///
/// # Safety
/// 1. As for [`fill`].
unsafe fn fill_part(heap: &Heap, address: usize, part: Range<usize>) {
    if is_checked(heap) {
        // SAFETY: (1): committed, and the free block's own.
        let fill = |run: Range<usize>| unsafe { pattern::fill_freed(run.start, run.end) };
        // SAFETY: (1).
        unsafe { visit(heap, address, part, fill) };
    }
}

/// Calls `visit` with what of `part` is body of the free block around `address`, as far as it is
/// committed.
///
/// # Safety
/// 1. As for [`fill`].
pub unsafe fn visit(
    heap: &Heap,
    address: usize,
    part: Range<usize>,
    visit: impl FnMut(Range<usize>),
) {
    // SAFETY: (1).
    if let Some(free) = unsafe { free_around(heap, address) } {
        let body = blocks::free_body(free.address, free.end());
        let part = part.start.max(body.start)..part.end.min(body.end);
        // SAFETY: (1).
        unsafe { blocks::committed_runs(free.region, part, visit) };
    }
}

/// The first damaged DWORD of a free block's body.
///
/// # Safety
/// 1. `free` is a free block of the heap, whose lock is held.
pub unsafe fn damage(heap: &Heap, free: &Block) -> Option<usize> {
    if !is_checked(heap) {
        return None;
    }
    let mut found = None;
    let look = |run: Range<usize>| {
        // SAFETY: (1): committed.
        found = found.or_else(|| unsafe { pattern::first_not_freed(run.start, run.end) });
    };
    // SAFETY: (1).
    unsafe {
        blocks::committed_runs(
            free.region,
            blocks::free_body(free.address, free.end()),
            look,
        )
    };
    found
}

/// The first damaged DWORD of what is still left of its pattern in a block that was taken from the
/// index a moment ago and not yet written to, but for its header and its slot from `slot` on.
///
/// # Safety
/// 1. `block` is busy, its user's bytes were not used yet, and the heap's lock is held.
pub unsafe fn damage_in_new(heap: &Heap, block: &Block, slot: usize) -> Option<usize> {
    if !is_checked(heap) {
        return None;
    }
    let body = blocks::free_body(block.address, block.end());
    let end = body.end.min(slot).max(body.start);
    // SAFETY: (1): all of a busy block is committed.
    unsafe { pattern::first_not_freed(body.start, end) }
}

/// The free block that holds `address`, if there is one.
///
/// # Safety
/// 1. The heap's lock is held.
unsafe fn free_around(heap: &Heap, address: usize) -> Option<Block> {
    let region = regions::find(address)?;
    // SAFETY: INV-REGION; whether it is this heap's is checked first.
    let record = unsafe { region.as_ref() };
    if record.owner.load(Ordering::Relaxed) != heap.record() {
        return None;
    }
    let (first, here) = (record.granule(record.first_block), record.granule(address));
    let start = record.starts.find_back(first, here + 1);
    let start = record.base + start.checked_sub(1)? * GRANULE;
    if !record.is_block_start(start) {
        return None;
    }
    // SAFETY: (1) INV-STARTS.
    let entry = unsafe { heap.key.read(start) }?;
    let block = Block {
        region,
        address: start,
        entry,
    };
    (!entry.is_busy() && block.end() <= record.end).then_some(block)
}
