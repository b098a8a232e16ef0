//! Free blocks, found in constant time whatever their number.
//!
//! Sizes below [`EXACT`] granules have a class each; above, eight classes share a power of two. A
//! bitmap says which classes hold blocks. A class is a list whose links lie in the free blocks
//! themselves, hidden by the heap's key and checked before they are followed: a link must lead to a
//! block start of the same heap whose own link leads back (INV-LINKS).
//!
//! A request takes any block of the first class that surely fits; before that the first
//! [`LOOKS`] blocks of the request's own class are looked at and the best one is taken, so that a
//! run that fits exactly is not passed over. Both bounds are constants.

use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use rtl_platform::prefetch::prefetch;

use crate::entry::{HEADER_OFFSET, Key, USER_OFFSET};
use crate::regions;
use crate::units::{Granules, POINTER};

/// Sizes below this, in granules, have a class of their own.
const EXACT: u32 = 64;
const EXACT_POWER: u32 = EXACT.ilog2();
const SPLIT_BITS: u32 = 3;
const CLASSES: usize = (EXACT + (32 - EXACT_POWER) * (1 << SPLIT_BITS)) as usize;
const WORD_BITS: usize = 64;
const WORDS: usize = CLASSES.div_ceil(WORD_BITS);
/// Blocks of a class that are looked at for the best fit.
const LOOKS: usize = 8;

/// A link of a free block did not check out; the address of the block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BrokenLink(pub usize);

/// How far [`FreeIndex::find`] goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Constant time.
    Bounded,
    /// Every block of the request's own class: for a heap that would otherwise refuse.
    Exhaustive,
}

/// The index of one heap's free blocks. Guarded by the heap's lock.
pub struct FreeIndex {
    classes: [u64; WORDS],
    heads: [usize; CLASSES],
    owner: usize,
    total: usize,
}

fn class_of(size: Granules) -> usize {
    if size.0 < EXACT {
        return size.0 as usize;
    }
    let power = size.0.ilog2();
    let split = (size.0 >> (power - SPLIT_BITS)) & ((1 << SPLIT_BITS) - 1);
    (EXACT + (power - EXACT_POWER) * (1 << SPLIT_BITS) + split) as usize
}

/// Where a free block keeps its links: next, then previous.
const NEXT: usize = USER_OFFSET;
const PREVIOUS: usize = USER_OFFSET + POINTER;

/// Where a count is in a list.
#[derive(Clone, Copy)]
struct Place {
    class: usize,
    block: usize,
    previous: usize,
}

impl FreeIndex {
    /// Makes the zeroed memory at `index` an empty index for the heap whose record lies at `owner`.
    ///
    /// # Safety
    /// 1. `index` is zeroed and the caller's.
    pub unsafe fn write_empty(index: NonNull<FreeIndex>, owner: usize) {
        // SAFETY: (1). Empty classes are zero.
        unsafe { (*index.as_ptr()).owner = owner };
    }

    /// Bytes in all free blocks, committed or not.
    #[inline]
    pub fn total_bytes(&self) -> usize {
        self.total
    }

    /// Puts the free block at `block` into the index.
    ///
    /// # Safety
    /// 1. A free block of `size` starts at `block` in this heap, in no list, its links committed.
    #[inline]
    pub unsafe fn insert(&mut self, key: &Key, block: usize, size: Granules) {
        let class = class_of(size);
        let head = self.heads[class];
        // SAFETY: (1); a head is a free block of this heap (INV-LINKS), so its link is writable.
        unsafe {
            store(key, block + NEXT, head);
            store(key, block + PREVIOUS, 0);
            if head != 0 {
                store(key, head + PREVIOUS, block);
            }
        }
        self.heads[class] = block;
        self.classes[class / WORD_BITS] |= 1 << (class % WORD_BITS);
        self.total += size.bytes();
    }

    /// Takes the free block at `block` out. Changes nothing when one of its links is damaged.
    ///
    /// # Safety
    /// 1. A free block of `size` that is in the index starts at `block`.
    #[inline]
    pub unsafe fn remove(
        &mut self,
        key: &Key,
        block: usize,
        size: Granules,
    ) -> Result<(), BrokenLink> {
        let class = class_of(size);
        // SAFETY: (1).
        let (next, previous) = unsafe { self.neighbours(key, block, class) }?;
        // SAFETY: both neighbours were just checked.
        unsafe {
            if next != 0 {
                store(key, next + PREVIOUS, previous);
            }
            if previous != 0 {
                store(key, previous + NEXT, next);
            } else {
                self.heads[class] = next;
                if next == 0 {
                    self.classes[class / WORD_BITS] &= !(1 << (class % WORD_BITS));
                }
            }
        }
        self.total -= size.bytes();
        Ok(())
    }

