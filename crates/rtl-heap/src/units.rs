//! The units everything else speaks: pointer width, granules, pages.
//!
//! A byte count is a `usize` whose name ends in what it counts; a count of granules is a
//! [`Granules`], so that the two cannot be mixed up.

/// Bytes in a pointer: 4 on x86, 8 on x64 (`P` of the specification).
pub const POINTER: usize = size_of::<usize>();

/// Bytes in a granule, the unit of block sizes: 8 on 32-bit, 16 on 64-bit (`G`).
pub const GRANULE: usize = 2 * POINTER;

/// Address bits of user space.
pub const ADDRESS_BITS: u32 = if cfg!(target_pointer_width = "32") {
    32
} else if cfg!(target_arch = "x86_64") {
    47
} else {
    48
};

/// Bytes in NT's page, whatever the host's page is.
pub const PAGE: usize = rtl_platform::PAGE_SIZE;

/// Bytes in NT's allocation granularity: every region of a heap starts at a multiple of it.
pub const ALLOCATION_GRANULARITY: usize = rtl_platform::ALLOCATION_GRANULARITY;

/// A number of granules: the size of a block or of a free run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[repr(transparent)]
pub struct Granules(pub u32);

impl Granules {
    /// The smallest block: its header and the two links it needs when it is free.
    pub const MIN_BLOCK: Granules = Granules(2);

    /// The same size in bytes.
    #[inline]
    pub const fn bytes(self) -> usize {
        self.0 as usize * GRANULE
    }

    /// The same for a size that nobody has checked: on 32-bit it may exceed the address space.
    #[inline]
    pub const fn bytes_wrapping(self) -> usize {
        (self.0 as usize).wrapping_mul(GRANULE)
    }

    /// The granules in `bytes`, which is a multiple of [`GRANULE`]; `None` beyond 2^32 of them.
    #[inline]
    pub const fn exactly(bytes: usize) -> Option<Granules> {
        let count = bytes / GRANULE;
        if count as u64 > u32::MAX as u64 {
            None
        } else {
            Some(Granules(count as u32))
        }
    }
}

/// `value` rounded up to a multiple of `unit`, a power of two; `None` when that overflows.
#[inline]
pub const fn round_up(value: usize, unit: usize) -> Option<usize> {
    debug_assert!(unit.is_power_of_two());
    match value.checked_add(unit - 1) {
        Some(sum) => Some(sum & !(unit - 1)),
        None => None,
    }
}

/// `value` rounded down to a multiple of `unit`, a power of two.
#[inline]
pub const fn round_down(value: usize, unit: usize) -> usize {
    debug_assert!(unit.is_power_of_two());
    value & !(unit - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_up_never_wraps() {
        assert_eq!(round_up(1, PAGE), Some(PAGE));
        assert_eq!(round_up(PAGE, PAGE), Some(PAGE));
        assert_eq!(round_up(usize::MAX - 1, PAGE), None);
        assert_eq!(round_down(PAGE + 1, PAGE), PAGE);
    }

    #[test]
    fn granules_beyond_four_billion_are_refused() {
        assert_eq!(Granules::exactly(3 * GRANULE), Some(Granules(3)));
        #[cfg(target_pointer_width = "64")]
        assert_eq!(Granules::exactly(1 << 40), None);
    }
}
