//! The calls as C demands them, over NT's.
//!
//! Sizes and alignments are in bytes. A null answer comes with `errno` set.

use core::ffi::c_int;
use core::ptr::{self, NonNull};

use rtl_heap::nt::{Allocated, Freed};
use rtl_heap::{Accounting, HeapFlags, nt};
use rtl_platform::{errno, os, process};

use crate::errors::Refusal;
use crate::heap::{process_heap, uncounted_heap};
use crate::statistics;

type Answer = Result<NonNull<u8>, Refusal>;

/// No object may be larger: the difference of two pointers into it must fit `ptrdiff_t`.
const LARGEST_OBJECT: usize = isize::MAX as usize;

/// The alignment of every block.
const GRANULE: usize = 2 * size_of::<usize>();

/// `malloc(size)`: a block of `size` bytes; null with `ENOMEM`.
///
/// # Source
///
/// C17 7.22.3.4. `malloc(0)` is a block of its own: our choice, and glibc's.
#[inline]
pub fn malloc(size: usize) -> *mut u8 {
    match nt::allocate_at_once(uncounted_heap(), HeapFlags::empty(), size) {
        Allocated::Block(block) => block.as_ptr(),
        Allocated::NoLane => malloc_the_long_way(size),
        Allocated::Not => malloc_kept(size),
    }
}

/// [`malloc`] of any size of the front end, apart from the shortest path.
#[inline(never)]
extern "C" fn malloc_kept(size: usize) -> *mut u8 {
    match nt::allocate_kept(uncounted_heap(), HeapFlags::empty(), size) {
        Some(block) => block.as_ptr(),
        None if nt::is_middle(size) => malloc_middle(size),
        None => malloc_freed(size),
    }
}

/// [`malloc`] from what a thread has freed, likewise.
#[inline(never)]
extern "C" fn malloc_freed(size: usize) -> *mut u8 {
    match nt::allocate_freed(uncounted_heap(), HeapFlags::empty(), size) {
        Some(block) => block.as_ptr(),
        None => malloc_the_long_way(size),
    }
}

/// [`malloc`] of more than the front end serves, likewise.
#[inline(never)]
extern "C" fn malloc_middle(size: usize) -> *mut u8 {
    match nt::allocate_middle(uncounted_heap(), HeapFlags::empty(), size) {
        Some(block) => block.as_ptr(),
        None => malloc_the_long_way(size),
    }
}

/// [`malloc`] of anything, likewise.
#[inline(never)]
extern "C" fn malloc_the_long_way(size: usize) -> *mut u8 {
    or_errno(request(size, HeapFlags::empty()))
}

/// `calloc(count, size)`: as `malloc`, of zeroes; null with `ENOMEM`, also when the product wraps.
#[inline]
pub fn calloc(count: usize, size: usize) -> *mut u8 {
    or_errno(product(count, size).and_then(|total| request(total, HeapFlags::ZERO_MEMORY)))
}

/// `realloc(block, size)`, but for `size` 0, which the platforms answer differently.
///
/// A null `block` asks for a new one. On failure the old block stays as it was.
///
/// # Safety
///
/// 1. `block` is null or a live block of this family, which nobody else is using.
#[inline]
pub unsafe fn realloc(block: *mut u8, size: usize) -> *mut u8 {
    if block.is_null() {
        return malloc(size);
    }
    // SAFETY: 1 is the caller's.
    or_errno(unsafe { resize(block, size) })
}

/// `realloc` where, as on ELF systems, `realloc(block, 0)` frees the block and returns null.
///
/// # Safety
///
/// 1. As [`realloc`].
#[inline]
pub unsafe fn realloc_or_free(block: *mut u8, size: usize) -> *mut u8 {
    if size == 0 && !block.is_null() {
        // SAFETY: 1 is the caller's.
        unsafe { free(block) };
        return ptr::null_mut();
    }
    // SAFETY: 1 is the caller's.
    unsafe { realloc(block, size) }
}

/// `reallocarray(block, count, size)`: `realloc` of a product that must not wrap.
///
/// # Safety
///
/// 1. As [`realloc`].
pub unsafe fn reallocarray(block: *mut u8, count: usize, size: usize) -> *mut u8 {
    match product(count, size) {
        // SAFETY: 1 is the caller's.
        Ok(total) => unsafe { realloc_or_free(block, total) },
        Err(refusal) => or_errno(Err(refusal)),
    }
}

