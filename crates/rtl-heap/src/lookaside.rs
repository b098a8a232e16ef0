//! Small blocks just freed, kept whole for the next request of their size.
//!
//! A block that is parked here is not merged with its neighbours and not in the free index: to them
//! it looks busy. Its header says that it is nobody's: busy with no unused byte, which no live
//! block has, since at least its header is unused (INV-PARKED). Whatever looks at the heap as a
//! whole, or would otherwise grow it or refuse a request, has the parked blocks released first, so
//! no caller can tell.
//!
//! The addresses are out of band, in a stack per size that grows with its use: a program that takes
//! and gives back a thousand blocks at a time has them all here.

use core::ptr::{self, NonNull};

use crate::entry::Entry;
use crate::metadata;
use crate::parked_middle::ParkedMiddle;
use crate::units::Granules;

/// Sizes up to this, in granules, are parked: a request of 1 KiB on 64-bit.
const LARGEST: usize = 71;
const CLASSES: usize = LARGEST + 1;

/// Blocks of one size for which there is room at first.
const FIRST_ROOM: usize = 8;
/// A stack that is full gets room for so many times as many.
const GROWTH: usize = 4;
/// Blocks of one size that are kept at most.
const MOST_ROOM: usize = 1024;
/// Bytes that can be parked in one heap. What was room for one size stays so.
const MOST_BYTES: usize = 1 << 20;

/// The parked blocks of one heap: a stack for each size, the newest on top. Zero bytes are none, and no
/// room.
///
/// Three arrays and neither counts nor a record for each stack: an address is computed in the
/// instruction that uses it. Of two of the three pointers the low half says enough, since the room of a
/// stack is small.
pub struct Lookaside {
    /// Behind the newest block.
    tops: [*mut usize; CLASSES],
    /// Low half of the oldest block's place, if there is one.
    bottoms: [u32; CLASSES],
    /// Low half of where the room ends.
    limits: [u32; CLASSES],
    /// Bytes of the blocks there is room for.
    room_bytes: usize,
    /// Those larger than [`Lookaside::LARGEST`].
    pub middle: ParkedMiddle,
}

impl Lookaside {
    /// Sizes up to this are parked.
    pub const LARGEST: Granules = Granules(LARGEST as u32);

    /// Remembers a block of `size`. False when there is no room; [`Lookaside::make_room`] may make
    /// some.
    #[inline]
    pub fn push(&mut self, size: Granules, block: usize) -> bool {
        let class = size.0 as usize;
        if class > LARGEST {
            return false;
        }
        let top = self.tops[class];
        if low_half(top) == self.limits[class] {
            return false;
        }
        // SAFETY: there is room for one more.
        unsafe {
            top.write(block);
            self.tops[class] = top.add(1);
        }
        true
    }

    /// Makes room for one more block of `size` at least. False when there are enough of them, or no
    /// memory.
    #[cold]
    pub fn make_room(&mut self, size: Granules) -> bool {
        let class = size.0 as usize;
        if class > LARGEST {
            return false;
        }
        if low_half(self.tops[class]) != self.limits[class] {
            return true;
        }
        let room = self.room(class);
        let wanted = (room * GROWTH).clamp(FIRST_ROOM, MOST_ROOM);
        let more = wanted.saturating_sub(room) * size.bytes();
        if more == 0 || self.room_bytes + more > MOST_BYTES {
            return false;
        }
        let Some(grown) = metadata::allocate(bytes_of(wanted)) else {
            return false;
        };
        let grown: *mut usize = grown.as_ptr().cast();
        // SAFETY: both have room for all of a full stack and are different pieces.
        unsafe {
            if room != 0 {
                grown.copy_from_nonoverlapping(self.bottom(class), room);
            }
            self.free(class);
            self.tops[class] = grown.add(room);
            self.bottoms[class] = low_half(grown);
            self.limits[class] = low_half(grown.add(wanted));
        }
        self.room_bytes += more;
        true
    }

    /// The block of `size` that was parked last; still parked.
    #[inline]
    pub fn last(&self, size: Granules) -> Option<usize> {
        let class = size.0 as usize;
        if class > LARGEST || low_half(self.tops[class]) == self.bottoms[class] {
            return None;
        }
        // SAFETY: the places below the top are filled.
        Some(unsafe { self.tops[class].sub(1).read() })
    }

    /// Takes out the block of `size` that was parked last.
    #[inline]
    pub fn pop(&mut self, size: Granules) -> Option<usize> {
        let block = self.last(size)?;
        let top = &mut self.tops[size.0 as usize];
        // SAFETY: there is a block below the top, as just found.
        *top = unsafe { top.sub(1) };
        Some(block)
    }

