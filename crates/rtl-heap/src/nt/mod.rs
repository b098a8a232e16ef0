//! NT's calls by handle: the layer both the C ABI and the Rust face stand on.
//!
//! A handle and a pointer may be any bit pattern: each call checks them before it reads anything
//! behind them. Misuse is reported through [`crate::hooks`] once the lock is released; the call
//! then fails in NT's documented way with the heap unchanged, or the process ends if termination
//! on corruption is on.

mod extended;
mod information;
mod leaks;
mod looking;
pub mod movable;
mod steering;
mod tags;
mod traces;
mod unparked;
mod user_info;

use core::ptr::NonNull;
use core::sync::atomic::Ordering;

pub use extended::{Item, Level, Visit, extended};
pub use information::{
    compatibility, heap_tag, memory_limit, optimize_resources, set_compatibility, set_heap_tag,
    set_memory_limit,
};
pub use leaks::detect_leaks;
pub use looking::{
    LARGE_INDEX, Summary, WalkEntry, WalkFlags, WalkRegion, flags, summary, validate_process_heaps,
    walk,
};

pub use steering::{extend, flush, protect, zero};
pub use tags::{
    NAME_UNITS, PSEUDO_TAG_GRANULARITY, PSEUDO_TAGS, TAGGING, TagIndex, TagInfo, TagName,
    create_tags, for_each_tag, query_tag, tag_name,
};
pub use traces::{TraceExtent, block_trace, record_traces, set_trace_extent, trace_extent};
pub use user_info::{UserInfo, set_user_flags, set_user_value, user_info};

pub use crate::lifecycle::create::CreateRequest;

use crate::failure::{FailureKind, HeapFailure, Refusal};
use crate::flags::HeapFlags;
use crate::fork;
use crate::frontend::slots;
use crate::heap::{Accounting, Guard, Heap};
use crate::hooks::{self, HeapException};
use crate::inspect;
use crate::lifecycle::{create, destroy, registry};
use crate::ops;
pub use crate::ops::fast::{Allocated, Freed};
use crate::regions::{self, RegionKind};
use crate::status::Status;
use crate::units::{GRANULE, PAGE};
use crate::verify;

/// A heap's handle as callers pass it around: an address, not necessarily a heap's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(transparent)]
pub struct HeapHandle(pub usize);

/// The heap behind a handle, for the calls that deal in blocks: what is none is misuse, and is
/// reported as such (catalogue F1 to F6).
fn entered_heap(heap: HeapHandle) -> Result<&'static Heap, Status> {
    Heap::at(heap.0).ok_or_else(|| {
        let kind = FailureKind::InvalidHandle;
        hooks::report(&HeapFailure {
            kind,
            heap: heap.0,
            address: 0,
            owner: 0,
            allocated_by: &[],
        });
        Status::INVALID_HANDLE
    })
}

/// Creates a heap and enters it into the process's list.
///
/// # Errors
/// `INVALID_PARAMETER` for a forbidden combination, `NO_MEMORY` else. Nothing is left behind.
///
/// # Safety
/// 1. Caller memory is not used by anyone else while the heap lives, and a caller's lock, vm and
///    commit routine outlive it.
///
/// # Source
/// Specification 2; the owner's document.
#[doc(alias = "RtlCreateHeap")]
#[doc(alias = "HeapCreate")]
pub unsafe fn create_heap(request: &CreateRequest) -> Result<HeapHandle, Status> {
    fork::guard();
    // SAFETY: (1).
    let heap = unsafe { create::create(request, registry::add) }?;
    Ok(HeapHandle(heap.handle))
}

/// Destroys a private heap with all its blocks, in time that grows with its regions.
///
/// # Errors
/// `INVALID_HANDLE` for what is no heap, and for the process heap, which stays intact (C020).
///
/// # Safety
/// 1. Nobody uses the heap or its blocks any more.
#[doc(alias = "RtlDestroyHeap")]
#[doc(alias = "HeapDestroy")]
pub unsafe fn destroy_heap(heap: HeapHandle) -> Result<(), Status> {
    let heap = Heap::at(heap.0).ok_or(Status::INVALID_HANDLE)?;
    // SAFETY: (1).
    unsafe { destroy::destroy(heap) }
}

