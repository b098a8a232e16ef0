//! Fork: the child finds every heap whole and its locks free (R7).
//!
//! [`prepare`] takes every lock in the order of the hierarchy (list, heaps, map, metadata), so no
//! other thread is inside when the process is copied; the forking thread holds them in both copies
//! and gives them back. A `HeapLock` it held before stays held in both.

use crate::lifecycle::registry;
use crate::{metadata, regions};

/// To be called before a fork, by the forking thread.
pub extern "C" fn prepare() {
    registry::enter_for_fork();
    regions::enter_for_fork();
    metadata::enter_for_fork();
}

/// To be called after a fork in parent and child, by the thread that forked.
pub extern "C" fn resume() {
    metadata::leave_after_fork();
    regions::leave_after_fork();
    registry::leave_after_fork();
}
