//! Allocation: the back end below the VirtualMemoryThreshold, a large block above it (3.1).

use core::ptr::NonNull;

use crate::backend::split::{self, Request};
use crate::backend::{canary, large};
use crate::entry::EntryFlags;
use crate::failure::Refusal;
use crate::flags::HeapFlags;
use crate::frontend::activation;
use crate::heap::{Heap, State};
use crate::ops::extras;
use crate::units::{GRANULE, Granules};

/// A block of `size` bytes whose address is a multiple of `alignment`, a power of two; every block
/// is a multiple of a granule.
///
/// # Errors
/// `NoMemory`, or damage found on the way. The heap serves as before.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state.
#[inline]
pub unsafe fn allocate(
    heap: &Heap,
    state: &mut State,
    flags: HeapFlags,
    size: usize,
    alignment: usize,
) -> Result<NonNull<u8>, Refusal> {
    // SAFETY: (1).
    unsafe { allocate_instead(heap, state, flags, size, (alignment, None)) }
}

/// [`allocate`], if there is an `old_size`, in the place of a block of so many bytes that is to be
/// copied: so nothing is done to what as many bytes of a large block hold.
///
/// # Errors
/// As there.
///
/// # Safety
/// 1. As there.
#[inline]
pub unsafe fn allocate_instead(
    heap: &Heap,
    state: &mut State,
    flags: HeapFlags,
    size: usize,
    (alignment, old_size): (usize, Option<usize>),
) -> Result<NonNull<u8>, Refusal> {
    if size > heap.settings.maximum_allocation_size {
        return Err(Refusal::NoMemory);
    }
    let threshold = heap.settings.virtual_memory_threshold;
    let Some(block_size) =
        extras::block_size(heap, flags, size).filter(|block| fits(*block, alignment, threshold))
    else {
        let place = (alignment, old_size.unwrap_or(0).min(size));
        // SAFETY: (1).
        return unsafe { allocate_large(heap, state, flags, size, place) };
    };
    let request = Request {
        size: block_size,
        requested: size,
        flags: extras::entry_flags(flags),
        alignment,
        grows: old_size.is_some_and(|old| old < size),
    };
    // SAFETY: (1).
    let block = unsafe { split::allocate(heap, state, request) }?;
    state.accounting.add_live(size);
    if !flags.intersects(extras::NOT_PLAIN) {
        activation::note_request(heap, state, block_size);
    }
    let user = block.user() as *mut u8;
    // SAFETY: the block is ours, `size` bytes of it are the user's, and all of it is committed.
    unsafe {
        canary::renew(heap, &block);
        if block.entry.flags.contains(EntryFlags::USER_VALUE) {
            extras::write_slot(heap, &block, [0; 2]);
        }
        if flags.contains(HeapFlags::ZERO_MEMORY) {
            user.write_bytes(0, size);
        }
        Ok(NonNull::new_unchecked(user))
    }
}

#[inline]
fn fits(block: Granules, alignment: usize, threshold: Granules) -> bool {
    block <= threshold
        && (alignment <= GRANULE || alignment / GRANULE + block.0 as usize <= threshold.0 as usize)
}

/// `place`: the alignment, and how many bytes are overwritten.
///
/// # Safety
/// 1. As for [`allocate`].
#[cold]
unsafe fn allocate_large(
    heap: &Heap,
    state: &mut State,
    flags: HeapFlags,
    size: usize,
    place: (usize, usize),
) -> Result<NonNull<u8>, Refusal> {
    if !heap.settings.flags.contains(HeapFlags::GROWABLE) {
        return Err(Refusal::NoMemory);
    }
    // SAFETY: (1). Its pages read zero, but for what is overwritten.
    let mut region = unsafe { large::allocate(heap, state, flags, size, place) };
    if let Err(Refusal::NoMemory) = region
        // SAFETY: (1).
        && unsafe { split::release_kept(heap, state) }
    {
        // SAFETY: (1).
        region = unsafe { large::allocate(heap, state, flags, size, place) };
    }
    let region = region?;
    state.accounting.add_live(size);
    // SAFETY: (1).
    NonNull::new(unsafe { region.as_ref() }.user as *mut u8).ok_or(Refusal::NoMemory)
}
