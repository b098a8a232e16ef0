//! Virtual memory on Linux.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::pages::Span;
use crate::sys::posix::{errno, mapping, placement};
use crate::vm::{PageState, Protection, RangeInfo, VmError};

use super::maps::Regions;

pub use mapping::{commit, decommit, host_page_size, protect};

/// The descriptor `mmap` wants for memory without a file.
pub const ANONYMOUS_FD: i32 = -1;

/// Reserves `size` bytes anywhere, all committed with `protection` if there is one.
pub fn reserve(size: usize, protection: Option<Protection>) -> Result<NonNull<u8>, VmError> {
    let size = whole_pages(size)?;
    let base = placement::reserve(size, protection)?;
    name(base, size);
    Ok(base)
}

/// Reserves `size` bytes at `at`, if all of the room there is free.
pub fn reserve_at(at: usize, size: usize) -> Result<NonNull<u8>, VmError> {
    let size = whole_pages(size)?;
    // SAFETY: this flag takes no room that is in use.
    let base = unsafe { mapping::map(at, size, Protection::NoAccess, libc::MAP_FIXED_NOREPLACE) }?;
    if base.as_ptr().addr() == at {
        name(base, size);
        return Ok(base);
    }
    // A kernel before 4.17 takes the address for a hint.
    // SAFETY: mapped just above, and known to nobody.
    let _ = unsafe { mapping::unmap(base, size) };
    Err(VmError::OutOfMemory)
}

/// Gives a whole reservation back.
///
/// # Safety
///
/// The range is one reservation, and nothing in it is in use.
pub unsafe fn release(base: NonNull<u8>, size: usize) -> Result<(), VmError> {
    // SAFETY: the caller's promise.
    unsafe { mapping::unmap(base, size) }?;
    placement::released(base.as_ptr().addr(), size);
    Ok(())
}

/// Names fresh pages that `decommit` put in place of others.
pub fn remapped(at: NonNull<u8>, size: usize) {
    name(at, size);
}

/// Drops the contents of a range without a new mapping.
///
/// # Safety
///
/// The range is the caller's, and nothing in it is in use.
pub unsafe fn discard(at: NonNull<u8>, size: usize) -> Result<(), ()> {
    errno::kept(|| {
        // SAFETY: the caller's promise.
        let result = unsafe { libc::madvise(at.as_ptr().cast(), size, libc::MADV_DONTNEED) };
        (result == 0).then_some(())
    })
    .map_err(drop)
}

/// What `at` is part of.
pub fn query(at: usize) -> Result<RangeInfo, VmError> {
    let mut free_from = 0;
    let mut run: Option<(Span, Protection)> = None;
    for region in Regions::open().ok_or(VmError::Unsupported)? {
        match &mut run {
            Some((span, protection))
                if span.end == region.span.start && *protection == region.protection =>
            {
                span.end = region.span.end;
            }
            Some((span, _)) if at < span.end => break,
            _ => {
                free_from = run.map_or(0, |(span, _)| span.end);
                run = Some((region.span, region.protection));
            }
        }
        if region.span.start > at {
            break;
        }
    }
    let free = |span: Span| RangeInfo {
        base: span.start,
        size: span.size(),
        state: PageState::Free,
        protection: Protection::NoAccess,
    };
    Ok(match run {
        None => free(Span {
            start: 0,
            end: usize::MAX,
        }),
        Some((span, _)) if at < span.start => free(Span {
            start: free_from,
            end: span.start,
        }),
        Some((span, _)) if at >= span.end => free(Span {
            start: span.end,
            end: usize::MAX,
        }),
        Some((span, protection)) => RangeInfo {
            base: span.start,
            size: span.size(),
            state: match protection {
                Protection::NoAccess => PageState::Reserved,
                _ => PageState::Committed,
            },
            protection,
        },
    })
}

fn whole_pages(size: usize) -> Result<usize, VmError> {
    crate::pages::ceiling(size, host_page_size()).ok_or(VmError::OutOfMemory)
}

/// Names a range for who reads `/proc/PID/maps`. Pages keep the name when they are committed, and
/// ranges of one name merge, so it costs one call a reservation and no mapping.
fn name(at: NonNull<u8>, size: usize) {
    /// Set once the kernel (before 5.17, or built without) has said that it knows no names.
    static REFUSED: AtomicBool = AtomicBool::new(false);
    if REFUSED.load(Ordering::Relaxed) {
        return;
    }
    let result = errno::kept(|| {
        // SAFETY: the call reads the name and changes no memory.
        let result = unsafe {
            libc::prctl(
                libc::PR_SET_VMA,
                libc::PR_SET_VMA_ANON_NAME,
                at.as_ptr(),
                size,
                c"rtl-heap".as_ptr(),
            )
        };
        (result == 0).then_some(())
    });
    if result == Err(libc::EINVAL) {
        REFUSED.store(true, Ordering::Relaxed);
    }
}
