//! Virtual memory on Linux.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::pages::floor;
pub use crate::sys::linux::moving::mover;
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

/// Gives the memory of a range back that stays accessible.
///
/// # Safety
///
/// The range is the caller's, and nothing in it is in use.
pub unsafe fn empty(at: NonNull<u8>, size: usize) -> bool {
    // SAFETY: the caller's promise.
    unsafe { discard(at, size) }
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

/// Says that a range will be used densely, and returns the size of the large pages that it may get for
/// that; 0 for none.
///
/// # Safety
///
/// The range is the caller's.
pub unsafe fn expect_dense_use(at: NonNull<u8>, size: usize) -> usize {
    /// One of 32 MiB, which a host page of 16 KiB goes with, would hold too much for what is used of it.
    const MOST: usize = 2 << 20;
    // A page table full of pages, each of which an entry of eight bytes names.
    let large_page = host_page_size() * (host_page_size() / 8);
    if large_page > MOST {
        return 0;
    }
    let advised = errno::kept(|| {
        // SAFETY: the caller's promise; the advice changes no contents.
        let result = unsafe { libc::madvise(at.as_ptr().cast(), size, libc::MADV_HUGEPAGE) };
        (result == 0).then_some(())
    });
    if advised.is_ok() { large_page } else { 0 }
}

/// Makes a range read as zero. What was in use has memory, and writing zeroes is cheaper than to
/// fault pages in again; what was not gets none. The range's begin shows which it is, and where
/// that was in use, the system says page by page.
///
/// # Safety
///
/// The range is the caller's, committed and writable, nothing in it is in use, and it begins and
/// ends with a page.
pub unsafe fn clear(at: NonNull<u8>, size: usize) {
    /// Pages that are asked for at once.
    const PAGES: usize = 256;
    /// Pages at the begin that show whether the rest is worth asking for.
    const SHOWN: usize = 8;
    let page = host_page_size();
    let mut resident = [0; PAGES];
    // SAFETY: the caller's promise: the first pages of the range, or all of it.
    let shown = unsafe { ask(at, (SHOWN * page).min(floor(size, page)), &mut resident) };
    if shown.is_some_and(|pages| pages.iter().skip(1).any(|page| page & 1 != 0)) {
        let mut done = 0;
        while done < size {
            let part = (PAGES * page).min(size - done);
            // SAFETY: inside the range.
            let start = unsafe { at.add(done) };
            // SAFETY: the caller's promise.
            let Some(pages) = (unsafe { ask(start, part, &mut resident) }) else {
                break;
            };
            let mut offset = 0;
            for run in pages.chunk_by(|one, next| one & 1 == next & 1) {
                let bytes = (run.len() * page).min(part - offset);
                // SAFETY: inside the range.
                let from = unsafe { start.add(offset) };
                offset += bytes;
                // A page that is said to have no memory may be in the swap file.
                // SAFETY: the caller's promise.
                if run[0] & 1 != 0 || !unsafe { discard(from, bytes) } {
                    // SAFETY: the caller's promise.
                    unsafe { from.write_bytes(0, bytes) };
                }
            }
            done += part;
        }
        if done >= size {
            return;
        }
    }
    // SAFETY: the caller's promise.
    if !unsafe { discard(at, size) } {
        // SAFETY: the caller's promise.
        unsafe { at.write_bytes(0, size) };
    }
}

/// Which pages of a range have memory: the lowest bit of a byte each.
///
/// # Safety
///
/// The range is mapped, and `pages` has a byte for each of its pages.
unsafe fn ask(at: NonNull<u8>, size: usize, pages: &mut [u8]) -> Option<&[u8]> {
    let count = size.div_ceil(host_page_size());
    let pages = pages.get_mut(..count)?;
    errno::kept(|| {
        // SAFETY: the caller's promise; the call writes a byte for each page.
        let result = unsafe { libc::mincore(at.as_ptr().cast(), size, pages.as_mut_ptr()) };
        (result == 0).then_some(())
    })
    .ok()?;
    Some(pages)
}
