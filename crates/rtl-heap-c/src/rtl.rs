//! The Rtl face: NT's heap calls with the documented limits.

use core::mem::offset_of;
use core::ptr::{self, NonNull};

use rtl_heap::flags::HeapFlags;
use rtl_heap::limits::Limits;
use rtl_heap::nt::{self, Allocated, CreateRequest, Freed};
use rtl_heap::params::HeapParameters;
use rtl_heap::status::Status;

use crate::contain::contain;
use crate::exports::exports;
use crate::last_error::fail;
use crate::probe;
use crate::raise;
use crate::resource;
use crate::types::{
    BOOLEAN, LOGICAL, NTSTATUS, PCVOID, PRTL_ENUM_HEAPS_ROUTINE, PRTL_HEAP_PARAMETERS, PVOID,
    RTL_HEAP_PARAMETERS, SIZE_T, ULONG,
};

/// What a caller says is a heap.
#[inline]
pub(crate) fn handle(heap: PVOID) -> nt::HeapHandle {
    nt::HeapHandle(heap.addr())
}

/// A heap as C sees it.
#[inline]
pub(crate) fn pointer(heap: nt::HeapHandle) -> PVOID {
    ptr::with_exposed_provenance_mut(heap.0)
}

/// A `BOOLEAN`, after storing why it is FALSE.
#[inline]
pub(crate) fn boolean(result: Result<(), Status>) -> BOOLEAN {
    match result {
        Ok(()) => 1,
        Err(status) => {
            fail(status);
            0
        }
    }
}

/// What a failed allocation comes to: last error and status, then the exception if the heap or the
/// call generates them, then NULL if that returns.
#[cold]
fn refuse(heap: nt::HeapHandle, flags: HeapFlags, size: SIZE_T, status: Status) -> PVOID {
    let exception = contain(|| {
        fail(status);
        if status == Status::NO_MEMORY {
            nt::exception(heap, flags, size)
        } else {
            None
        }
    });
    if let Some(exception) = exception {
        raise::raise(exception.code, &[exception.size]);
    }
    ptr::null_mut()
}

/// Copies a caller's parameters. A pointer that faults is an error (C024); a structure of another
/// length, NULL and -1 ("no page heap") mean none (C025, specification 2.1).
///
/// # Safety
/// 1. No other thread writes to or unmaps the structure meanwhile.
unsafe fn copy_parameters(given: PRTL_HEAP_PARAMETERS) -> Result<HeapParameters, Status> {
    let none = HeapParameters::default();
    if given.is_null() || given.addr() == usize::MAX {
        return Ok(none);
    }
    let length_at = given.addr() + offset_of!(RTL_HEAP_PARAMETERS, Length);
    if !probe::is_readable(length_at, size_of::<ULONG>()) {
        return Err(Status::ACCESS_VIOLATION);
    }
    // SAFETY: readable, as just checked; (1).
    let length = unsafe { (&raw const (*given).Length).read_unaligned() };
    if length as usize != size_of::<RTL_HEAP_PARAMETERS>() {
        return Ok(none);
    }
    if !probe::is_readable(given.addr(), size_of::<RTL_HEAP_PARAMETERS>()) {
        return Err(Status::ACCESS_VIOLATION);
    }
    // SAFETY: readable, as just checked; (1). Any bits are a number, and the routine is one by the
    // caller's word.
    let given = unsafe { given.read_unaligned() };
    Ok(HeapParameters {
        segment_reserve: given.SegmentReserve,
        segment_commit: given.SegmentCommit,
        decommit_free_block_threshold: given.DeCommitFreeBlockThreshold,
        decommit_total_free_threshold: given.DeCommitTotalFreeThreshold,
        maximum_allocation_size: given.MaximumAllocationSize,
        virtual_memory_threshold: given.VirtualMemoryThreshold,
        initial_commit: given.InitialCommit,
        initial_reserve: given.InitialReserve,
        commit_routine: given.CommitRoutine,
    })
}

/// A free. Inlined into both functions that are it, so that neither is a jump to the other.
///
/// # Safety
/// 1. As for `RtlFreeHeap`.
#[inline(always)]
pub(crate) unsafe fn free_first(heap: PVOID, flags: ULONG, block: PVOID) -> LOGICAL {
    // SAFETY: (1).
    unsafe {
        match nt::free_at_once(handle(heap), block.cast()) {
            Freed::Done => 1,
            Freed::NoSlab => free_alone(heap, flags, block),
            Freed::NotOwn => free_shared(heap, flags, block),
            Freed::Not => free(heap, flags, block),
        }
    }
}

