//! The micro rows: one operation, every allocator, in turns.

pub mod loops;
pub mod rows;
pub mod threads;
pub mod work;

#[cfg(unix)]
pub mod field;
#[cfg(unix)]
mod measured;
#[cfg(unix)]
pub mod table;
#[cfg(unix)]
mod wine;

#[cfg(unix)]
pub use self::measured::{CONTROL, Measured, measure};
