//! A heap as a Rust value: built, used, and destroyed when dropped.

use core::ptr::NonNull;

use rtl_platform::vm::{Vm, Window};

use crate::flags::HeapFlags;
use crate::heap::Accounting;
use crate::heap_lock::CallerLock;
use crate::limits::Limits;
use crate::nt::{self, CreateRequest, HeapHandle};
use crate::params::HeapParameters;
use crate::status::Status;

/// What a new heap is to be like. Start with [`Heap::builder`].
#[derive(Clone, Copy)]
#[must_use]
pub struct HeapBuilder {
    request: CreateRequest,
}

impl HeapBuilder {
    /// A heap that never grows beyond `bytes`, rounded up to pages, its own records included.
    /// Blocks over the limits' threshold are refused.
    pub fn fixed(mut self, bytes: usize) -> HeapBuilder {
        self.request.flags.remove(HeapFlags::GROWABLE);
        self.request.reserve = bytes;
        self
    }

    /// Bytes to reserve at first; 0 for the limits' default.
    pub fn reserve(mut self, bytes: usize) -> HeapBuilder {
        self.request.reserve = bytes;
        self
    }

    /// Bytes to commit at first; 0 for the limits' default.
    pub fn commit(mut self, bytes: usize) -> HeapBuilder {
        self.request.commit = bytes;
        self
    }

    /// Adds creation flags.
    pub fn flags(mut self, flags: HeapFlags) -> HeapBuilder {
        self.request.flags |= flags;
        self
    }

    /// Blocks are counted by tags ([`Heap::define_tag`]). Such a heap has no front end.
    pub fn tagging(self) -> HeapBuilder {
        self.flags(nt::TAGGING)
    }

    /// The numbers that zeros stand for: [`Limits::WINDOWS`] unless this is called.
    pub fn limits(mut self, limits: Limits) -> HeapBuilder {
        self.request.limits = limits;
        self
    }

    /// Thresholds and segment sizes.
    ///
    /// # Safety
    /// 1. A commit routine among them outlives the heap.
    pub unsafe fn parameters(mut self, parameters: HeapParameters) -> HeapBuilder {
        self.request.parameters = parameters;
        self
    }

    /// Where the heap's memory comes from: the system unless this is called.
    pub fn vm(mut self, vm: &'static dyn Vm) -> HeapBuilder {
        self.request.vm = Some(vm);
        self
    }

    /// Where in the address space all of the heap's memory lies, for example below 4 GiB.
    pub fn window(mut self, window: Window) -> HeapBuilder {
        self.request.window = Some(window);
        self
    }

    /// Uses the caller's memory: the heap's first segment is made there.
    ///
    /// # Safety
    /// 1. The memory is not used by anyone else while the heap lives.
    pub unsafe fn base(mut self, base: NonNull<u8>) -> HeapBuilder {
        self.request.base = Some(base);
        self
    }

    /// Uses the caller's lock.
    ///
    /// # Safety
    /// 1. The lock outlives the heap.
    pub unsafe fn lock(mut self, lock: CallerLock) -> HeapBuilder {
        self.request.lock = lock;
        self
    }

    /// Creates the heap.
    ///
    /// # Errors
    /// `INVALID_PARAMETER` for a forbidden combination, `NO_MEMORY` else.
    pub fn create(self) -> Result<Heap, Status> {
        // SAFETY: (1) the builder's unsafe methods took the promises.
        unsafe { nt::create_heap(&self.request) }.map(|handle| Heap { handle })
    }
}

/// A private heap. Dropping it destroys it with all its blocks.
///
/// Calls from several threads are serialised unless it was made with
/// [`HeapFlags::NO_SERIALIZE`], which is the caller's promise to do so.
#[derive(Debug)]
pub struct Heap {
    handle: HeapHandle,
}

impl Heap {
    /// Starts a growable, serialised heap of default size with [`Limits::WINDOWS`].
    pub fn builder() -> HeapBuilder {
        HeapBuilder {
            request: CreateRequest::new(Limits::WINDOWS),
        }
    }

    /// The handle, as the C ABI and [`nt`] know the heap.
    pub fn handle(&self) -> HeapHandle {
        self.handle
    }

    /// Gives up ownership: the heap lives until [`nt::destroy_heap`].
    pub fn into_handle(self) -> HeapHandle {
        core::mem::ManuallyDrop::new(self).handle
    }

    /// Takes ownership of a heap.
    ///
    /// # Safety
    /// 1. `handle` is a private heap that nobody else destroys.
    pub unsafe fn from_handle(handle: HeapHandle) -> Heap {
        Heap { handle }
    }

