//! A block's user value and user flags, by handle (5.5).

use crate::backend::blocks::Located;
use crate::failure::HeapFailure;
use crate::flags::HeapFlags;
use crate::frontend::slots;
use crate::heap::Heap;
use crate::nt::{HeapHandle, conclude, entered_heap, is_reentrant};
use crate::ops::user_info;
use crate::status::Status;
use crate::verify::check;

pub use crate::ops::user_info::UserInfo;

/// What a caller keeps with the block at `pointer`, any bit pattern.
///
/// # Errors
/// `INVALID_PARAMETER` for what is no live block of the heap; `INVALID_HANDLE` for what is no heap.
///
/// # Source
/// Specification 5.5.
#[doc(alias = "RtlGetUserInfoHeap")]
pub fn user_info(
    heap: HeapHandle,
    flags: HeapFlags,
    pointer: *const u8,
) -> Result<UserInfo, Status> {
    with_block(
        heap,
        flags,
        pointer,
        // A slot of the front end is a plain block: those that ask for more are never there.
        || Ok(UserInfo::default()),
        // SAFETY: `with_block` found the block and holds the lock.
        |heap, block| Ok(unsafe { user_info::get(heap, block) }),
    )
}

/// Sets a block's user value.
///
/// # Errors
/// `INVALID_PARAMETER` for a block without one, and for what is no live block of the heap;
/// `INVALID_HANDLE` for what is no heap. Nothing was changed.
///
/// # Source
/// Specification 5.5.
#[doc(alias = "RtlSetUserValueHeap")]
pub fn set_user_value(
    heap: HeapHandle,
    flags: HeapFlags,
    pointer: *const u8,
    value: usize,
) -> Result<(), Status> {
    with_block(
        heap,
        flags,
        pointer,
        || Err(Status::INVALID_PARAMETER),
        // SAFETY: `with_block` found the block and holds the lock.
        |heap, block| match unsafe { user_info::set_value(heap, block, value) } {
            true => Ok(()),
            false => Err(Status::INVALID_PARAMETER),
        },
    )
}

/// Takes the flags of `reset` from a block's user flags, then adds those of `set`.
///
/// # Errors
/// `INVALID_PARAMETER` for other flags than `SETTABLE_USER_FLAG1` to `3` in either, for flags to be
/// set of a block that the front end serves, which has no room for them (our choice), and for what
/// is no live block of the heap; `INVALID_HANDLE` for what is no heap. Nothing was changed.
///
/// # Source
/// Specification 5.5 (C293 to C295).
#[doc(alias = "RtlSetUserFlagsHeap")]
pub fn set_user_flags(
    heap: HeapHandle,
    flags: HeapFlags,
    pointer: *const u8,
    reset: HeapFlags,
    set: HeapFlags,
) -> Result<(), Status> {
    if !HeapFlags::SETTABLE_USER_FLAGS.contains(reset | set) {
        return Err(Status::INVALID_PARAMETER);
    }
    with_block(
        heap,
        flags,
        pointer,
        || match set.is_empty() {
            true => Ok(()),
            false => Err(Status::INVALID_PARAMETER),
        },
        |heap, block| {
            // SAFETY: `with_block` found the block and holds the lock.
            unsafe { user_info::set_flags(heap, block, reset, set) };
            Ok(())
        },
    )
}

/// Runs `in_slot` or `on_block` on the live block at `pointer`, any bit pattern: a slot of the
/// front end, its bucket's lock held, or another block, the heap's lock held.
fn with_block<R>(
    heap: HeapHandle,
    flags: HeapFlags,
    pointer: *const u8,
    in_slot: impl FnOnce() -> Result<R, Status>,
    on_block: impl FnOnce(&Heap, Located) -> Result<R, Status>,
) -> Result<R, Status> {
    let heap = entered_heap(heap)?;
    let misuse = |failure: HeapFailure| conclude(failure.into());
    if let Some(found) = slots::requested(heap, pointer as usize) {
        return found.map_err(misuse).and_then(|_| in_slot());
    }
    let mut guard = heap.enter(flags);
    if is_reentrant(&guard) {
        return Err(Status::INVALID_PARAMETER);
    }
    let (heap, state) = guard.parts();
    // SAFETY: the guard holds the lock.
    let located = unsafe { check::for_call(heap, state, pointer as usize) };
    let result = located.map(|block| on_block(heap, block));
    drop(guard);
    result.map_err(misuse)?
}