    /// What is listed before and behind the free block at `block`: next, then previous.
    ///
    /// # Safety
    /// 1. As for [`FreeIndex::remove`]; `class` is the class of the block's size.
    #[inline]
    unsafe fn neighbours(
        &self,
        key: &Key,
        block: usize,
        class: usize,
    ) -> Result<(usize, usize), BrokenLink> {
        // SAFETY: (1).
        let (next, previous) = unsafe { (load(key, block + NEXT), load(key, block + PREVIOUS)) };
        // INV-LINKS, checked on both sides before either is changed.
        // SAFETY: `leads_back` and `load` follow a link only to a block start of this heap.
        let whole = unsafe {
            (next == 0 || self.is_block(next) && load(key, next + PREVIOUS) == block)
                && if previous == 0 {
                    self.heads[class] == block
                } else {
                    self.is_block(previous) && load(key, previous + NEXT) == block
                }
        };
        if whole {
            Ok((next, previous))
        } else {
            Err(BrokenLink(block))
        }
    }

    /// Has what is left of a free block take its place: `to` with a size, whose links are committed, for
    /// `from` with one. Changes nothing when one of its links is damaged.
    ///
    /// # Safety
    /// 1. As for [`FreeIndex::remove`] of `from`, then [`FreeIndex::insert`] of `to`.
    #[inline]
    pub unsafe fn shift(
        &mut self,
        key: &Key,
        from: (usize, Granules),
        to: (usize, Granules),
    ) -> Result<(), BrokenLink> {
        let class = class_of(from.1);
        if class_of(to.1) != class {
            // SAFETY: (1).
            unsafe {
                self.remove(key, from.0, from.1)?;
                self.insert(key, to.0, to.1);
            }
            return Ok(());
        }
        // SAFETY: (1).
        let (next, previous) = unsafe { self.neighbours(key, from.0, class) }?;
        // SAFETY: (1); both neighbours were just checked.
        unsafe {
            store(key, to.0 + NEXT, next);
            store(key, to.0 + PREVIOUS, previous);
            if next != 0 {
                store(key, next + PREVIOUS, to.0);
            }
            if previous != 0 {
                store(key, previous + NEXT, to.0);
            } else {
                self.heads[class] = to.0;
            }
        }
        self.total = self.total - from.1.bytes() + to.1.bytes();
        Ok(())
    }

    /// A block of at least `size`, still in the index.
    ///
    /// # Errors
    /// A damaged link or header on the way.
    #[inline]
    pub fn find(
        &self,
        key: &Key,
        size: Granules,
        effort: Effort,
    ) -> Result<Option<usize>, BrokenLink> {
        let own = class_of(size);
        if size.0 >= EXACT {
            let looks = if effort == Effort::Exhaustive {
                usize::MAX
            } else {
                LOOKS
            };
            if let Some(block) = self.best_of_class(key, own, size, looks)? {
                return Ok(Some(block));
            }
            return Ok(self
                .first_class_from(own + 1)
                .map(|class| self.heads[class]));
        }
        Ok(self.first_class_from(own).map(|class| self.heads[class]))
    }

    /// One of the largest blocks, still in the index; `None` when none of them surely has `size`.
    pub fn among_largest(&self, size: Granules) -> Option<usize> {
        let word = self.classes.iter().rposition(|bits| *bits != 0)?;
        let class = word * WORD_BITS + self.classes[word].ilog2() as usize;
        (class > class_of(size)).then(|| self.heads[class])
    }

    /// Number and bytes of the blocks in all lists, each checked.
    ///
    /// Several lists are followed at a time: each is a chain of reads that wait for one another, and
    /// lists of a large heap lie anywhere in memory.
    ///
    /// # Errors
    /// A damaged link or header, a block in the wrong list, or a list that does not end.
    pub fn count(&self, key: &Key) -> Result<(usize, usize), BrokenLink> {
        const AT_A_TIME: usize = 8;
        let mut lists = [None::<Place>; AT_A_TIME];
        let mut next_class = 0;
        let (mut count, mut bytes) = (0, 0);
        loop {
            let mut ended = 0;
            for list in &mut lists {
                let place = match list.take() {
                    Some(place) => Some(place),
                    None => self.next_list(&mut next_class)?,
                };
                let Some(place) = place else {
                    ended += 1;
                    continue;
                };
                let size = self.check_listed(key, &place)?;
                // Each block is counted once, so more bytes than there are means a circle.
                count += 1;
                bytes += size.bytes();
                if bytes > self.total {
                    return Err(BrokenLink(place.block));
                }
                // SAFETY: just checked to be a block start of this heap.
                let next = unsafe { load(key, place.block + NEXT) };
                if next != 0 {
                    prefetch(next + HEADER_OFFSET);
                    *list = Some(Place {
                        class: place.class,
                        block: next,
                        previous: place.block,
                    });
                }
            }
            if ended == AT_A_TIME {
                return Ok((count, bytes));
            }
        }
    }

