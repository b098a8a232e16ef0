//! `RtlValidateHeap` and its companions (specification 4.1).

use rtl_heap::flags::HeapFlags;
use rtl_heap::nt;
use rtl_heap::status::Status;

use crate::exports::exports;
use crate::last_error;
use crate::probe;
use crate::rtl::handle;
use crate::types::{BOOL, BOOLEAN, DWORD, HANDLE, LPCVOID, PCVOID, PVOID, ULONG};

/// A pointer that was found to be no block is unmapped: the one answer with a last error (C164).
#[cold]
fn note_unmapped(block: PCVOID) {
    let address = block.addr();
    if nt::region_of(address).is_none() && !probe::is_readable(address, 1) {
        last_error::fail(Status::ACCESS_VIOLATION);
    }
}

/// `RtlValidateHeap` of what is no slot in use. A function of its own, with the same parameters, so that
/// the one for slots saves no register.
#[inline(never)]
extern "system" fn validate(heap: PVOID, flags: ULONG, address: PCVOID) -> BOOL {
    let flags = HeapFlags::from_bits_retain(flags);
    let block = (!address.is_null()).then_some(address.cast());
    let valid = match (heap.is_null(), block) {
        (false, block) => nt::validate(handle(heap), flags, block),
        (true, None) => nt::validate_process_heaps(),
        (true, Some(block)) => nt::region_of(block.addr())
            .is_some_and(|region| nt::validate(nt::HeapHandle(region.heap), flags, Some(block))),
    };
    if !valid && block.is_some() {
        note_unmapped(address);
    }
    BOOL::from(valid)
}

exports! { nt:
    /// TRUE if the heap is whole or, with `BaseAddress`, if that is a block in use of the heap. A
    /// NULL heap stands for all heaps of the process.
    ///
    /// Faults for no argument and leaves the last error alone, but for a `BaseAddress` where
    /// nothing is mapped: `ERROR_NOACCESS`.
    pub extern "system" fn RtlValidateHeap(
        HeapHandle: PVOID,
        Flags: ULONG,
        BaseAddress: PCVOID,
    ) -> BOOLEAN {
        match nt::size_at_once(handle(HeapHandle), BaseAddress.cast()) {
            // All that is to be known of a slot is out of band, and was just looked at.
            Some(_) => 1,
            None => validate(HeapHandle, Flags, BaseAddress) as BOOLEAN,
        }
    }

    /// [`RtlValidateHeap`].
    pub extern "system" fn HeapValidate(hHeap: HANDLE, dwFlags: DWORD, lpMem: LPCVOID) -> BOOL {
        match nt::size_at_once(handle(hHeap), lpMem.cast()) {
            Some(_) => 1,
            None => validate(hHeap, dwFlags, lpMem),
        }
    }

    /// TRUE if every heap of the process is whole. All are checked, even after one that is not.
    pub extern "system" fn RtlValidateProcessHeaps() -> BOOLEAN {
        BOOLEAN::from(nt::validate_process_heaps())
    }
}
