//! `RtlCompactHeap` and `HeapCompact` (specification 5.1).

use rtl_heap::flags::HeapFlags;
use rtl_heap::nt;
use rtl_heap::status::Status;

use crate::exports::exports;
use crate::last_error::fail;
use crate::rtl::handle;
use crate::types::{DWORD, HANDLE, PVOID, SIZE_T, ULONG};

exports! { nt:
    /// Gives back what the heap holds for later, and returns the size in bytes of its largest
    /// committed free block.
    ///
    /// 0 with the last error cleared if there is none; 0 and `STATUS_INVALID_HANDLE` for what is no
    /// heap.
    pub extern "system" fn RtlCompactHeap(HeapHandle: PVOID, Flags: ULONG) -> SIZE_T {
        let largest = nt::compact(handle(HeapHandle), HeapFlags::from_bits_retain(Flags));
        match largest {
            Ok(0) => fail(Status::SUCCESS),
            Ok(_) => {}
            Err(status) => fail(status),
        }
        largest.unwrap_or(0)
    }

    /// [`RtlCompactHeap`].
    pub extern "system" fn HeapCompact(hHeap: HANDLE, dwFlags: DWORD) -> SIZE_T {
        RtlCompactHeap(hHeap, dwFlags)
    }
}
