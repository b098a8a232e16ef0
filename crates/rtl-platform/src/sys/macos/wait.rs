//! Waiting by `os_sync_wait_on_address`, which macOS has had since 14.4, or by what is below it,
//! which is older. Both are looked up, so that neither has to be there.

pub use crate::sys::posix::nap::nap;

use core::ffi::{CStr, c_void};
use core::sync::atomic::AtomicU32;

use crate::sys::late::Late;
use crate::sys::posix::errno;

type WaitOnAddress = unsafe extern "C" fn(*mut c_void, u64, usize, u32) -> i32;
type WakeByAddress = unsafe extern "C" fn(*mut c_void, usize, u32) -> i32;
type UlockWait = unsafe extern "C" fn(u32, *mut c_void, u64, u32) -> i32;
type UlockWake = unsafe extern "C" fn(u32, *mut c_void, u64) -> i32;

/// `os_sync_wait_on_address`, `os_sync_wake_by_address_any`, `os_sync_wake_by_address_all`.
static SYNC: Late<3> = Late::new();
/// `__ulock_wait`, `__ulock_wake`.
static ULOCK: Late<2> = Late::new();

/// `UL_COMPARE_AND_WAIT`: four bytes are compared.
const COMPARE_AND_WAIT: u32 = 1;
/// `ULF_WAKE_ALL`.
const EVERY_SLEEPER: u32 = 0x100;

/// Sleeps while `word` holds `expected`.
pub fn wait(word: &AtomicU32, expected: u32) {
    let address = word.as_ptr().cast();
    let expected = u64::from(expected);
    // A failure is a wake without a reason, which the caller expects.
    let _ = errno::kept(|| {
        if let Some([wait, _, _]) = SYNC.get(look_up_sync) {
            // SAFETY: the function of that name has this type.
            let wait: WaitOnAddress = unsafe { core::mem::transmute(wait) };
            // SAFETY: the address is valid for the four bytes.
            return (unsafe { wait(address, expected, 4, 0) } >= 0).then_some(());
        }
        let Some([wait, _]) = ULOCK.get(look_up_ulock) else {
            pause();
            return Some(());
        };
        // SAFETY: the function of that name has this type.
        let wait: UlockWait = unsafe { core::mem::transmute(wait) };
        // SAFETY: the address is valid for the four bytes; no time limit.
        (unsafe { wait(COMPARE_AND_WAIT, address, expected, 0) } >= 0).then_some(())
    });
}

/// Wakes one sleeper.
pub fn wake_one(word: &AtomicU32) {
    wake(word, false);
}

/// Wakes every sleeper.
pub fn wake_all(word: &AtomicU32) {
    wake(word, true);
}

/// Lets another thread run.
pub fn pause() {
    // SAFETY: takes nothing.
    unsafe { libc::sched_yield() };
}

fn wake(word: &AtomicU32, all: bool) {
    let address = word.as_ptr().cast();
    // It fails if nobody sleeps there.
    let _ = errno::kept(|| {
        if let Some([_, one, every]) = SYNC.known() {
            // SAFETY: both functions have this type.
            let wake: WakeByAddress =
                unsafe { core::mem::transmute(if all { every } else { one }) };
            // SAFETY: the address is used as a name only.
            return (unsafe { wake(address, 4, 0) } >= 0).then_some(());
        }
        let [_, wake] = ULOCK.known()?;
        // SAFETY: the function of that name has this type.
        let wake: UlockWake = unsafe { core::mem::transmute(wake) };
        let operation = COMPARE_AND_WAIT | if all { EVERY_SLEEPER } else { 0 };
        // SAFETY: the address is used as a name only.
        (unsafe { wake(operation, address, 0) } >= 0).then_some(())
    });
}

fn look_up_sync() -> Option<[*mut c_void; 3]> {
    Some([
        function(c"os_sync_wait_on_address")?,
        function(c"os_sync_wake_by_address_any")?,
        function(c"os_sync_wake_by_address_all")?,
    ])
}

fn look_up_ulock() -> Option<[*mut c_void; 2]> {
    Some([function(c"__ulock_wait")?, function(c"__ulock_wake")?])
}

fn function(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: a string that ends in a zero.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!found.is_null()).then_some(found)
}
