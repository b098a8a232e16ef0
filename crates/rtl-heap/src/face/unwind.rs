//! `HEAP_GENERATE_EXCEPTIONS` in Rust: an unwinding payload.

use crate::hooks::HeapException;

/// Unwinds with `exception` as the payload, past the panic hook: it is an answer, not a bug.
#[cfg(feature = "os")]
pub fn unwind(exception: HeapException) -> ! {
    extern crate std;
    std::panic::resume_unwind(std::boxed::Box::new(exception))
}

/// Without an operating system there is nobody to catch it.
#[cfg(not(feature = "os"))]
pub fn unwind(exception: HeapException) -> ! {
    panic!("heap exception: {}", exception.code)
}
