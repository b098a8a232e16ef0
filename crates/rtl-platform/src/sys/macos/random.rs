//! Randomness.

use crate::sys::posix::errno;

/// Fills `bytes`, at most 256, from the system's generator.
pub fn fill(bytes: &mut [u8]) -> bool {
    errno::kept(|| {
        // SAFETY: the pointer and the length are those of one slice.
        let result = unsafe { libc::getentropy(bytes.as_mut_ptr().cast(), bytes.len()) };
        (result == 0).then_some(())
    })
    .is_ok()
}

/// What the system gives away for free: the time, and the process's number.
pub fn ambient() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the place is valid for writing.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    // SAFETY: takes nothing.
    let process = unsafe { libc::getpid() };
    (now.tv_sec as u64).rotate_left(32) ^ now.tv_nsec as u64 ^ (process as u64).rotate_left(48)
}
