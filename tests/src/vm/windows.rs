//! The system's reservations.

#![allow(non_camel_case_types)]

use core::ffi::c_void;
use core::ptr::null_mut;

use super::Reservation;
use crate::abi::BOOL;

#[repr(C)]
struct MEMORY_BASIC_INFORMATION {
    base_address: *mut c_void,
    allocation_base: *mut c_void,
    allocation_protect: u32,
    #[cfg(target_pointer_width = "64")]
    partition: u32,
    region_size: usize,
    state: u32,
    protect: u32,
    kind: u32,
}

const MEM_COMMIT: u32 = 0x1000;
const MEM_RESERVE: u32 = 0x2000;
const MEM_RELEASE: u32 = 0x8000;
const MEM_FREE: u32 = 0x1_0000;
const PAGE_READWRITE: u32 = 4;

#[link(name = "kernel32")]
unsafe extern "system" {
    safe fn VirtualAlloc(address: *mut c_void, size: usize, kind: u32, protect: u32)
    -> *mut c_void;
    fn VirtualFree(address: *mut c_void, size: usize, kind: u32) -> BOOL;
    safe fn VirtualQuery(
        address: *const c_void,
        info: &mut MEMORY_BASIC_INFORMATION,
        length: usize,
    ) -> usize;
}

pub(super) fn reserve(size: usize) -> *mut c_void {
    VirtualAlloc(null_mut(), size, MEM_RESERVE, PAGE_READWRITE)
}

pub(super) fn commit(address: *mut c_void, size: usize) -> bool {
    !VirtualAlloc(address, size, MEM_COMMIT, PAGE_READWRITE).is_null()
}

pub(super) fn release(base: *mut c_void) -> bool {
    // SAFETY: called when the owner of the reservation is dropped.
    unsafe { VirtualFree(base, 0, MEM_RELEASE) != 0 }
}

fn query(address: usize) -> Option<MEMORY_BASIC_INFORMATION> {
    // SAFETY: all zero bytes are a value of this structure of numbers and pointers.
    let mut info: MEMORY_BASIC_INFORMATION = unsafe { core::mem::zeroed() };
    let length = size_of::<MEMORY_BASIC_INFORMATION>();
    let known = VirtualQuery(address as *const c_void, &mut info, length) == length;
    (known && info.state != MEM_FREE).then_some(info)
}

/// The whole reservation around an address: every run of pages with one allocation base.
pub fn reservation_at(address: usize) -> Option<Reservation> {
    let base = query(address)?.allocation_base;
    let mut end = base as usize;
    while let Some(run) = query(end).filter(|run| run.allocation_base == base) {
        end += run.region_size;
    }
    Some(Reservation {
        base: base as usize,
        size: end - base as usize,
    })
}

/// Whether the page at an address is committed.
pub fn is_committed(address: usize) -> bool {
    query(address).is_some_and(|run| run.state == MEM_COMMIT)
}
