//! Waiting by `WaitOnAddress`, which Windows has had since version 8.

use core::ffi::{CStr, c_void};
use core::sync::atomic::AtomicU32;

use windows_sys::Win32::Foundation::HMODULE;
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows_sys::Win32::System::Threading::{INFINITE, Sleep, SwitchToThread};
use windows_sys::w;

use super::last_error::kept;
use crate::sys::late::Late;

type WaitOnAddress = unsafe extern "system" fn(*const c_void, *const c_void, usize, u32) -> i32;
type WakeByAddress = unsafe extern "system" fn(*const c_void);

/// `WaitOnAddress`, `WakeByAddressSingle`, `WakeByAddressAll`.
static FUNCTIONS: Late<3> = Late::new();

/// Sleeps while `word` holds `expected`.
pub fn wait(word: &AtomicU32, expected: u32) {
    let Some([function, _, _]) = FUNCTIONS.get(look_up) else {
        // SAFETY: takes a number.
        unsafe { Sleep(1) };
        return;
    };
    // SAFETY: the function of that name has this type.
    let wait_on_address: WaitOnAddress = unsafe { core::mem::transmute(function) };
    let expected = core::ptr::from_ref(&expected).cast();
    // A failure is a wake without a reason, which the caller expects.
    let _ = kept(|| {
        // SAFETY: both addresses are valid for the four bytes.
        Some(unsafe { wait_on_address(word.as_ptr().cast(), expected, 4, INFINITE) })
    });
}

/// Wakes one sleeper.
pub fn wake_one(word: &AtomicU32) {
    if let Some([_, function, _]) = FUNCTIONS.known() {
        // SAFETY: `WakeByAddressSingle`.
        unsafe { wake(function, word) };
    }
}

/// Wakes every sleeper.
pub fn wake_all(word: &AtomicU32) {
    if let Some([_, _, function]) = FUNCTIONS.known() {
        // SAFETY: `WakeByAddressAll`.
        unsafe { wake(function, word) };
    }
}

/// Lets another thread run.
pub fn pause() {
    // SAFETY: takes nothing.
    unsafe { SwitchToThread() };
}

/// Sleeps for about a millisecond.
pub fn nap() {
    // SAFETY: takes a number.
    unsafe { Sleep(1) };
}

/// # Safety
///
/// `function` is one of the two that wake.
unsafe fn wake(function: *mut c_void, word: &AtomicU32) {
    // SAFETY: the caller's promise.
    let wake_by_address: WakeByAddress = unsafe { core::mem::transmute(function) };
    // SAFETY: the address is used as a name only.
    unsafe { wake_by_address(word.as_ptr().cast()) };
}

fn look_up() -> Option<[*mut c_void; 3]> {
    kept(|| {
        // SAFETY: a constant string; the module is loaded as long as the process lives.
        let module = unsafe { GetModuleHandleW(w!("kernelbase.dll")) };
        if module.is_null() {
            return None;
        }
        Some([
            function(module, c"WaitOnAddress")?,
            function(module, c"WakeByAddressSingle")?,
            function(module, c"WakeByAddressAll")?,
        ])
    })
    .ok()
}

fn function(module: HMODULE, name: &CStr) -> Option<*mut c_void> {
    // SAFETY: a loaded module, and a string that ends in a zero.
    let found = unsafe { GetProcAddress(module, name.as_ptr().cast()) };
    found.map(|function| function as *mut c_void)
}