    /// The start of the first list from `class` on that is not empty, whose class is then behind it.
    fn next_list(&self, class: &mut usize) -> Result<Option<Place>, BrokenLink> {
        while *class < CLASSES {
            let (own, block) = (*class, self.heads[*class]);
            *class += 1;
            let listed = self.classes[own / WORD_BITS] >> (own % WORD_BITS) & 1 != 0;
            if listed != (block != 0) {
                return Err(BrokenLink(block));
            }
            if listed {
                return Ok(Some(Place {
                    class: own,
                    block,
                    previous: 0,
                }));
            }
        }
        Ok(None)
    }

    /// The size of a listed block, whose header and link back are right.
    fn check_listed(&self, key: &Key, place: &Place) -> Result<Granules, BrokenLink> {
        let Place {
            class,
            block,
            previous,
        } = *place;
        if !self.is_block(block) {
            return Err(BrokenLink(previous));
        }
        // SAFETY: just checked to be a block start of this heap.
        let entry = unsafe { key.read(block) }.ok_or(BrokenLink(block))?;
        // SAFETY: as above.
        let back = unsafe { load(key, block + PREVIOUS) };
        if entry.is_busy() || class_of(entry.size) != class || back != previous {
            return Err(BrokenLink(block));
        }
        Ok(entry.size)
    }

    fn best_of_class(
        &self,
        key: &Key,
        class: usize,
        size: Granules,
        looks: usize,
    ) -> Result<Option<usize>, BrokenLink> {
        let mut best: Option<(Granules, usize)> = None;
        let mut block = self.heads[class];
        for _ in 0..looks {
            if block == 0 {
                break;
            }
            // SAFETY: a head is a free block of this heap, and each link is checked below.
            let found = unsafe { key.read(block) }.ok_or(BrokenLink(block))?.size;
            if found == size {
                return Ok(Some(block));
            }
            if found > size && best.is_none_or(|(least, _)| found < least) {
                best = Some((found, block));
            }
            // SAFETY: as above.
            let next = unsafe { load(key, block + NEXT) };
            if next != 0 && !self.is_block(next) {
                return Err(BrokenLink(block));
            }
            block = next;
        }
        Ok(best.map(|(_, block)| block))
    }

    #[inline]
    fn first_class_from(&self, class: usize) -> Option<usize> {
        let mut word = class / WORD_BITS;
        if word >= WORDS {
            return None;
        }
        let mut bits = self.classes[word] & (u64::MAX << (class % WORD_BITS));
        while bits == 0 {
            word += 1;
            if word == WORDS {
                return None;
            }
            bits = self.classes[word];
        }
        Some(word * WORD_BITS + bits.trailing_zeros() as usize)
    }

    /// A block of this heap starts at `address`, any bit pattern.
    #[inline]
    fn is_block(&self, address: usize) -> bool {
        regions::find(address).is_some_and(|region| {
            // SAFETY: INV-REGION; the owner's lock is held.
            let region = unsafe { region.as_ref() };
            region.owner.load(Ordering::Relaxed) == self.owner && region.is_block_start(address)
        })
    }
}

/// Writes a link.
///
/// # Safety
/// 1. `slot` is a link of a free block of the heap, whose lock is held.
#[inline]
unsafe fn store(key: &Key, slot: usize, block: usize) {
    // SAFETY: (1).
    unsafe { (slot as *mut usize).write(key.hide_link(slot, block)) }
}

/// Reads a link.
///
/// # Safety
/// 1. `slot` is a link of a free block of the heap, whose lock is held.
#[inline]
unsafe fn load(key: &Key, slot: usize) -> usize {
    // SAFETY: (1).
    key.reveal_link(slot, unsafe { (slot as *const usize).read() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_rise_with_size_and_hold_what_is_at_least_their_floor() {
        let mut previous = 0;
        for size in 2..200_000u32 {
            let class = class_of(Granules(size));
            assert!(
                class == previous || class == previous + 1 || size == 2,
                "{size}"
            );
            assert!(size >= EXACT || class == size as usize);
            previous = class;
        }
        assert!(class_of(Granules(u32::MAX)) < CLASSES);
    }
}
