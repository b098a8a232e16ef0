//! Looking at a heap without changing it.

pub mod summary;
pub mod validate;
pub mod walk;
