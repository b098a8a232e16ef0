//! Windows.

pub mod barrier;
pub mod environment;
pub mod errno;
pub mod fork;
pub mod memory;
pub mod process;
pub mod random;
pub mod regions;
pub mod stack;
pub mod stderr;
pub mod thread;
pub mod wait;

mod last_error;
