//! The thread's last error, which belongs to the program.

use windows_sys::Win32::Foundation::{GetLastError, SetLastError};

/// Calls `call` and puts the last error back as it was: no primitive changes it, whether it
/// succeeds or not. If the call says it failed, the error is the number it left.
pub fn kept<T>(call: impl FnOnce() -> Option<T>) -> Result<T, u32> {
    // SAFETY: reads the thread's own number.
    let before = unsafe { GetLastError() };
    let result = call().ok_or_else(|| {
        // SAFETY: as above.
        unsafe { GetLastError() }
    });
    // SAFETY: writes the thread's own number.
    unsafe { SetLastError(before) };
    result
}
