//! The functions of ntdll (specification sections 2 to 4).

use core::ffi::c_void;

use super::{BOOL, BOOLEAN, HANDLE, NTSTATUS, RTL_ENUM_HEAPS_ROUTINE, RTL_HEAP_PARAMETERS};

import! { "ntdll";
    /// Makes a heap; NULL on failure.
    ///
    /// # Safety
    /// `HeapBase` is NULL or memory nobody else uses; `Lock` is NULL or an initialised lock that
    /// outlives the heap; `Parameters` is NULL, readable, or an address where nothing is mapped.
    unsafe fn RtlCreateHeap(
        Flags: u32,
        HeapBase: *mut c_void,
        ReserveSize: usize,
        CommitSize: usize,
        Lock: *mut c_void,
        Parameters: *const RTL_HEAP_PARAMETERS,
    ) -> HANDLE;
    /// Ends a heap; NULL on success, the handle on failure.
    safe fn RtlDestroyHeap(HeapHandle: HANDLE) -> HANDLE;
    /// Allocates; NULL on failure.
    safe fn RtlAllocateHeap(HeapHandle: HANDLE, Flags: u32, Size: usize) -> *mut c_void;
    /// Changes a block's size; NULL on failure.
    safe fn RtlReAllocateHeap(
        HeapHandle: HANDLE,
        Flags: u32,
        BaseAddress: *mut c_void,
        Size: usize,
    ) -> *mut c_void;
    /// Frees a block; zero on failure.
    safe fn RtlFreeHeap(HeapHandle: HANDLE, Flags: u32, BaseAddress: *mut c_void) -> u32;
    /// The size a block was asked for; all ones on failure.
    safe fn RtlSizeHeap(HeapHandle: HANDLE, Flags: u32, BaseAddress: *const c_void) -> usize;
    /// Enters the heap's lock.
    safe fn RtlLockHeap(HeapHandle: HANDLE) -> BOOLEAN;
    /// Leaves the heap's lock.
    safe fn RtlUnlockHeap(HeapHandle: HANDLE) -> BOOLEAN;
    /// Stores up to `NumberOfHeaps` handles and returns how many heaps there are.
    ///
    /// # Safety
    /// `ProcessHeaps` has room for `NumberOfHeaps` handles.
    unsafe fn RtlGetProcessHeaps(NumberOfHeaps: u32, ProcessHeaps: *mut HANDLE) -> u32;
    /// Calls a routine with each heap until it returns a failure.
    ///
    /// # Safety
    /// `EnumRoutine` accepts `Parameter`.
    unsafe fn RtlEnumProcessHeaps(
        EnumRoutine: RTL_ENUM_HEAPS_ROUTINE,
        Parameter: *mut c_void,
    ) -> NTSTATUS;
}

/// What an Rtl function of type `BOOLEAN` says, as the type of the Win32 functions.
pub fn boolean(value: BOOLEAN) -> BOOL {
    BOOL::from(value != 0)
}
