//! `RtlZeroHeap`, `RtlProtectHeap`, `RtlExtendHeap`, `RtlFlushHeaps`, `RtlDetectHeapLeaks`
//! (specification 5.1).

use core::ffi::c_int;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};

use rtl_heap::flags::HeapFlags;
use rtl_heap::status::Status;
use rtl_heap::{hooks, nt};

use crate::exports::exports;
use crate::last_error::fail;
use crate::rtl::handle;
use crate::types::{BOOLEAN, NTSTATUS, PVOID, SIZE_T, ULONG};

fn status(result: Result<(), Status>) -> NTSTATUS {
    result.err().unwrap_or(Status::SUCCESS).0
}

exports! { nt:
    /// Overwrites what is free in the heap with zeros; with what free memory is filled with where
    /// that is checked.
    ///
    /// `STATUS_INVALID_HANDLE` for what is no heap.
    pub extern "system" fn RtlZeroHeap(HeapHandle: PVOID, Flags: ULONG) -> NTSTATUS {
        status(nt::zero(handle(HeapHandle), HeapFlags::from_bits_retain(Flags)))
    }

    /// Makes the pages of the heap's segments read-only, or, with FALSE, as they were. While they
    /// are read-only the handle is no heap's to any other call. A failure is a last error.
    pub extern "system" fn RtlProtectHeap(HeapHandle: PVOID, MakeReadOnly: BOOLEAN) {
        if let Err(status) = nt::protect(handle(HeapHandle), MakeReadOnly != 0) {
            fail(status);
        }
    }

    /// Adds `Size` bytes of the caller's memory at `Base` to the heap. Memory from
    /// `rtlheap_vm_reserve` is added as a whole.
    ///
    /// `STATUS_INVALID_PARAMETER` for memory that could not be a `HeapBase`, and for a heap with a
    /// commit routine; `STATUS_NO_MEMORY`; `STATUS_INVALID_HANDLE` for what is no heap. `Flags`:
    /// `HEAP_NO_SERIALIZE`.
    ///
    /// # Safety
    /// 1. The memory is nobody else's while the heap lives.
    pub unsafe extern "system" fn RtlExtendHeap(
        HeapHandle: PVOID,
        Flags: ULONG,
        Base: PVOID,
        Size: SIZE_T,
    ) -> NTSTATUS {
        let Some(base) = NonNull::new(Base.cast::<u8>()) else {
            return Status::INVALID_PARAMETER.0;
        };
        let flags = HeapFlags::from_bits_retain(Flags);
        // SAFETY: (1).
        status(unsafe { nt::extend(handle(HeapHandle), flags, base, Size) })
    }

    /// Has every heap of the process give back what it keeps for later.
    pub extern "system" fn RtlFlushHeaps() {
        nt::flush();
    }

    /// Writes a line to standard error for each heap that has blocks, if leak detection is on
    /// (`rtlheap_report_leaks_at_exit`).
    pub extern "system" fn RtlDetectHeapLeaks() {
        nt::detect_leaks();
    }
}

/// Calls `RtlDetectHeapLeaks` when the process ends.
pub mod at_exit {
    use super::*;
    use crate::types::{BOOL, FALSE, TRUE};

    unsafe extern "C" {
        /// The C library's: has `routine` called when the process ends.
        safe fn atexit(routine: extern "C" fn()) -> c_int;
    }

    extern "C" fn report() {
        nt::detect_leaks();
    }

    exports! { own:
        /// From now on `RtlDetectHeapLeaks` reports, and it is called when the process ends. FALSE
        /// when the system cannot remember that.
        pub extern "system" fn rtlheap_report_leaks_at_exit() -> BOOL {
            static REGISTERED: AtomicBool = AtomicBool::new(false);
            hooks::enable_leak_detection();
            // Relaxed: only one thread of many that call this has to register.
            if REGISTERED.swap(true, Ordering::Relaxed) || atexit(report) == 0 {
                return TRUE;
            }
            REGISTERED.store(false, Ordering::Relaxed);
            FALSE
        }
    }
}
