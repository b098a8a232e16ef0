//! NT's two granularities, and rounding.
//!
//! A heap counts in NT's pages whatever the machine's are; the real calls round to the machine's,
//! outward where memory is asked for and inward where it is given back.

/// Bytes in a page as NT heaps count them, and as every call of this crate reports them, whatever
/// the host's page is. Source: the Windows documentation of `GetSystemInfo` for x86, x64 and ARM64.
pub const PAGE_SIZE: usize = 0x1000;

/// Bytes to which the address of every reservation is aligned. Source: the Windows documentation
/// of `SYSTEM_INFO::dwAllocationGranularity`.
pub const ALLOCATION_GRANULARITY: usize = 0x1_0000;

/// The greatest multiple of `unit` that is not above `value`. `unit` is a power of two.
#[must_use]
pub const fn floor(value: usize, unit: usize) -> usize {
    value & !(unit - 1)
}

/// The least multiple of `unit` that is not below `value`, or `None` when it does not fit a
/// `usize`. `unit` is a power of two.
#[must_use]
pub const fn ceiling(value: usize, unit: usize) -> Option<usize> {
    match value.checked_add(unit - 1) {
        Some(sum) => Some(floor(sum, unit)),
        None => None,
    }
}

/// A range of addresses, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first address.
    pub start: usize,
    /// The address after the last.
    pub end: usize,
}

impl Span {
    /// The range of `size` bytes from `start`.
    ///
    /// The range must not reach past the end of the address space: it is memory that exists.
    #[must_use]
    pub const fn new(start: usize, size: usize) -> Self {
        Self {
            start,
            end: start + size,
        }
    }

    /// The number of bytes.
    #[must_use]
    pub const fn size(self) -> usize {
        self.end - self.start
    }

    /// Whether the range holds no byte.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The least range of whole units that covers this one: what must be committed.
    #[must_use]
    pub const fn outward(self, unit: usize) -> Self {
        let end = match ceiling(self.end, unit) {
            Some(end) => end,
            None => floor(usize::MAX, unit),
        };
        Self {
            start: floor(self.start, unit),
            end,
        }
    }

    /// The greatest range of whole units inside this one, and the rest of this one before and
    /// after it: what can be given back, and the edges that cannot.
    #[must_use]
    pub const fn inward(self, unit: usize) -> (Self, Self, Self) {
        let whole_end = floor(self.end, unit);
        let whole_start = match ceiling(self.start, unit) {
            Some(start) if start < whole_end => start,
            // No whole unit: everything is edge.
            _ => return (self, Self::new(self.end, 0), Self::new(self.end, 0)),
        };
        (
            Self {
                start: self.start,
                end: whole_start,
            },
            Self {
                start: whole_start,
                end: whole_end,
            },
            Self {
                start: whole_end,
                end: self.end,
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_keeps_multiples_and_refuses_to_wrap() {
        assert_eq!(floor(0x1_ffff, 0x1_0000), 0x1_0000);
        assert_eq!(ceiling(0x1_0000, 0x1_0000), Some(0x1_0000));
        assert_eq!(ceiling(0x1_0001, 0x1_0000), Some(0x2_0000));
        assert_eq!(ceiling(usize::MAX, 0x1000), None);
    }

    #[test]
    fn outward_covers_every_touched_unit() {
        assert_eq!(
            Span::new(0x5000, 0x1000).outward(0x4000),
            Span::new(0x4000, 0x4000)
        );
        assert_eq!(
            Span::new(0x7000, 0x2000).outward(0x4000),
            Span::new(0x4000, 0x8000)
        );
        assert_eq!(
            Span::new(0x8000, 0x4000).outward(0x4000),
            Span::new(0x8000, 0x4000)
        );
    }

    #[test]
    fn inward_splits_into_edge_whole_and_edge() {
        let (head, whole, tail) = Span::new(0x3000, 0xa000).inward(0x4000);
        assert_eq!(head, Span::new(0x3000, 0x1000));
        assert_eq!(whole, Span::new(0x4000, 0x8000));
        assert_eq!(tail, Span::new(0xc000, 0x1000));
    }

    #[test]
    fn inward_of_less_than_a_unit_is_all_edge() {
        for start in [0x4000, 0x5000, 0x7000] {
            let span = Span::new(start, 0x2000);
            let (head, whole, tail) = span.inward(0x4000);
            assert_eq!(head, span);
            assert!(whole.is_empty());
            assert!(tail.is_empty());
        }
    }

    #[test]
    fn parts_of_inward_always_add_up() {
        for start in 0..12 {
            for pages in 0..12 {
                let span = Span::new(start * 0x1000, pages * 0x1000);
                let (head, whole, tail) = span.inward(0x4000);
                assert_eq!(head.size() + whole.size() + tail.size(), span.size());
                assert_eq!(head.start, span.start);
                assert_eq!(whole.size() % 0x4000, 0);
                assert!(whole.is_empty() || whole.start % 0x4000 == 0);
            }
        }
    }
}
