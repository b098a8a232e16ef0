//! Light page heap: a block of the back end with stamps before the user's bytes and a pattern behind
//! them.

use core::ptr::NonNull;

use crate::backend::blocks::{self, Block};
use crate::entry::USER_OFFSET;
use crate::failure::{FailureKind, HeapFailure, Refusal};
use crate::flags::HeapFlags;
use crate::heap::{Heap, State};
use crate::layout::LIGHT_BLOCK_AROUND as AROUND;
use crate::ops::{self, extras};
use crate::pattern;
use crate::units::GRANULE;
use crate::verify::page_heap::in_segment;
use crate::verify::page_heap::stamps::{Information, LIGHT, LIGHT_FREED, PREFIX};
use crate::verify::{allocate, freed};

/// In a new block.
const UNINITIALIZED: u8 = 0xE0;
/// Behind a block.
const SUFFIX: u8 = 0xA0;
/// In a freed block.
const FREED: u8 = 0xF0;

/// The back end serves blocks of this size.
pub fn serves(heap: &Heap, flags: HeapFlags, size: usize) -> bool {
    let block = size
        .checked_add(AROUND)
        .filter(|inner| *inner <= heap.settings.maximum_allocation_size)
        .and_then(|inner| extras::block_size(heap, flags, inner));
    block.is_some_and(|block| block <= heap.settings.virtual_memory_threshold)
}

/// # Safety
/// 1. As for [`super::allocate`], and [`serves`] says yes.
pub unsafe fn allocate(
    heap: &Heap,
    state: &mut State,
    flags: HeapFlags,
    size: usize,
) -> Result<NonNull<u8>, Refusal> {
    // SAFETY: (1).
    let inner = unsafe { allocate::plain(heap, state, flags, size + AROUND, GRANULE) }?;
    let user = inner.as_ptr() as usize + PREFIX;
    // SAFETY: (1): the block is new.
    unsafe {
        information(heap, size).write(LIGHT, user);
        if !flags.contains(HeapFlags::ZERO_MEMORY) {
            pattern::fill_bytes(user, size, UNINITIALIZED);
        }
        pattern::fill_bytes(user + size, GRANULE, SUFFIX);
    }
    NonNull::new(user as *mut u8).ok_or(Refusal::NoMemory)
}

fn information(heap: &Heap, size: usize) -> Information {
    Information {
        heap: heap.handle,
        requested: size,
        actual: size + AROUND,
    }
}

/// Bytes the block's user asked for.
pub fn requested(block: &Block) -> usize {
    block.entry.requested().saturating_sub(AROUND)
}

/// What the back end knows the block at `pointer`, any bit pattern, by.
pub fn inner(heap: &Heap, pointer: usize) -> usize {
    if heap.settings.page_heap.is_some() && in_segment(heap, pointer) {
        pointer.wrapping_sub(PREFIX)
    } else {
        pointer
    }
}

/// The user's address of a block.
fn user_of(block: &Block) -> usize {
    block.address + USER_OFFSET + PREFIX
}

/// # Safety
/// 1. As for [`super::check`].
pub unsafe fn check(heap: &Heap, block: &Block) -> Result<(), HeapFailure> {
    let (user, size) = (user_of(block), requested(block));
    let wrong = |kind| Err(blocks::failure(heap, kind, user));
    // SAFETY: (1): the block holds its prefix, its data and its pattern.
    unsafe {
        if !information(heap, size).stands(LIGHT, user) {
            return wrong(FailureKind::BufferUnderrun);
        }
        match pattern::first_not_byte(user + size, GRANULE, SUFFIX) {
            Some(_) => wrong(FailureKind::BufferOverrun),
            None => Ok(()),
        }
    }
}

/// # Safety
/// 1. As for [`super::free`].
pub unsafe fn free(heap: &Heap, state: &mut State, block: &Block) -> Result<(), Refusal> {
    let (user, size) = (user_of(block), requested(block));
    // SAFETY: (1).
    unsafe {
        ops::free::free(heap, state, block.user())?;
        if freed::is_checked(heap) {
            freed::fill(heap, block.address..block.end());
            return Ok(());
        }
        // As far as the memory is still there, and not the heap's own now.
        let data = user..user + size;
        freed::visit(heap, block.address, data, |run| {
            pattern::fill_bytes(run.start, run.len(), FREED);
        });
        let stamp = user - size_of::<u32>()..user;
        freed::visit(heap, block.address, stamp, |run| {
            (run.start as *mut u32).write(LIGHT_FREED);
        });
    }
    Ok(())
}
