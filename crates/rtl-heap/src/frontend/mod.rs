//! The front end (NT's low-fragmentation heap): small blocks from slabs, through lanes of each
//! thread's own.
//!
//! HeapLock does not stop it (specification 11): requests of other threads go on as long as their
//! lane or their bucket has a slot.

pub mod activation;
pub mod emptying;
pub mod exchange;
pub mod lanes;
pub mod slots;
pub mod supply;
