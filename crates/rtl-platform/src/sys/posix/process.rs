//! Exceptions, which these systems do not have.

/// Whether the system has NT's exceptions.
pub const HAS_EXCEPTIONS: bool = false;

/// Does nothing.
pub fn raise_exception(_code: u32, _flags: u32, _information: &[usize]) {}
