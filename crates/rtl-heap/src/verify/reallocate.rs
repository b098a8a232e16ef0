//! Reallocation in a debug heap: in place where that can be, else by this layer's own allocation and
//! free.

use core::ptr::NonNull;

use crate::backend::blocks::{self, Block, Located};
use crate::failure::Refusal;
use crate::flags::HeapFlags;
use crate::heap::{Heap, State};
use crate::ops::{self, extras};
use crate::pattern;
use crate::stack_database::Trace;
use crate::units::GRANULE;
use crate::verify::{allocate, check, freed, page_heap, release, tail, traces};

/// [`ops::reallocate::reallocate`] with the debug heap's checks and fills; `trace` is
/// its caller's.
///
/// # Errors
/// As there, and as for [`allocate::allocate`] and [`release::free`]. The block is as it was.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state; nobody else uses the block.
pub unsafe fn reallocate(
    heap: &Heap,
    state: &mut State,
    flags: HeapFlags,
    pointer: usize,
    size: usize,
    trace: Option<Trace>,
) -> Result<NonNull<u8>, Refusal> {
    // SAFETY: (1).
    unsafe { check::before_call(heap, state) }?;
    // SAFETY: (1).
    let located = unsafe { check::block(heap, pointer) }?;
    // SAFETY: (1).
    match unsafe { in_place(heap, state, flags, &located, pointer, size) } {
        Ok(user) => {
            if let Located::Block(old) = &located {
                // SAFETY: (1).
                unsafe { refill(heap, flags, old) }?;
            }
            traces::note_allocated(state, pointer, trace);
            Ok(user)
        }
        Err(Refusal::NoMemory) if !flags.contains(HeapFlags::REALLOC_IN_PLACE_ONLY) => {
            // SAFETY: (1).
            unsafe { move_block(heap, state, flags, (located, pointer), size, trace) }
        }
        Err(refusal) => Err(refusal),
    }
}

/// # Safety
/// 1. As for [`reallocate`]; `located` is the block at `pointer`.
unsafe fn in_place(
    heap: &Heap,
    state: &mut State,
    flags: HeapFlags,
    located: &Located,
    pointer: usize,
    size: usize,
) -> Result<NonNull<u8>, Refusal> {
    if heap.settings.page_heap.is_some() {
        // A block of a page heap ends where it ends.
        // SAFETY: (1).
        let same = unsafe { page_heap::requested(heap, located) } == size;
        let user = NonNull::new(pointer as *mut u8).filter(|_| same);
        return user.ok_or(Refusal::NoMemory);
    }
    let flags = flags | HeapFlags::REALLOC_IN_PLACE_ONLY;
    // SAFETY: (1).
    unsafe { ops::reallocate::reallocate(heap, state, flags, pointer, size) }
}

/// Fills what has changed around a block that changed its size in place; `old` is as it was.
///
/// # Safety
/// 1. As for [`reallocate`].
unsafe fn refill(heap: &Heap, flags: HeapFlags, old: &Block) -> Result<(), Refusal> {
    if heap.settings.page_heap.is_some() {
        return Ok(());
    }
    // SAFETY: (1).
    let Located::Block(block) = (unsafe { blocks::locate(heap, old.user()) })? else {
        return Ok(());
    };
    let (from, to) = (old.entry.requested(), block.entry.requested());
    // SAFETY: (1): the bytes are the block's, or free memory.
    unsafe {
        if to > from && freed::is_checked(heap) && !flags.contains(HeapFlags::ZERO_MEMORY) {
            pattern::fill_uninitialized(block.user() + from, block.user() + to);
        }
        tail::write(heap, &block);
        if block.end() < old.end() {
            freed::fill(heap, block.end()..old.end());
        }
    }
    Ok(())
}

/// # Safety
/// 1. As for [`reallocate`]; the block lies at `pointer`.
unsafe fn move_block(
    heap: &Heap,
    state: &mut State,
    flags: HeapFlags,
    (located, pointer): (Located, usize),
    size: usize,
    trace: Option<Trace>,
) -> Result<NonNull<u8>, Refusal> {
    // SAFETY: (1).
    let old_size = unsafe { page_heap::requested(heap, &located) };
    let kept = match &located {
        Located::Block(block) => extras::call_flags(block.entry.flags),
        // SAFETY: (1).
        Located::Large(region) => unsafe {
            HeapFlags::from_bits_retain(region.as_ref().user_flags)
        },
    };
    let flags = flags
        .difference(HeapFlags::SETTABLE_USER_VALUE | HeapFlags::SETTABLE_USER_FLAGS)
        .union(kept);
    // SAFETY: (1): both blocks hold as many bytes as are copied.
    unsafe {
        let moved = allocate::allocate(heap, state, flags, size, GRANULE, trace)?;
        moved
            .as_ptr()
            .copy_from_nonoverlapping(pointer as *const u8, old_size.min(size));
        let inner = page_heap::inner(heap, moved.as_ptr() as usize);
        if let Some(inner) = NonNull::new(inner as *mut u8) {
            ops::reallocate::copy_value(heap, &located, inner);
        }
        if let Err(refusal) = release::free(heap, state, pointer) {
            // The old block's surroundings are damaged: it stays, and so do its contents.
            release::free(heap, state, moved.as_ptr() as usize)?;
            return Err(refusal);
        }
        Ok(moved)
    }
}
