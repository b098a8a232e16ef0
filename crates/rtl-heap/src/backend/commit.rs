//! Committing pages inside a segment, from the vm or through the caller's commit routine.

use core::ffi::c_void;
use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use rtl_platform::vm::Protection;

use crate::backend::{ahead, warm};
use crate::failure::Refusal;
use crate::flags::HeapFlags;
use crate::heap::{Accounting, Heap};
use crate::params::CommitRoutine;
use crate::pattern;
use crate::region::{Backing, Region};
use crate::units::{PAGE, round_down, round_up};

/// Makes the pages of `from..to` committed, the bytes above `from` first. What a failure leaves
/// committed stays so and is accounted for.
///
/// # Safety
/// 1. `region` is a live segment of `heap`, whose lock is held, and `from..to` lies below its
///    `commit_limit`.
pub unsafe fn ensure(
    heap: &Heap,
    accounting: &mut Accounting,
    region: NonNull<Region>,
    from: usize,
    to: usize,
) -> Result<(), Refusal> {
    // SAFETY: (1).
    let record = unsafe { region.as_ref() };
    let last = record.page(to - 1) + 1;
    let mut page = record.pages.find(record.page(from), last, false);
    while page < last {
        // SAFETY: (1).
        let record = unsafe { region.as_ref() };
        let start = record.base + page * PAGE;
        let wanted = record.base + last * PAGE;
        // A step further than asked, as far as there is nothing committed yet.
        let step = round_up(heap.settings.segment_commit, PAGE).unwrap_or(PAGE);
        let reach = wanted
            .max(start.saturating_add(step))
            .min(record.commit_limit);
        let hole_end = record.pages.find(page, record.page(reach - 1) + 1, true);
        let mut size = (hole_end - page) * PAGE;
        if !accounting.may_commit(size) {
            size = (hole_end.min(last) - page) * PAGE;
            if !accounting.may_commit(size) {
                return Err(Refusal::NoMemory);
            }
        }
        let committed = match (record.backing, heap.settings.commit_routine) {
            (Backing::CommitRoutine, Some(routine)) => {
                // SAFETY: (1); the routine is the caller's for this very memory.
                unsafe { call_routine(heap, routine, start, size) }?
            }
            // All of it was committed when the heap was made.
            (Backing::CommitRoutine | Backing::CallerCommitted, _) => {
                return Err(Refusal::NoMemory);
            }
            (Backing::Heap | Backing::CallerReserved, _) => {
                // SAFETY: (1): uncommitted pages of a live reservation.
                unsafe { commit_pages(heap, accounting, region, page, page + size / PAGE) }?;
                size
            }
        };
        // SAFETY: (1); nobody else has a reference into the record while the lock is held.
        unsafe { mark_committed(heap, accounting, region, start, committed) };
        // SAFETY: (1).
        page = unsafe { region.as_ref() }.pages.find(page, last, false);
    }
    Ok(())
}

/// Notes that `size` bytes from `start` are committed now.
///
/// # Safety
/// 1. As for [`ensure`]; they were not before, and they lie inside free blocks.
unsafe fn mark_committed(
    heap: &Heap,
    accounting: &mut Accounting,
    region: NonNull<Region>,
    start: usize,
    size: usize,
) {
    let region = region.as_ptr();
    // SAFETY: (1).
    unsafe {
        let page = (*region).page(start);
        (*region).pages.fill(page, page + size / PAGE, true);
        (*region).committed += size;
    }
    accounting.add_committed(size);
    accounting.uncommitted_free -= size;
    if heap
        .settings
        .flags
        .contains(HeapFlags::FREE_CHECKING_ENABLED)
    {
        // SAFETY: (1): whole pages, committed a moment ago, of nobody (INV-FILL).
        unsafe { pattern::fill_freed(start, start + size) };
    }
}

/// Commits those of a region's pages `first..last` that are not warm.
///
/// # Safety
/// 1. As for [`ensure`]; the pages are uncommitted.
unsafe fn commit_pages(
    heap: &Heap,
    accounting: &mut Accounting,
    region: NonNull<Region>,
    first: usize,
    last: usize,
) -> Result<(), Refusal> {
    let mut page = first;
    while page < last {
        // SAFETY: (1).
        let (end, is_warm) = unsafe { warm::run(region, page, last) };
        // SAFETY: (1): whole pages of a live reservation.
        let done = is_warm || unsafe { commit_run(heap, accounting, region, page, end) };
        if !done {
            // What was committed on the way here stays, uncounted, for the next time.
            // SAFETY: (1): committed a moment ago, and still in a free block.
            unsafe { give_back(heap, accounting, region, first, page) };
            return Err(Refusal::NoMemory);
        }
        page = end;
    }
    // SAFETY: (1).
    unsafe { warm::forget(accounting, region, first, last) };
    Ok(())
}

