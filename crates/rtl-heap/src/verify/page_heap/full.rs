//! Full page heap: a block ends where a page does, and the next page faults. A freed block's pages
//! fault too, until so many others were freed that the system gets them back.

use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use crate::backend::blocks;
use crate::backend::segment::discard;
use crate::failure::{FailureKind, HeapFailure, Refusal};
use crate::flags::HeapFlags;
use crate::heap::{Heap, State};
use crate::pattern;
use crate::region::{Region, RegionKind};
use crate::regions;
use crate::units::{GRANULE, PAGE, POINTER, round_down, round_up};
use crate::verify::page_heap::stamps::{FULL, Information, PREFIX};

/// In a new block.
const UNINITIALIZED: u8 = 0xC0;
/// From a block's end to the end of its page.
const SUFFIX: u8 = 0xD0;

/// Freed blocks whose addresses stay taken. Each costs at least 64 KiB of address space.
const FREED_MOST: usize = if POINTER == 8 { 4096 } else { 256 };

/// Live blocks of a heap up to which more are made where light ones would do. Each takes two mappings
/// of the 65,530 that Linux grants a process, which has other uses for some.
const LIVE_MOST: usize = if POINTER == 8 { 24_000 } else { 4_000 };

/// The heap has as many blocks with pages of their own as it should.
pub fn has_enough(state: &State) -> bool {
    state.full_count >= LIVE_MOST
}

/// Where a block's reservation, its committed pages and its bytes lie.
struct Plan {
    reserve: usize,
    /// From the reservation's start to the end of the block's last page, at most.
    body: usize,
    data: usize,
    page: usize,
}

/// `None` when it overflows.
fn plan(heap: &Heap, size: usize, alignment: usize) -> Option<Plan> {
    let page = heap.settings.vm.host_page_size().max(PAGE);
    let data = round_up(size.max(1), GRANULE)?;
    let slack = alignment.max(GRANULE) - GRANULE;
    let body = round_up(data.checked_add(PREFIX)?.checked_add(slack)?, page)?;
    let reserve = body.checked_add(page)?;
    Some(Plan {
        reserve,
        body,
        data,
        page,
    })
}

/// # Safety
/// 1. As for [`super::allocate`].
pub unsafe fn allocate(
    heap: &Heap,
    state: &mut State,
    flags: HeapFlags,
    size: usize,
    alignment: usize,
) -> Result<NonNull<u8>, Refusal> {
    let plan = plan(heap, size, alignment).ok_or(Refusal::NoMemory)?;
    let region = match reserve(heap, state, &plan, alignment) {
        Some(region) => region,
        None => {
            // What is kept of freed blocks may be all that is missing.
            // SAFETY: (1).
            unsafe { release_freed(heap, state, 0) };
            reserve(heap, state, &plan, alignment).ok_or(Refusal::NoMemory)?
        }
    };
    // SAFETY: (1); the record and the pages are new.
    unsafe {
        let record = region.as_ptr();
        (*record).requested = size;
        (*record).user_flags =
            (flags & (HeapFlags::SETTABLE_USER_VALUE | HeapFlags::SETTABLE_USER_FLAGS)).bits();
        (*record).owner.store(heap.record(), Ordering::Relaxed);
        let user = (*record).user;
        information(heap, &*record).write(FULL, user);
        if !flags.contains(HeapFlags::ZERO_MEMORY) {
            pattern::fill_bytes(user, size, UNINITIALIZED);
        }
        let end = end_of(heap, &*record);
        pattern::fill_bytes(user + size, end - user - size, SUFFIX);
        regions::publish(region);
        state.large.append(region);
        state.accounting.add_reserved((*record).size);
        state.accounting.add_committed((*record).committed);
        state.accounting.add_live(size);
        state.full_count += 1;
        NonNull::new(user as *mut u8).ok_or(Refusal::NoMemory)
    }
}