/// `reallocf(block, size)`: `realloc` that frees the old block when it cannot grow it.
///
/// # Safety
///
/// 1. As [`realloc`].
pub unsafe fn reallocf(block: *mut u8, size: usize) -> *mut u8 {
    // SAFETY: 1 is the caller's.
    let grown = unsafe { realloc(block, size) };
    if grown.is_null() {
        // SAFETY: 1 is the caller's, and a failed `realloc` left the block alive.
        unsafe { free(block) };
    }
    grown
}

/// `free(block)`. Null is nothing to free. `errno` stays as it was (POSIX.1-2024).
///
/// Nothing below touches it: the platform's calls keep it as it was. A pointer that is no live
/// block ends the process with a report.
///
/// # Safety
///
/// 1. Nobody uses the block afterwards.
#[inline(always)]
pub unsafe fn free(block: *mut u8) {
    // SAFETY: 1 is the caller's. No heap so far, and null, are in no slab.
    match unsafe { nt::free_at_once(uncounted_heap(), block) } {
        Freed::Done => {}
        // SAFETY: 1 is the caller's.
        Freed::NotOwn => unsafe { free_shared(block) },
        // SAFETY: 1 is the caller's.
        Freed::NoSlab => unsafe { free_of_back_end(block) },
        // SAFETY: 1 is the caller's.
        Freed::Not => unsafe { free_the_long_way(block) },
    }
}

/// [`free`] of what is in a slab of several threads, apart from the shortest path; jumped to as
/// [`malloc_the_long_way`] is.
///
/// # Safety
///
/// 1. As [`free`].
#[inline(never)]
unsafe extern "C" fn free_shared(block: *mut u8) {
    // SAFETY: 1 is the caller's.
    if unsafe { !nt::free_shared(uncounted_heap(), block) } {
        // SAFETY: 1 is the caller's.
        unsafe { free_the_long_way(block) };
    }
}

/// [`free`] of what is in no slab, likewise.
///
/// # Safety
///
/// 1. As [`free`].
#[inline(never)]
unsafe extern "C" fn free_of_back_end(block: *mut u8) {
    // SAFETY: 1 is the caller's.
    if unsafe { !nt::free_of_back_end(uncounted_heap(), HeapFlags::empty(), block) } {
        // SAFETY: 1 is the caller's.
        unsafe { free_the_long_way(block) };
    }
}

/// [`free`] of anything, likewise.
///
/// # Safety
///
/// 1. As [`free`].
#[inline(never)]
unsafe extern "C" fn free_the_long_way(block: *mut u8) {
    if block.is_null() {
        return;
    }
    let Ok(heap) = process_heap() else {
        refuse_pointer()
    };
    // SAFETY: 1 is the caller's.
    if unsafe { nt::free(heap, HeapFlags::empty(), block) }.is_err() {
        refuse_pointer();
    }
}

/// `free_sized(block, size)`: [`free`]. The size is not believed: the heap knows it.
///
/// # Safety
///
/// 1. As [`free`].
pub unsafe fn free_sized(block: *mut u8, _size: usize) {
    // SAFETY: 1 is the caller's.
    unsafe { free(block) };
}

/// `free_aligned_sized(block, alignment, size)`: [`free`]; neither number is believed.
///
/// # Safety
///
/// 1. As [`free`].
pub unsafe fn free_aligned_sized(block: *mut u8, _alignment: usize, _size: usize) {
    // SAFETY: 1 is the caller's.
    unsafe { free(block) };
}

/// `aligned_alloc(alignment, size)`: null with `EINVAL` unless the alignment is a power of two.
///
/// The size need be no multiple of it (C17, DR 460).
pub fn aligned_alloc(alignment: usize, size: usize) -> *mut u8 {
    or_errno(aligned(alignment, size))
}

/// `memalign(alignment, size)`: as [`aligned_alloc`], and an alignment that is no power of two
/// counts as the next one, as it does in glibc.
pub fn memalign(alignment: usize, size: usize) -> *mut u8 {
    let rounded = alignment
        .checked_next_power_of_two()
        .ok_or(Refusal::Invalid);
    or_errno(rounded.and_then(|alignment| aligned(alignment, size)))
}

