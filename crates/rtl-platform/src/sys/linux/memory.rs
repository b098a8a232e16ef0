//! Virtual memory on Linux.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::sys::posix::errno;
pub use crate::sys::posix::mapping::{commit, decommit, host_page_size, protect};
pub use crate::sys::posix::placement::{release, release_head, reserve, reserve_at, reserve_ready};
pub use crate::sys::posix::survey::query;

/// The descriptor `mmap` wants for memory without a file.
pub const ANONYMOUS_FD: i32 = -1;

/// What keeps `mmap` from any place but the one asked for. A kernel before 4.17 ignores it.
pub const IN_PLACE: i32 = libc::MAP_FIXED_NOREPLACE;

/// The address below which to look for room, given what the system chose: far enough below that
/// the system, which fills from the top, does not get in our way. Where addresses are scarce we
/// stay close.
pub fn ceiling_for(choice: usize) -> usize {
    const DISTANCE: usize = if usize::BITS < 64 { 0 } else { 1 << 36 };
    choice.saturating_sub(DISTANCE)
}

/// Names fresh pages for who reads `/proc/PID/maps`. Pages keep the name when they are committed,
/// and ranges of one name merge, so it costs one call a reservation and no mapping.
pub fn name(at: NonNull<u8>, size: usize) {
    /// Set once the kernel (before 5.17, or built without) has said that it knows no names.
    static REFUSED: AtomicBool = AtomicBool::new(false);
    if REFUSED.load(Ordering::Relaxed) {
        return;
    }
    let name = c"rtl-heap".as_ptr();
    let result = errno::kept(|| {
        // SAFETY: the call reads the name and changes no memory.
        let result = unsafe {
            libc::prctl(
                libc::PR_SET_VMA,
                libc::PR_SET_VMA_ANON_NAME,
                at.as_ptr(),
                size,
                name,
            )
        };
        (result == 0).then_some(())
    });
    if result == Err(libc::EINVAL) {
        REFUSED.store(true, Ordering::Relaxed);
    }
}

/// Whether [`discard`] needs no access to the range.
pub const DISCARDS_WITHOUT_ACCESS: bool = true;

/// Drops the contents of a range without a new mapping: it reads as zero from now on.
///
/// # Safety
///
/// The range is the caller's, and nothing in it is in use.
pub unsafe fn discard(at: NonNull<u8>, size: usize) -> bool {
    errno::kept(|| {
        // SAFETY: the caller's promise.
        let result = unsafe { libc::madvise(at.as_ptr().cast(), size, libc::MADV_DONTNEED) };
        (result == 0).then_some(())
    })
    .is_ok()
}

/// Keeps the system from merging the range with its neighbours, whatever protection it gets: so a
/// change of protection needs no new mapping. It does so by advice that means nothing for memory
/// without a file.
///
/// # Safety
///
/// The range is the caller's.
pub unsafe fn set_apart(at: NonNull<u8>, size: usize) {
    let _ = errno::kept(|| {
        // SAFETY: the caller's promise; the advice changes no contents.
        let result = unsafe { libc::madvise(at.as_ptr().cast(), size, libc::MADV_RANDOM) };
        (result == 0).then_some(())
    });
}
