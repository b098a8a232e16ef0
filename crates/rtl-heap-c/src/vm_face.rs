//! Memory for the parameter `HeapBase`, and what the library knows about any address.

use core::ptr;

use rtl_heap::status::Status;
use rtl_heap::{caller_memory, nt};

use crate::exports::exports;
use crate::last_error::fail;
use crate::pin::pin_layout;
use crate::types::{BOOL, FALSE, HANDLE, PCVOID, PVOID, SIZE_T, TRUE, ULONG};
use crate::vm_operations::{MEM_COMMIT, MEM_RESERVE};

/// `rtlheap_vm_info` of the header: a reservation known to the library, and the page an address
/// lies in.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(non_camel_case_types)]
pub struct rtlheap_vm_info {
    /// Where the reservation starts.
    pub base: PVOID,
    /// Bytes reserved.
    pub size: SIZE_T,
    /// `MEM_COMMIT` or `MEM_RESERVE`.
    pub state: ULONG,
    /// The heap that uses it, or NULL.
    pub heap: HANDLE,
}

pin_layout!(
    rtlheap_vm_info,
    16 / 32,
    base = 0 / 0,
    size = 4 / 8,
    state = 8 / 16,
    heap = 12 / 24
);

fn truth(result: Result<(), Status>) -> BOOL {
    match result {
        Ok(()) => TRUE,
        Err(status) => {
            fail(status);
            FALSE
        }
    }
}

exports! { own:
    /// Reserves `size` bytes, rounded up to pages of 4 KiB, at a multiple of 64 KiB.
    ///
    /// NULL and `ERROR_NOT_ENOUGH_MEMORY`, or `ERROR_INVALID_PARAMETER` for no bytes.
    pub extern "system" fn rtlheap_vm_reserve(size: SIZE_T) -> PVOID {
        match caller_memory::reserve(size) {
            Ok(base) => base.as_ptr().cast(),
            Err(status) => {
                fail(status);
                ptr::null_mut()
            }
        }
    }

    /// Makes the pages that `size` bytes from `address` touch readable and writable. They lie in
    /// one reservation made by `rtlheap_vm_reserve`.
    ///
    /// FALSE and `ERROR_INVALID_PARAMETER` if they do not, `ERROR_NOT_ENOUGH_MEMORY` if there is
    /// no memory.
    ///
    /// # Safety
    /// 1. No other call commits or releases the same reservation meanwhile.
    pub unsafe extern "system" fn rtlheap_vm_commit(address: PVOID, size: SIZE_T) -> BOOL {
        // SAFETY: (1).
        truth(unsafe { caller_memory::commit(address.addr(), size) })
    }

    /// Gives a whole reservation made by `rtlheap_vm_reserve` back.
    ///
    /// FALSE and `ERROR_INVALID_PARAMETER` if none starts at `base`, or a heap uses it.
    ///
    /// # Safety
    /// 1. Nobody uses the memory any more.
    pub unsafe extern "system" fn rtlheap_vm_release(base: PVOID) -> BOOL {
        // SAFETY: (1).
        truth(unsafe { caller_memory::release(base.addr()) })
    }

    /// Stores into `info` which reservation of the library, its heaps' and the caller's,
    /// `address` lies in.
    ///
    /// FALSE and `ERROR_INVALID_PARAMETER` if it lies in none.
    ///
    /// # Safety
    /// 1. `info` can be written.
    pub unsafe extern "system" fn rtlheap_vm_query(
        address: PCVOID,
        info: *mut rtlheap_vm_info,
    ) -> BOOL {
        let Some(region) = nt::region_of(address.addr()).filter(|_| !info.is_null()) else {
            return truth(Err(Status::INVALID_PARAMETER));
        };
        let found = rtlheap_vm_info {
            base: ptr::with_exposed_provenance_mut(region.base),
            size: region.size,
            state: if region.committed { MEM_COMMIT } else { MEM_RESERVE },
            heap: ptr::with_exposed_provenance_mut(region.heap),
        };
        // SAFETY: (1).
        unsafe { info.write_unaligned(found) };
        TRUE
    }
}
