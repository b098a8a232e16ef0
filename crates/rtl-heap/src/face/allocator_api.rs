//! `Allocator` of allocator-api2: collections in a private heap, or in the process heap.

use core::alloc::Layout;
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator};

use crate::face::global::ProcessHeap;
use crate::face::owned::Heap;
use crate::flags::HeapFlags;
use crate::nt;
use crate::units::GRANULE;

// SAFETY: blocks stay valid until they are freed or the heap is dropped, which outlives the
// borrow; a copy of the reference is the same heap.
unsafe impl Allocator for &Heap {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let alignment = layout.align().max(GRANULE);
        nt::allocate_aligned(self.handle(), HeapFlags::empty(), layout.size(), alignment)
            .map(|block| NonNull::slice_from_raw_parts(block, layout.size()))
            .map_err(|_| AllocError)
    }

    unsafe fn deallocate(&self, block: NonNull<u8>, _layout: Layout) {
        // SAFETY: the caller's block, by the trait's contract. What is none is reported there.
        let _ = unsafe { nt::free(self.handle(), HeapFlags::empty(), block.as_ptr()) };
    }
}

// SAFETY: the process heap is never destroyed; every `ProcessHeap` is the same one.
unsafe impl Allocator for ProcessHeap {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        NonNull::new(ProcessHeap::allocate(self, HeapFlags::empty(), layout))
            .map(|block| NonNull::slice_from_raw_parts(block, layout.size()))
            .ok_or(AllocError)
    }

    unsafe fn deallocate(&self, block: NonNull<u8>, _layout: Layout) {
        // SAFETY: the caller's block, by the trait's contract.
        unsafe { self.free(block.as_ptr()) }
    }
}