/// `posix_memalign(&out, alignment, size)`: 0, or the error number. `errno` and, on failure,
/// `*out` stay as they were.
///
/// # Safety
///
/// 1. `out` may be written.
pub unsafe fn posix_memalign(out: *mut *mut u8, alignment: usize, size: usize) -> c_int {
    if !alignment.is_multiple_of(size_of::<usize>()) {
        return Refusal::Invalid.errno();
    }
    match aligned(alignment, size) {
        Ok(block) => {
            // SAFETY: 1 is the caller's.
            unsafe { out.write(block.as_ptr()) };
            0
        }
        Err(refusal) => refusal.errno(),
    }
}

/// `valloc(size)`: a block aligned to the host's page.
pub fn valloc(size: usize) -> *mut u8 {
    or_errno(aligned(os::host_page_size(), size))
}

/// `pvalloc(size)`: whole pages of the host, aligned to one.
pub fn pvalloc(size: usize) -> *mut u8 {
    let page = os::host_page_size();
    let whole = size.checked_next_multiple_of(page).ok_or(Refusal::NoMemory);
    or_errno(whole.and_then(|size| aligned(page, size)))
}

/// `malloc_usable_size(block)`: the bytes the block was asked for; 0 for null.
///
/// # Safety
///
/// 1. Nobody frees or resizes the block meanwhile.
pub unsafe fn usable_size(block: *mut u8) -> usize {
    if block.is_null() {
        return 0;
    }
    let Ok(heap) = process_heap() else {
        refuse_pointer()
    };
    nt::size(heap, HeapFlags::empty(), block).unwrap_or_else(|_| refuse_pointer())
}

/// The state of the process heap; `None` when there was no memory for one.
pub fn accounting() -> Option<Accounting> {
    nt::accounting(process_heap().ok()?).ok()
}

/// Gives what the heap keeps for later back to the system; says whether there was any.
pub fn trim() -> bool {
    let Ok(heap) = process_heap() else {
        return false;
    };
    let committed = || nt::accounting(heap).map_or(0, |sums| sums.committed);
    let before = committed();
    nt::compact(heap, HeapFlags::empty()).is_ok() && committed() < before
}

#[inline]
fn request(size: usize, flags: HeapFlags) -> Answer {
    statistics::count(size);
    if size > LARGEST_OBJECT {
        return Err(Refusal::NoMemory);
    }
    Ok(nt::allocate(process_heap()?, flags, size)?)
}

/// # Safety
///
/// 1. `block` is a live block which nobody else is using.
#[inline]
unsafe fn resize(block: *mut u8, size: usize) -> Answer {
    statistics::count(size);
    if size > LARGEST_OBJECT {
        return Err(Refusal::NoMemory);
    }
    // SAFETY: 1 is the caller's. What is no live block ends the process inside.
    Ok(unsafe { nt::reallocate(process_heap()?, HeapFlags::empty(), block, size) }?)
}

fn aligned(alignment: usize, size: usize) -> Answer {
    if !alignment.is_power_of_two() {
        return Err(Refusal::Invalid);
    }
    if alignment <= GRANULE {
        return request(size, HeapFlags::empty());
    }
    statistics::count(size);
    if size > LARGEST_OBJECT {
        return Err(Refusal::NoMemory);
    }
    Ok(nt::allocate_aligned(
        process_heap()?,
        HeapFlags::empty(),
        size,
        alignment,
    )?)
}

fn product(count: usize, size: usize) -> Result<usize, Refusal> {
    count.checked_mul(size).ok_or(Refusal::NoMemory)
}

#[inline]
fn or_errno(answer: Answer) -> *mut u8 {
    match answer {
        Ok(block) => block.as_ptr(),
        Err(refusal) => {
            errno::set(refusal.errno());
            ptr::null_mut()
        }
    }
}

/// The end for a pointer that is no live block. The heap has reported it, because termination on
/// corruption is always on here, and usually has ended the process itself.
#[cold]
fn refuse_pointer() -> ! {
    process::abort()
}
