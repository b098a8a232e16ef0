//! Locks that a fork holds from before the process is copied until after, in both copies.
//!
//! Meanwhile the forking thread may allocate, in the handlers of other libraries, and must not wait
//! for itself: it passes.

use core::sync::atomic::{AtomicUsize, Ordering};

use crate::host;
use crate::raw_lock::RawLock;

/// The thread that is forking and holds every [`ForkLock`]; 0 for none.
static FORKING: AtomicUsize = AtomicUsize::new(0);

/// Says that the calling thread has taken every lock for a fork (true), or is about to give them
/// back (false).
pub fn hold_all(holds: bool) {
    FORKING.store(if holds { host::thread_id() } else { 0 }, Ordering::Relaxed);
}

fn forks() -> bool {
    let thread = FORKING.load(Ordering::Relaxed);
    // Relaxed: only this thread stores its own number, so it sees it if it is there.
    thread != 0 && thread == host::thread_id()
}

/// A lock that is not recursive, but lets the forking thread pass.
pub struct ForkLock(RawLock);

impl ForkLock {
    /// A free lock.
    pub const fn new() -> ForkLock {
        ForkLock(RawLock::new())
    }

    /// Takes the lock, unless the calling thread forks and so holds it.
    #[inline]
    pub fn enter(&self) {
        if !forks() {
            self.0.enter();
        }
    }

    /// Gives the lock back, unless the calling thread forks and goes on holding it.
    #[inline]
    pub fn leave(&self) {
        if !forks() {
            self.0.leave();
        }
    }
}
