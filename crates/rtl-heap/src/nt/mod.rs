//! NT's calls by handle: the layer both the C ABI and the Rust face stand on.
//!
//! A handle and a pointer may be any bit pattern: each call checks them before it reads anything
//! behind them. Misuse is reported through [`crate::hooks`] once the lock is released; the call
//! then fails in NT's documented way with the heap unchanged, or the process ends if termination
//! on corruption is on.

mod blocks;
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

use core::sync::atomic::Ordering;

pub use blocks::{
    Allocated, Freed, allocate, allocate_aligned, allocate_alone, allocate_at_once, allocate_freed,
    allocate_kept, allocate_middle, exception, free, free_alone, free_at_once, free_of_back_end,
    free_shared, free_the_long_way, is_middle, reallocate, size, size_at_once, size_the_long_way,
};
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

use crate::backend::{self, park};
use crate::failure::{FailureKind, HeapFailure, Refusal};
use crate::flags::HeapFlags;
use crate::fork;
use crate::frontend::slots;
use crate::heap::{Accounting, Guard, Heap, State};
use crate::hooks;
use crate::inspect;
use crate::lifecycle::{create, destroy, registry};
use crate::ops;
use crate::region::RegionKind;
use crate::regions;
use crate::status::Status;
use crate::units::PAGE;
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

/// Whether a heap is whole, or whether `pointer`, any bit pattern, is a live block of it. Never
/// faults and never reports: callers use it as a type test.
///
/// # Source
/// Specification 4.1.
#[doc(alias = "RtlValidateHeap")]
#[doc(alias = "HeapValidate")]
pub fn validate(heap: HeapHandle, flags: HeapFlags, pointer: Option<*const u8>) -> bool {
    if let Some(pointer) = pointer
        && (ops::fast::slot_size(heap.0, pointer as usize).is_some()
            || ops::fast::is_live(heap.0, flags, pointer as usize))
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
    // SAFETY: the guard holds the lock.
    unsafe { release_middle(heap, state, 0) };
    Ok(inspect::summary::accounting(heap, state))
}

/// Releases what is parked if blocks of middle size are among it, whose pages would be given back if
/// they were free, unless `address` is that of a live block. A heap that is not serialised has none, so
/// nothing is changed that another thread is at.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state.
unsafe fn release_middle(heap: &Heap, state: &mut State, address: usize) {
    if state.lookaside.middle.count() != 0
        // SAFETY: (1).
        && unsafe { backend::blocks::locate(heap, address) }.is_err()
    {
        // SAFETY: (1).
        unsafe { park::release_all(heap, state) };
    }
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
        let mut guard = heap.enter(HeapFlags::empty());
        let (heap, state) = guard.parts();
        // SAFETY: the guard holds the lock.
        unsafe { release_middle(heap, state, address) };
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
