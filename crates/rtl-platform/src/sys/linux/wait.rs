//! Waiting by futex.

pub use crate::sys::posix::nap::nap;

use core::sync::atomic::AtomicU32;

use crate::sys::posix::errno;

/// Sleeps while `word` holds `expected`.
pub fn wait(word: &AtomicU32, expected: u32) {
    let result = errno::kept(|| {
        // SAFETY: the word is valid for the whole call, and a null time means no limit.
        let result = unsafe {
            libc::syscall(
                libc::SYS_futex,
                word.as_ptr(),
                libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
                expected,
                core::ptr::null::<libc::timespec>(),
            )
        };
        (result == 0).then_some(())
    });
    match result {
        // Woken, or the word had changed, or a signal came: the caller looks for itself.
        Ok(()) | Err(libc::EAGAIN | libc::EINTR) => {}
        // The kernel, or a filter before it, refuses.
        Err(_) => pause(),
    }
}

/// Wakes one sleeper.
pub fn wake_one(word: &AtomicU32) {
    wake(word, 1);
}

/// Wakes every sleeper.
pub fn wake_all(word: &AtomicU32) {
    wake(word, i32::MAX);
}

/// Lets another thread run.
pub fn pause() {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::sched_yield() };
}

fn wake(word: &AtomicU32, count: i32) {
    // Where it is refused, nobody sleeps.
    let _ = errno::kept(|| {
        // SAFETY: the kernel uses the address as a name only.
        let result = unsafe {
            libc::syscall(
                libc::SYS_futex,
                word.as_ptr(),
                libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
                count,
            )
        };
        (result >= 0).then_some(())
    });
}
