//! Freeing in a debug heap: the tail is checked, and the memory filled.

use crate::backend::blocks::Located;
use crate::failure::Refusal;
use crate::heap::{Heap, State};
use crate::ops;
use crate::verify::{check, freed, page_heap};

/// [`ops::free::free`] with the debug heap's checks and fills.
///
/// # Errors
/// As there; also that the block's tail was overwritten, and with `VALIDATE_ALL` whatever is wrong
/// with the heap. Nothing was changed.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state; nobody uses the block any more.
pub unsafe fn free(heap: &Heap, state: &mut State, pointer: usize) -> Result<(), Refusal> {
    // SAFETY: (1).
    unsafe {
        check::before_call(heap, state)?;
        let located = check::block(heap, pointer)?;
        if heap.settings.page_heap.is_some() {
            page_heap::free(heap, state, &located)?;
        } else {
            ops::free::free(heap, state, pointer)?;
            if let Located::Block(block) = located {
                freed::fill(heap, block.address..block.end());
            }
        }
        state.traces.remove(pointer);
    }
    Ok(())
}
