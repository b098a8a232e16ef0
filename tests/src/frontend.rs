//! The low-fragmentation heap: what it says of itself, and the pattern that turns it on.

use crate::abi::*;
use crate::heap::{Block, TestHeap};

/// The value of [`compatibility`] once the low-fragmentation heap is on.
pub const LOW_FRAGMENTATION: u32 = 2;

/// The heap's compatibility value.
#[track_caller]
pub fn compatibility(heap: &TestHeap) -> u32 {
    let mut value = u32::MAX;
    // SAFETY: the buffer is a number of four bytes.
    let asked = unsafe {
        HeapQueryInformation(
            heap.handle(),
            class::HEAP_COMPATIBILITY_INFORMATION,
            (&raw mut value).cast(),
            size_of::<u32>(),
            None,
        )
    };
    assert_eq!(asked, TRUE);
    value
}

/// Sets the heap's compatibility value.
pub fn set_compatibility(heap: &TestHeap, value: u32) -> BOOL {
    // SAFETY: the buffer is a number of four bytes.
    unsafe {
        HeapSetInformation(
            heap.handle(),
            class::HEAP_COMPATIBILITY_INFORMATION,
            (&raw const value).cast(),
            size_of::<u32>(),
        )
    }
}

/// Allocates `count` blocks of one size, then frees them all.
pub fn allocate_then_free(heap: &TestHeap, count: usize, size: usize) {
    let blocks: Vec<Block<'_>> = (0..count).map(|_| heap.alloc(0, size)).collect();
    for block in blocks {
        heap.free(block);
    }
}

/// Requests one size as often as it takes for the front end to serve it.
pub fn activate(heap: &TestHeap, size: usize) {
    for _ in 0..4 {
        allocate_then_free(heap, 18, size);
    }
}
