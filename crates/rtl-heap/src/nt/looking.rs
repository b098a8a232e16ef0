//! Calls that look at heaps: walk, validate all, sums, usage (4.1, 5.3, 5.4).

use core::sync::atomic::Ordering;

use crate::flags::HeapFlags;
use crate::heap::Heap;
use crate::lifecycle::registry;
use crate::nt::{HeapHandle, is_reentrant};
use crate::status::Status;
use crate::verify;

pub use crate::inspect::walk::{LARGE_INDEX, WalkEntry, WalkFlags, WalkRegion};

/// The entry of a heap after the one at `address`, any bit pattern; the first one for 0.
///
/// Each step takes the heap's lock and gives it back. What others change between two steps may be
/// seen or not, or end the walk; to see the heap as it is at one time its lock has to be held from
/// the first step to the last.
///
/// # Errors
/// `NO_MORE_ENTRIES` at the end; `INVALID_PARAMETER` for an address where the heap has no entry;
/// `HEAP_CORRUPTION` where a header was overwritten; `INVALID_HANDLE` for what is no heap.
///
/// # Source
/// Specification 5.4.
#[doc(alias = "RtlWalkHeap")]
#[doc(alias = "HeapWalk")]
pub fn walk(heap: HeapHandle, address: usize) -> Result<WalkEntry, Status> {
    let heap = Heap::at(heap.0).ok_or(Status::INVALID_HANDLE)?;
    let mut guard = heap.enter(HeapFlags::empty());
    if is_reentrant(&guard) {
        return Err(Status::INVALID_PARAMETER);
    }
    let (heap, state) = guard.parts();
    // SAFETY: the guard holds the lock.
    unsafe { verify::page_heap::next(heap, state, address) }
}

/// Every heap of the process is whole. All are checked even after one that is not, but for those
/// that are protected.
///
/// # Source
/// Specification 4.1.
#[doc(alias = "RtlValidateProcessHeaps")]
pub fn validate_process_heaps() -> bool {
    let mut valid = true;
    registry::for_each(|heap| {
        if heap.protected.load(Ordering::Relaxed) {
            return true;
        }
        let mut guard = heap.enter(HeapFlags::empty());
        let (heap, state) = guard.parts();
        // SAFETY: the guard holds the lock.
        valid &= unsafe { verify::check::heap(heap, state) }.is_ok();
        true
    });
    valid
}

/// Sums over a heap, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// What callers asked for and have not freed.
    pub allocated: usize,
    /// Committed.
    pub committed: usize,
    /// Reserved.
    pub reserved: usize,
    /// The most that was ever reserved.
    pub most_reserved: usize,
}

/// Sums over a heap.
///
/// # Errors
/// `INVALID_HANDLE` for what is no heap.
///
/// # Source
/// Specification 9 (C255, C256).
#[doc(alias = "HeapSummary")]
#[doc(alias = "RtlUsageHeap")]
pub fn summary(heap: HeapHandle) -> Result<Summary, Status> {
    let sums = super::accounting(heap)?;
    Ok(Summary {
        allocated: sums.live_bytes,
        committed: sums.committed,
        reserved: sums.reserved,
        most_reserved: sums.peak_reserved,
    })
}

/// The flags a heap was created with.
///
/// # Errors
/// `INVALID_HANDLE` for what is no heap.
pub fn flags(heap: HeapHandle) -> Result<HeapFlags, Status> {
    let heap = Heap::at(heap.0).ok_or(Status::INVALID_HANDLE)?;
    Ok(heap.settings.flags)
}
