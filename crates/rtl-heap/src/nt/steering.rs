//! Calls that act on whole heaps: zero, protect, extend, flush (5.1).

use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use rtl_platform::vm::Protection;

use crate::alone;
use crate::backend::{park, segment, warm};
use crate::flags::HeapFlags;
use crate::heap::{Heap, State};
use crate::lane;
use crate::layout;
use crate::lifecycle::{create, registry};
use crate::nt::information::give_back;
use crate::nt::{HeapHandle, is_reentrant};
use crate::ops;
use crate::region::{Backing, Region};
use crate::status::Status;
use crate::units::PAGE;

/// Overwrites what is free in a heap with zeros; where free memory is checked, with what it is
/// filled with there. Of memory that the front end holds, what it has handed out in part is left as
/// it is.
///
/// # Errors
/// `INVALID_HANDLE` for what is no heap.
///
/// # Source
/// Specification 5.1.
#[doc(alias = "RtlZeroHeap")]
pub fn zero(heap: HeapHandle, flags: HeapFlags) -> Result<(), Status> {
    let heap = Heap::at(heap.0).ok_or(Status::INVALID_HANDLE)?;
    let mut guard = heap.enter(flags);
    if is_reentrant(&guard) {
        return Err(Status::INVALID_PARAMETER);
    }
    let (heap, state) = guard.parts();
    // SAFETY: the guard holds the lock.
    unsafe { ops::zero::zero(heap, state) };
    Ok(())
}

/// Makes the pages of a heap's segments read-only, or readable and writable again. Large blocks and
/// memory that the heap has not reserved itself, nor its caller through the library, stay as they
/// are.
///
/// While it lasts the handle is no heap's to any other call: they fail with `INVALID_HANDLE`, where
/// NT's fault.
///
/// # Errors
/// `INVALID_HANDLE` for what is no heap; `UNSUCCESSFUL` when the source of memory cannot protect.
/// The heap is as it was. Success when it already is as asked.
///
/// # Source
/// Specification 5.1; what other calls do meanwhile is our choice.
#[doc(alias = "RtlProtectHeap")]
pub fn protect(heap: HeapHandle, read_only: bool) -> Result<(), Status> {
    let mut result = Err(Status::INVALID_HANDLE);
    registry::for_each(|listed| {
        if listed.handle != heap.0 {
            return true;
        }
        // Also in a heap that is not serialised: nobody should be inside.
        listed.lock.enter();
        // SAFETY: the lock is held.
        result = unsafe { protect_listed(listed, listed.state(), read_only) };
        listed.lock.leave_held();
        false
    });
    if result.is_ok() && !read_only {
        // The list may have changed meanwhile, and headers have their number in it.
        registry::renumber();
    }
    result
}

/// # Safety
/// 1. The heap's lock is held and `state` is its state.
unsafe fn protect_listed(
    heap: &'static Heap,
    state: &mut State,
    read_only: bool,
) -> Result<(), Status> {
    if heap.protected.load(Ordering::Relaxed) == read_only {
        return Ok(());
    }
    if read_only {
        // SAFETY: (1).
        unsafe {
            park::release_all(heap, state);
            warm::give_back(heap, state, 0);
        }
        publish(heap, state, false);
    }
    let protection = if read_only {
        Protection::ReadOnly
    } else {
        heap.settings.protection
    };
    let failed = state.segments.iter().any(|region| {
        // SAFETY: (1); while it is read-only no call finds the heap.
        unsafe { !protect_segment(heap, region, protection) }
    });
    if failed && read_only {
        for region in state.segments.iter() {
            // SAFETY: (1).
            unsafe { protect_segment(heap, region, heap.settings.protection) };
        }
        publish(heap, state, true);
        return Err(Status::UNSUCCESSFUL);
    }
    if failed {
        return Err(Status::UNSUCCESSFUL);
    }
    heap.protected.store(read_only, Ordering::Relaxed);
    if !read_only {
        publish(heap, state, true);
    }
    Ok(())
}

