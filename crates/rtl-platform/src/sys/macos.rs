//! macOS.

pub mod barrier;
pub mod memory;
pub mod random;
pub mod regions;
pub mod stack;
pub mod thread;
pub mod wait;

pub use super::posix::{environment, errno, fork, process, stderr};
