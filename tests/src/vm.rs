//! Memory for heaps over caller memory, and what is reserved where.

use core::ffi::c_void;

pub use system::{is_committed, reservation_at};

/// A page, in bytes.
pub const PAGE: usize = 0x1000;
/// Reservations start at multiples of this.
pub const GRANULARITY: usize = 0x1_0000;

/// A reservation of the test's own, released at its end.
#[derive(Debug)]
pub struct Region {
    base: *mut c_void,
    size: usize,
}

impl Region {
    /// Reserves `size` bytes.
    pub fn reserve(size: usize) -> Self {
        let base = system::reserve(size);
        assert!(!base.is_null(), "cannot reserve {size:#x} bytes");
        assert_eq!(base as usize % GRANULARITY, 0);
        Self { base, size }
    }

    /// Reserves `size` bytes and commits all of them.
    pub fn committed(size: usize) -> Self {
        let region = Self::reserve(size);
        region.commit(0, size);
        region
    }

    /// Commits `size` bytes from `offset`.
    pub fn commit(&self, offset: usize, size: usize) {
        assert!(offset + size <= self.size);
        assert!(
            system::commit(self.base.wrapping_byte_add(offset), size),
            "cannot commit"
        );
    }

    /// The first byte.
    pub fn base(&self) -> *mut c_void {
        self.base
    }

    /// The first byte's address.
    pub fn address(&self) -> usize {
        self.base as usize
    }

    /// Bytes reserved.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether the range lies inside.
    pub fn contains(&self, address: usize, size: usize) -> bool {
        address >= self.address() && address + size <= self.address() + self.size
    }

    /// Writes and reads back one byte.
    pub fn probe(&self, offset: usize) {
        assert!(offset < self.size);
        let byte = self.base.cast::<u8>().wrapping_add(offset);
        // SAFETY: the byte lies in this reservation; were it not committed the test would rightly
        // crash.
        unsafe {
            byte.write_volatile(0x5A);
            assert_eq!(byte.read_volatile(), 0x5A);
        }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        assert!(system::release(self.base), "cannot release a reservation");
    }
}

/// Commits pages of some reservation.
pub fn commit(address: usize, size: usize) -> bool {
    system::commit(address as *mut c_void, size)
}

/// A whole reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// Its first address.
    pub base: usize,
    /// Its bytes.
    pub size: usize,
}

#[cfg(not(all(feature = "oracle", windows)))]
#[path = "vm/library.rs"]
mod system;

#[cfg(all(feature = "oracle", windows))]
#[path = "vm/windows.rs"]
mod system;
