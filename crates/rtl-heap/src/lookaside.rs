//! Small blocks just freed, kept whole for the next request of their size.
//!
//! A block that is parked here is not merged with its neighbours and not in the free index: to them
//! it looks busy. Its header says that it is nobody's: busy with no unused byte, which no live
//! block has, since at least its header is unused (INV-PARKED). Whatever looks at the heap as a
//! whole, or would otherwise grow it or refuse a request, has the parked blocks released first, so
//! no caller can tell.
//!
//! The addresses are out of band. A few blocks per size are kept, less than 128 KiB in a heap.

use crate::entry::Entry;
use crate::units::{GRANULE, Granules};

/// Sizes up to this, in granules, are parked: a request of 1 KiB on 64-bit.
const LARGEST: usize = 71;
const CLASSES: usize = LARGEST + 1;
const DEPTH: usize = 8;

/// Blocks of one size that are kept: fewer of the larger ones, none of impossible ones.
const DEPTHS: [u8; CLASSES] = {
    let mut depths = [0; CLASSES];
    let mut class = Granules::MIN_BLOCK.0 as usize;
    while class <= LARGEST {
        depths[class] = if class <= 16 {
            DEPTH as u8
        } else if class <= 32 {
            DEPTH as u8 / 2
        } else {
            DEPTH as u8 / 4
        };
        class += 1;
    }
    depths
};

/// Bytes that can be parked in one heap.
const MOST_BYTES: usize = {
    let (mut bytes, mut class) = (0, 0);
    while class <= LARGEST {
        bytes += DEPTHS[class] as usize * class * GRANULE;
        class += 1;
    }
    bytes
};

const _: () = assert!(MOST_BYTES < 0x2_0000);

/// The parked blocks of one heap, a stack per size. Zero bytes are an empty one.
pub struct Lookaside {
    counts: [u8; CLASSES],
    blocks: [[usize; DEPTH]; CLASSES],
}

impl Lookaside {
    /// Sizes up to this are parked.
    pub const LARGEST: Granules = Granules(LARGEST as u32);

    /// Remembers a block of `size`. False when there are enough of them.
    #[inline]
    pub fn push(&mut self, size: Granules, block: usize) -> bool {
        let class = size.0 as usize;
        if class > LARGEST {
            return false;
        }
        let count = self.counts[class];
        if count >= DEPTHS[class] {
            return false;
        }
        self.blocks[class][count as usize % DEPTH] = block;
        self.counts[class] = count + 1;
        true
    }

    /// The block of `size` that was parked last; still parked.
    #[inline]
    pub fn last(&self, size: Granules) -> Option<usize> {
        let class = size.0 as usize;
        if class > LARGEST || self.counts[class] == 0 {
            return None;
        }
        Some(self.blocks[class][(self.counts[class] as usize).wrapping_sub(1) % DEPTH])
    }

    /// Takes out the block of `size` that was parked last.
    #[inline]
    pub fn pop(&mut self, size: Granules) -> Option<usize> {
        let block = self.last(size)?;
        self.counts[size.0 as usize] -= 1;
        Some(block)
    }

    /// Any parked block.
    pub fn pop_any(&mut self) -> Option<usize> {
        let class = self.counts.iter().position(|count| *count != 0)?;
        self.pop(Granules(class as u32))
    }

    /// Nothing is parked.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.counts == [0; CLASSES]
    }

    /// Number of parked blocks.
    pub fn count(&self) -> usize {
        self.counts.iter().map(|count| *count as usize).sum()
    }
}

impl Entry {
    /// The block is parked (INV-PARKED).
    #[inline]
    pub fn is_parked(self) -> bool {
        self.is_busy() && self.unused == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_parked_comes_back_newest_first_and_no_more_than_fit() {
        let mut lookaside = Lookaside {
            counts: [0; CLASSES],
            blocks: [[0; DEPTH]; CLASSES],
        };
        let size = Granules(5);
        for block in 1..=DEPTH {
            assert!(lookaside.push(size, block));
        }
        assert!(!lookaside.push(size, 99));
        assert_eq!(lookaside.pop(Granules(6)), None);
        assert_eq!(lookaside.pop(size), Some(DEPTH));
        assert_eq!(lookaside.count(), DEPTH - 1);
        while lookaside.pop_any().is_some() {}
        assert_eq!(lookaside.count(), 0);
        assert!(!lookaside.push(Granules(LARGEST as u32 + 1), 1));
    }
}
