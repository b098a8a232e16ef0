//! Freeing a block (3.2).

use crate::backend::blocks::{self, Located};
use crate::backend::{canary, coalesce, large, park};
use crate::failure::Refusal;
use crate::heap::{Heap, State};

/// Takes the block at `pointer`, any bit pattern, back.
///
/// # Errors
/// It is no live block of the heap, or the heap was found damaged there. Nothing was changed.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state; nobody uses the block any more.
#[inline]
pub unsafe fn free(heap: &Heap, state: &mut State, pointer: usize) -> Result<(), Refusal> {
    // SAFETY: (1).
    match unsafe { blocks::locate(heap, pointer) }? {
        Located::Block(block) => {
            // SAFETY: (1).
            unsafe { canary::check(heap, &block) }?;
            // SAFETY: (1).
            if !unsafe { park::park_more(heap, state, &block) } {
                // SAFETY: (1).
                unsafe { coalesce::release(heap, state, &block) }?;
            }
            state.accounting.remove_live(block.entry.requested());
        }
        Located::Large(region) => {
            // SAFETY: (1).
            let requested = unsafe { region.as_ref() }.requested;
            // SAFETY: (1).
            unsafe { large::release(heap, state, region) };
            state.accounting.remove_live(requested);
        }
    }
    Ok(())
}
