//! A walk of a page heap: light blocks by the addresses and sizes their users know.

use crate::backend::blocks::{self, Located};
use crate::heap::{Heap, State};
use crate::inspect::walk::{self, WalkEntry, WalkFlags};
use crate::layout::LIGHT_BLOCK_AROUND;
use crate::status::Status;
use crate::verify::page_heap::light::inner;
use crate::verify::page_heap::stamps::PREFIX;

/// [`walk::next`] in a heap of any kind.
///
/// # Errors
/// As there.
///
/// # Safety
/// 1. As there.
pub unsafe fn next(heap: &Heap, state: &mut State, address: usize) -> Result<WalkEntry, Status> {
    if heap.settings.page_heap.is_none() {
        // SAFETY: (1).
        return unsafe { walk::next(heap, state, address) };
    }
    // An address that is a light block's is no other entry's: it lies in the middle of that block.
    let within = inner(heap, address);
    // SAFETY: (1).
    let located = || unsafe { blocks::locate(heap, within) };
    let is_light = within != address && matches!(located(), Ok(Located::Block(_)));
    let from = if is_light { within } else { address };
    // SAFETY: (1).
    let mut entry = unsafe { walk::next(heap, state, from) }?;
    let flags = entry.flags & (WalkFlags::BUSY | WalkFlags::LARGE_ALLOC);
    if flags == WalkFlags::BUSY {
        entry.address += PREFIX;
        entry.size = entry.size.saturating_sub(LIGHT_BLOCK_AROUND);
        entry.overhead = entry.overhead.saturating_add(LIGHT_BLOCK_AROUND as u8);
    }
    Ok(entry)
}