/// Lets calls find the heap by its handle, its segments and threads' lanes, or not.
fn publish(heap: &'static Heap, state: &State, known: bool) {
    if known {
        alone::enter(heap);
    } else {
        alone::leave(heap);
    }
    if let Some(front) = heap.frontend() {
        let handle = if known {
            heap.handle
        } else {
            lane::nobodys_handle()
        };
        lane::set_handles(&front.lanes, handle);
        // SAFETY: the caller holds the heap's lock: listed slabs are live.
        let mut at = unsafe { *front.slabs.get() };
        // SAFETY: as above.
        while let Some(slab) = unsafe { at.as_ref() } {
            slab.set_handle(handle);
            at = slab.next_in_heap;
        }
    }
    let name = if known { heap.record() } else { 0 };
    for region in state.segments.iter() {
        // SAFETY: the caller holds the heap's lock: its segments are live.
        let record = unsafe { region.as_ref() };
        record.owner.store(name, Ordering::Relaxed);
        if record.base == heap.handle {
            record.handle_of.store(name, Ordering::Relaxed);
        }
    }
}

/// Sets the protection of a segment's committed pages. False when it cannot be.
///
/// # Safety
/// 1. `region` is a segment of the heap, whose lock is held; with `ReadOnly` nobody writes to it
///    until the protection changes again.
unsafe fn protect_segment(heap: &Heap, region: NonNull<Region>, protection: Protection) -> bool {
    // SAFETY: (1).
    let record = unsafe { region.as_ref() };
    if !matches!(record.backing, Backing::Heap | Backing::CallerReserved) {
        return true;
    }
    let last = record.size / PAGE;
    let mut page = 0;
    while page < last {
        let start = record.pages.find(page, last, true);
        let stop = record.pages.find(start, last, false);
        let at = record.base + start * PAGE;
        if let Some(at) = NonNull::new(at as *mut u8).filter(|_| start < stop) {
            let bytes = (stop - start) * PAGE;
            // SAFETY: (1) INV-PAGES: committed pages of one reservation.
            if unsafe { heap.settings.vm.protect(at, bytes, protection) }.is_err() {
                return false;
            }
        }
        page = stop;
    }
    true
}

/// Adds caller memory to a heap as a further segment, which is the heap's until it is destroyed.
/// Memory reserved through the library is taken as a whole; of other memory `size` bytes, rounded
/// down to pages, which all can be read and written.
///
/// # Errors
/// `INVALID_PARAMETER` for memory that `RtlCreateHeap` would not take as `HeapBase`, for less than a
/// page, and for a heap with a commit routine; `NO_MEMORY`; `INVALID_HANDLE` for what is no heap.
///
/// # Safety
/// 1. The memory is not used by anyone else while the heap lives.
///
/// # Source
/// Specification 5.1 names the call; what memory is right is as in 2.3.
#[doc(alias = "RtlExtendHeap")]
pub unsafe fn extend(
    heap: HeapHandle,
    flags: HeapFlags,
    base: NonNull<u8>,
    size: usize,
) -> Result<(), Status> {
    let heap = Heap::at(heap.0).ok_or(Status::INVALID_HANDLE)?;
    if heap.settings.commit_routine.is_some() {
        return Err(Status::INVALID_PARAMETER);
    }
    let mut guard = heap.enter(flags);
    let (heap, state) = guard.parts();
    let extent = create::caller_segment(
        base.as_ptr() as usize,
        size,
        PAGE,
        &heap.settings,
        layout::SEGMENT_HEADER_BYTES,
    )?;
    // SAFETY: the guard holds the lock; (1).
    unsafe { segment::adopt(heap, state, &extent) }
        .map(drop)
        .map_err(|refusal| refusal.status())
}

/// Has every heap of the process give back what it keeps for later: freed blocks that are parked,
/// slabs without a block, the empty segment.
///
/// # Source
/// Specification 5.1.
#[doc(alias = "RtlFlushHeaps")]
pub fn flush() {
    registry::for_each(|heap| {
        give_back(heap);
        true
    });
}
