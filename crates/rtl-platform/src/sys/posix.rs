//! What Linux and macOS do alike. What differs is asked of the system that the ladder chose.

pub mod ahead;
pub mod environment;
pub mod errno;
pub mod fork;
pub mod frames;
pub mod mapping;
pub mod modules;
pub mod nap;
pub mod placement;
pub mod process;
pub mod retained;
pub mod stderr;
pub mod survey;
