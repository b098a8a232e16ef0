//! `RtlDestroyHeap`: everything back, in time that grows with regions, not with blocks.

use core::ptr::NonNull;

use crate::alone;
use crate::backend::{large, segment};
use crate::heap::Heap;
use crate::lifecycle::registry;
use crate::metadata;
use crate::status::Status;

/// Destroys `heap`: its segments, its large blocks, its own lock. Caller memory stays.
///
/// # Errors
/// `INVALID_HANDLE` for the process heap, which stays as it is, and for a heap that another thread
/// destroyed meanwhile.
///
/// # Safety
/// 1. No other call is inside the heap or will come.
pub unsafe fn destroy(heap: &'static Heap) -> Result<(), Status> {
    if !registry::remove(heap) {
        return Err(Status::INVALID_HANDLE);
    }
    // Threads that are ending may still be giving back what they kept.
    // SAFETY: (1).
    unsafe { heap.forget_lanes() };
    alone::leave(heap);
    // SAFETY: (1).
    unsafe { heap.withdraw_slabs() };
    // SAFETY: (1): the list was the last thing that led others here.
    let state = unsafe { heap.state() };
    let regions = state.segments.iter().chain(state.large.iter());
    for region in regions.chain(state.freed.iter()) {
        // SAFETY: (1).
        unsafe { segment::discard(heap, region) };
    }
    // SAFETY: (1).
    unsafe {
        large::release_kept(heap, state);
        state.lookaside.destroy();
        heap.destroy_frontend();
        heap.destroy_tags();
    }
    state.traces.destroy();
    // SAFETY: (1).
    unsafe { metadata::free(NonNull::from(heap).cast(), size_of::<Heap>()) };
    Ok(())
}
