//! The C library's error number of this thread.

#[cfg(target_os = "linux")]
use libc::__errno_location as location;
#[cfg(target_os = "macos")]
use libc::__error as location;

/// The thread's `errno`.
pub fn get() -> i32 {
    // SAFETY: takes nothing; the pointer it gives is the thread's own and always valid.
    let at = unsafe { location() };
    // SAFETY: as above.
    unsafe { at.read() }
}

/// Sets the thread's `errno`.
pub fn set(value: i32) {
    // SAFETY: takes nothing; the pointer it gives is the thread's own and always valid.
    let at = unsafe { location() };
    // SAFETY: as above.
    unsafe { at.write(value) }
}

/// Calls `call` and, if it says it failed, puts the caller's `errno` back: no primitive changes
/// it. The error is the number `call` left there.
pub fn kept<T>(call: impl FnOnce() -> Option<T>) -> Result<T, i32> {
    let before = get();
    call().ok_or_else(|| {
        let error = get();
        set(before);
        error
    })
}
