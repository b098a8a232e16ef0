//! Memory for a simulation to hand out.

use core::cell::UnsafeCell;
use core::ptr::NonNull;

/// `SIZE` bytes at a multiple of 64 KiB, for a `static`.
#[repr(C, align(0x10000))]
pub struct Arena<const SIZE: usize>(UnsafeCell<[u8; SIZE]>);

// SAFETY: the bytes are reachable only through `base`, whose users answer for the accesses.
unsafe impl<const SIZE: usize> Sync for Arena<SIZE> {}

impl<const SIZE: usize> Arena<SIZE> {
    /// An arena of zeroes, which costs nothing in the program's file.
    #[must_use]
    #[expect(
        clippy::new_without_default,
        reason = "an arena on the stack is no use"
    )]
    pub const fn new() -> Self {
        Self(UnsafeCell::new([0; SIZE]))
    }

    pub(super) const fn base(&'static self) -> NonNull<u8> {
        // SAFETY: the address of a static is not null.
        unsafe { NonNull::new_unchecked(self.0.get().cast()) }
    }
}

impl<const SIZE: usize> core::fmt::Debug for Arena<SIZE> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Arena")
            .field("size", &SIZE)
            .finish_non_exhaustive()
    }
}