/// Commits a region's pages `first..last`, and some behind them, which are warm then. False without
/// memory.
///
/// # Safety
/// 1. As for [`ensure`]; the pages are uncommitted and not warm.
unsafe fn commit_run(
    heap: &Heap,
    accounting: &mut Accounting,
    region: NonNull<Region>,
    first: usize,
    last: usize,
) -> bool {
    // SAFETY: (1).
    let base = unsafe { region.as_ref() }.base;
    let Some(at) = NonNull::new((base + first * PAGE) as *mut u8) else {
        return false;
    };
    let commit = |pages: usize| {
        let (vm, protection) = (heap.settings.vm, heap.settings.protection);
        // SAFETY: (1): whole pages of a live reservation, uncommitted.
        unsafe { vm.commit(at, pages * PAGE, protection) }.is_ok()
    };
    // SAFETY: (1).
    let ahead = unsafe { ahead::pages(heap, accounting, region, last) };
    if ahead != 0 && commit(last - first + ahead) {
        // SAFETY: (1): committed, in a free block, counted as uncommitted.
        unsafe { ahead::note(heap, accounting, region, last, last + ahead) };
        return true;
    }
    commit(last - first)
}

/// Decommits the pages of `first..last` that are not warm, or lets them become so.
///
/// # Safety
/// 1. As for [`take_back`]; the pages count as uncommitted, or are about to.
unsafe fn give_back(
    heap: &Heap,
    accounting: &mut Accounting,
    region: NonNull<Region>,
    first: usize,
    last: usize,
) {
    // SAFETY: (1).
    let base = unsafe { region.as_ref() }.base;
    let mut page = first;
    while page < last {
        // SAFETY: (1).
        let (end, is_warm) = unsafe { warm::run(region, page, last) };
        // SAFETY: (1): committed pages inside a free block.
        if !is_warm && !unsafe { warm::keep(heap, accounting, region, page, end) } {
            // SAFETY: (1): as above.
            unsafe { warm::decommit(heap, region, base + page * PAGE, (end - page) * PAGE) };
        }
        page = end;
    }
}

/// Ends the process when an unwinding comes out of a commit routine: the lock is held and the
/// heap half-way (R11).
struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        // A panic while unwinding aborts.
        panic!("a heap's commit routine unwound");
    }
}

/// Asks the caller's routine for `size` bytes at `start`; returns how many bytes from `start` on
/// are committed, whole pages, at least one.
///
/// # Safety
/// 1. `start..start + size` is the next uncommitted range of the caller memory that `routine` is
///    for.
unsafe fn call_routine(
    heap: &Heap,
    routine: CommitRoutine,
    start: usize,
    size: usize,
) -> Result<usize, Refusal> {
    let mut address = start as *mut c_void;
    let mut committed = size;
    heap.in_commit_routine.store(true, Ordering::Relaxed);
    let bomb = AbortOnUnwind;
    // SAFETY: (1).
    let status = unsafe { routine(heap.handle as *mut c_void, &mut address, &mut committed) };
    core::mem::forget(bomb);
    heap.in_commit_routine.store(false, Ordering::Relaxed);
    if status < 0 {
        return Err(Refusal::NoMemory);
    }
    // What it says it committed is believed only as far as it continues what is committed already
    // (catalogue H9, H10).
    let end = round_down((address as usize).saturating_add(committed), PAGE);
    if address as usize > start || end <= start {
        return Err(Refusal::NoMemory);
    }
    Ok((end - start).min(size))
}

/// Takes the whole pages of `from..to` back from a free block, as far as they are committed.
///
/// A system that refuses keeps its pages: they count as uncommitted all the same.
///
/// # Safety
/// 1. As for [`ensure`]; the pages lie inside one free block, and its header, links and footer
///    do not (INV-HEAP-4); the region's backing can decommit.
pub unsafe fn take_back(
    heap: &Heap,
    accounting: &mut Accounting,
    region: NonNull<Region>,
    from: usize,
    to: usize,
) {
    let region = region.as_ptr();
    // SAFETY: (1).
    let (mut page, last) = unsafe { ((*region).page(from), (*region).page(to - 1) + 1) };
    while page < last {
        // SAFETY: (1).
        let (start, end) = unsafe {
            let start = (*region).pages.find(page, last, true);
            (start, (*region).pages.find(start, last, false))
        };
        if start == end {
            return;
        }
        let size = (end - start) * PAGE;
        // SAFETY: (1).
        unsafe {
            give_back(heap, accounting, NonNull::new_unchecked(region), start, end);
            (*region).pages.fill(start, end, false);
            (*region).committed -= size;
        }
        accounting.committed -= size;
        accounting.uncommitted_free += size;
        page = end;
    }
}

/// What committed pages of a heap with these properties allow.
pub fn protection(executable: bool) -> Protection {
    if executable {
        Protection::ReadWriteExecute
    } else {
        Protection::ReadWrite
    }
}
