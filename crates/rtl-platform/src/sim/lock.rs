//! A lock that needs no system.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// A value that one thread at a time looks at.
#[derive(Debug)]
pub struct Lock<T> {
    held: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: `with` gives the value to one thread at a time.
unsafe impl<T: Send> Sync for Lock<T> {}

/// Frees the lock also when a broken rule panics under it.
struct Held<'a>(&'a AtomicBool);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // Release: whoever takes the lock next sees what was done under it.
        self.0.store(false, Ordering::Release);
    }
}

impl<T> Lock<T> {
    pub const fn new(value: T) -> Self {
        Self {
            held: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    pub fn with<R>(&self, use_it: impl FnOnce(&mut T) -> R) -> R {
        // Acquire pairs with the Release of whoever held the lock before.
        while self.held.swap(true, Ordering::Acquire) {
            core::hint::spin_loop();
        }
        let _held = Held(&self.held);
        // SAFETY: this thread holds the lock, and takes it only here.
        use_it(unsafe { &mut *self.value.get() })
    }
}
