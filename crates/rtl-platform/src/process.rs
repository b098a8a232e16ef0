//! The end of the process, and exceptions.

use crate::sys::process as sys;

/// Ends the process abnormally, at once.
pub fn abort() -> ! {
    std::process::abort()
}

/// Does what a write to `address` does where nothing is mapped: the exception, or the signal, of an
/// access violation, and the end of the process should its handler go on.
///
/// For an interface whose promise is that fault: the write itself would be undefined behaviour.
pub fn access_violation(address: usize) -> ! {
    sys::access_violation(address);
    abort()
}

/// NtGlobalFlag: the word by which a debugger or the registry asks a Windows process to check
/// itself. 0 elsewhere.
#[doc(alias = "RtlGetNtGlobalFlags")]
#[must_use]
pub fn nt_global_flags() -> u32 {
    sys::nt_global_flags()
}

/// Whether [`raise_exception`] raises: on Windows.
#[must_use]
pub const fn has_exceptions() -> bool {
    sys::HAS_EXCEPTIONS
}

/// Raises the structured exception `code` with `flags` (1: no return) and at most 15 words of
/// `information`. Returns if a handler continues the execution, and at once where the system has
/// no exceptions.
///
/// The exception may unwind through the caller, so the callers up to the handler own nothing that
/// has to be dropped.
#[doc(alias = "RtlRaiseException")]
#[doc(alias = "RaiseException")]
pub fn raise_exception(code: u32, flags: u32, information: &[usize]) {
    sys::raise_exception(code, flags, information);
}
