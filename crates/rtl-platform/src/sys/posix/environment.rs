//! The environment, as the C library keeps it.

use core::ffi::{CStr, c_char};

#[cfg(target_os = "linux")]
fn variables() -> *const *const c_char {
    unsafe extern "C" {
        static environ: *const *const c_char;
    }
    // SAFETY: the C library's variable, valid from the start.
    unsafe { environ }
}

#[cfg(target_os = "macos")]
fn variables() -> *const *const c_char {
    // SAFETY: takes nothing.
    let at = unsafe { libc::_NSGetEnviron() };
    // SAFETY: the pointer to the C library's variable, valid from the start.
    unsafe { at.read() }.cast_const().cast()
}

/// Stores the value of a variable.
pub fn read(name: &[u8], value: &mut [u8]) -> Option<usize> {
    let mut at = variables();
    // Before the C library has started there is none.
    while !at.is_null() {
        // SAFETY: an array of pointers, of which the last is null.
        let variable = unsafe { at.read() };
        if variable.is_null() {
            break;
        }
        // SAFETY: a string of the environment ends with a zero.
        let text = unsafe { CStr::from_ptr(variable) }.to_bytes();
        let found = text
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix(b"="));
        if let Some(found) = found.filter(|_| !name.is_empty()) {
            let length = found.len().min(value.len());
            value[..length].copy_from_slice(&found[..length]);
            return Some(length);
        }
        at = at.wrapping_add(1);
    }
    None
}