/// A free of what is in no slab, apart from the function's shortest path, with its signature: it is
/// jumped to.
///
/// # Safety
/// 1. As for `RtlFreeHeap`.
#[inline(never)]
unsafe extern "system" fn free_alone(heap: PVOID, flags: ULONG, block: PVOID) -> LOGICAL {
    // SAFETY: (1).
    unsafe {
        match nt::free_alone(handle(heap), block.cast()) {
            true => 1,
            false => free_of_back_end(heap, flags, block),
        }
    }
}

/// The same on a heap that is serialised, likewise.
///
/// # Safety
/// 1. As for `RtlFreeHeap`.
#[inline(never)]
unsafe extern "system" fn free_of_back_end(heap: PVOID, flags: ULONG, block: PVOID) -> LOGICAL {
    let given = HeapFlags::from_bits_retain(flags);
    // SAFETY: (1).
    unsafe {
        match nt::free_of_back_end(handle(heap), given, block.cast()) {
            true => 1,
            false => free(heap, flags, block),
        }
    }
}

/// A free of what is in a slab of several threads, likewise.
///
/// # Safety
/// 1. As for `RtlFreeHeap`.
#[inline(never)]
unsafe extern "system" fn free_shared(heap: PVOID, flags: ULONG, block: PVOID) -> LOGICAL {
    // SAFETY: (1).
    unsafe {
        match nt::free_shared(handle(heap), block.cast()) {
            true => 1,
            false => free(heap, flags, block),
        }
    }
}

/// The size of a block that is no slot, with the function's signature: it is jumped to.
#[inline(never)]
extern "system" fn size(heap: PVOID, flags: ULONG, block: PCVOID) -> SIZE_T {
    let flags = HeapFlags::from_bits_retain(flags);
    match nt::size_the_long_way(handle(heap), flags, block.cast()) {
        Ok(size) => size,
        Err(status) => {
            fail(status);
            SIZE_T::MAX
        }
    }
}

/// All of a free but the short paths, with the function's signature: it is jumped to.
///
/// # Safety
/// 1. As for `RtlFreeHeap`.
#[inline(never)]
unsafe extern "system" fn free(heap: PVOID, flags: ULONG, block: PVOID) -> LOGICAL {
    let (heap, flags) = (handle(heap), HeapFlags::from_bits_retain(flags));
    // SAFETY: (1).
    match unsafe { nt::free_the_long_way(heap, flags, block.cast()) } {
        Ok(()) => 1,
        Err(status) => {
            fail(status);
            0
        }
    }
}

/// An allocation. Inlined into both functions that are it, so that neither is a jump to the other.
#[inline(always)]
pub(crate) fn allocate_first(heap: PVOID, flags: ULONG, size: SIZE_T) -> PVOID {
    let given = HeapFlags::from_bits_retain(flags);
    match nt::allocate_at_once(handle(heap), given, size) {
        Allocated::Block(block) => block.as_ptr().cast(),
        Allocated::NoLane => allocate_alone(heap, flags, size),
        Allocated::Not => allocate_kept(heap, flags, size),
    }
}

/// An allocation of any size of the front end, apart from the function's shortest path, with its
/// signature: it is jumped to.
#[inline(never)]
extern "system-unwind" fn allocate_kept(heap: PVOID, flags: ULONG, size: SIZE_T) -> PVOID {
    match nt::allocate_kept(handle(heap), HeapFlags::from_bits_retain(flags), size) {
        Some(block) => block.as_ptr().cast(),
        None if nt::is_middle(size) => allocate_middle(heap, flags, size),
        None => allocate_freed(heap, flags, size),
    }
}

/// An allocation from what a thread has freed, likewise.
#[inline(never)]
extern "system-unwind" fn allocate_freed(heap: PVOID, flags: ULONG, size: SIZE_T) -> PVOID {
    match nt::allocate_freed(handle(heap), HeapFlags::from_bits_retain(flags), size) {
        Some(block) => block.as_ptr().cast(),
        None => allocate_alone(heap, flags, size),
    }
}

