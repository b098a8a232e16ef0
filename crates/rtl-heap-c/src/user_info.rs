//! `RtlGetUserInfoHeap` and its companions (specification 5.5).

use rtl_heap::flags::HeapFlags;
use rtl_heap::nt;

use crate::exports::exports;
use crate::last_error::fail;
use crate::rtl::{boolean, handle};
use crate::types::{BOOLEAN, PULONG, PVOID, ULONG};

exports! { nt:
    /// Stores a block's user value at `UserValue` and its user flags at `UserFlags`; both may be
    /// NULL. A block without a user value leaves `*UserValue` as it is.
    ///
    /// FALSE and `STATUS_INVALID_PARAMETER` for what is no block of the heap.
    ///
    /// # Safety
    /// 1. What is not NULL can be written to.
    pub unsafe extern "system" fn RtlGetUserInfoHeap(
        HeapHandle: PVOID,
        Flags: ULONG,
        BaseAddress: PVOID,
        UserValue: *mut PVOID,
        UserFlags: PULONG,
    ) -> BOOLEAN {
        let flags = HeapFlags::from_bits_retain(Flags);
        match nt::user_info(handle(HeapHandle), flags, BaseAddress.cast()) {
            Ok(info) => {
                if let (false, Some(value)) = (UserValue.is_null(), info.value) {
                    // SAFETY: (1).
                    unsafe { UserValue.write(core::ptr::with_exposed_provenance_mut(value)) };
                }
                if !UserFlags.is_null() {
                    // SAFETY: (1).
                    unsafe { UserFlags.write(info.flags.bits()) };
                }
                1
            }
            Err(status) => {
                fail(status);
                0
            }
        }
    }

    /// Sets the user value of a block that was allocated with `HEAP_SETTABLE_USER_VALUE`.
    ///
    /// FALSE and `STATUS_INVALID_PARAMETER` for another one, and for what is no block of the heap.
    pub extern "system" fn RtlSetUserValueHeap(
        HeapHandle: PVOID,
        Flags: ULONG,
        BaseAddress: PVOID,
        UserValue: PVOID,
    ) -> BOOLEAN {
        let flags = HeapFlags::from_bits_retain(Flags);
        boolean(nt::set_user_value(
            handle(HeapHandle),
            flags,
            BaseAddress.cast(),
            UserValue.expose_provenance(),
        ))
    }

    /// Takes the flags `UserFlagsReset` from a block's user flags, then adds `UserFlagsSet`.
    ///
    /// FALSE and `STATUS_INVALID_PARAMETER`, with nothing changed, for other flags than
    /// `HEAP_SETTABLE_USER_FLAG1` to `3`, and for what is no block of the heap.
    pub extern "system" fn RtlSetUserFlagsHeap(
        HeapHandle: PVOID,
        Flags: ULONG,
        BaseAddress: PVOID,
        UserFlagsReset: ULONG,
        UserFlagsSet: ULONG,
    ) -> BOOLEAN {
        boolean(nt::set_user_flags(
            handle(HeapHandle),
            HeapFlags::from_bits_retain(Flags),
            BaseAddress.cast(),
            HeapFlags::from_bits_retain(UserFlagsReset),
            HeapFlags::from_bits_retain(UserFlagsSet),
        ))
    }
}
