//! Local and Global memory (specification 8): fixed objects, which are blocks of the process heap,
//! and moveable ones, entries of a table whose data may move while their handle stays.
//!
//! Both families have one table and one process heap. They differ in the answers to some calls,
//! which is what [`Family`] is for. A handle may be any bit pattern: one bit says which kind of
//! object it would be (8.1), and nothing behind it is read before it is known to be one.

mod fixed;
mod moveable;
mod table;
mod words;

use core::ptr::NonNull;

pub use words::{Family, MemoryError, MemoryFlags, MemoryHandle};

use crate::lifecycle::registry;
use crate::status::Status;
use crate::units::POINTER;

/// Handles of the table are the addresses of second words, blocks are multiples of two words.
fn is_moveable(handle: MemoryHandle) -> bool {
    handle.0 & POINTER != 0
}

/// Makes an object of `size` bytes.
///
/// A moveable object of no size has no data yet; a fixed Global one has a byte.
///
/// # Errors
/// `INVALID_PARAMETER` for a flag that the family does not have; `NO_MEMORY`, also when the table
/// is full.
///
/// # Source
/// Specification 8.2, 8.3; C372 to C375, C391, C392.
#[doc(alias = "GlobalAlloc")]
#[doc(alias = "LocalAlloc")]
pub fn allocate(
    family: Family,
    flags: MemoryFlags,
    size: usize,
) -> Result<MemoryHandle, MemoryError> {
    if flags.bits() & !family.valid_flags() != 0 {
        return Err(MemoryError::INVALID_PARAMETER);
    }
    if !flags.contains(MemoryFlags::MOVEABLE) {
        return fixed::allocate(family, flags, size);
    }
    let heap = registry::process_heap()?;
    let (handle, _) = moveable::create(heap, family, flags, size)?;
    Ok(handle)
}

/// Changes an object's size, or with `MODIFY` its kind; returns its handle, which may be another
/// for fixed objects.
///
/// # Errors
/// `INVALID_PARAMETER` for `DISCARDABLE` without `MODIFY`, and for no size where the object may
/// not be discarded; `NO_MEMORY`, also when it would have to move and may not; `INVALID_HANDLE` or
/// `ACCESS_VIOLATION` for what is no object. The object is as it was.
///
/// # Safety
/// 1. If it is an object, nobody uses its data meanwhile, nor the bytes past its new size
///    afterwards.
///
/// # Source
/// Specification 8.4; C403 to C430.
#[doc(alias = "GlobalReAlloc")]
#[doc(alias = "LocalReAlloc")]
pub unsafe fn reallocate(
    family: Family,
    handle: MemoryHandle,
    size: usize,
    flags: MemoryFlags,
) -> Result<MemoryHandle, MemoryError> {
    // SAFETY: (1).
    unsafe {
        if is_moveable(handle) {
            moveable::reallocate(family, handle, size, flags)
        } else {
            fixed::reallocate(family, handle.0, size, flags)
        }
    }
}

/// Frees an object, locked or not. Zero is freed by doing nothing (C370).
///
/// # Errors
/// `INVALID_HANDLE` for what is no object (A15, A16, B20); `ACCESS_VIOLATION` where nothing is
/// mapped. A block of the process heap that was freed before is misuse and is reported as such.
///
/// # Safety
/// 1. If it is an object, nobody uses its data any more.
///
/// # Source
/// Specification 8.3, 8.5.
#[doc(alias = "GlobalFree")]
#[doc(alias = "LocalFree")]
pub unsafe fn free(handle: MemoryHandle) -> Result<(), MemoryError> {
    if handle.0 == 0 {
        return Ok(());
    }
    // SAFETY: (1).
    unsafe {
        if is_moveable(handle) {
            moveable::free(handle)
        } else {
            fixed::free(handle.0)
        }
    }
}

