//! The process heap as Rust's global allocator.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr;

use crate::flags::HeapFlags;
use crate::nt;
use crate::units::GRANULE;

/// The process heap (`GetProcessHeap`), made at first use and never destroyed.
///
/// ```
/// # #[cfg(feature = "os")] {
/// use rtl_heap::ProcessHeap;
///
/// #[global_allocator]
/// static HEAP: ProcessHeap = ProcessHeap::new();
///
/// let numbers: Vec<u32> = (0..1000).collect();
/// assert_eq!(numbers[999], 999);
/// # }
/// ```
#[derive(Clone, Copy, Default, Debug)]
pub struct ProcessHeap(());

impl ProcessHeap {
    /// Needs nothing and allocates nothing.
    pub const fn new() -> ProcessHeap {
        ProcessHeap(())
    }

    pub(crate) fn allocate(&self, flags: HeapFlags, layout: Layout) -> *mut u8 {
        let block = nt::process_heap().and_then(|heap| {
            nt::allocate_aligned(heap, flags, layout.size(), layout.align().max(GRANULE))
        });
        block.map_or(ptr::null_mut(), |block| block.as_ptr())
    }

    /// # Safety
    /// 1. `block` came from this allocator and is not used any more.
    pub(crate) unsafe fn free(&self, block: *mut u8) {
        if let Ok(heap) = nt::process_heap() {
            // SAFETY: (1). What is no block of the heap is refused and reported there.
            let _ = unsafe { nt::free(heap, HeapFlags::empty(), block) };
        }
    }
}

// SAFETY: blocks of the heap are disjoint, as large and as aligned as asked for, and stay until
// they are freed; nothing here unwinds.
unsafe impl GlobalAlloc for ProcessHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.allocate(HeapFlags::empty(), layout)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.allocate(HeapFlags::ZERO_MEMORY, layout)
    }

    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        // SAFETY: (1) GlobalAlloc's contract.
        unsafe { self.free(block) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Ok(heap) = nt::process_heap() else {
            return ptr::null_mut();
        };
        if layout.align() <= GRANULE {
            // SAFETY: GlobalAlloc's contract: a live block of ours.
            let moved = unsafe { nt::reallocate(heap, HeapFlags::empty(), block, size) };
            return moved.map_or(ptr::null_mut(), |block| block.as_ptr());
        }
        // A move would lose the alignment, so stay, or move by hand.
        let in_place = HeapFlags::REALLOC_IN_PLACE_ONLY;
        // SAFETY: as above.
        if let Ok(same) = unsafe { nt::reallocate(heap, in_place, block, size) } {
            return same.as_ptr();
        }
        // SAFETY: GlobalAlloc's contract: `size` is valid for the alignment.
        let moved = self.allocate(HeapFlags::empty(), unsafe {
            Layout::from_size_align_unchecked(size, layout.align())
        });
        if !moved.is_null() {
            // SAFETY: both blocks hold as many bytes; the old one is ours to free.
            unsafe {
                moved.copy_from_nonoverlapping(block, size.min(layout.size()));
                self.free(block);
            }
        }
        moved
    }
}
