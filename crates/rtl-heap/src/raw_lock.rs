//! The lock under all others: one word, parking when contended.
//!
//! It names only `crate::sync` and `crate::host`, so that a test can compile it over loom's atomics
//! and try every interleaving.

use crate::host;
use crate::sync::{AtomicU32, LOOKS, Ordering, pause_after};

/// A lock of one word that parks: 0 free, 1 held, 2 held with a waiter.
pub struct RawLock(AtomicU32);

impl RawLock {
    /// A free lock.
    pub const fn new() -> RawLock {
        RawLock(AtomicU32::new(0))
    }

    /// Takes the lock, waiting for it as long as it takes.
    #[inline]
    pub fn enter(&self) {
        // Acquire pairs with the Release of `leave`.
        if self
            .0
            .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            self.enter_contended();
        }
    }

    /// Takes the lock if it is free.
    #[inline]
    pub fn try_enter(&self) -> bool {
        self.0
            .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    #[cold]
    fn enter_contended(&self) {
        for look in 0..LOOKS {
            if self.0.load(Ordering::Relaxed) == 0 && self.try_enter() {
                return;
            }
            pause_after(look);
        }
        // From here on the lock is taken as "held with a waiter": whether others wait too is not
        // known, and one wake too many is harmless.
        while self.0.swap(2, Ordering::Acquire) != 0 {
            host::wait(&self.0, 2);
        }
    }

    /// Gives the lock back. The caller holds it.
    #[inline]
    pub fn leave(&self) {
        if self.0.swap(0, Ordering::Release) == 2 {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        host::wake_one(&self.0);
    }
}

impl Default for RawLock {
    fn default() -> Self {
        RawLock::new()
    }
}
