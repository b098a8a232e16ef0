//! Large blocks: requests over the VirtualMemoryThreshold, each with a reservation of its own.
//!
//! The record is out of band; the reservation holds a header's room, the user's bytes, and a page
//! that is never committed, so that an overrun faults.

use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use rtl_platform::vm::{Extent, Protection};

use crate::backend::segment::discard;
use crate::backend::{footprint, warm};
use crate::failure::Refusal;
use crate::flags::HeapFlags;
use crate::heap::{Heap, State};
use crate::kept_large::{Kept, KeptLarge};
use crate::layout::LARGE_HEADER_BYTES;
use crate::region::{Region, RegionKind};
use crate::regions;
use crate::units::{PAGE, round_up};

/// A large block of `size` bytes, zeroed by the system, at a multiple of `alignment` if that is
/// more than what large blocks have anyway. The first `overwritten` bytes may hold anything: the
/// caller is about to write them.
///
/// # Errors
/// No memory; nothing was changed.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state.
pub unsafe fn allocate(
    heap: &Heap,
    state: &mut State,
    flags: HeapFlags,
    size: usize,
    (alignment, overwritten): (usize, usize),
) -> Result<NonNull<Region>, Refusal> {
    let settings = &heap.settings;
    // Wherever the base comes to lie, the first multiple of this behind it is this near.
    let lead = LARGE_HEADER_BYTES.max(alignment);
    let pages = lead
        .checked_add(size.max(1))
        .and_then(|bytes| round_up(bytes, PAGE));
    let reserve = pages
        .and_then(|bytes| bytes.checked_add(PAGE))
        .ok_or(Refusal::NoMemory)?;
    let (vm, window) = (settings.vm, settings.window);
    if !state.accounting.may_commit(reserve - PAGE) {
        return Err(Refusal::NoMemory);
    }
    let mut set_apart = false;
    let (base, user, committed) = if lead <= PAGE {
        let committed = reserve - PAGE;
        let dirty = if overwritten == 0 {
            0
        } else {
            lead + overwritten
        };
        // SAFETY: (1).
        let base = match unsafe { take_kept(heap, state, reserve, dirty) } {
            Some(base) => {
                set_apart = true;
                base
            }
            // SAFETY: (1).
            None => unsafe { map(heap, state, reserve, committed) }?,
        };
        (base, base.as_ptr() as usize + lead, committed)
    } else {
        let base = vm.reserve(reserve, window).map_err(|_| Refusal::NoMemory)?;
        let user = (base.as_ptr() as usize + 1).next_multiple_of(lead);
        let committed = size.max(1).next_multiple_of(PAGE);
        let at = NonNull::new(user as *mut u8).ok_or(Refusal::NoMemory)?;
        // SAFETY: whole pages of the new reservation.
        if unsafe { vm.commit(at, committed, settings.protection) }.is_err() {
            // SAFETY: the reservation is ours and unused. A failure leaks address space.
            let _ = unsafe { vm.release(base, reserve) };
            return Err(Refusal::NoMemory);
        }
        (base, user, committed)
    };
    let Some(region) = Region::create(RegionKind::Large, base.as_ptr() as usize, reserve) else {
        // SAFETY: as above.
        let _ = unsafe { vm.release(base, reserve) };
        return Err(Refusal::NoMemory);
    };
    // SAFETY: (1); the record is new.
    unsafe {
        let record = region.as_ptr();
        (*record).committed = committed;
        (*record).set_apart = set_apart;
        (*record).user = user;
        (*record).requested = size;
        (*record).user_flags =
            (flags & (HeapFlags::SETTABLE_USER_VALUE | HeapFlags::SETTABLE_USER_FLAGS)).bits();
        (*record).owner.store(heap.record(), Ordering::Relaxed);
        regions::publish(region);
        state.large.append(region);
    }
    state.accounting.add_reserved(reserve);
    state.accounting.add_committed(committed);
    if !set_apart {
        // SAFETY: (1).
        unsafe { footprint::after_commit(heap, state) };
    }
    Ok(region)
}