/// Allocates `size` bytes, zeroed if flags say so. The block is a multiple of 16 (8 on 32-bit).
///
/// # Errors
/// `NO_MEMORY`; `INVALID_HANDLE` for what is no heap. See [`exception`] for raising.
///
/// # Source
/// Specification 3.1.
#[doc(alias = "RtlAllocateHeap")]
#[doc(alias = "HeapAlloc")]
#[inline]
pub fn allocate(heap: HeapHandle, flags: HeapFlags, size: usize) -> Result<NonNull<u8>, Status> {
    let block = match allocate_at_once(heap, flags, size) {
        Allocated::Block(block) => Some(block),
        Allocated::NoLane => allocate_alone(heap, flags, size),
        Allocated::Not => allocate_kept(heap, flags, size),
    };
    match block {
        Some(block) => Ok(block),
        None => allocate_aligned(heap, flags, size, GRANULE),
    }
}

/// [`allocate`], where it takes a few dozen instructions and no lock: of a small block that the calling
/// thread keeps. Where it does not, nothing is done: then [`allocate_alone`] is next for a thread
/// without a lane, and [`allocate_kept`] for the rest. For faces that keep their slower parts apart.
#[inline]
pub fn allocate_at_once(heap: HeapHandle, flags: HeapFlags, size: usize) -> Allocated {
    ops::fast::allocate_kept(heap.0, flags, size)
}

/// [`allocate_at_once`] for any block that a thread keeps; `None`, and nothing done, for
/// [`allocate_aligned`].
#[inline]
pub fn allocate_kept(heap: HeapHandle, flags: HeapFlags, size: usize) -> Option<NonNull<u8>> {
    ops::fast::allocate_any_kept(heap.0, flags, size)
}

/// [`allocate`] on a heap that nobody serialises, where it takes not many more instructions; `None`,
/// and nothing done, for [`allocate_aligned`].
#[inline]
pub fn allocate_alone(heap: HeapHandle, flags: HeapFlags, size: usize) -> Option<NonNull<u8>> {
    ops::fast::allocate_alone(heap.0, flags, size)
}

/// [`allocate`] with an alignment: a power of two up to 1 GiB. Every other call takes the block as
/// it takes any; a reallocation that moves it keeps only the usual alignment.
///
/// # Errors
/// As for [`allocate`]; `INVALID_PARAMETER` for another alignment.
///
/// # Source
/// Our choice: NT has no such call.
#[inline(never)]
pub fn allocate_aligned(
    heap: HeapHandle,
    flags: HeapFlags,
    size: usize,
    alignment: usize,
) -> Result<NonNull<u8>, Status> {
    const LARGEST_ALIGNMENT: usize = 1 << 30;
    if !alignment.is_power_of_two() || alignment > LARGEST_ALIGNMENT {
        return Err(Status::INVALID_PARAMETER);
    }
    let heap = entered_heap(heap)?;
    if !heap.settings.parks {
        return unparked::allocate(heap, flags, size, alignment);
    }
    let flags = flags | heap.settings.force_flags;
    if alignment <= GRANULE
        && let Some(block) = ops::fast::allocate_locked(heap, flags, size)
    {
        return Ok(block);
    }
    let mut guard = heap.enter(flags);
    let (heap, state) = guard.parts();
    // SAFETY: the guard holds the lock.
    let result = unsafe { ops::allocate::allocate(heap, state, flags, size, alignment) };
    drop(guard);
    result.map_err(conclude)
}

/// Changes a block's size, in place or by moving it; returns where it is now.
///
/// # Errors
/// `NO_MEMORY`, also for what flags forbid to do elsewhere; `INVALID_PARAMETER` for what is no live
/// block of the heap; `INVALID_HANDLE` for what is no heap. The block is as it was.
///
/// # Safety
/// 1. If `pointer` is a live block of the heap, it is the caller's, and nobody uses it meanwhile.
///
/// # Source
/// Specification 3.3.
#[doc(alias = "RtlReAllocateHeap")]
#[doc(alias = "HeapReAlloc")]
pub unsafe fn reallocate(
    heap: HeapHandle,
    flags: HeapFlags,
    pointer: *mut u8,
    size: usize,
) -> Result<NonNull<u8>, Status> {
    // SAFETY: (1).
    if let Some(moved) = unsafe { ops::fast::move_kept(heap.0, flags, pointer as usize, size) } {
        return Ok(moved);
    }
    let heap = entered_heap(heap)?;
    if !heap.settings.parks {
        // SAFETY: (1).
        return unsafe { unparked::reallocate(heap, flags, pointer as usize, size) };
    }
    let flags = flags | heap.settings.force_flags;
    // SAFETY: (1).
    if let Some(moved) = unsafe { ops::reallocate::move_slot(heap, flags, pointer as usize, size) }
    {
        return moved.map_err(conclude);
    }
    let mut guard = heap.enter(flags);
    let (heap, state) = guard.parts();
    // SAFETY: the guard holds the lock; (1).
    let result = unsafe { ops::reallocate::reallocate(heap, state, flags, pointer as usize, size) };
    drop(guard);
    result.map_err(conclude)
}

