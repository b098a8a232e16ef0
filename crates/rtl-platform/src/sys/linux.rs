//! Linux.

pub mod maps;
pub mod memory;
pub mod random;
pub mod stack;
pub mod thread;
pub mod wait;

pub use super::posix::{environment, errno, fork, process, stderr};
pub use maps as regions;
