//! Allocate, reallocate, free, size: each with its shorter paths, for faces that keep them apart, and
//! the long way, which takes the lock.

use core::ptr::NonNull;

use crate::flags::HeapFlags;
use crate::frontend::slots;
use crate::heap::Heap;
use crate::hooks::HeapException;
use crate::nt::{HeapHandle, conclude, entered_heap, unparked};
use crate::ops;
pub use crate::ops::fast::{Allocated, Freed};
use crate::status::Status;
use crate::units::GRANULE;

/// Allocates `size` bytes, zeroed if flags say so. The block is a multiple of 16 (8 on 32-bit).
///
/// # Errors
/// `NO_MEMORY`; `INVALID_HANDLE` for what is no heap. See [`exception`] for raising.
///
/// # Source
/// Specification 3.1.
#[doc(alias = "RtlAllocateHeap")]
#[doc(alias = "HeapAlloc")]
#[inline]
pub fn allocate(heap: HeapHandle, flags: HeapFlags, size: usize) -> Result<NonNull<u8>, Status> {
    let block = match allocate_at_once(heap, flags, size) {
        Allocated::Block(block) => Some(block),
        _ if is_middle(size) => allocate_middle(heap, flags, size),
        Allocated::NoLane => allocate_alone(heap, flags, size),
        Allocated::Not => {
            allocate_kept(heap, flags, size).or_else(|| allocate_freed(heap, flags, size))
        }
    };
    match block {
        Some(block) => Ok(block),
        None => allocate_aligned(heap, flags, size, GRANULE),
    }
}

/// [`allocate`], where it takes a few dozen instructions and no lock: of a small block that the calling
/// thread keeps. Where it does not, nothing is done: then [`allocate_alone`] is next for a thread
/// without a lane, and [`allocate_kept`] for the rest. For faces that keep their slower parts apart.
#[inline]
pub fn allocate_at_once(heap: HeapHandle, flags: HeapFlags, size: usize) -> Allocated {
    ops::fast::allocate_kept(heap.0, flags, size)
}

/// [`allocate_at_once`] for any block of the front end; `None`, and nothing done, for [`allocate_freed`].
#[inline]
pub fn allocate_kept(heap: HeapHandle, flags: HeapFlags, size: usize) -> Option<NonNull<u8>> {
    ops::fast::allocate_any_kept(heap.0, flags, size)
}

/// [`allocate_kept`] from what the thread has freed, when it keeps nothing else of that size; `None`, and
/// nothing done, for [`allocate_aligned`].
#[inline]
pub fn allocate_freed(heap: HeapHandle, flags: HeapFlags, size: usize) -> Option<NonNull<u8>> {
    ops::fast::allocate_freed(heap.0, flags, size)
}

/// [`allocate`] on a heap that nobody serialises, where it takes not many more instructions; `None`,
/// and nothing done, for [`allocate_aligned`].
#[inline]
pub fn allocate_alone(heap: HeapHandle, flags: HeapFlags, size: usize) -> Option<NonNull<u8>> {
    ops::fast::allocate_alone(heap.0, flags, size)
}

/// [`allocate`] of more than the front end serves, where a block of that size was freed lately: takes the
/// lock, and a fourth of the instructions. `None`, and nothing done, for [`allocate_aligned`].
#[inline]
pub fn allocate_middle(heap: HeapHandle, flags: HeapFlags, size: usize) -> Option<NonNull<u8>> {
    ops::middle::allocate(heap.0, flags, size)
}

/// Whether [`allocate_middle`] is the way for `size` bytes.
#[inline]
pub fn is_middle(size: usize) -> bool {
    size > ops::fast::LARGEST_SLOT
}

/// [`allocate`] with an alignment: a power of two up to 1 GiB. Every other call takes the block as
/// it takes any; a reallocation that moves it keeps only the usual alignment.
///
/// # Errors
/// As for [`allocate`]; `INVALID_PARAMETER` for another alignment.
///
/// # Source
/// Our choice: NT has no such call.
#[inline(never)]
pub fn allocate_aligned(
    heap: HeapHandle,
    flags: HeapFlags,
    size: usize,
    alignment: usize,
) -> Result<NonNull<u8>, Status> {
    const LARGEST_ALIGNMENT: usize = 1 << 30;
    if !alignment.is_power_of_two() || alignment > LARGEST_ALIGNMENT {
        return Err(Status::INVALID_PARAMETER);
    }
    let heap = entered_heap(heap)?;
    if !heap.settings.parks {
        return unparked::allocate(heap, flags, size, alignment);
    }
    let flags = flags | heap.settings.force_flags;
    // For a larger one `allocate_middle` was tried.
    if alignment <= GRANULE
        && !is_middle(size)
        && let Some(block) = ops::fast::allocate_locked(heap, flags, size)
    {
        return Ok(block);
    }
    let mut guard = heap.enter(flags);
    let (heap, state) = guard.parts();
    // SAFETY: the guard holds the lock.
    let result = unsafe { ops::allocate::allocate(heap, state, flags, size, alignment) };
    drop(guard);
    result.map_err(conclude)
}

