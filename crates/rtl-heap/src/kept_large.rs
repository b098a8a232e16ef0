//! Reservations of large blocks just freed, kept for the next of their size.
//!
//! A large block is gone when it is freed: no look-up and no walk finds it, and no count includes it.
//! Its reservation may stay for a while, without access, so that a program that takes and frees such blocks in turn
//! pays neither for mappings nor for page faults; it is emptied when it is handed out again. A few
//! are kept, and all are given back when the heap is compacted or optimised, and before it refuses
//! a large block.

/// Reservations that are kept in one heap.
const PLACES: usize = 4;

/// Bytes that are kept in one heap.
const MOST_BYTES: usize = 16 << 20;

/// One reservation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kept {
    /// Its first address.
    pub base: usize,
    /// Bytes reserved; all but the last page are committed, without access.
    pub size: usize,
}

/// The reservations that one heap keeps, newest last. Zero bytes are none.
pub struct KeptLarge {
    places: [Kept; PLACES],
    count: usize,
    bytes: usize,
}

impl KeptLarge {
    /// One more of `size` bytes could be kept, if the oldest ones make room for it.
    pub fn suits(size: usize) -> bool {
        size <= MOST_BYTES / 2
    }

    /// Bytes of what is kept.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// There is room for a reservation of `size` bytes.
    pub fn has_room(&self, size: usize) -> bool {
        self.count < PLACES && self.bytes + size <= MOST_BYTES
    }

    /// Takes the oldest one out.
    pub fn pop_oldest(&mut self) -> Option<Kept> {
        (self.count != 0).then(|| self.take(0))
    }

    /// Takes the newest one of exactly `size` bytes out.
    pub fn pop(&mut self, size: usize) -> Option<Kept> {
        let kept = self.places.get(..self.count)?;
        let place = kept.iter().rposition(|kept| kept.size == size)?;
        Some(self.take(place))
    }

    /// Puts one in. There is room for it.
    pub fn push(&mut self, kept: Kept) {
        debug_assert!(self.has_room(kept.size));
        if let Some(place) = self.places.get_mut(self.count) {
            *place = kept;
            self.count += 1;
            self.bytes += kept.size;
        }
    }

    fn take(&mut self, place: usize) -> Kept {
        let kept = self.places[place];
        self.places.copy_within(place + 1..self.count, place);
        self.count -= 1;
        self.bytes -= kept.size;
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Kept = Kept { base: 0, size: 0 };

    #[test]
    fn the_newest_of_a_size_comes_back_and_the_oldest_makes_room() {
        let mut all = KeptLarge {
            places: [NOTHING; PLACES],
            count: 0,
            bytes: 0,
        };
        let kept = |base, size| Kept { base, size };
        for base in 1..=PLACES {
            assert!(all.has_room(1 << 20));
            all.push(kept(base, (1 + base % 2) << 20));
        }
        assert!(!all.has_room(1));
        assert_eq!(all.pop(3 << 20), None);
        assert_eq!(all.pop(1 << 20), Some(kept(4, 1 << 20)));
        assert_eq!(all.pop_oldest(), Some(kept(1, 2 << 20)));
        assert_eq!(all.pop(2 << 20), Some(kept(3, 2 << 20)));
        assert!(!all.has_room(MOST_BYTES));
        assert_eq!(all.pop_oldest(), Some(kept(2, 1 << 20)));
        assert_eq!(all.pop_oldest(), None);
        assert!(all.has_room(MOST_BYTES));
    }
}
