//! The atomics of [`crate::raw_lock`], under a name that a test can give to loom's.

pub use core::sync::atomic::{AtomicU32, Ordering};
