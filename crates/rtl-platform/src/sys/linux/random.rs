//! Randomness.

use crate::sys::posix::errno;

/// Fills `bytes` from the system's generator, if it can without waiting.
pub fn fill(bytes: &mut [u8]) -> bool {
    let result = errno::kept(|| {
        // SAFETY: the pointer and the length are those of one slice.
        let count = unsafe {
            libc::syscall(
                libc::SYS_getrandom,
                bytes.as_mut_ptr(),
                bytes.len(),
                libc::GRND_NONBLOCK,
            )
        };
        usize::try_from(count).ok()
    });
    result == Ok(bytes.len())
}

/// What the system gives away for free: the time, and the bytes the kernel gave the process.
pub fn ambient() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the place is valid for writing.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    // SAFETY: asks for a number.
    let bytes = unsafe { libc::getauxval(libc::AT_RANDOM) } as usize;
    let bytes = core::ptr::with_exposed_provenance::<[u8; 8]>(bytes);
    let given = if bytes.is_null() {
        0
    } else {
        // SAFETY: if there is such an entry, it points to 16 bytes that live with the process.
        u64::from_ne_bytes(unsafe { bytes.read() })
    };
    given ^ (now.tv_sec as u64).rotate_left(32) ^ now.tv_nsec as u64
}
