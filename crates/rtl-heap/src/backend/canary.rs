//! The bytes behind a block's data, as far as they are no block's: a string's end, or what an index one too
//! high names, is written there, and is noticed when the block is freed or changes its size (catalogue C1,
//! C2, C13).
//!
//! They hold what NT's debug heap writes behind a block, 0xAB: four bytes behind the data of a slot, which
//! always has more; one behind those of a back-end block, if its size leaves one. No caller may write
//! there, since sizes are exact. Large blocks end at a page that faults, and heaps of the debug heap have
//! tails of their own ([`crate::verify`]).
//!
//! A block that shrinks where it is keeps its bytes (C142). The one behind its data is then whatever it was,
//! and the segment remembers not to look at it.

use crate::backend::blocks::{self, Block};
use crate::bits::Bits;
use crate::entry::{Entry, EntryFlags, Payload, TAIL_SPILL, USER_OFFSET};
use crate::failure::{FailureKind, HeapFailure};
use crate::heap::Heap;
use crate::pattern;
use crate::units::GRANULE;

/// Four bytes, as many as one instruction compares with.
const BEHIND_SLOT: u32 = u32::from_ne_bytes([pattern::TAIL; 4]);

/// Of a block's unused bytes so many lie before its data.
const BEFORE_DATA: usize = USER_OFFSET - TAIL_SPILL;

/// Writes the bytes behind a slot's data, which end at `end`.
///
/// # Safety
/// 1. The slot is the caller's, and has four bytes behind its data.
#[inline(always)]
pub unsafe fn write_behind_slot(end: usize) {
    // SAFETY: (1).
    unsafe { (end as *mut u32).write_unaligned(BEHIND_SLOT) }
}

/// The bytes behind a slot's data, which end at `end`, are as they were written.
///
/// # Safety
/// 1. As for [`write_behind_slot`].
#[inline(always)]
pub unsafe fn is_whole_behind_slot(end: usize) -> bool {
    // SAFETY: (1).
    unsafe { (end as *const u32).read_unaligned() == BEHIND_SLOT }
}

/// Writes the byte behind the data of a back-end block, which end at `end`, if there is one among its
/// `unused` bytes.
///
/// # Safety
/// 1. The block is the caller's, without a user value.
#[inline(always)]
pub unsafe fn write(end: usize, unused: usize) {
    if unused > BEFORE_DATA {
        // SAFETY: (1).
        unsafe { (end as *mut u8).write(pattern::TAIL) }
    }
}

/// The byte behind the data of the back-end block at `address` is as it was written, or there is none. If
/// not, it may be one that is not looked at: [`check`].
///
/// # Safety
/// 1. `payload` is the header of the live block there, and its heap's lock is held.
#[inline(always)]
pub unsafe fn is_whole(address: usize, payload: Payload) -> bool {
    if payload.unused() <= BEFORE_DATA {
        return true;
    }
    let end = (address + USER_OFFSET).wrapping_add(payload.requested());
    // SAFETY: (1). A damaged header that passed its check by chance can name an end before its block, by
    // fewer bytes than its segment's header has.
    unsafe { (end as *const u8).read() == pattern::TAIL }
}

/// [`write()`] for a block that may have a user value, or has changed its size.
///
/// # Safety
/// 1. `block` is busy, and its heap's lock is held.
pub unsafe fn renew(heap: &Heap, block: &Block) {
    // SAFETY: (1).
    let shrunk = unsafe { &mut (*block.region.as_ptr()).shrunk };
    if !shrunk.is_empty() {
        shrunk.clear(granule(block));
    }
    if !heap.settings.verifies && !is_value(block.entry) {
        // SAFETY: (1).
        unsafe { write(data_end(block), block.entry.unused.into()) }
    }
}

/// Leaves the byte behind the data of a block that has shrunk where it is alone.
///
/// # Safety
/// 1. As for [`renew`].
pub unsafe fn leave(heap: &Heap, block: &Block) {
    // SAFETY: (1).
    let region = unsafe { &mut *block.region.as_ptr() };
    // SAFETY: (1).
    let is_whole = heap.settings.verifies || unsafe { is_whole(block.address, block.entry.into()) };
    if region.shrunk.is_empty() && !is_whole {
        match Bits::create(region.size / GRANULE) {
            Some(bits) => region.shrunk = bits,
            // Without memory to remember it the byte is written after all.
            // SAFETY: (1).
            None => return unsafe { renew(heap, block) },
        }
    }
    if !region.shrunk.is_empty() {
        let granule = granule(block);
        region.shrunk.fill(granule, granule + 1, !is_whole);
    }
}

/// The byte behind the block's data is not looked at.
pub fn is_left(block: &Block) -> bool {
    // SAFETY: the caller's block lies in a live region.
    let shrunk = unsafe { &block.region.as_ref().shrunk };
    is_value(block.entry) || !shrunk.is_empty() && shrunk.get(granule(block))
}

/// Nobody has written to the byte behind the block's data, as far as that is looked at.
///
/// # Errors
/// Somebody has.
///
/// # Safety
/// 1. As for [`renew`].
#[inline]
pub unsafe fn check(heap: &Heap, block: &Block) -> Result<(), HeapFailure> {
    // SAFETY: (1).
    let is_whole = unsafe { is_whole(block.address, block.entry.into()) };
    if is_whole || heap.settings.verifies || is_left(block) {
        return Ok(());
    }
    Err(blocks::failure(
        heap,
        FailureKind::BufferOverrun,
        block.user(),
    ))
}

/// A user value begins where the data end.
fn is_value(entry: Entry) -> bool {
    entry.flags.contains(EntryFlags::USER_VALUE) && entry.requested().is_multiple_of(BEFORE_DATA)
}

fn data_end(block: &Block) -> usize {
    block.user() + block.entry.requested()
}

fn granule(block: &Block) -> usize {
    // SAFETY: the caller's block lies in a live region.
    unsafe { block.region.as_ref() }.granule(block.address)
}