    /// Allocates `size` bytes; 0 is a block of its own too.
    ///
    /// # Errors
    /// `NO_MEMORY`.
    ///
    /// # Panics
    /// Unwinds with a [`HeapException`](crate::HeapException) where there would be an error, on a
    /// heap made with `GENERATE_EXCEPTIONS`; `catch_unwind` gives it back.
    #[doc(alias = "RtlAllocateHeap")]
    pub fn allocate(&self, size: usize) -> Result<NonNull<u8>, Status> {
        self.allocate_with(HeapFlags::empty(), size)
    }

    /// Allocates `size` bytes that read zero.
    ///
    /// # Errors
    /// As for [`Heap::allocate`].
    pub fn allocate_zeroed(&self, size: usize) -> Result<NonNull<u8>, Status> {
        self.allocate_with(HeapFlags::ZERO_MEMORY, size)
    }

    /// Allocates `size` bytes with flags for this call.
    ///
    /// # Errors
    /// As for [`Heap::allocate`].
    pub fn allocate_with(&self, flags: HeapFlags, size: usize) -> Result<NonNull<u8>, Status> {
        nt::allocate(self.handle, flags, size).inspect_err(|error| self.raise(*error, flags, size))
    }

    /// Allocates `size` bytes at a multiple of `alignment`, a power of two up to 1 GiB.
    ///
    /// # Errors
    /// As for [`Heap::allocate`]; `INVALID_PARAMETER` for another alignment.
    pub fn allocate_aligned(
        &self,
        flags: HeapFlags,
        size: usize,
        alignment: usize,
    ) -> Result<NonNull<u8>, Status> {
        nt::allocate_aligned(self.handle, flags, size, alignment)
            .inspect_err(|error| self.raise(*error, flags, size))
    }

    /// Changes a block's size, in place or by moving it; returns where it is now.
    ///
    /// # Errors
    /// `NO_MEMORY`; `INVALID_PARAMETER` for what is no live block of this heap, and for one that was
    /// written behind. The block is as it was.
    ///
    /// # Safety
    /// 1. If `block` is a live block of this heap, it is the caller's, and nobody uses it meanwhile.
    #[doc(alias = "RtlReAllocateHeap")]
    pub unsafe fn reallocate(
        &self,
        block: NonNull<u8>,
        flags: HeapFlags,
        size: usize,
    ) -> Result<NonNull<u8>, Status> {
        // SAFETY: (1).
        unsafe { nt::reallocate(self.handle, flags, block.as_ptr(), size) }
            .inspect_err(|error| self.raise(*error, flags, size))
    }

    /// Frees a block.
    ///
    /// # Errors
    /// `INVALID_PARAMETER` for what is no live block of this heap, and for one that was written behind;
    /// the heap is as it was.
    ///
    /// # Safety
    /// 1. If `block` is a live block of this heap, it is the caller's, and nobody uses it any more.
    #[doc(alias = "RtlFreeHeap")]
    pub unsafe fn free(&self, block: NonNull<u8>) -> Result<(), Status> {
        // SAFETY: (1).
        unsafe { nt::free(self.handle, HeapFlags::empty(), block.as_ptr()) }
    }

    /// The exact size of a block in bytes.
    ///
    /// # Errors
    /// `INVALID_PARAMETER` for what is no live block of this heap.
    #[doc(alias = "RtlSizeHeap")]
    pub fn size(&self, block: NonNull<u8>) -> Result<usize, Status> {
        nt::size(self.handle, HeapFlags::empty(), block.as_ptr())
    }

    /// Keeps other threads out of the heap until the guard is dropped.
    #[doc(alias = "RtlLockHeap")]
    pub fn lock(&self) -> HeapGuard<'_> {
        // A live heap's lock can always be taken.
        let held = nt::lock(self.handle).is_ok();
        HeapGuard { heap: self, held }
    }

    /// Sums over the heap.
    ///
    /// # Errors
    /// None for a live heap.
    pub fn accounting(&self) -> Result<Accounting, Status> {
        nt::accounting(self.handle)
    }

    fn raise(&self, error: Status, flags: HeapFlags, size: usize) {
        if error == Status::NO_MEMORY
            && let Some(exception) = nt::exception(self.handle, flags, size)
        {
            crate::face::unwind::unwind(exception);
        }
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        // SAFETY: (1) blocks of the heap are documented to end with it. A heap of our own is in
        // the list, so this cannot fail.
        let _ = unsafe { nt::destroy_heap(self.handle) };
    }
}

/// A heap's lock, held.
#[must_use]
pub struct HeapGuard<'h> {
    heap: &'h Heap,
    held: bool,
}

impl Drop for HeapGuard<'_> {
    fn drop(&mut self) {
        if self.held {
            let _ = nt::unlock(self.heap.handle);
        }
    }
}