/// Frees a block. A null pointer is freed by doing nothing, whatever the handle (C100, C105).
///
/// # Errors
/// `INVALID_PARAMETER` for what is no live block of the heap; `INVALID_HANDLE` for what is no heap.
/// The heap is as it was.
///
/// # Safety
/// 1. If `pointer` is a live block of the heap, it is the caller's, and nobody uses it any more.
///
/// # Source
/// Specification 3.2.
#[doc(alias = "RtlFreeHeap")]
#[doc(alias = "HeapFree")]
#[inline]
pub unsafe fn free(heap: HeapHandle, flags: HeapFlags, pointer: *mut u8) -> Result<(), Status> {
    // SAFETY: (1).
    let freed = unsafe {
        match free_at_once(heap, pointer) {
            Freed::Done => true,
            Freed::NoSlab => free_alone(heap, pointer),
            Freed::Not => free_kept(heap, pointer),
        }
    };
    if freed {
        return Ok(());
    }
    // SAFETY: (1).
    unsafe { free_the_long_way(heap, flags, pointer) }
}

/// [`free`], where it takes a few dozen instructions and no lock: of a small block, which the calling
/// thread keeps. Where it does not, nothing is done: then [`free_alone`] is next for what is in no
/// slab, and [`free_kept`] for the rest. For faces that keep their slower parts apart.
///
/// # Safety
/// 1. As for [`free`].
#[inline]
pub unsafe fn free_at_once(heap: HeapHandle, pointer: *mut u8) -> Freed {
    // SAFETY: (1).
    unsafe { ops::fast::free_kept(heap.0, pointer as usize, false) }
}

/// [`free`] on a heap that nobody serialises, where it takes not many more instructions. False, and
/// nothing done, for [`free_the_long_way`].
///
/// # Safety
/// 1. As for [`free`].
#[inline]
pub unsafe fn free_alone(heap: HeapHandle, pointer: *mut u8) -> bool {
    // SAFETY: (1).
    unsafe { ops::fast::free_alone(heap.0, pointer as usize) }
}

/// [`free_at_once`] for any block that a thread keeps. False, and nothing done, for
/// [`free_the_long_way`].
///
/// # Safety
/// 1. As for [`free`].
#[inline]
pub unsafe fn free_kept(heap: HeapHandle, pointer: *mut u8) -> bool {
    // SAFETY: (1).
    unsafe { ops::fast::free_kept(heap.0, pointer as usize, true) == Freed::Done }
}

/// [`free`] without the short paths, for faces that have tried them.
///
/// # Errors
/// As for [`free`].
///
/// # Safety
/// 1. As for [`free`].
#[inline(never)]
pub unsafe fn free_the_long_way(
    heap: HeapHandle,
    flags: HeapFlags,
    pointer: *mut u8,
) -> Result<(), Status> {
    if pointer.is_null() {
        return Ok(());
    }
    let heap = entered_heap(heap)?;
    if !heap.settings.parks {
        // SAFETY: (1).
        return unsafe { unparked::free(heap, flags, pointer as usize) };
    }
    // SAFETY: (1).
    if unsafe { ops::fast::free_locked(heap, flags, pointer as usize) } {
        return Ok(());
    }
    if let Some(freed) = slots::free(heap, pointer as usize) {
        return freed.map_err(|failure| conclude(failure.into()));
    }
    let mut guard = heap.enter(flags);
    let (heap, state) = guard.parts();
    // SAFETY: the guard holds the lock; (1).
    let result = unsafe { ops::free::free(heap, state, pointer as usize) };
    drop(guard);
    result.map_err(conclude)
}

/// The exact size of a block in bytes.
///
/// # Errors
/// `INVALID_PARAMETER` for what is no live block of the heap; `INVALID_HANDLE` for what is no heap.
///
/// # Source
/// Specification 3.4.
#[doc(alias = "RtlSizeHeap")]
#[doc(alias = "HeapSize")]
#[inline]
pub fn size(heap: HeapHandle, flags: HeapFlags, pointer: *const u8) -> Result<usize, Status> {
    match size_at_once(heap, pointer) {
        Some(size) => Ok(size),
        None => size_the_long_way(heap, flags, pointer),
    }
}

