//! Linux.

pub mod barrier;
pub mod maps;
pub mod memory;
mod moving;
pub mod random;
pub mod stack;
pub mod thread;
mod unwinder;
pub mod wait;
#[cfg(target_arch = "x86_64")]
pub mod word;

pub use super::posix::{environment, errno, fork, process, stderr};
pub use maps as regions;
