//! `HeapSummary` (specification 9).

#![allow(non_camel_case_types, clippy::upper_case_acronyms)]

use rtl_heap::nt;
use rtl_heap::status::Status;

use crate::exports::exports;
use crate::last_error::fail;
use crate::pin::pin_layout;
use crate::rtl::handle;
use crate::types::{BOOL, DWORD, FALSE, HANDLE, SIZE_T, TRUE};

/// Sums over a heap, in bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HEAP_SUMMARY {
    /// Size of this structure.
    pub cb: DWORD,
    /// What callers asked for and have not freed.
    pub cbAllocated: SIZE_T,
    /// Committed.
    pub cbCommitted: SIZE_T,
    /// Reserved.
    pub cbReserved: SIZE_T,
    /// The most that was ever reserved.
    pub cbMaxReserve: SIZE_T,
}

pin_layout!(
    HEAP_SUMMARY,
    20 / 40,
    cb = 0 / 0,
    cbAllocated = 4 / 8,
    cbCommitted = 8 / 16,
    cbReserved = 12 / 24,
    cbMaxReserve = 16 / 32
);

/// Where a caller has its structure.
pub type LPHEAP_SUMMARY = *mut HEAP_SUMMARY;

exports! { nt:
    /// Sums up a heap. FALSE and `ERROR_INVALID_PARAMETER` for a NULL structure or another `cb`
    /// than its size; FALSE and `ERROR_INVALID_HANDLE` for what is no heap. Flags mean nothing.
    ///
    /// # Safety
    /// 1. `lpSummary` is NULL or the caller's to read and write.
    pub unsafe extern "system" fn HeapSummary(
        hHeap: HANDLE,
        dwFlags: DWORD,
        lpSummary: LPHEAP_SUMMARY,
    ) -> BOOL {
        let _ = dwFlags;
        let sum_up = || {
            // SAFETY: (1).
            let right_size = !lpSummary.is_null()
                && unsafe { (&raw const (*lpSummary).cb).read_unaligned() } as usize
                    == size_of::<HEAP_SUMMARY>();
            if !right_size {
                return Err(Status::INVALID_PARAMETER);
            }
            nt::summary(handle(hHeap))
        };
        match sum_up() {
            Ok(sums) => {
                let summary = HEAP_SUMMARY {
                    cb: size_of::<HEAP_SUMMARY>() as DWORD,
                    cbAllocated: sums.allocated,
                    cbCommitted: sums.committed,
                    cbReserved: sums.reserved,
                    cbMaxReserve: sums.most_reserved,
                };
                // SAFETY: (1).
                unsafe { lpSummary.write_unaligned(summary) };
                TRUE
            }
            Err(status) => {
                fail(status);
                FALSE
            }
        }
    }
}
