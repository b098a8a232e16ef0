//! Virtual memory on macOS.

use core::ptr::NonNull;

use crate::sys::Mover;
pub use crate::sys::posix::mapping::{commit, decommit, host_page_size, protect};
pub use crate::sys::posix::placement::{release, release_head, reserve, reserve_at, reserve_ready};
pub use crate::sys::posix::survey::query;

/// The descriptor `mmap` takes for memory without a file: a tag, by which `vmmap` and Instruments
/// tell our memory from others' (the first of those that are free for applications).
pub const ANONYMOUS_FD: i32 = 240 << 24;

/// What keeps `mmap` from any place but the one asked for: nothing here. It begins to look there.
pub const IN_PLACE: i32 = 0;

/// The address below which to look for room. The system fills from the bottom, so a random place
/// in the middle of the address space, far from what it keeps for itself, is free.
pub fn ceiling_for(_choice: usize) -> usize {
    const MIDDLE: usize = 0x3000_0000_0000;
    MIDDLE + ((crate::random::u64() as usize & 0xfff) << 32)
}

/// The tag has named the memory already.
pub fn name(_at: NonNull<u8>, _size: usize) {}

/// Whether [`discard`] needs no access to the range.
pub const DISCARDS_WITHOUT_ACCESS: bool = false;

/// Drops the contents of a range without a new mapping. No advice promises zeroes here, so they
/// are written.
///
/// # Safety
///
/// The range is the caller's, committed and writable, and nothing in it is in use.
pub unsafe fn discard(at: NonNull<u8>, size: usize) -> bool {
    // SAFETY: the caller's promise.
    unsafe { at.write_bytes(0, size) };
    true
}

/// Gives the memory of a range back that stays accessible: when the system wants it.
///
/// # Safety
///
/// The range is the caller's, and nothing in it is in use.
pub unsafe fn empty(at: NonNull<u8>, size: usize) -> bool {
    crate::sys::posix::errno::kept(|| {
        // SAFETY: the caller's promise.
        let result = unsafe { libc::madvise(at.as_ptr().cast(), size, libc::MADV_FREE) };
        (result == 0).then_some(())
    })
    .is_ok()
}

/// Nothing is gained by it here.
///
/// # Safety
///
/// None: it does nothing.
pub unsafe fn set_apart(_at: NonNull<u8>, _size: usize) {}

/// Large pages are not to be had for what is committed bit by bit.
///
/// # Safety
///
/// None: it does nothing.
pub const unsafe fn expect_dense_use(_at: NonNull<u8>, _size: usize) -> usize {
    0
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

/// What moves reservations: nothing here.
pub const fn mover() -> Option<Mover> {
    None
}