/// The object's data. A moveable object has one lock more, up to 255; a fixed one is its own data.
///
/// # Errors
/// `Discarded` when there is no data; for what is no object `INVALID_HANDLE`, or `Silent` where it
/// would be a fixed Local one (C440).
///
/// # Source
/// Specification 8.3, 8.5.
#[doc(alias = "GlobalLock")]
#[doc(alias = "LocalLock")]
pub fn lock(family: Family, handle: MemoryHandle) -> Result<NonNull<u8>, MemoryError> {
    if is_moveable(handle) {
        return moveable::lock(handle);
    }
    let refusal = match family {
        Family::Global => MemoryError::INVALID_HANDLE,
        Family::Local => MemoryError::Silent,
    };
    let data = NonNull::new(handle.0 as *mut u8).ok_or(refusal)?;
    let heap = registry::process_heap()?;
    fixed::is_live(heap, handle.0)
        .then_some(data)
        .ok_or(refusal)
}

/// What an object is after it was unlocked once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unlocked {
    /// It has more locks; a fixed Global object always answers this.
    StillLocked,
    /// That was the last lock.
    Released,
}

/// Takes a moveable object's lock back once.
///
/// # Errors
/// `NotLocked`, also for anything that would be a fixed Local object; `INVALID_HANDLE` for what
/// would be a moveable object and is none. (`GlobalUnlock` answers TRUE to that all the same.)
///
/// # Source
/// Specification 8.3, 8.5; C386 to C390, C433, C434, C441.
#[doc(alias = "GlobalUnlock")]
#[doc(alias = "LocalUnlock")]
pub fn unlock(family: Family, handle: MemoryHandle) -> Result<Unlocked, MemoryError> {
    if !is_moveable(handle) {
        return match family {
            Family::Global => Ok(Unlocked::StillLocked),
            Family::Local => Err(MemoryError::NotLocked),
        };
    }
    Ok(match moveable::unlock(handle)? {
        0 => Unlocked::Released,
        _ => Unlocked::StillLocked,
    })
}

/// An object's lock count in the low byte, with `DISCARDED` (0x4000) and the family's
/// `DISCARDABLE` and `DDESHARE` where they apply; 0 for a fixed object.
///
/// # Errors
/// `INVALID_HANDLE` for what is no object; `ACCESS_VIOLATION` where it would be a fixed Local one
/// and nothing is mapped (C438).
///
/// # Source
/// Specification 8.3, 8.5.
#[doc(alias = "GlobalFlags")]
#[doc(alias = "LocalFlags")]
pub fn flags(family: Family, handle: MemoryHandle) -> Result<u32, MemoryError> {
    if is_moveable(handle) {
        return moveable::flags(family, handle);
    }
    let heap = registry::process_heap()?;
    if fixed::is_live(heap, handle.0) {
        Ok(0)
    } else {
        Err(no_object(family, handle.0))
    }
}

/// The bytes an object was asked for with; 0 when its data was discarded.
///
/// # Errors
/// `INVALID_HANDLE` for what is no object.
///
/// # Source
/// Specification 8.3, 8.5.
#[doc(alias = "GlobalSize")]
#[doc(alias = "LocalSize")]
pub fn size(handle: MemoryHandle) -> Result<usize, MemoryError> {
    if is_moveable(handle) {
        moveable::size(handle)
    } else {
        fixed::size(registry::process_heap()?, handle.0)
    }
}

/// The handle of the object with this data: for any other block of the process heap the address
/// itself (C401).
///
/// # Errors
/// `INVALID_HANDLE` for what is no block; `ACCESS_VIOLATION` for a Local call where nothing is
/// mapped (C443).
///
/// # Source
/// Specification 8.3, 8.5.
#[doc(alias = "GlobalHandle")]
#[doc(alias = "LocalHandle")]
pub fn handle_of(family: Family, data: *const u8) -> Result<MemoryHandle, MemoryError> {
    let address = data as usize;
    if is_moveable(MemoryHandle(address)) {
        return Err(MemoryError::INVALID_HANDLE);
    }
    let heap = registry::process_heap()?;
    fixed::owner_of(heap, address).ok_or_else(|| no_object(family, address))
}

/// Why an address is no fixed object, as the two families say it.
fn no_object(family: Family, address: usize) -> MemoryError {
    match family {
        Family::Global => MemoryError::Status(Status::INVALID_HANDLE),
        Family::Local => fixed::refusal_of(address),
    }
}
