//! Which file a piece of code was loaded from.

use core::ffi::CStr;
use core::mem::MaybeUninit;
use core::ptr;

use crate::stack::Place;

/// Where `address` lies in the file that was loaded there.
pub fn place_of(address: usize) -> Option<Place> {
    let mut found = MaybeUninit::<libc::Dl_info>::uninit();
    let address_pointer = ptr::with_exposed_provenance(address);
    // SAFETY: only compares the address; the structure is ours.
    if unsafe { libc::dladdr(address_pointer, found.as_mut_ptr()) } == 0 {
        return None;
    }
    // SAFETY: it was filled, since the call found a module.
    let found = unsafe { found.assume_init() };
    if found.dli_fname.is_null() {
        return None;
    }
    // SAFETY: the loader's own text, which stays as long as the module is loaded: the caller's code is.
    let path = unsafe { CStr::from_ptr(found.dli_fname) }.to_bytes();
    let name = path.rsplit(|byte| *byte == b'/').next()?;
    let offset = address.checked_sub(found.dli_fbase.addr())?;
    Some(Place {
        module: core::str::from_utf8(name).ok()?,
        offset,
    })
}