/// An allocation of more than the front end serves, likewise.
#[inline(never)]
extern "system-unwind" fn allocate_middle(heap: PVOID, flags: ULONG, size: SIZE_T) -> PVOID {
    let (heap, flags) = (handle(heap), HeapFlags::from_bits_retain(flags));
    match nt::allocate_middle(heap, flags, size) {
        Some(block) => block.as_ptr().cast(),
        None => allocate(heap, flags, size),
    }
}

/// An allocation from a heap that nobody serialises, likewise.
#[inline(never)]
extern "system-unwind" fn allocate_alone(heap: PVOID, flags: ULONG, size: SIZE_T) -> PVOID {
    let (heap, flags) = (handle(heap), HeapFlags::from_bits_retain(flags));
    match nt::allocate_alone(heap, flags, size) {
        Some(block) => block.as_ptr().cast(),
        None => allocate(heap, flags, size),
    }
}

/// All of an allocation but the short paths.
#[inline(never)]
fn allocate(heap: nt::HeapHandle, flags: HeapFlags, size: SIZE_T) -> PVOID {
    match contain(|| nt::allocate_aligned(heap, flags, size, rtl_heap::GRANULE)) {
        Ok(block) => block.as_ptr().cast(),
        Err(status) => refuse(heap, flags, size, status),
    }
}

