//! The process heap as `malloc` uses it: made at first use, and safe across `fork`.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rtl_heap::hooks;
use rtl_heap::nt::{self, HeapHandle};
use rtl_platform::fork;

use crate::errors::Refusal;
use crate::statistics;

/// The handle of the process heap; 0 before the first request that was granted one.
static HANDLE: AtomicUsize = AtomicUsize::new(0);

/// Whether the first request has prepared the process.
static PREPARED: AtomicBool = AtomicBool::new(false);

/// The same for requests that nobody counts, which need look at nothing else; 0 while they are counted.
static UNCOUNTED: AtomicUsize = AtomicUsize::new(0);

/// The process heap for the shortest paths; a handle that is no heap's before the first request that was
/// granted one, and while requests are counted.
#[inline]
pub fn uncounted_heap() -> HeapHandle {
    // Relaxed: who got a block from the heap sees the heap, and no other thread has a lane of it.
    HeapHandle(UNCOUNTED.load(Ordering::Relaxed))
}

/// The process heap.
///
/// # Errors
///
/// No memory to make it. The next call tries again.
#[inline]
pub fn process_heap() -> Result<HeapHandle, Refusal> {
    // Acquire pairs with the Release in `begin`: who sees the handle sees what it was set after.
    match HANDLE.load(Ordering::Acquire) {
        0 => begin(),
        handle => {
            // Counting may have ended since the heap was made.
            if !statistics::is_counting() {
                UNCOUNTED.store(handle, Ordering::Relaxed);
            }
            Ok(HeapHandle(handle))
        }
    }
}

/// The first request. It may come from the dynamic linker, from a constructor that runs before
/// ours, or from inside the registration below, which allocates once the system's own table of
/// handlers is full: by then the heap exists, and a second entry finds it.
#[cold]
fn begin() -> Result<HeapHandle, Refusal> {
    let heap = nt::process_heap()?;
    if !PREPARED.swap(true, Ordering::Relaxed) {
        hooks::enable_termination_on_corruption();
        // The heap sees to its own locks. Without memory for this a child may publish a summary
        // in its parent's place.
        let _ = fork::at_fork(nothing, nothing, statistics::leave_to_parent);
    }
    HANDLE.store(heap.0, Ordering::Release);
    Ok(heap)
}

extern "C" fn nothing() {}
