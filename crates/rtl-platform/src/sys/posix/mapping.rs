//! Virtual memory by `mmap` and its relatives.
//!
//! Reserved pages are mapped without access: the system charges nothing for them until they become
//! writable, which is NT's own rule for commit. They are given back by mapping fresh ones over
//! them, which drops the contents, the charge and the protection in one call, on every system.

use core::ffi::c_void;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::errno;
use crate::pages::PAGE_SIZE;
use crate::sys::memory::{self, ANONYMOUS_FD};
use crate::vm::{Protection, VmError};

/// The size of the host's pages in bytes.
pub fn host_page_size() -> usize {
    static SIZE: AtomicUsize = AtomicUsize::new(0);
    let known = SIZE.load(Ordering::Relaxed);
    if known != 0 {
        return known;
    }
    // SAFETY: asks for a number.
    let asked = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let size = usize::try_from(asked).unwrap_or(0).max(PAGE_SIZE);
    SIZE.store(size, Ordering::Relaxed);
    size
}

const fn bits(protection: Protection) -> i32 {
    match protection {
        Protection::NoAccess => libc::PROT_NONE,
        Protection::ReadOnly => libc::PROT_READ,
        Protection::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
        Protection::ReadWriteExecute => libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC,
    }
}

/// What an error number of a memory call means to its caller.
pub fn error(number: i32) -> VmError {
    match number {
        // EAGAIN: more memory locked than allowed. EEXIST: the place is taken.
        libc::ENOMEM | libc::EAGAIN | libc::EEXIST => VmError::OutOfMemory,
        libc::EACCES | libc::EPERM | libc::ENOTSUP | libc::ENOSYS => VmError::Unsupported,
        _ => VmError::InvalidArgument,
    }
}

/// `mmap` of fresh private memory at `hint` (0: anywhere), with more `flags`.
///
/// # Safety
///
/// With `MAP_FIXED` among the flags, the range at `hint` is the caller's, and nothing in it is in
/// use.
pub unsafe fn map(
    hint: usize,
    size: usize,
    protection: Protection,
    flags: i32,
) -> Result<NonNull<u8>, VmError> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANON | flags;
    errno::kept(|| {
        let hint = core::ptr::without_provenance_mut::<c_void>(hint);
        // SAFETY: without `MAP_FIXED` the system chooses room that nobody uses; with it, the
        // caller's promise.
        let at = unsafe { libc::mmap(hint, size, bits(protection), flags, ANONYMOUS_FD, 0) };
        if at == libc::MAP_FAILED {
            None
        } else {
            NonNull::new(at.cast())
        }
    })
    .map_err(error)
}

/// `munmap`.
///
/// # Safety
///
/// The range is the caller's, and nothing in it is in use.
pub unsafe fn unmap(at: NonNull<u8>, size: usize) -> Result<(), VmError> {
    // SAFETY: the caller's promise.
    done(|| unsafe { libc::munmap(at.as_ptr().cast(), size) })
}

/// `mprotect`.
///
/// # Safety
///
/// The range is the caller's, and nobody accesses it in a way `protection` forbids.
pub unsafe fn protect(at: NonNull<u8>, size: usize, protection: Protection) -> Result<(), VmError> {
    // SAFETY: the caller's promise.
    done(|| unsafe { libc::mprotect(at.as_ptr().cast(), size, bits(protection)) })
}

/// Makes the pages of a reservation usable: fresh ones read as zero.
///
/// # Safety
///
/// As [`protect`].
pub unsafe fn commit(at: NonNull<u8>, size: usize, protection: Protection) -> Result<(), VmError> {
    // SAFETY: the caller's promise.
    unsafe { protect(at, size, protection) }
}

/// A decommit failed, or could only empty its pages.
static LEFT_PAGES: AtomicBool = AtomicBool::new(false);

/// Whether pages may be accessible that were to be decommitted.
pub fn has_left_pages() -> bool {
    LEFT_PAGES.load(Ordering::Relaxed)
}

/// Gives the memory back and keeps the address space.
///
/// # Safety
///
/// The range is the caller's, and nothing in it is in use.
pub unsafe fn decommit(at: NonNull<u8>, size: usize) -> Result<(), VmError> {
    let address = at.as_ptr().addr();
    // SAFETY: the caller's promise covers the fixed mapping.
    match unsafe { map(address, size, Protection::NoAccess, libc::MAP_FIXED) } {
        Ok(_) => {
            memory::name(at, size);
            Ok(())
        }
        // The system's list of mappings is full. The contents can go without a new mapping, and
        // then all that is missing is the fault on a stray access.
        Err(error) => {
            LEFT_PAGES.store(true, Ordering::Relaxed);
            // SAFETY: the caller's promise.
            if unsafe { memory::discard(at, size) } {
                Ok(())
            } else {
                Err(error)
            }
        }
    }
}

fn done(call: impl FnOnce() -> i32) -> Result<(), VmError> {
    errno::kept(|| (call() == 0).then_some(())).map_err(error)
}
