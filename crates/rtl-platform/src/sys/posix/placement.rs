//! Finding room aligned to 64 KiB with, usually, one system call.
//!
//! `mmap` aligns to pages only. So we keep an address below which there is probably room, and ask
//! for the place just below it. Where that fails, room with 64 KiB too much is mapped, the rest is
//! unmapped, and the search starts anew from another address. Any number of threads may reserve at
//! once: the address is only a hint, and the system decides.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::mapping::{host_page_size, map, unmap};
use super::{ahead, retained};
use crate::pages::{ALLOCATION_GRANULARITY, ceiling, floor};
use crate::sys::memory;
use crate::vm::{Protection, VmError};

/// Reservations go below this address; 0 until the first one.
static CEILING: AtomicUsize = AtomicUsize::new(0);

/// How far, in bytes, below a place that was taken the search goes on. On 64 bit an odd number of GiB: who
/// looks addresses up by some of their bits, as a heap does, meets the same bits after 2^k GiB only after as many
/// jumps, and not after one in 64 of them.
const JUMP: usize = if usize::BITS < 64 { 1 << 20 } else { 65 << 30 };

/// Nothing is looked for below this address, which leaves alone what is scarce: the low addresses
/// that windows want.
const FLOOR: usize = if usize::BITS < 64 { 1 << 26 } else { 1 << 36 };

/// Reserves `size` bytes anywhere, all committed with `protection` if there is one.
pub fn reserve(size: usize, protection: Option<Protection>) -> Result<NonNull<u8>, VmError> {
    let size = whole_pages(size)?;
    if protection.is_none()
        && let Some(ahead) = ahead::of_size(size)
        && let Some(base) = ahead.take(
            |size| alone(size, None).ok(),
            |rest, size| {
                // SAFETY: the rest of a mapping that nobody knows of. Should it fail, address
                // space is lost.
                let _ = unsafe { unmap(rest, size) };
            },
        )
    {
        return Ok(base);
    }
    alone(size, protection)
}

/// Reserves `size` bytes with a mapping of their own.
fn alone(size: usize, protection: Option<Protection>) -> Result<NonNull<u8>, VmError> {
    let protection = protection.unwrap_or(Protection::NoAccess);
    let base = aligned(size, protection).or_else(|error| {
        // What is kept for a new heap may be what is missing.
        if retained::release_all() {
            aligned(size, protection)
        } else {
            Err(error)
        }
    })?;
    memory::name(base, size);
    Ok(base)
}

/// Reserves `size` bytes whose first `commit` bytes are usable, if that is quicker than to reserve
/// and then to commit.
pub fn reserve_ready(size: usize, commit: usize, protection: Protection) -> Option<NonNull<u8>> {
    retained::take(size, commit, protection)
}

/// Reserves `size` bytes at `at`, if all of the room there is free.
pub fn reserve_at(at: usize, size: usize) -> Result<NonNull<u8>, VmError> {
    let size = whole_pages(size)?;
    // SAFETY: not a fixed mapping, or one that takes no room in use.
    let base = unsafe { map(at, size, Protection::NoAccess, memory::IN_PLACE) }?;
    if base.as_ptr().addr() == at {
        memory::name(base, size);
        return Ok(base);
    }
    // SAFETY: mapped just above, and known to nobody. Should it fail, address space is lost.
    let _ = unsafe { unmap(base, size) };
    Err(VmError::OutOfMemory)
}

/// Gives a whole reservation back.
///
/// # Safety
///
/// The range is one reservation, and nothing in it is in use.
pub unsafe fn release(base: NonNull<u8>, size: usize) -> Result<(), VmError> {
    // SAFETY: the caller's promise.
    unsafe { unmap(base, size) }?;
    // If it was the newest, its place is the next to be taken.
    let start = base.as_ptr().addr();
    if let Some(end) = ceiling(start + size, ALLOCATION_GRANULARITY) {
        let _ = CEILING.compare_exchange(start, end, Ordering::Relaxed, Ordering::Relaxed);
    }
    Ok(())
}

/// [`release`] of a reservation of which the first `committed` bytes alone are committed, and none
/// when it is 0.
///
/// # Safety
///
/// As [`release`], and no other page is committed.
pub unsafe fn release_head(
    base: NonNull<u8>,
    size: usize,
    committed: usize,
) -> Result<(), VmError> {
    // SAFETY: the caller's promise.
    if unsafe { retained::keep(base, size, committed) } {
        return Ok(());
    }
    // SAFETY: the caller's promise.
    unsafe { release(base, size) }
}

fn whole_pages(size: usize) -> Result<usize, VmError> {
    ceiling(size, host_page_size()).ok_or(VmError::OutOfMemory)
}

/// Maps `size` bytes (a multiple of the host's page) at a multiple of 64 KiB.
fn aligned(size: usize, protection: Protection) -> Result<NonNull<u8>, VmError> {
    let Some(hint) = claim(size) else {
        return trimmed(size, protection);
    };
    // SAFETY: not a fixed mapping.
    let at = unsafe { map(hint, size, protection, 0) }?;
    if is_aligned(at) {
        return Ok(at);
    }
    // SAFETY: mapped just above, and known to nobody. Should it fail, address space is lost, which
    // is no reason to fail the caller.
    let _ = unsafe { unmap(at, size) };
    move_below(hint.saturating_sub(JUMP));
    trimmed(size, protection)
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
fn trimmed(size: usize, protection: Protection) -> Result<NonNull<u8>, VmError> {
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
        move_below(memory::ceiling_for(base.as_ptr().addr()));
    }
    Ok(base)
}
