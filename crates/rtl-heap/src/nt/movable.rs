//! Local and Global memory: objects with handles, fixed or moveable (specification 8).

pub use crate::movable::{
    Family, MemoryError, MemoryFlags, MemoryHandle, Unlocked, allocate, flags, free, handle_of,
    lock, reallocate, size, unlock,
};
