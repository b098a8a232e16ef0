//! Blocks of middle size just freed, kept whole for the next request of exactly their size.
//!
//! They are parked as small ones are ([`crate::lookaside`]), but there are more sizes than a stack
//! for each would pay for, and the blocks are large: a few places, by size, hold a few of them, and
//! what was parked longest makes room.

use core::ptr::{self, NonNull};

use crate::metadata;
use crate::units::Granules;

/// Sets of places; a size has its set.
const SETS: usize = 8;
/// Places of a set.
const WAYS: usize = 4;
/// Bytes that can be parked.
const MOST_BYTES: usize = 1 << 20;
/// A block is no larger than this part of them.
const LARGEST: Granules = match Granules::exactly(MOST_BYTES / 4) {
    Some(size) => size,
    None => Granules::MIN_BLOCK,
};

/// The places of one set, filled from the first on, the newest last.
struct Set {
    blocks: [usize; WAYS],
    sizes: [u32; WAYS],
}

/// The parked blocks of middle size of one heap. Zero bytes are none, and no place for any.
pub struct ParkedMiddle {
    /// Null, or [`SETS`] of them.
    sets: *mut Set,
    count: u32,
    /// The set that gives a block up next.
    next: u32,
    bytes: usize,
}

const SETS_BYTES: usize = SETS * size_of::<Set>();

/// Neighbouring sizes have different sets.
#[inline]
const fn set_of(size: Granules) -> usize {
    let bits = size.0 ^ size.0 >> 5 ^ size.0 >> 10;
    bits as usize % SETS
}

impl Set {
    fn len(&self) -> usize {
        self.sizes.iter().take_while(|size| **size != 0).count()
    }

    /// Takes the block at a place out.
    #[inline]
    fn take(&mut self, place: usize) -> (usize, Granules) {
        let taken = (self.blocks[place], Granules(self.sizes[place]));
        let mut place = place;
        while place + 1 < WAYS && self.sizes[place + 1] != 0 {
            self.blocks[place] = self.blocks[place + 1];
            self.sizes[place] = self.sizes[place + 1];
            place += 1;
        }
        self.sizes[place] = 0;
        taken
    }
}

impl ParkedMiddle {
    /// No block.
    #[cfg(all(test, feature = "os"))]
    pub const EMPTY: ParkedMiddle = ParkedMiddle {
        sets: ptr::null_mut(),
        count: 0,
        next: 0,
        bytes: 0,
    };

    /// There are places, or are now. False without memory.
    pub fn has_places(&mut self) -> bool {
        if self.sets.is_null() {
            let sets = metadata::allocate(SETS_BYTES);
            self.sets = sets.map_or(ptr::null_mut(), |sets| sets.as_ptr().cast());
        }
        !self.sets.is_null()
    }

    /// Gives the places back.
    ///
    /// # Safety
    /// 1. Nobody uses it any more.
    pub unsafe fn destroy(&mut self) {
        if let Some(sets) = NonNull::new(self.sets) {
            // SAFETY: (1); they came from `allocate` with this size.
            unsafe { metadata::free(sets.cast(), SETS_BYTES) };
        }
        self.sets = ptr::null_mut();
    }

    #[inline]
    fn sets(&mut self) -> &mut [Set] {
        if self.sets.is_null() {
            return &mut [];
        }
        // SAFETY: so many, zeroed at first, and nobody else's.
        unsafe { core::slice::from_raw_parts_mut(self.sets, SETS) }
    }

    /// Blocks of this size can be parked.
    #[inline]
    pub fn suits(size: Granules) -> bool {
        size <= LARGEST
    }

    /// Remembers a block. False when there is no room; [`ParkedMiddle::pop_oldest_for`] makes some.
    #[inline]
    pub fn push(&mut self, size: Granules, block: usize) -> bool {
        if !Self::suits(size) || self.bytes + size.bytes() > MOST_BYTES {
            return false;
        }
        let Some(set) = self.sets().get_mut(set_of(size)) else {
            return false;
        };
        let Some(place) = set.sizes.iter().position(|size| *size == 0) else {
            return false;
        };
        set.blocks[place] = block;
        set.sizes[place] = size.0;
        self.bytes += size.bytes();
        self.count += 1;
        true
    }

    /// Takes out the block of `size` that was parked last.
    #[inline]
    pub fn pop(&mut self, size: Granules) -> Option<usize> {
        let set = set_of(size);
        let sizes = &self.sets().get(set)?.sizes;
        let place = sizes.iter().rposition(|own| *own == size.0)?;
        Some(self.take(set, place))
    }

    /// Takes out a block that is in the way of one of `size`; `None` when there is room.
    pub fn pop_oldest_for(&mut self, size: Granules) -> Option<usize> {
        let set = set_of(size);
        if self.sets().get(set).is_some_and(|set| set.len() == WAYS) {
            return Some(self.take(set, 0));
        }
        if self.bytes + size.bytes() > MOST_BYTES {
            return self.pop_any();
        }
        None
    }

    /// Takes any block out, of one set after the other.
    pub fn pop_any(&mut self) -> Option<usize> {
        if self.count == 0 {
            return None;
        }
        let next = self.next as usize;
        let mut order = (0..SETS).map(|step| (next + step) % SETS);
        let set = order.find(|set| self.sets()[*set].sizes[0] != 0)?;
        self.next = (set as u32 + 1) % SETS as u32;
        Some(self.take(set, 0))
    }

    /// Number of blocks.
    #[inline]
    pub fn count(&self) -> usize {
        self.count as usize
    }

    #[inline]
    fn take(&mut self, set: usize, place: usize) -> usize {
        let (block, size) = self.sets()[set].take(place);
        self.bytes -= size.bytes();
        self.count -= 1;
        block
    }
}

#[cfg(all(test, feature = "os"))]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_exactly_a_size_comes_back_and_the_oldest_makes_room() {
        let mut parked = ParkedMiddle::EMPTY;
        assert!(!parked.push(Granules(100), 1) && parked.has_places());
        let size = Granules(100);
        for block in 1..=WAYS {
            assert_eq!(parked.pop_oldest_for(size), None);
            assert!(parked.push(size, block));
        }
        assert!(!parked.push(size, 9));
        assert_eq!(parked.pop(Granules(101)), None);
        assert_eq!(parked.pop(size), Some(WAYS));
        assert!(parked.push(size, WAYS));
        assert_eq!(parked.pop_oldest_for(size), Some(1));
        assert!(parked.push(size, 9));
        assert_eq!(parked.pop(size), Some(9));
        assert_eq!(parked.count(), WAYS - 1);
        for block in 2..=WAYS {
            assert_eq!(parked.pop_any(), Some(block));
        }
        assert_eq!((parked.pop_any(), parked.bytes), (None, 0));
        // SAFETY: nobody uses it any more.
        unsafe { parked.destroy() };
    }

    #[test]
    fn bytes_are_bounded() {
        let mut parked = ParkedMiddle::EMPTY;
        assert!(!parked.push(Granules(100), 1) && parked.has_places());
        assert!(!parked.push(Granules(LARGEST.0 + 1), 1));
        for turn in 0..1_000 {
            let size = Granules(LARGEST.0 - turn % 7);
            while parked.pop_oldest_for(size).is_some() {}
            assert!(parked.push(size, 1));
            assert!(parked.bytes <= MOST_BYTES);
        }
        while parked.pop_any().is_some() {}
        assert_eq!((parked.count(), parked.bytes), (0, 0));
        // SAFETY: nobody uses it any more.
        unsafe { parked.destroy() };
    }
}
