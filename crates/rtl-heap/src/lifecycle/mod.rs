//! From creation to destruction, and the process's list of heaps.

pub mod create;
pub mod destroy;
pub mod registry;
