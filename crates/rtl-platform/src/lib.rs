//! What an NT heap needs from the system below it, and nothing else.
//!
//! The crate has three parts. [`vm`] is the contract for virtual memory: a trait, and the words it
//! speaks. With the feature `os` (on by default) the rest of the crate fulfils it, and adds what
//! else a heap needs: [`wait`], [`thread`], [`barrier`], [`random`], [`fork`], [`stack`], [`stderr`],
//! [`process`], [`environment`] and [`errno`], the same on every system. With the feature `sim`, [`sim`] holds a
//! virtual memory that exists only in an array, watches its caller closely and fails on demand.
//!
//! Nothing here calls Rust's allocator, takes a lock that its caller could hold, or panics, except
//! that the simulation panics when it catches a broken rule. The contract in prose, for whoever
//! ports the crate to another system, is `docs/PORTING.md`.
//!
//! | layer | modules | may use |
//! |---|---|---|
//! | face | `os`, `wait`, `thread`, `random`, `fork`, `stack`, ... | `sys`, contract |
//! | system | `sys`, one folder per system below one ladder | the C library or Win32, contract |
//! | simulation | `sim` | contract |
//! | contract | `vm`, `pages`, `prefetch` | `core` |

#![cfg_attr(not(any(test, feature = "os")), no_std)]
#![warn(clippy::multiple_unsafe_ops_per_block)]

pub mod pages;
pub mod prefetch;
#[cfg(feature = "sim")]
pub mod sim;
pub mod vm;

#[cfg(feature = "os")]
pub mod barrier;
#[cfg(feature = "os")]
pub mod environment;
#[cfg(feature = "os")]
pub mod errno;
#[cfg(feature = "os")]
pub mod fork;
#[cfg(feature = "os")]
pub mod os;
#[cfg(feature = "os")]
pub mod process;
#[cfg(feature = "os")]
pub mod random;
#[cfg(feature = "os")]
pub mod stack;
#[cfg(feature = "os")]
pub mod stderr;
#[cfg(feature = "os")]
mod sys;
#[cfg(feature = "os")]
pub mod thread;
#[cfg(feature = "os")]
pub mod wait;

pub use pages::{ALLOCATION_GRANULARITY, PAGE_SIZE};
