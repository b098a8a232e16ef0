//! The library's own reservations.

use core::ffi::c_void;
use core::ptr::null_mut;

use super::Reservation;
use crate::abi::own::{
    MEM_COMMIT, rtlheap_vm_commit, rtlheap_vm_info, rtlheap_vm_query, rtlheap_vm_release,
    rtlheap_vm_reserve,
};

pub(super) fn reserve(size: usize) -> *mut c_void {
    rtlheap_vm_reserve(size)
}

pub(super) fn commit(address: *mut c_void, size: usize) -> bool {
    rtlheap_vm_commit(address, size) != 0
}

pub(super) fn release(base: *mut c_void) -> bool {
    // SAFETY: called when the owner of the reservation is dropped.
    unsafe { rtlheap_vm_release(base) != 0 }
}

fn query(address: usize) -> Option<rtlheap_vm_info> {
    let mut info = rtlheap_vm_info {
        base: null_mut(),
        size: 0,
        state: 0,
        heap: null_mut(),
    };
    (rtlheap_vm_query(address as *const c_void, Some(&mut info)) != 0).then_some(info)
}

/// The reservation around an address, if the library knows one.
pub fn reservation_at(address: usize) -> Option<Reservation> {
    query(address).map(|info| Reservation {
        base: info.base as usize,
        size: info.size,
    })
}

/// Whether the page at an address is committed.
pub fn is_committed(address: usize) -> bool {
    query(address).is_some_and(|info| info.state == MEM_COMMIT)
}
