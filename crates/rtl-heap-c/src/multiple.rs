//! `RtlMultipleAllocateHeap` and `RtlMultipleFreeHeap` (specification 5.6).

use core::mem;

use rtl_platform::process;

use crate::exports::exports;
use crate::rtl::{RtlAllocateHeap, RtlFreeHeap};
use crate::types::{PVOID, SIZE_T, ULONG};

/// The address of element `index`, which NT would touch: a NULL array is an access violation (C311,
/// C319).
fn element(array: *mut PVOID, index: ULONG) -> *mut PVOID {
    if array.is_null() {
        process::access_violation(index as usize * mem::size_of::<PVOID>());
    }
    array.wrapping_add(index as usize)
}

exports! { nt:
    /// Allocates `Count` blocks of `Size` bytes and stores them in `Array`. Returns how many there
    /// are: fewer if memory ran out, with the last error, or the exception, of the one that failed.
    ///
    /// # Safety
    /// 1. `Array` has room for `Count` pointers. (NULL is an access violation unless `Count` is 0.)
    pub unsafe extern "system-unwind" fn RtlMultipleAllocateHeap(
        HeapHandle: PVOID,
        Flags: ULONG,
        Size: SIZE_T,
        Count: ULONG,
        Array: *mut PVOID,
    ) -> ULONG {
        for done in 0..Count {
            let slot = element(Array, done);
            let block = RtlAllocateHeap(HeapHandle, Flags, Size);
            if block.is_null() {
                return done;
            }
            // SAFETY: (1).
            unsafe { slot.write(block) };
        }
        Count
    }

    /// Frees the `Count` blocks in `Array`; NULL counts as one that was freed. Returns how many
    /// were: it stops at the first that is no block of the heap, with `STATUS_INVALID_PARAMETER`.
    ///
    /// # Safety
    /// 1. `Array` has `Count` pointers. (NULL is an access violation unless `Count` is 0.)
    /// 2. The blocks are not used any more.
    pub unsafe extern "system" fn RtlMultipleFreeHeap(
        HeapHandle: PVOID,
        Flags: ULONG,
        Count: ULONG,
        Array: *mut PVOID,
    ) -> ULONG {
        for done in 0..Count {
            // SAFETY: (1).
            let block = unsafe { element(Array, done).read() };
            // SAFETY: (2).
            if unsafe { RtlFreeHeap(HeapHandle, Flags, block) } == 0 {
                return done;
            }
        }
        Count
    }
}
