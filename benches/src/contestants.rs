//! Who is compared: heaps of ours, private heaps of mimalloc, and allocators that stand in for
//! `malloc`, behind the same calls.

use crate::calls::{Calls, MallocCalls, MiHeapCalls};

/// An allocator as a measured loop sees it.
pub trait Allocator: Send + Sync + 'static {
    /// A block of `size` bytes.
    fn allocate(&self, size: usize) -> *mut u8;
    /// The block, or its successor, with `size` bytes.
    ///
    /// # Safety
    /// 1. `block` is live and nobody else uses it.
    unsafe fn reallocate(&self, block: *mut u8, size: usize) -> *mut u8;
    /// Gives a block back.
    ///
    /// # Safety
    /// 1. `block` is live and nobody uses it any more.
    unsafe fn free(&self, block: *mut u8);
    /// The size of a block in bytes.
    ///
    /// # Safety
    /// 1. `block` is live.
    unsafe fn size(&self, block: *mut u8) -> usize;
    /// Asks for unused memory to be given back to the system; nothing happens where there is no
    /// such call.
    fn compact(&self) {}
    /// Whether this is a sound block; an allocator that cannot tell answers with its size.
    ///
    /// # Safety
    /// 1. `block` is live.
    unsafe fn validate(&self, block: *mut u8) -> usize {
        // SAFETY: (1).
        unsafe { self.size(block) }
    }
}

/// What makes private heaps. A heap is destroyed with its blocks when it is dropped.
pub trait Heaps: Copy + Send + Sync + 'static {
    /// A heap.
    type Heap: Allocator;
    /// A new one, empty.
    fn create(&self) -> Self::Heap;
}

/// Our heaps, as `HeapCreate` makes them.
#[derive(Clone, Copy)]
pub struct NtHeaps {
    /// The calls of our library.
    pub calls: Calls,
    /// Creation flags.
    pub flags: u32,
    /// Their greatest size in bytes, or 0.
    pub limit: usize,
}

impl Heaps for NtHeaps {
    type Heap = NtHeap;

    #[inline]
    fn create(&self) -> NtHeap {
        NtHeap::create(self)
    }
}

/// A private heap, destroyed when dropped.
pub struct NtHeap {
    calls: Calls,
    handle: usize,
}

impl NtHeap {
    /// One of these heaps.
    #[inline]
    fn create(heaps: &NtHeaps) -> NtHeap {
        // SAFETY: no caller memory or structure is involved.
        let handle = unsafe { (heaps.calls.heap_create)(heaps.flags, 0, heaps.limit) };
        assert_ne!(handle, 0, "no heap");
        NtHeap {
            calls: heaps.calls,
            handle,
        }
    }
}

impl Drop for NtHeap {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the heap is ours, and its blocks are those of the loop that is over.
        unsafe { (self.calls.destroy)(self.handle) };
    }
}

impl Allocator for NtHeap {
    #[inline]
    fn allocate(&self, size: usize) -> *mut u8 {
        // SAFETY: any arguments are allowed.
        unsafe { (self.calls.allocate)(self.handle, 0, size) }
    }

    #[inline]
    unsafe fn reallocate(&self, block: *mut u8, size: usize) -> *mut u8 {
        // SAFETY: (1).
        unsafe { (self.calls.reallocate)(self.handle, 0, block, size) }
    }

    #[inline]
    unsafe fn free(&self, block: *mut u8) {
        // SAFETY: (1).
        unsafe { (self.calls.free)(self.handle, 0, block) };
    }

    #[inline]
    unsafe fn size(&self, block: *mut u8) -> usize {
        // SAFETY: (1).
        unsafe { (self.calls.size)(self.handle, 0, block) }
    }

    fn compact(&self) {
        // SAFETY: the heap is ours.
        unsafe { (self.calls.compact)(self.handle, 0) };
    }

    #[inline]
    unsafe fn validate(&self, block: *mut u8) -> usize {
        // SAFETY: (1).
        unsafe { (self.calls.validate)(self.handle, 0, block) as usize }
    }
}

/// An allocator that stands in for the C library's, or the C library's itself.
#[derive(Clone, Copy)]
pub struct Malloc(pub MallocCalls);

impl Allocator for Malloc {
    #[inline]
    fn allocate(&self, size: usize) -> *mut u8 {
        // SAFETY: any size is allowed.
        unsafe { (self.0.malloc)(size) }
    }

    #[inline]
    unsafe fn reallocate(&self, block: *mut u8, size: usize) -> *mut u8 {
        // SAFETY: (1).
        unsafe { (self.0.realloc)(block, size) }
    }

    #[inline]
    unsafe fn free(&self, block: *mut u8) {
        // SAFETY: (1).
        unsafe { (self.0.free)(block) };
    }

    #[inline]
    unsafe fn size(&self, block: *mut u8) -> usize {
        // SAFETY: (1).
        unsafe { (self.0.usable_size)(block) }
    }
}

/// mimalloc's private heaps.
#[derive(Clone, Copy)]
pub struct MiHeaps(pub MiHeapCalls);

impl Heaps for MiHeaps {
    type Heap = MiHeap;

    #[inline]
    fn create(&self) -> MiHeap {
        // SAFETY: it takes nothing.
        let handle = unsafe { (self.0.create)() };
        assert_ne!(handle, 0, "no heap");
        MiHeap {
            calls: self.0,
            handle,
        }
    }
}

/// A private heap of mimalloc, destroyed when dropped.
pub struct MiHeap {
    calls: MiHeapCalls,
    handle: usize,
}

impl Drop for MiHeap {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the heap is ours, and its blocks are those of the loop that is over.
        unsafe { (self.calls.destroy)(self.handle) };
    }
}

impl Allocator for MiHeap {
    #[inline]
    fn allocate(&self, size: usize) -> *mut u8 {
        // SAFETY: any size is allowed.
        unsafe { (self.calls.malloc)(self.handle, size) }
    }

    #[inline]
    unsafe fn reallocate(&self, block: *mut u8, size: usize) -> *mut u8 {
        // SAFETY: (1).
        unsafe { (self.calls.realloc)(self.handle, block, size) }
    }

    #[inline]
    unsafe fn free(&self, block: *mut u8) {
        // SAFETY: (1).
        unsafe { (self.calls.free)(block) };
    }

    #[inline]
    unsafe fn size(&self, block: *mut u8) -> usize {
        // SAFETY: (1).
        unsafe { (self.calls.usable_size)(block) }
    }
}
