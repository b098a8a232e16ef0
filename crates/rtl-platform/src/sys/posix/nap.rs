//! A short sleep.

use core::ptr;

use super::errno;

/// Sleeps for about a tenth of a millisecond.
pub fn nap() {
    let time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 100_000,
    };
    // Woken early it has slept for less.
    let _ = errno::kept(|| {
        // SAFETY: the time is readable, and what is left of it is not asked for.
        (unsafe { libc::nanosleep(&raw const time, ptr::null_mut()) } == 0).then_some(())
    });
}