/// [`size`] of a block of the front end, for faces that keep their slower parts apart; `None` for
/// [`size_the_long_way`].
#[inline]
pub fn size_at_once(heap: HeapHandle, pointer: *const u8) -> Option<usize> {
    ops::fast::slot_size(heap.0, pointer as usize)
}

/// [`size`] without the shortest path, for faces that have tried it.
///
/// # Errors
/// As for [`size`].
#[inline(never)]
pub fn size_the_long_way(
    heap: HeapHandle,
    flags: HeapFlags,
    pointer: *const u8,
) -> Result<usize, Status> {
    if let Some(size) = ops::fast::size(heap.0, flags, pointer as usize) {
        return Ok(size);
    }
    let heap = entered_heap(heap)?;
    if !heap.settings.parks {
        return unparked::size(heap, flags, pointer as usize);
    }
    if let Some(found) = slots::requested(heap, pointer as usize) {
        return found.map_err(|failure| conclude(failure.into()));
    }
    let guard = heap.enter(flags);
    // SAFETY: the guard holds the lock.
    let result = unsafe { ops::size::size(guard.heap, pointer as usize) };
    drop(guard);
    result.map_err(conclude)
}

/// Takes a heap's lock for the calling thread, once more if it has it. Succeeds without doing
/// anything on a heap that is not serialised (C271).
///
/// # Errors
/// `INVALID_HANDLE` for what is no heap.
#[doc(alias = "RtlLockHeap")]
#[doc(alias = "HeapLock")]
pub fn lock(heap: HeapHandle) -> Result<(), Status> {
    let heap = Heap::at(heap.0).ok_or(Status::INVALID_HANDLE)?;
    if !heap.settings.flags.contains(HeapFlags::NO_SERIALIZE) {
        heap.lock.enter();
    }
    Ok(())
}

/// Gives a heap's lock back once.
///
/// # Errors
/// `RESOURCE_NOT_OWNED` when the calling thread does not hold it; `INVALID_HANDLE` for what is no
/// heap.
#[doc(alias = "RtlUnlockHeap")]
#[doc(alias = "HeapUnlock")]
pub fn unlock(heap: HeapHandle) -> Result<(), Status> {
    let heap = Heap::at(heap.0).ok_or(Status::INVALID_HANDLE)?;
    if heap.settings.flags.contains(HeapFlags::NO_SERIALIZE) || heap.lock.leave() {
        return Ok(());
    }
    Err(Status::RESOURCE_NOT_OWNED)
}

/// The process heap. Made when it is first asked for, never destroyed.
///
/// # Errors
/// `NO_MEMORY`.
#[doc(alias = "GetProcessHeap")]
#[inline]
pub fn process_heap() -> Result<HeapHandle, Status> {
    if !registry::has_process_heap() {
        fork::guard();
    }
    registry::process_heap().map(|heap| HeapHandle(heap.handle))
}

/// Stores the handles of the first heaps into `handles` and returns how many heaps there are: the
/// process heap, then private heaps in the order of their creation (C014 to C018).
#[doc(alias = "RtlGetProcessHeaps")]
#[doc(alias = "GetProcessHeaps")]
pub fn process_heaps(handles: &mut [usize]) -> usize {
    fork::guard();
    registry::handles(handles)
}

/// Calls `visit` for each heap in the list's order with the list locked, until it answers false.
#[doc(alias = "RtlEnumProcessHeaps")]
pub fn for_each_process_heap(mut visit: impl FnMut(HeapHandle) -> bool) {
    fork::guard();
    registry::for_each(|heap| visit(HeapHandle(heap.handle)));
}

/// What a failed allocation of `size` bytes with `flags` is to raise: something when the heap or
/// the call has `GENERATE_EXCEPTIONS`. Faces call it after a `NO_MEMORY`, never while they succeed.
///
/// # Source
/// Specification 1.3.
pub fn exception(heap: HeapHandle, flags: HeapFlags, size: usize) -> Option<HeapException> {
    let heap = Heap::at(heap.0)?;
    let flags = flags | heap.settings.force_flags;
    let size = ops::extras::block_size(heap, flags, size).map_or(size, |block| block.bytes());
    flags
        .contains(HeapFlags::GENERATE_EXCEPTIONS)
        .then_some(HeapException {
            code: Status::NO_MEMORY,
            size,
        })
}