    /// Any parked block.
    pub fn pop_any(&mut self) -> Option<usize> {
        if let Some(block) = self.middle.pop_any() {
            return Some(block);
        }
        let class = (0..CLASSES).find(|class| self.count_of(*class) != 0)?;
        self.pop(Granules(class as u32))
    }

    /// Nothing is parked.
    #[inline]
    pub fn is_empty(&self) -> bool {
        // All are compared, at once, which takes a third of what stopping at the first would.
        let differ = |class| low_half(self.tops[class]) ^ self.bottoms[class];
        self.middle.count() == 0 && (0..CLASSES).map(differ).fold(0, |any, bits| any | bits) == 0
    }

    /// Number of parked blocks.
    pub fn count(&self) -> usize {
        let counts = (0..CLASSES).map(|class| self.count_of(class));
        counts.sum::<usize>() + self.middle.count()
    }

    fn count_of(&self, class: usize) -> usize {
        let bytes = low_half(self.tops[class]).wrapping_sub(self.bottoms[class]);
        bytes as usize / size_of::<usize>()
    }

    /// Blocks of one size for which there is room.
    fn room(&self, class: usize) -> usize {
        let bytes = self.limits[class].wrapping_sub(self.bottoms[class]);
        bytes as usize / size_of::<usize>()
    }

    /// Where the oldest block of one size lies.
    fn bottom(&self, class: usize) -> *mut usize {
        self.tops[class].wrapping_sub(self.count_of(class))
    }

    /// Gives its records back.
    ///
    /// # Safety
    /// 1. Nobody uses it any more.
    pub unsafe fn destroy(&mut self) {
        // SAFETY: (1).
        unsafe { self.middle.destroy() };
        // Most heaps that come and go quickly have parked nothing.
        if self.room_bytes == 0 {
            return;
        }
        for class in 0..CLASSES {
            // SAFETY: (1).
            unsafe { self.free(class) };
        }
    }

    /// Gives the record of one stack back.
    ///
    /// # Safety
    /// 1. What it holds is elsewhere or of no interest.
    unsafe fn free(&mut self, class: usize) {
        if let Some(blocks) = NonNull::new(self.bottom(class)) {
            // SAFETY: (1); it came from `allocate` for this room.
            unsafe { metadata::free(blocks.cast(), bytes_of(self.room(class))) };
        }
        self.tops[class] = ptr::null_mut();
        self.bottoms[class] = 0;
        self.limits[class] = 0;
    }
}

/// Tells places of one stack apart.
#[inline(always)]
fn low_half(place: *mut usize) -> u32 {
    place.addr() as u32
}

const fn bytes_of(room: usize) -> usize {
    room * size_of::<usize>()
}

impl Entry {
    /// The block is parked (INV-PARKED).
    #[inline]
    pub fn is_parked(self) -> bool {
        self.is_busy() && self.unused == 0
    }
}

#[cfg(all(test, feature = "os"))]
mod tests {
    use super::*;

    fn empty() -> Lookaside {
        Lookaside {
            tops: [ptr::null_mut(); CLASSES],
            bottoms: [0; CLASSES],
            limits: [0; CLASSES],
            room_bytes: 0,
            middle: ParkedMiddle::EMPTY,
        }
    }

    #[test]
    fn what_is_parked_comes_back_newest_first_and_no_more_than_fit() {
        let mut lookaside = empty();
        let size = Granules(5);
        for block in 1..=MOST_ROOM {
            assert!(lookaside.push(size, block) || lookaside.make_room(size));
            if lookaside.last(size) != Some(block) {
                assert!(lookaside.push(size, block));
            }
        }
        assert!(!lookaside.push(size, 9999));
        assert!(!lookaside.make_room(size));
        assert_eq!(lookaside.pop(Granules(6)), None);
        assert_eq!(lookaside.pop(size), Some(MOST_ROOM));
        assert_eq!(lookaside.count(), MOST_ROOM - 1);
        for block in (1..MOST_ROOM).rev() {
            assert_eq!(lookaside.pop_any(), Some(block));
        }
        assert!(lookaside.is_empty());
        let too_large = Granules(LARGEST as u32 + 1);
        assert!(!lookaside.make_room(too_large) && !lookaside.push(too_large, 1));
        // SAFETY: nobody uses it any more.
        unsafe { lookaside.destroy() };
    }

    #[test]
    fn the_room_of_all_sizes_is_bounded() {
        let mut lookaside = empty();
        for class in Granules::MIN_BLOCK.0..=LARGEST as u32 {
            let size = Granules(class);
            while lookaside.make_room(size) {
                while lookaside.push(size, 1) {}
            }
        }
        assert!(lookaside.room_bytes <= MOST_BYTES);
        // SAFETY: nobody uses it any more.
        unsafe { lookaside.destroy() };
    }
}
