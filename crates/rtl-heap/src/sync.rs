//! The atomics of [`crate::raw_lock`] and [`crate::side`], under a name that a test can give to loom's.

pub use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, Ordering};