/// Whether a heap is whole, or whether `pointer`, any bit pattern, is a live block of it. Never
/// faults and never reports: callers use it as a type test.
///
/// # Source
/// Specification 4.1.
#[doc(alias = "RtlValidateHeap")]
#[doc(alias = "HeapValidate")]
pub fn validate(heap: HeapHandle, flags: HeapFlags, pointer: Option<*const u8>) -> bool {
    if let Some(pointer) = pointer
        && ops::fast::slot_size(heap.0, pointer as usize).is_some()
    {
        return true;
    }
    let Some(heap) = Heap::at(heap.0) else {
        return false;
    };
    if let Some(pointer) = pointer
        && slots::requested(heap, pointer as usize).is_some()
    {
        return false;
    }
    let mut guard = heap.enter(flags);
    if is_reentrant(&guard) {
        return false;
    }
    let (heap, state) = guard.parts();
    // SAFETY: the guard holds the lock.
    unsafe {
        match pointer {
            Some(pointer) => verify::check::block(heap, pointer as usize).is_ok(),
            None => verify::check::heap(heap, state).is_ok(),
        }
    }
}

/// Gives what a heap holds for later back to the system: the empty segment it keeps, and every
/// whole page inside free blocks but those committed at creation. Returns the size in bytes of the
/// largest committed free run, 0 when there is none.
///
/// # Errors
/// `INVALID_HANDLE` for what is no heap.
///
/// # Source
/// Specification 5.1.
#[doc(alias = "RtlCompactHeap")]
#[doc(alias = "HeapCompact")]
pub fn compact(heap: HeapHandle, flags: HeapFlags) -> Result<usize, Status> {
    let heap = Heap::at(heap.0).ok_or(Status::INVALID_HANDLE)?;
    let mut guard = heap.enter(flags);
    if is_reentrant(&guard) {
        return Err(Status::INVALID_PARAMETER);
    }
    let (heap, state) = guard.parts();
    // SAFETY: the guard holds the lock.
    Ok(unsafe {
        verify::page_heap::compact(heap, state);
        ops::compact::compact(heap, state)
    })
}

/// Sums over a heap, taken with its lock held.
///
/// # Errors
/// `INVALID_HANDLE` for what is no heap.
pub fn accounting(heap: HeapHandle) -> Result<Accounting, Status> {
    let heap = Heap::at(heap.0).ok_or(Status::INVALID_HANDLE)?;
    let mut guard = heap.enter(HeapFlags::empty());
    let (heap, state) = guard.parts();
    Ok(inspect::summary::accounting(heap, state))
}

/// What the library's own reservation table says about an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegionReport {
    /// Handle of the heap the region belongs to; 0 for one the caller reserved.
    pub heap: usize,
    /// Where the reservation starts.
    pub base: usize,
    /// Its size in bytes.
    pub size: usize,
    /// The page at the address is committed.
    pub committed: bool,
    /// It is a large block's.
    pub large: bool,
}

/// The region of this library that holds `address`, any bit pattern.
pub fn region_of(address: usize) -> Option<RegionReport> {
    // SAFETY: INV-REGION: records stay readable.
    let owner = unsafe { regions::find(address)?.as_ref() }
        .owner
        .load(Ordering::Relaxed);
    if owner == 0 {
        return report_region(address, None);
    }
    registry::while_listed(owner, |heap| {
        let _guard = heap.enter(HeapFlags::empty());
        report_region(address, Some(heap))
    })?
}

/// The region of `address`, found again now that its heap's lock is held and keeps it alive.
fn report_region(address: usize, heap: Option<&Heap>) -> Option<RegionReport> {
    // SAFETY: INV-REGION.
    let record = unsafe { regions::find(address)?.as_ref() };
    if record.owner.load(Ordering::Relaxed) != heap.map_or(0, Heap::record) {
        return None;
    }
    let committed = match record.kind {
        RegionKind::Large => {
            let end = (record.user + record.requested.max(1)).next_multiple_of(PAGE);
            address < end && address >= end - record.committed
        }
        _ => record.pages.get(record.page(address)),
    };
    Some(RegionReport {
        heap: heap.map_or(0, |heap| heap.handle),
        base: record.base,
        size: record.size,
        committed,
        large: record.kind == RegionKind::Large,
    })
}

/// The commit routine called back into the heap it commits for (R11, H12).
#[inline]
fn is_reentrant(guard: &Guard<'_>) -> bool {
    guard.heap.settings.commit_routine.is_some()
        && guard.heap.in_commit_routine.load(Ordering::Relaxed)
}

/// Reports what is to be reported, now that no lock is held.
#[cold]
pub(crate) fn conclude(refusal: Refusal) -> Status {
    if let Refusal::Failure(failure) = &refusal {
        hooks::report(failure);
    }
    refusal.status()
}
