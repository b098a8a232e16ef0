//! Randomness.

use windows_sys::Win32::Security::Authentication::Identity::RtlGenRandom;
use windows_sys::Win32::System::Performance::QueryPerformanceCounter;
use windows_sys::Win32::System::Threading::GetCurrentProcessId;

use super::last_error::kept;

/// Fills `bytes` from the system's generator.
pub fn fill(bytes: &mut [u8]) -> bool {
    let Ok(length) = u32::try_from(bytes.len()) else {
        return false;
    };
    kept(|| {
        // SAFETY: the pointer and the length are those of one slice.
        unsafe { RtlGenRandom(bytes.as_mut_ptr().cast(), length) }.then_some(())
    })
    .is_ok()
}

/// What the system gives away for free: the time, and the process's number.
pub fn ambient() -> u64 {
    let mut now = 0_i64;
    // SAFETY: the place is valid for writing.
    unsafe { QueryPerformanceCounter(&mut now) };
    // SAFETY: takes nothing.
    let process = unsafe { GetCurrentProcessId() };
    (now as u64).rotate_left(17) ^ u64::from(process)
}
