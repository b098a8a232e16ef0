//! Memory a caller reserves through the library, to make heaps in it (specification 2.3, 7.2).
//!
//! The library knows its extent and which of its pages are committed, so `RtlCreateHeap` can hold
//! a `HeapBase` in it to NT's rules on every system.

use core::ptr::NonNull;

use rtl_platform::vm::Protection;

use crate::region::{Backing, Region, RegionKind};
use crate::regions;
use crate::status::Status;
use crate::system_vm::system_vm;
use crate::units::{PAGE, round_down, round_up};

/// Reserves `size` bytes, rounded up to pages, at a multiple of 64 KiB. Nothing is committed.
///
/// # Errors
/// `INVALID_PARAMETER` for no bytes; `NO_MEMORY`.
pub fn reserve(size: usize) -> Result<NonNull<u8>, Status> {
    let size = round_up(size, PAGE).ok_or(Status::NO_MEMORY)?;
    if size == 0 {
        return Err(Status::INVALID_PARAMETER);
    }
    let vm = system_vm().ok_or(Status::NO_MEMORY)?;
    let base = vm.reserve(size, None).map_err(|_| Status::NO_MEMORY)?;
    let Some(region) = Region::create(RegionKind::Caller, base.as_ptr() as usize, size) else {
        // SAFETY: the reservation is ours and unused. A failure leaks address space.
        let _ = unsafe { vm.release(base, size) };
        return Err(Status::NO_MEMORY);
    };
    // SAFETY: the record is new and its range ours.
    unsafe { regions::publish(region) };
    Ok(base)
}

/// Commits the pages that `address..address + size` touches, readable and writable. Pages that
/// were committed before keep their contents.
///
/// # Errors
/// `INVALID_PARAMETER` when they are not inside one reservation made here, or a heap commits it by
/// itself; `NO_MEMORY`.
///
/// # Safety
/// 1. No other call commits or releases the same reservation meanwhile.
pub unsafe fn commit(address: usize, size: usize) -> Result<(), Status> {
    let mut region = find(address)?;
    // SAFETY: INV-REGION; (1) keeps it alive.
    let heaps = unsafe { region.as_ref() };
    if heaps.backing == Backing::CommitRoutine
        && let Some(caller) = NonNull::new(heaps.caller)
    {
        // A heap's commit routine at work: the pages are the caller's to commit.
        region = caller;
    }
    // SAFETY: as above.
    let record = unsafe { region.as_ref() };
    if record.kind != RegionKind::Caller {
        return Err(Status::INVALID_PARAMETER);
    }
    let end = address
        .checked_add(size)
        .and_then(|end| round_up(end, PAGE));
    let end = end.ok_or(Status::INVALID_PARAMETER)?;
    let start = round_down(address, PAGE);
    if size == 0 || end > record.base + record.size {
        return Err(Status::INVALID_PARAMETER);
    }
    let vm = system_vm().ok_or(Status::NO_MEMORY)?;
    let at = NonNull::new(start as *mut u8).ok_or(Status::INVALID_PARAMETER)?;
    // SAFETY: whole pages of a live reservation.
    unsafe { vm.commit(at, end - start, Protection::ReadWrite) }.map_err(|_| Status::NO_MEMORY)?;
    // SAFETY: (1): nobody else changes the record.
    unsafe {
        (*region.as_ptr())
            .pages
            .fill(record.page(start), record.page(end - 1) + 1, true)
    };
    Ok(())
}

/// Releases a whole reservation made here.
///
/// # Errors
/// `INVALID_PARAMETER` when none starts at `address`, or a heap lives in it.
///
/// # Safety
/// 1. Nobody uses the memory any more.
pub unsafe fn release(address: usize) -> Result<(), Status> {
    let region = find(address)?;
    // SAFETY: INV-REGION; (1) keeps it alive.
    let (base, size, kind) = unsafe {
        let record = region.as_ref();
        (record.base, record.size, record.kind)
    };
    if base != address || kind != RegionKind::Caller {
        return Err(Status::INVALID_PARAMETER);
    }
    let vm = system_vm().ok_or(Status::INVALID_PARAMETER)?;
    let at = NonNull::new(base as *mut u8).ok_or(Status::INVALID_PARAMETER)?;
    // SAFETY: (1); it leaves the map before its memory goes. A failure leaks address space.
    unsafe {
        regions::withdraw(region);
        let _ = vm.release(at, size);
        Region::destroy(region);
    }
    Ok(())
}

fn find(address: usize) -> Result<NonNull<Region>, Status> {
    regions::find(address).ok_or(Status::INVALID_PARAMETER)
}
