//! A registered routine: a function pointer that may be replaced while it is in use.

use core::marker::PhantomData;
use core::mem;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

/// Holds an `F`, which is an `Option` of a function pointer.
pub(crate) struct Routine<F> {
    address: AtomicPtr<()>,
    kind: PhantomData<F>,
}

// SAFETY: function pointers belong to no thread.
unsafe impl<F> Sync for Routine<F> {}

impl<F: Copy> Routine<F> {
    /// No routine.
    pub(crate) const fn none() -> Self {
        // `Option` of a function pointer is a nullable pointer.
        assert!(size_of::<F>() == size_of::<*mut ()>());
        Routine {
            address: AtomicPtr::new(ptr::null_mut()),
            kind: PhantomData,
        }
    }

    /// The routine in force. What was written before it was stored is visible afterwards.
    #[inline]
    pub(crate) fn load(&self) -> F {
        // Acquire pairs with the Release of `store`.
        let address = self.address.load(Ordering::Acquire);
        // SAFETY: null, or what `store` made of an `F`, which has the size of a pointer.
        unsafe { mem::transmute_copy::<*mut (), F>(&address) }
    }

    /// Puts `routine` in force.
    pub(crate) fn store(&self, routine: F) {
        // SAFETY: an `F` has the size of a pointer, as `none` asserts.
        let address = unsafe { mem::transmute_copy::<F, *mut ()>(&routine) };
        self.address.store(address, Ordering::Release);
    }
}
