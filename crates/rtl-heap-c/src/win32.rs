//! The Win32 face: `GetProcessHeap` and `Heap*`, over the Rtl face and with Windows' limits.

use core::ptr;

use rtl_heap::flags::HeapFlags;
use rtl_heap::limits::Limits;
use rtl_heap::nt::{self, CreateRequest};
use rtl_heap::status::Status;

use crate::exports::exports;
use crate::last_error;
use crate::rtl;
use crate::types::{BOOL, DWORD, FALSE, HANDLE, LPCVOID, LPVOID, PHANDLE, SIZE_T, TRUE};

exports! { nt:
    /// The heap every process has, made at its first use.
    ///
    /// NULL and `ERROR_NOT_ENOUGH_MEMORY` if there is no memory for it.
    pub extern "system" fn GetProcessHeap() -> HANDLE {
        match nt::process_heap() {
            Ok(heap) => rtl::pointer(heap),
            Err(status) => {
                last_error::fail(status);
                ptr::null_mut()
            }
        }
    }

    /// [`RtlGetProcessHeaps`](rtl::RtlGetProcessHeaps).
    ///
    /// # Safety
    /// 1. As there.
    pub unsafe extern "system" fn GetProcessHeaps(
        NumberOfHeaps: DWORD,
        ProcessHeaps: PHANDLE,
    ) -> DWORD {
        // SAFETY: (1).
        unsafe { rtl::RtlGetProcessHeaps(NumberOfHeaps, ProcessHeaps) }
    }

    /// Makes a private heap: growable if `dwMaximumSize` is 0, else of at most that many bytes.
    ///
    /// Of the flags `HEAP_NO_SERIALIZE`, `HEAP_GENERATE_EXCEPTIONS` and
    /// `HEAP_CREATE_ENABLE_EXECUTE` count (specification 1.2). NULL and
    /// `ERROR_NOT_ENOUGH_MEMORY` on any failure.
    pub extern "system" fn HeapCreate(
        flOptions: DWORD,
        dwInitialSize: SIZE_T,
        dwMaximumSize: SIZE_T,
    ) -> HANDLE {
        let asked = HeapFlags::from_bits_retain(flOptions) & HeapFlags::WIN32_CREATE_VALID;
        let mut request = CreateRequest::new(Limits::WINDOWS);
        request.flags = asked | HeapFlags::CLASS_PRIVATE;
        request.flags.set(HeapFlags::GROWABLE, dwMaximumSize == 0);
        request.reserve = dwMaximumSize;
        request.commit = dwInitialSize;
        // SAFETY: no caller memory, lock or routine is involved.
        match unsafe { nt::create_heap(&request) } {
            Ok(heap) => rtl::pointer(heap),
            Err(_) => {
                last_error::fail(Status::NO_MEMORY);
                ptr::null_mut()
            }
        }
    }

    /// Ends a heap and everything in it.
    ///
    /// FALSE and `ERROR_INVALID_HANDLE` for the process heap and for what is no heap.
    ///
    /// # Safety
    /// 1. Nothing of the heap is used any more.
    pub unsafe extern "system" fn HeapDestroy(hHeap: HANDLE) -> BOOL {
        // SAFETY: (1).
        if unsafe { rtl::RtlDestroyHeap(hHeap) }.is_null() {
            TRUE
        } else {
            last_error::fail(Status::INVALID_HANDLE);
            FALSE
        }
    }

    /// [`RtlLockHeap`](rtl::RtlLockHeap).
    pub extern "system" fn HeapLock(hHeap: HANDLE) -> BOOL {
        BOOL::from(rtl::RtlLockHeap(hHeap))
    }

    /// [`RtlUnlockHeap`](rtl::RtlUnlockHeap).
    pub extern "system" fn HeapUnlock(hHeap: HANDLE) -> BOOL {
        BOOL::from(rtl::RtlUnlockHeap(hHeap))
    }

    /// [`RtlAllocateHeap`](rtl::RtlAllocateHeap).
    pub extern "system-unwind" fn HeapAlloc(
        hHeap: HANDLE,
        dwFlags: DWORD,
        dwBytes: SIZE_T,
    ) -> LPVOID {
        rtl::allocate_first(hHeap, dwFlags, dwBytes)
    }

    /// [`RtlReAllocateHeap`](rtl::RtlReAllocateHeap).
    ///
    /// # Safety
    /// 1. As there.
    pub unsafe extern "system-unwind" fn HeapReAlloc(
        hHeap: HANDLE,
        dwFlags: DWORD,
        lpMem: LPVOID,
        dwBytes: SIZE_T,
    ) -> LPVOID {
        // SAFETY: (1).
        unsafe { rtl::RtlReAllocateHeap(hHeap, dwFlags, lpMem, dwBytes) }
    }

    /// [`RtlFreeHeap`](rtl::RtlFreeHeap).
    ///
    /// # Safety
    /// 1. As there.
    pub unsafe extern "system" fn HeapFree(hHeap: HANDLE, dwFlags: DWORD, lpMem: LPVOID) -> BOOL {
        // SAFETY: (1).
        unsafe { rtl::free_first(hHeap, dwFlags, lpMem) as BOOL }
    }

    /// [`RtlSizeHeap`](rtl::RtlSizeHeap).
    pub extern "system" fn HeapSize(hHeap: HANDLE, dwFlags: DWORD, lpMem: LPCVOID) -> SIZE_T {
        rtl::RtlSizeHeap(hHeap, dwFlags, lpMem)
    }
}
