//! Requests between the front end and large blocks, from what is parked of exactly their size.
//!
//! Whatever is not plain, or not as expected, takes the long way, which finds out why.

use core::ptr::NonNull;

use crate::backend::canary;
use crate::entry::USER_OFFSET;
use crate::flags::HeapFlags;
use crate::heap::{Heap, State};
use crate::ops::extras;
use crate::ops::fast::is_plain;
use crate::parked_middle::ParkedMiddle;
use crate::units::Granules;

/// A parked block for `size` bytes, more than any slot has, from the heap whose handle `heap` is, any bit
/// pattern; `None`, and nothing done, for the long way.
#[inline(always)]
pub fn allocate(heap: usize, flags: HeapFlags, size: usize) -> Option<NonNull<u8>> {
    let granules = extras::plain_block_size(size).filter(|size| ParkedMiddle::suits(*size))?;
    let heap = Heap::at_mapped(heap).filter(|found| is_plain(found, heap))?;
    let flags = flags | heap.settings.force_flags;
    if !heap.settings.parks_middle || flags.intersects(extras::NOT_PLAIN) {
        return None;
    }
    let mut guard = heap.enter(flags);
    let (heap, state) = guard.parts();
    // SAFETY: (1) the lock is held.
    let block = unsafe { take(heap, state, size, granules) }?;
    drop(guard);
    if flags.contains(HeapFlags::ZERO_MEMORY) {
        // SAFETY: the block was just taken, and `size` bytes of it are its user's.
        unsafe { block.write_bytes(0, size) };
    }
    Some(block)
}

/// The parked block of `granules` for `size` bytes; `None`, and nothing done, if there is none or it is damaged.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state.
#[inline]
pub unsafe fn take(
    heap: &Heap,
    state: &mut State,
    size: usize,
    granules: Granules,
) -> Option<NonNull<u8>> {
    let block = state.lookaside.middle.pop(granules)?;
    // SAFETY: INV-PARKED: it is a block of this heap, whose lock is held.
    let payload = unsafe { heap.key.read_payload(block) };
    let Some(payload) = payload.filter(|payload| payload.is_parked(granules)) else {
        // The long way says so.
        state.lookaside.middle.push(granules, block);
        return None;
    };
    // SAFETY: as above.
    unsafe {
        heap.key
            .write_payload(block, payload.unpark(granules, size));
        canary::write(block + USER_OFFSET + size, granules.bytes() - size);
    }
    state.accounting.add_live(size);
    NonNull::new((block + USER_OFFSET) as *mut u8)
}
