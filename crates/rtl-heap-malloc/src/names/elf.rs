//! ELF: a symbol of an object earlier in the search order hides those of later ones.
//!
//! Every name of the family is here, also those that few programs know: a name left to the C
//! library would be served from the C library's own heap, and its blocks freed on ours.

use core::ffi::c_int;

use super::session;
use crate::calls;

#[used]
#[unsafe(link_section = ".init_array")]
static ON_LOAD: extern "C" fn() = session::on_load;

/// Defines C names, each of which is a call under the C library's calling convention.
macro_rules! c_names {
    ($($name:ident($($argument:ident: $kind:ty),*) $(-> $answer:ty)? = $call:path;)*) => {
        $(
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name($($argument: $kind),*) $(-> $answer)? {
                let call: unsafe fn($($kind),*) $(-> $answer)? = $call;
                // SAFETY: C's rules for the function of this name are the call's obligations.
                unsafe { call($($argument),*) }
            }
        )*
    };
}

c_names! {
    malloc(size: usize) -> *mut u8 = calls::malloc;
    calloc(count: usize, size: usize) -> *mut u8 = calls::calloc;
    realloc(block: *mut u8, size: usize) -> *mut u8 = calls::realloc_or_free;
    reallocarray(block: *mut u8, count: usize, size: usize) -> *mut u8 = calls::reallocarray;
    reallocf(block: *mut u8, size: usize) -> *mut u8 = calls::reallocf;
    free(block: *mut u8) = calls::free;
    cfree(block: *mut u8) = calls::free;
    free_sized(block: *mut u8, size: usize) = calls::free_sized;
    free_aligned_sized(block: *mut u8, alignment: usize, size: usize) = calls::free_aligned_sized;

    aligned_alloc(alignment: usize, size: usize) -> *mut u8 = calls::aligned_alloc;
    memalign(alignment: usize, size: usize) -> *mut u8 = calls::memalign;
    posix_memalign(out: *mut *mut u8, alignment: usize, size: usize) -> c_int
        = calls::posix_memalign;
    valloc(size: usize) -> *mut u8 = calls::valloc;
    pvalloc(size: usize) -> *mut u8 = calls::pvalloc;

    malloc_usable_size(block: *mut u8) -> usize = calls::usable_size;
}

// The names under which the C library's own parts and a few wrappers reach the same functions.
c_names! {
    __libc_malloc(size: usize) -> *mut u8 = calls::malloc;
    __libc_calloc(count: usize, size: usize) -> *mut u8 = calls::calloc;
    __libc_realloc(block: *mut u8, size: usize) -> *mut u8 = calls::realloc_or_free;
    __libc_free(block: *mut u8) = calls::free;
    __libc_cfree(block: *mut u8) = calls::free;
    __libc_memalign(alignment: usize, size: usize) -> *mut u8 = calls::memalign;
    __libc_valloc(size: usize) -> *mut u8 = calls::valloc;
    __libc_pvalloc(size: usize) -> *mut u8 = calls::pvalloc;
    __posix_memalign(out: *mut *mut u8, alignment: usize, size: usize) -> c_int
        = calls::posix_memalign;
}
