//! What a heap does for its callers, one file per operation. All of it runs with the lock held.

pub mod allocate;
pub mod compact;
pub mod extras;
pub mod fast;
pub mod free;
pub mod grow;
pub mod middle;
pub mod reallocate;
pub mod size;
pub mod tags;
pub mod user_info;
pub mod zero;