/// A region with the block's pages committed, which nobody knows yet.
fn reserve(heap: &Heap, state: &State, plan: &Plan, alignment: usize) -> Option<NonNull<Region>> {
    let (vm, window) = (heap.settings.vm, heap.settings.window);
    if !state.accounting.may_commit(plan.body) {
        return None;
    }
    let base = vm.reserve(plan.reserve, window).ok()?;
    let address = base.as_ptr() as usize;
    let user = (address + plan.body - plan.data) & !(alignment.max(GRANULE) - 1);
    let from = round_down(user - PREFIX, plan.page);
    let committed = round_up(user + plan.data, plan.page)? - from;
    let region = NonNull::new(from as *mut u8)
        // SAFETY: whole pages of the new reservation.
        .filter(|at| unsafe { vm.commit(*at, committed, heap.settings.protection) }.is_ok())
        .and_then(|_| Region::create(RegionKind::Large, address, plan.reserve));
    match region {
        Some(region) => {
            // SAFETY: the record is new.
            unsafe {
                (*region.as_ptr()).user = user;
                (*region.as_ptr()).committed = committed;
            }
        }
        None => {
            // SAFETY: the reservation is ours and unused. A failure leaks address space.
            let _ = unsafe { vm.release(base, plan.reserve) };
        }
    }
    region
}

/// The end of a block's last page.
fn end_of(heap: &Heap, region: &Region) -> usize {
    let page = heap.settings.vm.host_page_size().max(PAGE);
    (region.user + region.requested.max(1)).next_multiple_of(page)
}

fn information(heap: &Heap, region: &Region) -> Information {
    Information {
        heap: heap.handle,
        requested: region.requested,
        actual: end_of(heap, region) - region.user + PREFIX,
    }
}

/// # Safety
/// 1. As for [`super::check`].
pub unsafe fn check(heap: &Heap, region: &Region) -> Result<(), HeapFailure> {
    let user = region.user;
    let wrong = |kind| Err(blocks::failure(heap, kind, user));
    // SAFETY: (1): all of it is committed.
    unsafe {
        if !information(heap, region).stands(FULL, user) {
            return wrong(FailureKind::BufferUnderrun);
        }
        let data_end = user + region.requested;
        match pattern::first_not_byte(data_end, end_of(heap, region) - data_end, SUFFIX) {
            Some(_) => wrong(FailureKind::BufferOverrun),
            None => Ok(()),
        }
    }
}

/// # Safety
/// 1. As for [`super::free`].
pub unsafe fn free(heap: &Heap, state: &mut State, region: NonNull<Region>) {
    let record = region.as_ptr();
    // SAFETY: (1).
    unsafe {
        let from = end_of(heap, &*record) - (*record).committed;
        let committed = (*record).committed;
        state.accounting.remove_live((*record).requested);
        state.accounting.committed -= committed;
        state.large.remove(region);
        state.full_count -= 1;
        // It is no block any more, but what it was is still known.
        (*record).user_value = (*record).user;
        (*record).user = 0;
        (*record).requested = 0;
        (*record).committed = 0;
        // A system that refuses keeps the pages, and they do not fault: no use to keep the region.
        let decommitted = NonNull::new(from as *mut u8)
            .is_some_and(|at| heap.settings.vm.decommit(at, committed).is_ok());
        if decommitted {
            state.freed.append(region);
            state.freed_count += 1;
            release_freed(heap, state, FREED_MOST);
        } else {
            state.accounting.reserved -= (*record).size;
            discard(heap, region);
        }
    }
}

/// Gives the regions of freed blocks back, the oldest first, until at most `keep` are left.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state.
pub unsafe fn release_freed(heap: &Heap, state: &mut State, keep: usize) {
    while state.freed_count > keep {
        let Some(oldest) = NonNull::new(state.freed.first) else {
            return;
        };
        state.freed_count -= 1;
        // SAFETY: (1).
        unsafe {
            state.accounting.reserved -= oldest.as_ref().size;
            state.freed.remove(oldest);
            discard(heap, oldest);
        }
    }
}

/// The region is that of a freed block which was at `pointer`.
pub fn was_at(region: &Region, pointer: usize) -> bool {
    region.kind == RegionKind::Large && region.user == 0 && region.user_value == pointer
}
