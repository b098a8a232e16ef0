//! CPU time of the calling thread.

pub use imp::thread_ns;

#[cfg(unix)]
mod imp {
    /// Nanoseconds of CPU time, system calls included, that the calling thread has used.
    pub fn thread_ns() -> u64 {
        let mut now = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the clock exists on every system we run on, and `now` is ours.
        unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut now) };
        now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
    }
}

/// Under Wine, on Linux. Windows' own clock of a thread counts in steps of 10 ms there, so Linux is
/// asked, by the system call that the C library would make: the same clock for every contestant.
#[cfg(windows)]
mod imp {
    use std::arch::asm;

    const CLOCK_GETTIME: usize = 228;
    const CLOCK_THREAD_CPUTIME_ID: usize = 3;

    /// Nanoseconds of CPU time, system calls included, that the calling thread has used. Only
    /// under Wine; see [`is_wine`](crate::kernel32::is_wine).
    pub fn thread_ns() -> u64 {
        let mut now = [0_u64; 2];
        let result: isize;
        // SAFETY: Linux's clock_gettime on x86-64 writes two words, which are ours, and changes
        // these registers.
        unsafe {
            asm!(
                "syscall",
                inlateout("rax") CLOCK_GETTIME => result,
                in("rdi") CLOCK_THREAD_CPUTIME_ID,
                in("rsi") now.as_mut_ptr(),
                lateout("rcx") _,
                lateout("r11") _,
                options(nostack),
            );
        }
        assert_eq!(result, 0, "no clock");
        now[0] * 1_000_000_000 + now[1]
    }
}
