//! The Rust faces of the heap.

#[cfg(feature = "allocator-api2")]
mod allocator_api;
pub mod global;
pub mod looking;
pub mod owned;
mod unwind;
