//! Windows' own heap, for a program that runs under Wine.

use std::ffi::{CStr, c_void};
use std::mem;

use crate::calls::Calls;

#[link(name = "kernel32")]
unsafe extern "system" {
    fn GetModuleHandleA(name: *const std::ffi::c_char) -> *mut c_void;
    fn GetProcAddress(module: *mut c_void, name: *const std::ffi::c_char) -> *mut c_void;
}

/// Whether this is Wine: its ntdll says so by a function of that name.
pub fn is_wine() -> bool {
    !address(c"ntdll.dll", c"wine_get_version").is_null()
}

/// The calls of kernel32.
pub fn calls() -> Calls {
    // SAFETY: (1) the types are those of Windows' headers; on x86-64 there is one way of calling.
    unsafe {
        Calls {
            heap_create: call(c"HeapCreate"),
            destroy: call(c"HeapDestroy"),
            allocate: call(c"HeapAlloc"),
            reallocate: call(c"HeapReAlloc"),
            free: call(c"HeapFree"),
            size: call(c"HeapSize"),
            validate: call(c"HeapValidate"),
            walk: call(c"HeapWalk"),
            compact: call(c"HeapCompact"),
            lock: call(c"HeapLock"),
            unlock: call(c"HeapUnlock"),
        }
    }
}

fn address(module: &CStr, name: &CStr) -> *mut c_void {
    // SAFETY: both names end in NUL, and the module, if it is there, stays.
    unsafe { GetProcAddress(GetModuleHandleA(module.as_ptr()), name.as_ptr()) }
}

/// The function of type `F` that kernel32 exports as `name`.
///
/// # Safety
/// 1. `F` is the type of a pointer to it.
unsafe fn call<F: Copy>(name: &CStr) -> F {
    const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
    let address = address(c"kernel32.dll", name);
    assert!(!address.is_null(), "{name:?} is not exported");
    // SAFETY: (1).
    unsafe { mem::transmute_copy(&address) }
}
