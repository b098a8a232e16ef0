//! The front end (NT's low-fragmentation heap): small blocks from slabs, under a lock per bucket.
//!
//! HeapLock does not stop it (specification 11): requests of other threads go on as long as their
//! bucket has a free slot.

pub mod activation;
pub mod slots;
pub mod supply;
