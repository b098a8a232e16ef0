//! The bytes behind a block's data: a granule of 0xAB in heaps with tail checking (10.3; C348 to
//! C351). Large blocks have none: a page that faults follows theirs.

use crate::backend::blocks::Block;
use crate::flags::HeapFlags;
use crate::heap::Heap;
use crate::pattern;
use crate::units::GRANULE;

fn is_checked(heap: &Heap) -> bool {
    heap.settings
        .flags
        .contains(HeapFlags::TAIL_CHECKING_ENABLED)
}

/// Fills a block's tail, if its heap checks tails.
///
/// # Safety
/// 1. `block` is a busy block of the heap, whose lock is held.
pub unsafe fn write(heap: &Heap, block: &Block) {
    if is_checked(heap) {
        let data_end = block.user() + block.entry.requested();
        // SAFETY: (1): a block of such a heap is that much larger than its data.
        unsafe { pattern::fill_bytes(data_end, GRANULE, pattern::TAIL) };
    }
}

/// The first byte of a block's tail that was overwritten.
///
/// # Safety
/// 1. As for [`write()`].
pub unsafe fn damage(heap: &Heap, block: &Block) -> Option<usize> {
    if !is_checked(heap) {
        return None;
    }
    let data_end = block.user() + block.entry.requested();
    // A header that passed its check by chance must not lead out of the block.
    if data_end + GRANULE > block.end() {
        return Some(data_end);
    }
    // SAFETY: (1): inside the block, which is committed.
    unsafe { pattern::first_not_byte(data_end, GRANULE, pattern::TAIL) }
}
