//! A used part of the address space, as every system's `regions` reports it.

use crate::pages::Span;
use crate::vm::Protection;

/// A used part of the address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Where it is.
    pub span: Span,
    /// What may be done there. Pages that can be executed but not written count as read-only.
    pub protection: Protection,
    /// Whether it is the main thread's stack, which grows downwards and above which the system
    /// keeps things of its own.
    pub is_stack: bool,
}
