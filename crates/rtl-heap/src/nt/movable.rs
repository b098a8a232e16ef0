//! Local and Global memory: objects with handles, fixed or moveable (specification 8).
//!
//! ```
//! # #[cfg(feature = "os")] {
//! use rtl_heap::nt::movable::{self, Family, MemoryFlags, Unlocked};
//!
//! let handle = movable::allocate(Family::Global, MemoryFlags::MOVEABLE, 100)?;
//! let data = movable::lock(Family::Global, handle)?;
//! assert_ne!(data.as_ptr() as usize, handle.0); // the data may move, the handle does not
//! assert_eq!(movable::unlock(Family::Global, handle)?, Unlocked::Released);
//! // SAFETY: the object is ours and nobody uses its data any more.
//! unsafe { movable::free(handle)? };
//! # }
//! # Ok::<(), rtl_heap::nt::movable::MemoryError>(())
//! ```

pub use crate::movable::{
    Family, MemoryError, MemoryFlags, MemoryHandle, Unlocked, allocate, flags, free, handle_of,
    lock, reallocate, size, unlock,
};