/// Reserves `size` bytes and commits the first `committed` of them.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state.
unsafe fn map(
    heap: &Heap,
    state: &mut State,
    size: usize,
    committed: usize,
) -> Result<NonNull<u8>, Refusal> {
    let settings = &heap.settings;
    let map = || {
        let (protection, window) = (settings.protection, settings.window);
        settings
            .vm
            .reserve_and_commit(size, committed, protection, window)
    };
    map()
        .or_else(|error| {
            // What is kept may be what is missing.
            // SAFETY: (1).
            if unsafe { release_kept(heap, state) } {
                map()
            } else {
                Err(error)
            }
        })
        .map_err(|_| Refusal::NoMemory)
}

/// A kept reservation of `size` bytes, all but its last page committed, and zero but for the first
/// `overwritten` bytes.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state.
unsafe fn take_kept(
    heap: &Heap,
    state: &mut State,
    size: usize,
    overwritten: usize,
) -> Option<NonNull<u8>> {
    let kept = state.kept_large.pop(size)?;
    warm::let_go(size);
    let (settings, committed) = (&heap.settings, size - PAGE);
    let base = NonNull::new(kept.base as *mut u8)?;
    // SAFETY: (1): a reservation of the heap's, in nobody's hands.
    if unsafe { settings.vm.commit(base, committed, settings.protection) }.is_err() {
        // SAFETY: as above. A failure leaks address space.
        let _ = unsafe { settings.vm.release(base, size) };
        return None;
    }
    let overwritten = overwritten.min(committed);
    let kept = overwritten
        .next_multiple_of(settings.vm.host_page_size())
        .min(committed);
    // SAFETY: just committed, writable, and nobody's; `overwritten` is at most `kept`, which is at
    // most `committed`.
    unsafe {
        base.add(overwritten).write_bytes(0, kept - overwritten);
        if kept != committed {
            settings.vm.clear(base.add(kept), committed - kept);
        }
    }
    Some(base)
}

/// Keeps the reservation of a large block that is in no list and no map any more. False when it is
/// to be released.
///
/// # Safety
/// 1. The heap's lock is held, and nobody uses the block.
unsafe fn keep(heap: &Heap, state: &mut State, region: &Region) -> bool {
    let size = region.size;
    let plain = region.committed == size - PAGE && region.user == region.base + LARGE_HEADER_BYTES;
    if !plain || !heap.settings.vm.lets_keep_pages() || !KeptLarge::suits(size) {
        return false;
    }
    while !state.kept_large.has_room(size) {
        // SAFETY: (1).
        if unsafe { release_oldest(heap, state) }.is_none() {
            return false;
        }
    }
    if !warm::may_hold(size) {
        return false;
    }
    let base = region.base;
    // Whoever still uses the block faults, as he would if it were unmapped (C165, A18).
    let closed = NonNull::new(base as *mut u8).is_some_and(|at| {
        // SAFETY: (1): committed pages of a reservation in nobody's hands.
        unsafe {
            heap.settings
                .vm
                .protect(at, size - PAGE, Protection::NoAccess)
        }
        .is_ok()
    });
    if closed {
        if !region.set_apart
            && let Some(at) = NonNull::new(base as *mut u8)
        {
            // What is kept is opened and closed again and again, and lies beside a page that is
            // always closed.
            // SAFETY: (1).
            unsafe { heap.settings.vm.set_apart(at, size - PAGE) };
        }
        state.kept_large.push(Kept { base, size });
    } else {
        warm::let_go(size);
    }
    closed
}

/// # Safety
/// 1. The heap's lock is held; `kept` was just taken out.
unsafe fn release_one(heap: &Heap, kept: Kept) {
    warm::let_go(kept.size);
    if let Some(base) = NonNull::new(kept.base as *mut u8) {
        // SAFETY: (1): a reservation of the heap's, in nobody's hands. A failure leaks address
        // space.
        let _ = unsafe { heap.settings.vm.release(base, kept.size) };
    }
}

/// Releases the reservation that has been kept longest; returns its bytes. `None` if there is none.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state.
pub unsafe fn release_oldest(heap: &Heap, state: &mut State) -> Option<usize> {
    let oldest = state.kept_large.pop_oldest()?;
    // SAFETY: (1).
    unsafe { release_one(heap, oldest) };
    Some(oldest.size)
}

/// Releases all reservations of large blocks that are kept. Says whether there was one.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state.
pub unsafe fn release_kept(heap: &Heap, state: &mut State) -> bool {
    let mut any = false;
    // SAFETY: (1).
    while unsafe { release_oldest(heap, state) }.is_some() {
        any = true;
    }
    any
}