exports! { nt:
    /// Makes a heap with the documented limits: 64 pages reserved and one committed by default,
    /// blocks up to 0x7F000 bytes.
    ///
    /// NULL for every reason of the document; the last status says which kind:
    /// `STATUS_INVALID_PARAMETER`, `STATUS_ACCESS_VIOLATION` or `STATUS_NO_MEMORY`.
    ///
    /// # Safety
    /// 1. Caller memory is used by nobody else while the heap lives; a lock, and a commit routine,
    ///    outlive it.
    /// 2. No other thread changes what `Lock` and `Parameters` point to during the call.
    pub unsafe extern "system" fn RtlCreateHeap(
        Flags: ULONG,
        HeapBase: PVOID,
        ReserveSize: SIZE_T,
        CommitSize: SIZE_T,
        Lock: PVOID,
        Parameters: PRTL_HEAP_PARAMETERS,
    ) -> PVOID {
        let create = || {
            let mut request = CreateRequest::new(Limits::DOCUMENTED);
            request.flags = HeapFlags::from_bits_retain(Flags);
            request.base = NonNull::new(HeapBase.cast());
            request.reserve = ReserveSize;
            request.commit = CommitSize;
            request.bypass_page_heap = Parameters.addr() == usize::MAX;
            // SAFETY: (2).
            request.parameters = unsafe { copy_parameters(Parameters) }?;
            // SAFETY: (1).
            request.lock = unsafe { resource::caller_lock(Lock) }?;
            // SAFETY: (1).
            unsafe { nt::create_heap(&request) }
        };
        match create() {
            Ok(heap) => pointer(heap),
            Err(status) => {
                fail(status);
                ptr::null_mut()
            }
        }
    }

    /// Ends a heap and everything in it; caller memory and a caller's lock stay.
    ///
    /// NULL if it is gone (or was NULL); the handle for the process heap and for what is no heap.
    ///
    /// # Safety
    /// 1. Nothing of the heap is used any more.
    pub unsafe extern "system" fn RtlDestroyHeap(HeapHandle: PVOID) -> PVOID {
        if HeapHandle.is_null() {
            return ptr::null_mut();
        }
        // SAFETY: (1).
        match unsafe { nt::destroy_heap(handle(HeapHandle)) } {
            Ok(()) => ptr::null_mut(),
            Err(status) => {
                fail(status);
                HeapHandle
            }
        }
    }

    /// Takes the heap's lock, once more if the calling thread has it. TRUE and nothing done for a
    /// heap without lock; FALSE for what is no heap.
    pub extern "system" fn RtlLockHeap(HeapHandle: PVOID) -> BOOLEAN {
        boolean(nt::lock(handle(HeapHandle)))
    }

    /// Gives the heap's lock back once. FALSE and `STATUS_RESOURCE_NOT_OWNED` for a thread that
    /// does not have it.
    pub extern "system" fn RtlUnlockHeap(HeapHandle: PVOID) -> BOOLEAN {
        boolean(nt::unlock(handle(HeapHandle)))
    }

    /// Stores the first heaps of the process, the process heap first and the others in the order
    /// they were made, and returns how many there are.
    ///
    /// # Safety
    /// 1. `ProcessHeaps` has room for `NumberOfHeaps` handles, or `NumberOfHeaps` is 0.
    pub unsafe extern "system" fn RtlGetProcessHeaps(
        NumberOfHeaps: ULONG,
        ProcessHeaps: *mut PVOID,
    ) -> ULONG {
        let room = if ProcessHeaps.is_null() { 0 } else { NumberOfHeaps as usize };
        let mut count = 0;
        nt::for_each_process_heap(|heap| {
            if count < room {
                // SAFETY: (1).
                unsafe { ProcessHeaps.add(count).write_unaligned(pointer(heap)) };
            }
            count += 1;
            true
        });
        count as ULONG
    }

    /// Calls `EnumRoutine` with each heap of the process, in the same order, until it returns a
    /// failure, which is then the result.
    ///
    /// The list of heaps is locked meanwhile. `STATUS_INVALID_PARAMETER` without a routine.
    ///
    /// # Safety
    /// 1. The routine may be called with `Parameter`; it neither unwinds nor jumps out.
    pub unsafe extern "system" fn RtlEnumProcessHeaps(
        EnumRoutine: PRTL_ENUM_HEAPS_ROUTINE,
        Parameter: PVOID,
    ) -> NTSTATUS {
        let Some(routine) = EnumRoutine else { return Status::INVALID_PARAMETER.0 };
        let mut result = Status::SUCCESS;
        nt::for_each_process_heap(|heap| {
            // SAFETY: (1).
            let status = Status(unsafe { routine(pointer(heap), Parameter) });
            if !status.is_success() {
                result = status;
            }
            status.is_success()
        });
        result.0
    }

    /// Allocates a block of exactly `Size` bytes, which may be 0.
    ///
    /// NULL and `STATUS_NO_MEMORY`, or the exception with `HEAP_GENERATE_EXCEPTIONS`, if there is
    /// no room; NULL and `STATUS_INVALID_HANDLE` for what is no heap.
    pub extern "system-unwind" fn RtlAllocateHeap(
        HeapHandle: PVOID,
        Flags: ULONG,
        Size: SIZE_T,
    ) -> PVOID {
        allocate_first(HeapHandle, Flags, Size)
    }

    /// Gives a block another size, moving it if need be and allowed.
    ///
    /// NULL with the block unchanged, or the exception, if there is no room; NULL and
    /// `STATUS_INVALID_PARAMETER` for what is no block of the heap. For a NULL block NULL, with the
    /// last error and status cleared (C121): this is not an allocation.
    ///
    /// # Safety
    /// 1. Nobody uses the block during the call, nor its bytes past the new size afterwards.
    pub unsafe extern "system-unwind" fn RtlReAllocateHeap(
        HeapHandle: PVOID,
        Flags: ULONG,
        BaseAddress: PVOID,
        Size: SIZE_T,
    ) -> PVOID {
        if BaseAddress.is_null() {
            fail(Status::SUCCESS);
            return ptr::null_mut();
        }
        let (heap, flags) = (handle(HeapHandle), HeapFlags::from_bits_retain(Flags));
        // SAFETY: (1).
        match contain(|| unsafe { nt::reallocate(heap, flags, BaseAddress.cast(), Size) }) {
            Ok(block) => block.as_ptr().cast(),
            Err(status) => refuse(heap, flags, Size, status),
        }
    }

    /// Frees a block. TRUE for NULL, whatever the heap; FALSE and `STATUS_INVALID_PARAMETER` for
    /// what is no block of the heap, or was written behind, which is left as it is.
    ///
    /// # Safety
    /// 1. The block is not used any more.
    pub unsafe extern "system" fn RtlFreeHeap(
        HeapHandle: PVOID,
        Flags: ULONG,
        BaseAddress: PVOID,
    ) -> LOGICAL {
        // SAFETY: (1).
        unsafe { free_first(HeapHandle, Flags, BaseAddress) }
    }

    /// The size a block was asked for with, in bytes; all bits set, and
    /// `STATUS_INVALID_PARAMETER`, for what is no block of the heap.
    pub extern "system" fn RtlSizeHeap(
        HeapHandle: PVOID,
        Flags: ULONG,
        BaseAddress: PCVOID,
    ) -> SIZE_T {
        match nt::size_at_once(handle(HeapHandle), BaseAddress.cast()) {
            Some(size) => size,
            None => size(HeapHandle, Flags, BaseAddress),
        }
    }
}
