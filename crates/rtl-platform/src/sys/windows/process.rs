//! Structured exceptions.

/// Whether the system has NT's exceptions.
pub const HAS_EXCEPTIONS: bool = true;

/// The most words an exception can carry: `EXCEPTION_MAXIMUM_PARAMETERS`.
const WORDS_MAX: usize = 15;

#[link(name = "kernel32")]
unsafe extern "system-unwind" {
    // Declared here because handlers up the stack unwind through it, which windows-sys rules out.
    fn RaiseException(code: u32, flags: u32, count: u32, words: *const usize);
}

#[link(name = "ntdll")]
unsafe extern "system" {
    fn RtlGetNtGlobalFlags() -> u32;
}

/// NT's word for the whole process.
pub fn nt_global_flags() -> u32 {
    // SAFETY: takes nothing.
    unsafe { RtlGetNtGlobalFlags() }
}

/// Raises an exception.
pub fn raise_exception(code: u32, flags: u32, information: &[usize]) {
    let count = information.len().min(WORDS_MAX);
    // SAFETY: the array holds as many words as the call is told.
    unsafe { RaiseException(code, flags, count as u32, information.as_ptr()) };
}

/// Raises the exception of a fault.
pub fn access_violation(address: usize) {
    const STATUS_ACCESS_VIOLATION: u32 = 0xC000_0005;
    const NONCONTINUABLE: u32 = 1;
    const WRITE: usize = 1;
    raise_exception(STATUS_ACCESS_VIOLATION, NONCONTINUABLE, &[WRITE, address]);
}