/// Takes a large block back; its memory goes to the system at once, or is kept for the next.
///
/// # Safety
/// 1. The heap's lock is held; `region` is one of its large blocks and nobody uses it.
pub unsafe fn release(heap: &Heap, state: &mut State, region: NonNull<Region>) {
    // SAFETY: (1).
    let record = unsafe { region.as_ref() };
    state.accounting.reserved -= record.size;
    state.accounting.committed -= record.committed;
    // SAFETY: (1).
    unsafe {
        state.large.remove(region);
        if !keep(heap, state, record) {
            discard(heap, region);
            return;
        }
        regions::withdraw(region);
        Region::destroy(region);
    }
}

/// Changes the size in place: a shrink decommits the tail's pages, a growth must fit into the
/// pages that are committed. False, and no change, when it does not.
///
/// # Safety
/// 1. As for [`release`], but the block stays in use.
pub unsafe fn resize(heap: &Heap, state: &mut State, region: NonNull<Region>, size: usize) -> bool {
    let record = region.as_ptr();
    // SAFETY: (1).
    unsafe {
        let old_end = ((*record).user + (*record).requested.max(1)).next_multiple_of(PAGE);
        let Some(end) = (*record)
            .user
            .checked_add(size.max(1))
            .and_then(|end| round_up(end, PAGE))
        else {
            return false;
        };
        if end > old_end {
            return false;
        }
        if end < old_end
            && let Some(at) = NonNull::new(end as *mut u8)
        {
            // A system that refuses keeps the pages; they count as gone.
            let refused = heap.settings.vm.decommit(at, old_end - end).is_err();
            (*record).left_pages |= refused;
            (*record).committed -= old_end - end;
            state.accounting.committed -= old_end - end;
        }
        (*record).requested = size;
    }
    true
}

/// Moves a large block to a larger reservation, by its pages, where the system can; returns the new
/// record, in place of the old one. `None`, and no change, when its bytes are to be copied.
///
/// # Safety
/// 1. As for [`release`], but the block stays in use, at another address.
pub unsafe fn relocate(
    heap: &Heap,
    state: &mut State,
    region: NonNull<Region>,
    size: usize,
) -> Option<NonNull<Region>> {
    let settings = &heap.settings;
    // SAFETY: (1).
    let record = unsafe { region.as_ref() };
    let committed = round_up(LARGE_HEADER_BYTES.checked_add(size)?, PAGE)?;
    let new = Extent {
        size: committed.checked_add(PAGE)?,
        committed,
    };
    let old = Extent {
        size: record.size,
        committed: record.committed,
    };
    // An aligned block starts somewhere inside its reservation, and what lies before is reserved.
    if record.user != record.base + LARGE_HEADER_BYTES
        || record.left_pages
        || size > settings.maximum_allocation_size
        || new.committed < old.committed
        || new.size < old.size
        || !state.accounting.may_commit(new.committed - old.committed)
    {
        return None;
    }
    let base = NonNull::new(record.base as *mut u8)?;
    let moved = Region::create(RegionKind::Large, record.base, new.size)?;
    // The old addresses may be another thread's as soon as the pages are gone, so nobody may find
    // the block there any more.
    // SAFETY: (1).
    unsafe { regions::withdraw(region) };
    let (protection, window) = (settings.protection, settings.window);
    // SAFETY: (1): the reservation's committed pages are those up to the block's end, and nothing
    // of `new` is less.
    match unsafe { settings.vm.relocate(base, old, new, protection, window) } {
        Ok(to) => {
            // SAFETY: (1); the new record is nobody else's yet.
            unsafe {
                Region::take_place(moved, record, to.as_ptr() as usize);
                (*moved.as_ptr()).committed = new.committed;
                (*moved.as_ptr()).user = to.as_ptr() as usize + LARGE_HEADER_BYTES;
                (*moved.as_ptr()).requested = size;
                state.large.remove(region);
                Region::destroy(region);
                regions::publish(moved);
                state.large.append(moved);
            }
            state.accounting.reserved -= old.size;
            state.accounting.committed -= old.committed;
            state.accounting.add_reserved(new.size);
            state.accounting.add_committed(new.committed);
            Some(moved)
        }
        Err(_) => {
            // SAFETY: (1): the block is where it was; nobody has seen the new record.
            unsafe {
                regions::publish(region);
                Region::destroy(moved);
            }
            None
        }
    }
}