/// Changes a block's size, in place or by moving it; returns where it is now.
///
/// # Errors
/// `NO_MEMORY`, also for what flags forbid to do elsewhere; `INVALID_PARAMETER` for what is no live
/// block of the heap, and for one that was written behind (the
/// catalogue's C1, C2); `INVALID_HANDLE` for what is no heap. The block is as it was.
///
/// # Safety
/// 1. If `pointer` is a live block of the heap, it is the caller's, and nobody uses it meanwhile.
///
/// # Source
/// Specification 3.3.
#[doc(alias = "RtlReAllocateHeap")]
#[doc(alias = "HeapReAlloc")]
pub unsafe fn reallocate(
    heap: HeapHandle,
    flags: HeapFlags,
    pointer: *mut u8,
    size: usize,
) -> Result<NonNull<u8>, Status> {
    // SAFETY: (1).
    if let Some(moved) = unsafe { ops::fast::move_kept(heap.0, flags, pointer as usize, size) } {
        return Ok(moved);
    }
    // SAFETY: (1).
    if let Some(grown) = unsafe { ops::grow::grow(heap.0, flags, pointer as usize, size) } {
        return Ok(grown);
    }
    let heap = entered_heap(heap)?;
    if !heap.settings.parks {
        // SAFETY: (1).
        return unsafe { unparked::reallocate(heap, flags, pointer as usize, size) };
    }
    let flags = flags | heap.settings.force_flags;
    // SAFETY: (1).
    if let Some(moved) = unsafe { ops::reallocate::move_slot(heap, flags, pointer as usize, size) }
    {
        return moved.map_err(conclude);
    }
    let mut guard = heap.enter(flags);
    let (heap, state) = guard.parts();
    // SAFETY: the guard holds the lock; (1).
    let result = unsafe { ops::reallocate::reallocate(heap, state, flags, pointer as usize, size) };
    drop(guard);
    result.map_err(conclude)
}

/// Frees a block. A null pointer is freed by doing nothing, whatever the handle (C100, C105).
///
/// # Errors
/// `INVALID_PARAMETER` for what is no live block of the heap, and for one that was written behind (the
/// catalogue's C1, C2); `INVALID_HANDLE` for what is no heap.
/// The heap is as it was.
///
/// # Safety
/// 1. If `pointer` is a live block of the heap, it is the caller's, and nobody uses it any more.
///
/// # Source
/// Specification 3.2.
#[doc(alias = "RtlFreeHeap")]
#[doc(alias = "HeapFree")]
#[inline]
pub unsafe fn free(heap: HeapHandle, flags: HeapFlags, pointer: *mut u8) -> Result<(), Status> {
    // SAFETY: (1).
    let freed = unsafe {
        match free_at_once(heap, pointer) {
            Freed::Done => true,
            Freed::NoSlab => free_alone(heap, pointer) || free_of_back_end(heap, flags, pointer),
            Freed::NotOwn => free_shared(heap, pointer),
            Freed::Not => false,
        }
    };
    if freed {
        return Ok(());
    }
    // SAFETY: (1).
    unsafe { free_the_long_way(heap, flags, pointer) }
}

/// [`free`], where it takes a few dozen instructions and no lock: of a small block, which the calling
/// thread keeps. Where it does not, nothing is done: then [`free_alone`] is next for what is in no
/// slab, [`free_shared`] for what is in a slab of several threads, and [`free_the_long_way`] for the rest.
/// For faces that keep their slower parts apart.
///
/// # Safety
/// 1. As for [`free`].
#[inline]
pub unsafe fn free_at_once(heap: HeapHandle, pointer: *mut u8) -> Freed {
    // SAFETY: (1).
    unsafe { ops::fast::free_own(heap.0, pointer as usize) }
}

/// [`free`] on a heap that nobody serialises, where it takes not many more instructions. False, and
/// nothing done, for [`free_the_long_way`].
///
/// # Safety
/// 1. As for [`free`].
#[inline]
pub unsafe fn free_alone(heap: HeapHandle, pointer: *mut u8) -> bool {
    // SAFETY: (1).
    unsafe { ops::fast::free_alone(heap.0, pointer as usize) }
}

