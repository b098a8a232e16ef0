//! Fork: the child finds every heap whole and its locks free (R7).
//!
//! [`prepare`] takes every lock in the order of the hierarchy (lanes, list, heaps, tags, traces, maps,
//! metadata), so no other thread is inside when the process is copied; the forking thread holds them in both copies
//! and gives them back. A `HeapLock` it held before stays held in both.

use core::sync::atomic::{AtomicBool, Ordering};

use crate::lifecycle::registry;
use crate::{fork_lock, host, lane, metadata, regions, slab_map, stack_database, tags};

/// Has the two below called around every fork, from before the first heap is made. No lock is held.
///
/// Not in a constructor: handlers that prepare a fork run in the reverse order of their
/// registration, and the first call of the heap is earlier than most. First registered is last run:
/// libraries whose handlers allocate have done so before the locks are taken.
#[inline]
pub fn guard() {
    static GUARDED: AtomicBool = AtomicBool::new(false);
    if !GUARDED.load(Ordering::Relaxed) && !GUARDED.swap(true, Ordering::Relaxed) {
        // Under a malloc of ours the system may allocate to remember the handlers: it comes back
        // here, finds them guarded, and makes the heap. Without memory to remember them the heap
        // works until somebody forks, which is better than no heap.
        let _ = host::at_fork(prepare, resume, resume_child);
    }
}

/// To be called before a fork, by the forking thread.
extern "C" fn prepare() {
    lane::enter_for_fork();
    registry::enter_for_fork();
    tags::enter_for_fork();
    stack_database::enter_for_fork();
    regions::enter_for_fork();
    slab_map::enter_for_fork();
    metadata::enter_for_fork();
    fork_lock::hold_all(true);
}

/// To be called after a fork in the child, by the thread that forked.
extern "C" fn resume_child() {
    registry::leave_lanes_behind();
    resume();
}

/// To be called after a fork in parent and child, by the thread that forked.
extern "C" fn resume() {
    fork_lock::hold_all(false);
    metadata::leave_after_fork();
    slab_map::leave_after_fork();
    regions::leave_after_fork();
    stack_database::leave_after_fork();
    tags::leave_after_fork();
    registry::leave_after_fork();
    lane::leave_after_fork();
}
