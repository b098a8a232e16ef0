//! Local and Global memory (specification section 8).

use core::ffi::c_void;

use super::{BOOL, HANDLE};

/// Flags of allocation; the `GMEM_` and `LMEM_` names of these are one.
pub mod mem {
    /// The handle is the pointer.
    pub const FIXED: u32 = 0x0000;
    /// The handle stands in the table.
    pub const MOVEABLE: u32 = 0x0002;
    /// New bytes are zero.
    pub const ZEROINIT: u32 = 0x0040;
    /// Reallocation changes the kind, not the size.
    pub const MODIFY: u32 = 0x0080;
    /// `GMEM_DISCARDABLE`.
    pub const GMEM_DISCARDABLE: u32 = 0x0100;
    /// `LMEM_DISCARDABLE`.
    pub const LMEM_DISCARDABLE: u32 = 0x0F00;
    /// `GMEM_DDESHARE`, `GMEM_SHARE`.
    pub const DDESHARE: u32 = 0x2000;
    /// Result of the flags functions: no such object.
    pub const INVALID_HANDLE: u32 = 0x8000;
}

import! { "kernel32";
    /// Allocates.
    safe fn GlobalAlloc(uFlags: u32, dwBytes: usize) -> HANDLE;
    /// Changes size or kind.
    safe fn GlobalReAlloc(hMem: HANDLE, dwBytes: usize, uFlags: u32) -> HANDLE;
    /// Frees; NULL on success.
    safe fn GlobalFree(hMem: HANDLE) -> HANDLE;
    /// The data, with one lock more.
    safe fn GlobalLock(hMem: HANDLE) -> *mut c_void;
    /// One lock less.
    safe fn GlobalUnlock(hMem: HANDLE) -> BOOL;
    /// Flags and lock count.
    safe fn GlobalFlags(hMem: HANDLE) -> u32;
    /// Bytes asked for.
    safe fn GlobalSize(hMem: HANDLE) -> usize;
    /// The handle of data.
    safe fn GlobalHandle(pMem: *const c_void) -> HANDLE;
    /// Allocates.
    safe fn LocalAlloc(uFlags: u32, uBytes: usize) -> HANDLE;
    /// Changes size or kind.
    safe fn LocalReAlloc(hMem: HANDLE, uBytes: usize, uFlags: u32) -> HANDLE;
    /// Frees; NULL on success.
    safe fn LocalFree(hMem: HANDLE) -> HANDLE;
    /// The data, with one lock more.
    safe fn LocalLock(hMem: HANDLE) -> *mut c_void;
    /// One lock less.
    safe fn LocalUnlock(hMem: HANDLE) -> BOOL;
    /// Flags and lock count.
    safe fn LocalFlags(hMem: HANDLE) -> u32;
    /// Bytes asked for.
    safe fn LocalSize(hMem: HANDLE) -> usize;
    /// The handle of data.
    safe fn LocalHandle(pMem: *const c_void) -> HANDLE;
}

/// The functions of one family, which differ in little but their names.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// `GlobalAlloc` or `LocalAlloc`; the others likewise.
    pub alloc: extern "system" fn(u32, usize) -> HANDLE,
    /// Changes size or kind.
    pub realloc: extern "system" fn(HANDLE, usize, u32) -> HANDLE,
    /// Frees.
    pub free: extern "system" fn(HANDLE) -> HANDLE,
    /// The data.
    pub lock: extern "system" fn(HANDLE) -> *mut c_void,
    /// One lock less.
    pub unlock: extern "system" fn(HANDLE) -> BOOL,
    /// Flags and lock count.
    pub flags: extern "system" fn(HANDLE) -> u32,
    /// Bytes.
    pub size: extern "system" fn(HANDLE) -> usize,
    /// The handle of data.
    pub handle: extern "system" fn(*const c_void) -> HANDLE,
    /// The family's flag for discardable objects.
    pub discardable: u32,
}

/// The Global functions.
pub const GLOBAL: Family = Family {
    alloc: GlobalAlloc,
    realloc: GlobalReAlloc,
    free: GlobalFree,
    lock: GlobalLock,
    unlock: GlobalUnlock,
    flags: GlobalFlags,
    size: GlobalSize,
    handle: GlobalHandle,
    discardable: mem::GMEM_DISCARDABLE,
};

/// The Local functions.
pub const LOCAL: Family = Family {
    alloc: LocalAlloc,
    realloc: LocalReAlloc,
    free: LocalFree,
    lock: LocalLock,
    unlock: LocalUnlock,
    flags: LocalFlags,
    size: LocalSize,
    handle: LocalHandle,
    discardable: mem::LMEM_DISCARDABLE,
};

/// Both families.
pub const FAMILIES: [Family; 2] = [GLOBAL, LOCAL];
