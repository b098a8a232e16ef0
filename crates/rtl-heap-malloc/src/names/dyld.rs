//! macOS: the loader replaces, in every image but this one, the functions named in a section.
//!
//! The system's zones live on beside the heap: libraries allocate from a zone by name and free by
//! `free`, and blocks older than this library are about. A pointer that is no block of ours
//! therefore goes to the system's function, which inside this image is reached by its own name.

use core::ffi::{c_int, c_void};

use rtl_heap::nt;

use super::session;
use crate::calls;

#[used]
#[unsafe(link_section = "__DATA,__mod_init_func")]
static ON_LOAD: extern "C" fn() = session::on_load;

mod system {
    use core::ffi::{c_int, c_void};

    unsafe extern "C" {
        pub fn malloc(size: usize) -> *mut u8;
        pub fn calloc(count: usize, size: usize) -> *mut u8;
        pub fn realloc(block: *mut u8, size: usize) -> *mut u8;
        pub fn reallocf(block: *mut u8, size: usize) -> *mut u8;
        pub fn free(block: *mut u8);
        pub fn aligned_alloc(alignment: usize, size: usize) -> *mut u8;
        pub fn posix_memalign(out: *mut *mut u8, alignment: usize, size: usize) -> c_int;
        pub fn valloc(size: usize) -> *mut u8;
        pub fn malloc_size(block: *const u8) -> usize;
        pub fn malloc_good_size(size: usize) -> usize;
        pub fn malloc_zone_free(zone: *mut c_void, block: *mut u8);
        pub fn malloc_zone_realloc(zone: *mut c_void, block: *mut u8, size: usize) -> *mut u8;
    }
}

/// Whether the block is to be handled here; null is.
fn is_ours(block: *const u8) -> bool {
    block.is_null() || nt::region_of(block.addr()).is_some()
}

extern "C" fn malloc(size: usize) -> *mut u8 {
    calls::malloc(size)
}

extern "C" fn calloc(count: usize, size: usize) -> *mut u8 {
    calls::calloc(count, size)
}

extern "C" fn aligned_alloc(alignment: usize, size: usize) -> *mut u8 {
    calls::aligned_alloc(alignment, size)
}

extern "C" fn valloc(size: usize) -> *mut u8 {
    calls::valloc(size)
}

/// # Safety
/// 1. C's rules for `posix_memalign` hold.
unsafe extern "C" fn posix_memalign(out: *mut *mut u8, alignment: usize, size: usize) -> c_int {
    // SAFETY: (1).
    unsafe { calls::posix_memalign(out, alignment, size) }
}

/// # Safety
/// 1. C's rules for `realloc` hold.
unsafe extern "C" fn realloc(block: *mut u8, size: usize) -> *mut u8 {
    if is_ours(block) {
        // SAFETY: (1); a block of ours.
        unsafe { calls::realloc(block, size) }
    } else {
        // SAFETY: (1); no block of ours: the system must know it.
        unsafe { system::realloc(block, size) }
    }
}

/// # Safety
/// 1. C's rules for `reallocf` hold.
unsafe extern "C" fn reallocf(block: *mut u8, size: usize) -> *mut u8 {
    if is_ours(block) {
        // SAFETY: as in `realloc`.
        unsafe { calls::reallocf(block, size) }
    } else {
        // SAFETY: as in `realloc`.
        unsafe { system::reallocf(block, size) }
    }
}

/// # Safety
/// 1. C's rules for `free` hold.
unsafe extern "C" fn free(block: *mut u8) {
    if is_ours(block) {
        // SAFETY: as in `realloc`.
        unsafe { calls::free(block) }
    } else {
        // SAFETY: as in `realloc`.
        unsafe { system::free(block) }
    }
}

/// # Safety
/// 1. C's rules for `malloc_size` hold.
unsafe extern "C" fn malloc_size(block: *const u8) -> usize {
    if is_ours(block) {
        // SAFETY: as in `realloc`.
        unsafe { calls::usable_size(block.cast_mut()) }
    } else {
        // SAFETY: as in `realloc`.
        unsafe { system::malloc_size(block) }
    }
}

/// A request is granted to the byte: no size is better than the one wanted.
extern "C" fn malloc_good_size(size: usize) -> usize {
    size
}

/// # Safety
/// 1. C's rules for `malloc_zone_free` hold.
unsafe extern "C" fn malloc_zone_free(zone: *mut c_void, block: *mut u8) {
    if is_ours(block) {
        // SAFETY: as in `realloc`.
        unsafe { calls::free(block) }
    } else {
        // SAFETY: as in `realloc`.
        unsafe { system::malloc_zone_free(zone, block) }
    }
}

/// # Safety
/// 1. C's rules for `malloc_zone_realloc` hold.
unsafe extern "C" fn malloc_zone_realloc(
    zone: *mut c_void,
    block: *mut u8,
    size: usize,
) -> *mut u8 {
    if !block.is_null() && is_ours(block) {
        // SAFETY: as in `realloc`.
        unsafe { calls::realloc(block, size) }
    } else {
        // SAFETY: as in `realloc`.
        unsafe { system::malloc_zone_realloc(zone, block, size) }
    }
}

/// What the loader reads: our function, and the one it stands for.
#[repr(C)]
struct Replacement {
    ours: *const c_void,
    theirs: *const c_void,
}

// SAFETY: two addresses of functions, which never change.
unsafe impl Sync for Replacement {}

macro_rules! replacements {
    ($($name:ident),* $(,)?) => {
        #[used]
        #[unsafe(link_section = "__DATA,__interpose")]
        static REPLACEMENTS: [Replacement; [$(stringify!($name)),*].len()] = [
            $(Replacement {
                ours: $name as *const c_void,
                theirs: system::$name as *const c_void,
            }),*
        ];
    };
}

replacements!(
    malloc,
    calloc,
    realloc,
    reallocf,
    free,
    aligned_alloc,
    posix_memalign,
    valloc,
    malloc_size,
    malloc_good_size,
    malloc_zone_free,
    malloc_zone_realloc,
);
