//! Faults; and exceptions, which these systems do not have.

/// Whether the system has NT's exceptions.
pub const HAS_EXCEPTIONS: bool = false;

/// NT's word for the whole process, which no other system has.
pub fn nt_global_flags() -> u32 {
    0
}

/// Does nothing.
pub fn raise_exception(_code: u32, _flags: u32, _information: &[usize]) {}

/// Sends the calling thread the signal of a fault.
pub fn access_violation(_address: usize) {
    // A handler may put the default back and return, and expect the fault to come again.
    for _ in 0..2 {
        // SAFETY: no memory is involved.
        unsafe { libc::raise(libc::SIGSEGV) };
    }
}
