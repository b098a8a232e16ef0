//! The exact size of a block (3.4).

use crate::backend::blocks::{self, Located};
use crate::failure::Refusal;
use crate::heap::Heap;

/// The bytes that were asked for when the block at `pointer`, any bit pattern, was made or last
/// resized.
///
/// # Errors
/// It is no live block of the heap.
///
/// # Safety
/// 1. The heap's lock is held.
#[inline]
pub unsafe fn size(heap: &Heap, pointer: usize) -> Result<usize, Refusal> {
    // SAFETY: (1).
    Ok(match unsafe { blocks::locate(heap, pointer) }? {
        Located::Block(block) => block.entry.requested(),
        // SAFETY: (1).
        Located::Large(region) => unsafe { region.as_ref() }.requested,
    })
}
