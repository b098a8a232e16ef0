//! Panics stay inside (R15).
//!
//! A function exported with an ABI that does not unwind ends the process when its body panics. The
//! functions that may raise have one that does, so their bodies run in [`contain`].

use core::mem;

use rtl_platform::process;

/// Ends the process when it is dropped, which only unwinding does.
struct EndOfProcess;

impl Drop for EndOfProcess {
    fn drop(&mut self) {
        process::abort();
    }
}

/// Runs `body`; a panic in it has printed its message and ends the process.
#[inline(always)]
pub(crate) fn contain<R>(body: impl FnOnce() -> R) -> R {
    let guard = EndOfProcess;
    let result = body();
    mem::forget(guard);
    result
}
