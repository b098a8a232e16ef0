//! Allocation in a debug heap: the fill of what nobody has written to, and the tail.

use core::ptr::NonNull;

use crate::backend::blocks::{self, Block, Located};
use crate::failure::{FailureKind, Refusal};
use crate::flags::HeapFlags;
use crate::heap::{Heap, State};
use crate::ops::{self, extras};
use crate::pattern;
use crate::stack_database::Trace;
use crate::verify::{check, freed, page_heap, tail, traces};

/// [`ops::allocate::allocate`] with the debug heap's checks and fills; `trace` is its
/// caller's.
///
/// # Errors
/// As there; also that free memory was written to, where it would have been handed out, and with
/// `VALIDATE_ALL` whatever is wrong with the heap. The heap is as it was.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state.
pub unsafe fn allocate(
    heap: &Heap,
    state: &mut State,
    flags: HeapFlags,
    size: usize,
    alignment: usize,
    trace: Option<Trace>,
) -> Result<NonNull<u8>, Refusal> {
    // SAFETY: (1).
    let user = unsafe {
        check::before_call(heap, state)?;
        match heap.settings.page_heap {
            None => plain(heap, state, flags, size, alignment),
            Some(_) => page_heap::allocate(heap, state, flags, size, alignment),
        }
    }?;
    traces::note_allocated(state, user.as_ptr() as usize, trace);
    Ok(user)
}

/// A block of the back end, or a large one, filled and with its tail.
///
/// # Errors
/// As for [`allocate`].
///
/// # Safety
/// 1. As for [`allocate`].
pub unsafe fn plain(
    heap: &Heap,
    state: &mut State,
    flags: HeapFlags,
    size: usize,
    alignment: usize,
) -> Result<NonNull<u8>, Refusal> {
    // The block is looked at before it is zeroed.
    let unzeroed = flags.difference(HeapFlags::ZERO_MEMORY);
    // SAFETY: (1).
    let user = unsafe { ops::allocate::allocate(heap, state, unzeroed, size, alignment) }?;
    // SAFETY: (1).
    if let Located::Block(block) = unsafe { blocks::locate(heap, user.as_ptr() as usize) }? {
        // SAFETY: (1): the block is new.
        unsafe { make_ready(heap, state, &block, flags) }?;
    }
    Ok(user)
}

/// # Safety
/// 1. As for [`allocate`]; `block` was just allocated.
unsafe fn make_ready(
    heap: &Heap,
    state: &mut State,
    block: &Block,
    flags: HeapFlags,
) -> Result<(), Refusal> {
    let (user, size) = (block.user(), block.entry.requested());
    let slot = extras::value_slot(heap, block);
    // SAFETY: (1).
    let damage = unsafe { freed::damage_in_new(heap, block, slot.unwrap_or(usize::MAX)) };
    if let Some(address) = damage {
        // SAFETY: (1).
        unsafe {
            ops::free::free(heap, state, user)?;
            freed::fill_ends(heap, block.address..block.end());
            if let Some(slot) = slot {
                freed::fill_words(heap, slot);
            }
        }
        return Err(blocks::failure(heap, FailureKind::UsageAfterFree, address).into());
    }
    // SAFETY: (1): `size` bytes are the user's, who does not know them yet.
    unsafe {
        if flags.contains(HeapFlags::ZERO_MEMORY) {
            (user as *mut u8).write_bytes(0, size);
        } else if freed::is_checked(heap) {
            pattern::fill_uninitialized(user, user + size);
        }
        tail::write(heap, block);
    }
    Ok(())
}
