//! Virtual memory on Windows, whose states and granularities are the contract's own.

use core::ffi::c_void;
use core::ptr::NonNull;

use windows_sys::Win32::Foundation::{
    ERROR_COMMITMENT_LIMIT, ERROR_INVALID_ADDRESS, ERROR_NOT_ENOUGH_MEMORY, ERROR_OUTOFMEMORY,
};
use windows_sys::Win32::System::Memory::{
    MEM_COMMIT, MEM_DECOMMIT, MEM_RELEASE, MEM_RESERVE, PAGE_EXECUTE_READWRITE, PAGE_NOACCESS,
    PAGE_READONLY, PAGE_READWRITE, VirtualAlloc, VirtualFree, VirtualProtect,
};

use super::last_error::kept;
use super::regions;
use crate::pages::PAGE_SIZE;
use crate::sys::Mover;
use crate::vm::{Protection, RangeInfo, VmError};

/// The size of the host's pages in bytes: 4096 on x86, x64 and ARM64.
pub fn host_page_size() -> usize {
    PAGE_SIZE
}

const fn bits(protection: Protection) -> u32 {
    match protection {
        Protection::NoAccess => PAGE_NOACCESS,
        Protection::ReadOnly => PAGE_READONLY,
        Protection::ReadWrite => PAGE_READWRITE,
        Protection::ReadWriteExecute => PAGE_EXECUTE_READWRITE,
    }
}

fn error(number: u32) -> VmError {
    match number {
        ERROR_NOT_ENOUGH_MEMORY | ERROR_OUTOFMEMORY | ERROR_COMMITMENT_LIMIT => {
            VmError::OutOfMemory
        }
        ERROR_INVALID_ADDRESS => VmError::NotOurs,
        _ => VmError::InvalidArgument,
    }
}

/// Reserves `size` bytes anywhere, all committed with `protection` if there is one.
pub fn reserve(size: usize, protection: Option<Protection>) -> Result<NonNull<u8>, VmError> {
    let kind = MEM_RESERVE | if protection.is_some() { MEM_COMMIT } else { 0 };
    let protection = protection.unwrap_or(Protection::NoAccess);
    // A size beyond what programs can have is an invalid parameter to the system.
    // SAFETY: new memory.
    unsafe { allocate(0, size, kind, protection) }.map_err(|_| VmError::OutOfMemory)
}

/// Reserves `size` bytes whose first `commit` bytes are usable, if that is quicker than to reserve
/// and then to commit: never here.
pub const fn reserve_ready(
    _size: usize,
    _commit: usize,
    _protection: Protection,
) -> Option<NonNull<u8>> {
    None
}

/// Reserves `size` bytes at `at`, if all of the room there is free.
pub fn reserve_at(at: usize, size: usize) -> Result<NonNull<u8>, VmError> {
    // SAFETY: new memory; room in use is refused.
    unsafe { allocate(at, size, MEM_RESERVE, Protection::NoAccess) }.map_err(|error| match error {
        VmError::NotOurs => VmError::OutOfMemory,
        error => error,
    })
}

/// Makes the pages of a reservation usable.
///
/// # Safety
///
/// As [`protect`].
pub unsafe fn commit(at: NonNull<u8>, size: usize, protection: Protection) -> Result<(), VmError> {
    // SAFETY: the caller's promise.
    unsafe { allocate(at.as_ptr().addr(), size, MEM_COMMIT, protection) }.map(drop)
}

/// Gives the memory back and keeps the address space.
///
/// # Safety
///
/// The range is the caller's, and nothing in it is in use.
pub unsafe fn decommit(at: NonNull<u8>, size: usize) -> Result<(), VmError> {
    // SAFETY: the caller's promise.
    done(|| unsafe { VirtualFree(at.as_ptr().cast(), size, MEM_DECOMMIT) })
}

/// Gives a whole reservation back.
///
/// # Safety
///
/// The range is one reservation, and nothing in it is in use.
pub unsafe fn release(base: NonNull<u8>, _size: usize) -> Result<(), VmError> {
    // SAFETY: the caller's promise.
    done(|| unsafe { VirtualFree(base.as_ptr().cast(), 0, MEM_RELEASE) })
}

/// [`release`] of a reservation of which the first bytes alone are committed.
///
/// # Safety
///
/// As [`release`].
pub unsafe fn release_head(
    base: NonNull<u8>,
    size: usize,
    _committed: usize,
) -> Result<(), VmError> {
    // SAFETY: the caller's promise.
    unsafe { release(base, size) }
}

/// Changes what may be done to committed pages.
///
/// # Safety
///
/// The range is the caller's, and nobody accesses it in a way `protection` forbids.
pub unsafe fn protect(at: NonNull<u8>, size: usize, protection: Protection) -> Result<(), VmError> {
    let mut before = 0;
    // SAFETY: the caller's promise; the place for the protection before is valid for writing.
    done(|| unsafe { VirtualProtect(at.as_ptr().cast(), size, bits(protection), &mut before) })
}

/// What `at` is part of.
pub fn query(at: usize) -> Result<RangeInfo, VmError> {
    Ok(regions::around(at))
}

/// `VirtualAlloc`.
///
/// # Safety
///
/// With `MEM_COMMIT` alone, the range is the caller's, and nobody accesses it in a way
/// `protection` forbids.
unsafe fn allocate(
    at: usize,
    size: usize,
    kind: u32,
    protection: Protection,
) -> Result<NonNull<u8>, VmError> {
    let at = core::ptr::without_provenance::<c_void>(at);
    kept(|| {
        // SAFETY: the caller's promise; what is new is nobody's.
        NonNull::new(unsafe { VirtualAlloc(at, size, kind, bits(protection)) }.cast())
    })
    .map_err(error)
}

fn done(call: impl FnOnce() -> i32) -> Result<(), VmError> {
    kept(|| (call() != 0).then_some(())).map_err(error)
}

/// Makes a range read as zero.
///
/// # Safety
///
/// The range is the caller's, committed and writable, and nothing in it is in use.
pub unsafe fn clear(at: NonNull<u8>, size: usize) {
    // SAFETY: the caller's promise.
    unsafe { at.write_bytes(0, size) };
}

/// Gives the memory of a range back that stays accessible: never here, where the system takes what a
/// process does not use.
///
/// # Safety
///
/// The range is the caller's.
pub const unsafe fn empty(_at: NonNull<u8>, _size: usize) -> bool {
    false
}

/// Large pages are not to be had for what is committed bit by bit.
///
/// # Safety
///
/// None: it does nothing.
pub const unsafe fn expect_dense_use(_at: NonNull<u8>, _size: usize) -> usize {
    0
}

/// What moves reservations: nothing here.
pub const fn mover() -> Option<Mover> {
    None
}

/// Nothing is merged here.
///
/// # Safety
///
/// The range is the caller's.
pub const unsafe fn set_apart(_at: NonNull<u8>, _size: usize) {}
