//! Waiting by `WaitOnAddress`, which Windows has had since version 8 and which is therefore looked
//! up when a thread first has to wait.

use core::ffi::c_void;
use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, Ordering, fence};

use windows_sys::Win32::Foundation::{FARPROC, HMODULE};
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows_sys::Win32::System::Threading::{INFINITE, Sleep, SwitchToThread};
use windows_sys::w;

use super::last_error::kept;

type WaitOnAddress = unsafe extern "system" fn(*const c_void, *const c_void, usize, u32) -> i32;
type WakeByAddress = unsafe extern "system" fn(*const c_void);

const UNKNOWN: u8 = 0;
const PRESENT: u8 = 1;
const ABSENT: u8 = 2;

static STATE: AtomicU8 = AtomicU8::new(UNKNOWN);
static WAIT: AtomicPtr<c_void> = AtomicPtr::new(core::ptr::null_mut());
static WAKE_ONE: AtomicPtr<c_void> = AtomicPtr::new(core::ptr::null_mut());
static WAKE_ALL: AtomicPtr<c_void> = AtomicPtr::new(core::ptr::null_mut());

/// Sleeps while `word` holds `expected`.
pub fn wait(word: &AtomicU32, expected: u32) {
    if !is_present() {
        // SAFETY: takes a number.
        unsafe { Sleep(1) };
        return;
    }
    // SAFETY: the pointer was stored before the state became `PRESENT`, and is this function's.
    let wait_on_address: WaitOnAddress =
        unsafe { core::mem::transmute(WAIT.load(Ordering::Relaxed)) };
    let expected = core::ptr::from_ref(&expected).cast();
    // A failure is a wake without a reason, which the caller expects.
    let _ = kept(|| {
        // SAFETY: both addresses are valid for the four bytes.
        Some(unsafe { wait_on_address(word.as_ptr().cast(), expected, 4, INFINITE) })
    });
}

/// Wakes one sleeper.
pub fn wake_one(word: &AtomicU32) {
    wake(word, &WAKE_ONE);
}

/// Wakes every sleeper.
pub fn wake_all(word: &AtomicU32) {
    wake(word, &WAKE_ALL);
}

/// Lets another thread run.
pub fn pause() {
    // SAFETY: takes nothing.
    unsafe { SwitchToThread() };
}

/// Wakes, unless nobody can be asleep because nobody has looked the functions up: a waker must not
/// wait for the loader's lock, which a sleeper may hold.
fn wake(word: &AtomicU32, function: &AtomicPtr<c_void>) {
    // Pairs with the fence in `is_present`: either we see the functions, or the sleeper-to-be sees
    // the word changed.
    fence(Ordering::SeqCst);
    if STATE.load(Ordering::Acquire) != PRESENT {
        return;
    }
    // SAFETY: the pointer was stored before the state became `PRESENT`, and is such a function's.
    let wake_by_address: WakeByAddress =
        unsafe { core::mem::transmute(function.load(Ordering::Relaxed)) };
    // SAFETY: the address is used as a name only.
    unsafe { wake_by_address(word.as_ptr().cast()) };
}

fn is_present() -> bool {
    match STATE.load(Ordering::Acquire) {
        UNKNOWN => look_up(),
        state => state == PRESENT,
    }
}

fn look_up() -> bool {
    let found = kept(|| {
        // SAFETY: a constant string; the module is loaded as long as the process lives.
        let module = unsafe { GetModuleHandleW(w!("kernelbase.dll")) };
        if module.is_null() {
            return None;
        }
        WAIT.store(function(module, c"WaitOnAddress")?, Ordering::Relaxed);
        WAKE_ONE.store(function(module, c"WakeByAddressSingle")?, Ordering::Relaxed);
        WAKE_ALL.store(function(module, c"WakeByAddressAll")?, Ordering::Relaxed);
        Some(())
    })
    .is_ok();
    // Release publishes the three pointers; see `wake` for the fence.
    STATE.store(if found { PRESENT } else { ABSENT }, Ordering::Release);
    fence(Ordering::SeqCst);
    found
}

fn function(module: HMODULE, name: &core::ffi::CStr) -> Option<*mut c_void> {
    // SAFETY: a loaded module, and a string that ends in a zero.
    let found: FARPROC = unsafe { GetProcAddress(module, name.as_ptr().cast()) };
    found.map(|function| function as *mut c_void)
}
