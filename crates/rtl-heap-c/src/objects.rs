//! What `global` and `local` have in common: calls on [`nt::movable`] and how their outcome is told.

use core::ptr;

use rtl_heap::flags::HeapFlags;
use rtl_heap::nt;
use rtl_heap::nt::movable::{self, Family, MemoryError, MemoryFlags, MemoryHandle, Unlocked};

use crate::last_error::{fail, set_last_error};
use crate::types::{BOOL, FALSE, HANDLE, LPCVOID, LPVOID, SIZE_T, TRUE, UINT};

/// What the flags functions answer for what is no object.
const GMEM_INVALID_HANDLE: UINT = 0x8000;

/// Stores why a call was refused, where NT does.
#[cold]
fn tell(error: MemoryError) {
    match error {
        MemoryError::Status(status) => fail(status),
        error => {
            if let Some(error) = error.win32_error() {
                set_last_error(error);
            }
        }
    }
}

/// The value of a call that succeeded, or what stands for failure.
fn told<T>(result: Result<T, MemoryError>, failed: T) -> T {
    result.unwrap_or_else(|error| {
        tell(error);
        failed
    })
}

/// What a caller says is an object.
fn object(handle: HANDLE) -> MemoryHandle {
    MemoryHandle(handle.addr())
}

/// An object as C sees it.
fn pointer(handle: MemoryHandle) -> HANDLE {
    ptr::with_exposed_provenance_mut(handle.0)
}

pub(crate) fn allocate(family: Family, flags: UINT, size: SIZE_T) -> HANDLE {
    let flags = MemoryFlags::from_bits_retain(flags);
    let made = movable::allocate(family, flags, size);
    told(made.map(pointer), ptr::null_mut())
}

/// # Safety
/// 1. If it is an object, nobody uses its data meanwhile, nor the bytes that go.
pub(crate) unsafe fn reallocate(
    family: Family,
    handle: HANDLE,
    size: SIZE_T,
    flags: UINT,
) -> HANDLE {
    let flags = MemoryFlags::from_bits_retain(flags);
    // SAFETY: (1).
    let changed = unsafe { movable::reallocate(family, object(handle), size, flags) };
    told(changed.map(pointer), ptr::null_mut())
}

/// # Safety
/// 1. If it is an object, nobody uses its data any more.
pub(crate) unsafe fn free(handle: HANDLE) -> HANDLE {
    // SAFETY: (1).
    let freed = unsafe { movable::free(object(handle)) };
    told(freed.map(|()| ptr::null_mut()), handle)
}

pub(crate) fn lock(family: Family, handle: HANDLE) -> LPVOID {
    let data = movable::lock(family, object(handle));
    told(data.map(|data| data.as_ptr().cast()), ptr::null_mut())
}

/// FALSE with last error 0 for the last lock. `GlobalUnlock` says TRUE to a handle that is none,
/// with the error set (C433).
pub(crate) fn unlock(family: Family, handle: HANDLE) -> BOOL {
    match movable::unlock(family, object(handle)) {
        Ok(Unlocked::StillLocked) => TRUE,
        Ok(Unlocked::Released) => {
            set_last_error(0);
            FALSE
        }
        Err(error) => {
            tell(error);
            BOOL::from(family == Family::Global && error != MemoryError::NotLocked)
        }
    }
}

pub(crate) fn flags(family: Family, handle: HANDLE) -> UINT {
    told(movable::flags(family, object(handle)), GMEM_INVALID_HANDLE)
}

pub(crate) fn size(handle: HANDLE) -> SIZE_T {
    told(movable::size(object(handle)), 0)
}

pub(crate) fn handle_of(family: Family, data: LPCVOID) -> HANDLE {
    let owner = movable::handle_of(family, data.cast());
    told(owner.map(pointer), ptr::null_mut())
}

/// What compaction of the process heap gives.
pub(crate) fn compact() -> SIZE_T {
    let compacted = nt::process_heap().and_then(|heap| nt::compact(heap, HeapFlags::empty()));
    told(compacted.map_err(MemoryError::from), 0)
}
