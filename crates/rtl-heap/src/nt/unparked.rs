//! Calls on a heap that never parks: none of the short ways is open to it. A debug heap's go to
//! [`crate::verify`], one with tagging counts its blocks, and one with a commit routine is watched for
//! calls from that routine (R11).

use core::ptr::NonNull;

use crate::flags::HeapFlags;
use crate::heap::Heap;
use crate::nt::{conclude, is_reentrant};
use crate::status::Status;
use crate::tags::TagIndex;
use crate::verify::traces;
use crate::{ops, verify};

/// [`crate::nt::allocate_aligned`].
#[cold]
pub fn allocate(
    heap: &Heap,
    flags: HeapFlags,
    size: usize,
    alignment: usize,
) -> Result<NonNull<u8>, Status> {
    let trace = traces::captured(heap, size);
    let tag = TagIndex::of_call(flags);
    let flags = flags | heap.settings.force_flags;
    let mut guard = heap.enter(flags);
    if is_reentrant(&guard) {
        return Err(Status::NO_MEMORY);
    }
    let (heap, state) = guard.parts();
    // SAFETY: the guard holds the lock.
    let result = unsafe {
        match heap.settings.verifies {
            true => verify::allocate::allocate(heap, state, flags, size, alignment, trace),
            false => ops::allocate::allocate(heap, state, flags, size, alignment),
        }
    };
    if let (Some(tags), Ok(block)) = (heap.tags(), &result) {
        // SAFETY: the guard holds the lock.
        unsafe { ops::tags::note_allocated(heap, tags, *block, tag) };
    }
    let result = result.map_err(|refusal| traces::explain(state, refusal));
    drop(guard);
    result.map_err(conclude)
}

/// [`crate::nt::reallocate`].
///
/// # Safety
/// 1. As there.
#[cold]
pub unsafe fn reallocate(
    heap: &Heap,
    flags: HeapFlags,
    pointer: usize,
    size: usize,
) -> Result<NonNull<u8>, Status> {
    let trace = traces::captured(heap, size);
    let tag = TagIndex::of_call(flags);
    let flags = flags | heap.settings.force_flags;
    let mut guard = heap.enter(flags);
    if is_reentrant(&guard) {
        return Err(Status::NO_MEMORY);
    }
    let (heap, state) = guard.parts();
    // SAFETY: the guard holds the lock; (1).
    let mut work = || unsafe {
        match heap.settings.verifies {
            true => verify::reallocate::reallocate(heap, state, flags, pointer, size, trace),
            false => ops::reallocate::reallocate(heap, state, flags, pointer, size),
        }
    };
    let result = match heap.tags() {
        None => work(),
        // SAFETY: as above.
        Some(tags) => unsafe { ops::tags::reallocate(heap, tags, pointer, tag, work) },
    };
    let result = result.map_err(|refusal| traces::explain(state, refusal));
    drop(guard);
    result.map_err(conclude)
}

/// [`crate::nt::free`] of a pointer that is not null.
///
/// # Safety
/// 1. As there.
#[cold]
pub unsafe fn free(heap: &Heap, flags: HeapFlags, pointer: usize) -> Result<(), Status> {
    let mut guard = heap.enter(flags);
    if is_reentrant(&guard) {
        return Err(Status::INVALID_PARAMETER);
    }
    let (heap, state) = guard.parts();
    // SAFETY: the guard holds the lock; (1).
    let mut work = || unsafe {
        match heap.settings.verifies {
            true => verify::release::free(heap, state, pointer),
            false => ops::free::free(heap, state, pointer),
        }
    };
    let result = match heap.tags() {
        None => work(),
        // SAFETY: as above.
        Some(tags) => unsafe { ops::tags::free(heap, tags, pointer, work) },
    };
    let result = result.map_err(|refusal| traces::explain(state, refusal));
    drop(guard);
    result.map_err(conclude)
}

/// [`crate::nt::size`].
#[cold]
pub fn size(heap: &Heap, flags: HeapFlags, pointer: usize) -> Result<usize, Status> {
    let mut guard = heap.enter(flags);
    let (heap, state) = guard.parts();
    // SAFETY: the guard holds the lock.
    let result = unsafe {
        match heap.settings.verifies {
            true => verify::check::size(heap, state, pointer),
            false => ops::size::size(heap, pointer),
        }
    };
    let result = result.map_err(|refusal| traces::explain(state, refusal));
    drop(guard);
    result.map_err(conclude)
}