/// [`free`] of what is in no slab on a heap that is serialised, where the block is parked: takes the lock. False,
/// and nothing done, for [`free_the_long_way`].
///
/// # Safety
/// 1. As for [`free`].
#[inline]
pub unsafe fn free_of_back_end(heap: HeapHandle, flags: HeapFlags, pointer: *mut u8) -> bool {
    // SAFETY: (1).
    unsafe { ops::fast::free_of_back_end(heap.0, flags, pointer as usize) }
}

/// [`free_at_once`] for a block in a slab of several threads: an atomic instruction more. False, and
/// nothing done, for [`free_the_long_way`].
///
/// # Safety
/// 1. As for [`free`].
#[inline]
pub unsafe fn free_shared(heap: HeapHandle, pointer: *mut u8) -> bool {
    // SAFETY: (1).
    unsafe { ops::fast::free_shared(heap.0, pointer as usize) }
}

/// [`free`] without the short paths, for faces that have tried them.
///
/// # Errors
/// As for [`free`].
///
/// # Safety
/// 1. As for [`free`].
#[inline(never)]
pub unsafe fn free_the_long_way(
    heap: HeapHandle,
    flags: HeapFlags,
    pointer: *mut u8,
) -> Result<(), Status> {
    if pointer.is_null() {
        return Ok(());
    }
    let heap = entered_heap(heap)?;
    if !heap.settings.parks {
        // SAFETY: (1).
        return unsafe { unparked::free(heap, flags, pointer as usize) };
    }
    if let Some(freed) = slots::free(heap, pointer as usize) {
        return freed.map_err(|failure| conclude(failure.into()));
    }
    let mut guard = heap.enter(flags);
    let (heap, state) = guard.parts();
    // SAFETY: the guard holds the lock; (1).
    let result = unsafe { ops::free::free(heap, state, pointer as usize) };
    drop(guard);
    result.map_err(conclude)
}

/// The exact size of a block in bytes.
///
/// # Errors
/// `INVALID_PARAMETER` for what is no live block of the heap; `INVALID_HANDLE` for what is no heap.
///
/// # Source
/// Specification 3.4.
#[doc(alias = "RtlSizeHeap")]
#[doc(alias = "HeapSize")]
#[inline]
pub fn size(heap: HeapHandle, flags: HeapFlags, pointer: *const u8) -> Result<usize, Status> {
    match size_at_once(heap, pointer) {
        Some(size) => Ok(size),
        None => size_the_long_way(heap, flags, pointer),
    }
}

/// [`size`] of a block of the front end, for faces that keep their slower parts apart; `None` for
/// [`size_the_long_way`].
#[inline]
pub fn size_at_once(heap: HeapHandle, pointer: *const u8) -> Option<usize> {
    ops::fast::slot_size(heap.0, pointer as usize)
}

/// [`size`] without the shortest path, for faces that have tried it.
///
/// # Errors
/// As for [`size`].
#[inline(never)]
pub fn size_the_long_way(
    heap: HeapHandle,
    flags: HeapFlags,
    pointer: *const u8,
) -> Result<usize, Status> {
    if let Some(size) = ops::fast::size(heap.0, flags, pointer as usize) {
        return Ok(size);
    }
    let heap = entered_heap(heap)?;
    if !heap.settings.parks {
        return unparked::size(heap, flags, pointer as usize);
    }
    if let Some(found) = slots::requested(heap, pointer as usize) {
        return found.map_err(|failure| conclude(failure.into()));
    }
    let guard = heap.enter(flags);
    // SAFETY: the guard holds the lock.
    let result = unsafe { ops::size::size(guard.heap, pointer as usize) };
    drop(guard);
    result.map_err(conclude)
}

/// What a failed allocation of `size` bytes with `flags` is to raise: something when the heap or
/// the call has `GENERATE_EXCEPTIONS`. Faces call it after a `NO_MEMORY`, never while they succeed.
///
/// # Source
/// Specification 1.3.
pub fn exception(heap: HeapHandle, flags: HeapFlags, size: usize) -> Option<HeapException> {
    let heap = Heap::at(heap.0)?;
    let flags = flags | heap.settings.force_flags;
    let size = ops::extras::block_size(heap, flags, size).map_or(size, |block| block.bytes());
    flags
        .contains(HeapFlags::GENERATE_EXCEPTIONS)
        .then_some(HeapException {
            code: Status::NO_MEMORY,
            size,
        })
}
