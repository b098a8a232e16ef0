//! Looking at a heap without changing it.

pub mod validate;
