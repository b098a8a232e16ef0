//! Finding room aligned to 64 KiB with, usually, one system call.
//!
//! `mmap` aligns to pages only. So we keep an address below which there is probably room, and ask
//! for the place just below it. Where that fails, room with 64 KiB too much is mapped, the rest is
//! unmapped, and the search starts anew from another address. Any number of threads may reserve at
//! once: the address is only a hint, and the system decides.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::mapping::{host_page_size, map, unmap};
use crate::pages::{ALLOCATION_GRANULARITY, ceiling, floor};
use crate::vm::{Protection, VmError};

/// Reservations go below this address; 0 until the first one.
static CEILING: AtomicUsize = AtomicUsize::new(0);

/// How far, in bytes, below the system's own choice, and below a place that was taken, we look for
/// room: far enough that the system, which fills from the top, rarely gets in our way. Where
/// addresses are scarce we stay close.
const DISTANCE: usize = if usize::BITS < 64 { 0 } else { 1 << 36 };

/// Nothing is looked for below this address, which leaves alone what is scarce: the low addresses
/// that windows want.
const FLOOR: usize = if usize::BITS < 64 { 1 << 26 } else { 1 << 36 };

/// Reserves `size` bytes (a multiple of the host's page) at a multiple of 64 KiB, all committed
/// with `protection` or, if there is none, not at all.
pub fn reserve(size: usize, protection: Option<Protection>) -> Result<NonNull<u8>, VmError> {
    let protection = protection.unwrap_or(Protection::NoAccess);
    let Some(hint) = claim(size) else {
        return reserve_anywhere(size, protection);
    };
    // SAFETY: not a fixed mapping.
    let at = unsafe { map(hint, size, protection, 0) }?;
    if is_aligned(at) {
        return Ok(at);
    }
    // SAFETY: mapped just above, and known to nobody. Should it fail, address space is lost, which
    // is no reason to fail the caller.
    let _ = unsafe { unmap(at, size) };
    move_below(hint.saturating_sub(DISTANCE));
    reserve_anywhere(size, protection)
}

/// Tells that the reservation of `size` bytes at `base` is gone: if it was the newest, its place
/// is the next to be taken.
pub fn released(base: usize, size: usize) {
    if let Some(end) = ceiling(base + size, ALLOCATION_GRANULARITY) {
        let _ = CEILING.compare_exchange(base, end, Ordering::Relaxed, Ordering::Relaxed);
    }
}

fn is_aligned(at: NonNull<u8>) -> bool {
    at.as_ptr().addr().is_multiple_of(ALLOCATION_GRANULARITY)
}

fn move_below(address: usize) {
    let address = if address > FLOOR { address } else { 0 };
    CEILING.store(floor(address, ALLOCATION_GRANULARITY), Ordering::Relaxed);
}

/// Takes `size` bytes below the ceiling, so that two threads ask for different places.
fn claim(size: usize) -> Option<usize> {
    let place = |top: usize| {
        let place = floor(top.checked_sub(size)?, ALLOCATION_GRANULARITY);
        (place > FLOOR).then_some(place)
    };
    let top = CEILING
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, place)
        .ok()?;
    place(top)
}

/// Maps too much, and unmaps what is not aligned.
fn reserve_anywhere(size: usize, protection: Protection) -> Result<NonNull<u8>, VmError> {
    let slack = ALLOCATION_GRANULARITY - host_page_size();
    let mapped = size.checked_add(slack).ok_or(VmError::OutOfMemory)?;
    // SAFETY: not a fixed mapping.
    let start = unsafe { map(0, mapped, protection, 0) }?;
    let head = start.as_ptr().align_offset(ALLOCATION_GRANULARITY);
    let tail = slack - head;
    // SAFETY: `head` is at most `slack`, and the sum at most `mapped`.
    let base = unsafe { start.add(head) };
    // SAFETY: as above.
    let end = unsafe { base.add(size) };
    // Should trimming fail, address space is lost, which is no reason to fail the caller.
    if head != 0 {
        // SAFETY: the first part of what was just mapped, which nobody knows of.
        let _ = unsafe { unmap(start, head) };
    }
    if tail != 0 {
        // SAFETY: the last part of what was just mapped, which nobody knows of.
        let _ = unsafe { unmap(end, tail) };
    }
    if CEILING.load(Ordering::Relaxed) == 0 {
        move_below(base.as_ptr().addr().saturating_sub(DISTANCE));
    }
    Ok(base)
}
