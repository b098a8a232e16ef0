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

/// The blocks of one size, the newest last. Zero bytes are none, and no room.
struct Stack {
    blocks: *mut usize,
    count: u32,
    room: u32,
}

/// The parked blocks of one heap. Zero bytes are none.
pub struct Lookaside {
    stacks: [Stack; CLASSES],
    /// Bytes of the blocks there is room for.
    room_bytes: usize,
}

impl Lookaside {
    /// Sizes up to this are parked.
    pub const LARGEST: Granules = Granules(LARGEST as u32);

    /// Remembers a block of `size`. False when there is no room; [`Lookaside::make_room`] may make
    /// some.
    #[inline]
    pub fn push(&mut self, size: Granules, block: usize) -> bool {
        let Some(stack) = self.stacks.get_mut(size.0 as usize) else {
            return false;
        };
        if stack.count == stack.room {
            return false;
        }
        // SAFETY: the count is less than there is room for.
        unsafe { stack.blocks.add(stack.count as usize).write(block) };
        stack.count += 1;
        true
    }

    /// Makes room for one more block of `size` at least. False when there are enough of them, or no
    /// memory.
    #[cold]
    pub fn make_room(&mut self, size: Granules) -> bool {
        let Some(stack) = self.stacks.get_mut(size.0 as usize) else {
            return false;
        };
        if stack.count < stack.room {
            return true;
        }
        let room = stack.room as usize;
        let wanted = (room * GROWTH).clamp(FIRST_ROOM, MOST_ROOM);
        let more = wanted.saturating_sub(room) * size.bytes();
        if more == 0 || self.room_bytes + more > MOST_BYTES {
            return false;
        }
        let Some(grown) = metadata::allocate(bytes_of(wanted)) else {
            return false;
        };
        let grown: *mut usize = grown.as_ptr().cast();
        // SAFETY: both have room for `count` addresses and are different pieces.
        unsafe {
            if stack.room != 0 {
                grown.copy_from_nonoverlapping(stack.blocks, stack.count as usize);
            }
            stack.free();
        }
        stack.blocks = grown;
        stack.room = wanted as u32;
        self.room_bytes += more;
        true
    }

    /// The block of `size` that was parked last; still parked.
    #[inline]
    pub fn last(&self, size: Granules) -> Option<usize> {
        let stack = self.stacks.get(size.0 as usize)?;
        let newest = (stack.count as usize).checked_sub(1)?;
        // SAFETY: the first `count` places are filled.
        Some(unsafe { stack.blocks.add(newest).read() })
    }

    /// Takes out the block of `size` that was parked last.
    #[inline]
    pub fn pop(&mut self, size: Granules) -> Option<usize> {
        let block = self.last(size)?;
        self.stacks[size.0 as usize].count -= 1;
        Some(block)
    }

    /// Any parked block.
    pub fn pop_any(&mut self) -> Option<usize> {
        let class = self.stacks.iter().position(|stack| stack.count != 0)?;
        self.pop(Granules(class as u32))
    }

    /// Nothing is parked.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.stacks.iter().all(|stack| stack.count == 0)
    }

    /// Number of parked blocks.
    pub fn count(&self) -> usize {
        let counts = self.stacks.iter().map(|stack| stack.count as usize);
        counts.sum()
    }

    /// Gives its records back.
    ///
    /// # Safety
    /// 1. Nobody uses it any more.
    pub unsafe fn destroy(&mut self) {
        for stack in &mut self.stacks {
            // SAFETY: (1).
            unsafe { stack.free() };
        }
    }
}

impl Stack {
    /// # Safety
    /// 1. What it holds is elsewhere or of no interest.
    unsafe fn free(&mut self) {
        if let Some(blocks) = NonNull::new(self.blocks).filter(|_| self.room != 0) {
            // SAFETY: (1); it came from `allocate` for this room.
            unsafe { metadata::free(blocks.cast(), bytes_of(self.room as usize)) };
        }
        self.blocks = ptr::null_mut();
        self.room = 0;
    }
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
            stacks: [const {
                Stack {
                    blocks: ptr::null_mut(),
                    count: 0,
                    room: 0,
                }
            }; CLASSES],
            room_bytes: 0,
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
