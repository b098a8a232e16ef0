//! The functions of kernel32 (specification section 6).

use core::ffi::c_void;

use super::{BOOL, HANDLE};

import! { "kernel32";
    /// The heap every process has.
    safe fn GetProcessHeap() -> HANDLE;
    /// Stores up to `NumberOfHeaps` handles and returns how many heaps there are.
    ///
    /// # Safety
    /// `ProcessHeaps` has room for `NumberOfHeaps` handles.
    unsafe fn GetProcessHeaps(NumberOfHeaps: u32, ProcessHeaps: *mut HANDLE) -> u32;
    /// Makes a heap; NULL on failure. A maximum of zero makes it growable.
    safe fn HeapCreate(flOptions: u32, dwInitialSize: usize, dwMaximumSize: usize) -> HANDLE;
    /// Ends a heap.
    safe fn HeapDestroy(hHeap: HANDLE) -> BOOL;
    /// Allocates; NULL on failure.
    safe fn HeapAlloc(hHeap: HANDLE, dwFlags: u32, dwBytes: usize) -> *mut c_void;
    /// Changes a block's size; NULL on failure.
    safe fn HeapReAlloc(
        hHeap: HANDLE,
        dwFlags: u32,
        lpMem: *mut c_void,
        dwBytes: usize,
    ) -> *mut c_void;
    /// Frees a block.
    safe fn HeapFree(hHeap: HANDLE, dwFlags: u32, lpMem: *mut c_void) -> BOOL;
    /// The size a block was asked for; all ones on failure.
    safe fn HeapSize(hHeap: HANDLE, dwFlags: u32, lpMem: *const c_void) -> usize;
    /// Enters the heap's lock.
    safe fn HeapLock(hHeap: HANDLE) -> BOOL;
    /// Leaves the heap's lock.
    safe fn HeapUnlock(hHeap: HANDLE) -> BOOL;
    /// The calling thread's last error.
    safe fn GetLastError() -> u32;
    /// Sets the calling thread's last error.
    safe fn SetLastError(dwErrCode: u32);
}
